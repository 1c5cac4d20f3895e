//! A network that is ready to run.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::prelude::*;

use crate::error::Error;
use crate::layer::{Kind, Layer, Layout};
use crate::patch::Patches;
use crate::plan::{Plan, Program, plan, plan_back};
use crate::pool::Pick;
use crate::run::{Marks, Pass, Workspace};
use crate::simd::{BLOCK, Block};

/// Bytes of tapes that are kept for the next ones.
const MOST_BLANK: usize = 256 << 20;

/// A convolutional network, with packed weights.
#[derive(Debug)]
pub struct Net {
    plan: Plan,
    /// Packed when the first gradient is asked for.
    back: OnceLock<Option<Program>>,
    /// What `back` will be made of.
    source: Mutex<([usize; 3], Vec<Layer>)>,
    inputs: usize,
    outputs: usize,
    /// Samples of a group.
    group: usize,
    patches: Option<Patches>,
    idle: Mutex<Vec<Workspace>>,
    /// Of tapes that are no longer needed: new memory costs more than what is written there.
    blank: Arc<Mutex<Vec<Marks>>>,
}

/// What a gradient needs of the forward pass.
#[derive(Debug)]
pub struct Tape {
    groups: Vec<Marks>,
    /// Samples of each group but the last.
    group: usize,
    /// Where its memory goes.
    blank: Arc<Mutex<Vec<Marks>>>,
}

impl Drop for Tape {
    fn drop(&mut self) {
        let mut blank = self.blank.lock().unwrap_or_else(PoisonError::into_inner);
        let held: usize = blank.iter().map(Marks::bytes).sum();
        let mut left = MOST_BLANK.saturating_sub(held);
        for marks in self.groups.drain(..) {
            if marks.bytes() <= left {
                left -= marks.bytes();
                blank.push(marks);
            }
        }
    }
}

impl Net {
    /// A network of samples of `input` channels, rows and columns; the last layer makes the output.
    pub fn new(input: [usize; 3], layers: Vec<Layer>) -> Result<Net, Error> {
        Net::with_layout(input, layers, Default::default())
    }

    /// The same, with the elements of its input and output in any order.
    pub fn with_layout(
        input: [usize; 3],
        layers: Vec<Layer>,
        ends: [Layout; 2],
    ) -> Result<Net, Error> {
        let input = match ends[0] {
            Layout::First => flattened(input, &layers),
            Layout::Last => input,
        };
        let plan = plan(input, &layers, ends)?;
        let group = plan.forward.group();
        Ok(Net {
            inputs: input.iter().product(),
            outputs: plan.forward.outputs(),
            patches: Patches::new(&plan.forward),
            plan,
            back: OnceLock::new(),
            source: Mutex::new((input, layers)),
            group,
            idle: Mutex::default(),
            blank: Arc::default(),
        })
    }

    fn back(&self) -> Option<&Program> {
        let make = || {
            let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
            let (input, layers) = std::mem::take(&mut *source);
            plan_back(input, &layers, &self.plan)
        };
        self.back.get_or_init(make).as_ref()
    }

    /// Elements of a sample's input.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Elements of a sample's output.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Bytes that the tape takes for a sample.
    pub fn tape_bytes(&self) -> usize {
        let marks = &self.plan.marks;
        marks.all_bits * size_of::<u16>()
            + marks.all_picks * size_of::<Pick>()
            + marks.all_numbers * size_of::<Block>()
    }

    /// Bytes that running `samples` takes on all threads, beside inputs, outputs and tape.
    pub fn work_bytes(&self, samples: usize) -> usize {
        let group = self.group_of(samples);
        let groups = samples.div_ceil(group).min(rayon::current_num_threads());
        let forward = &self.plan.forward;
        let patches = self.patches.as_ref();
        groups * (group * forward.work() * size_of::<Block>() + forward.planes() * size_of::<f32>())
            + patches.map_or(0, |patches| patches.bytes(samples))
    }

    /// The outputs of the samples `x`, each of channels, rows, columns; and the tape, if it is wanted.
    ///
    /// Elements after the last whole sample are ignored. Where only a patch of each sample changed since the calls before
    /// from this thread, no more than that is run; what comes out is the same.
    pub fn forward(&self, x: &[f32], record: bool) -> (Vec<f32>, Option<Tape>) {
        let samples = x.len() / self.inputs();
        let group = self.group_of(samples);
        let mut out = vec![0.0; samples * self.outputs()];
        let x = &x[..samples * self.inputs()];
        if let Some(patches) = self.patches.as_ref().filter(|_| !record)
            && patches.forward(self, x, &mut out)
        {
            return (out, None);
        }
        let inputs = x.par_chunks(group * self.inputs());
        let outputs = out.par_chunks_mut(group * self.outputs());
        let marks = inputs.zip(outputs).map(|(x, out)| {
            let size = out.len() / self.outputs();
            let mut marks = record.then(|| self.marks(size));
            let tape = match &mut marks {
                Some(marks) => Pass::Record(marks),
                None => Pass::Forget,
            };
            self.work(|work| work.run(&self.plan.forward, size, x, out, tape));
            marks
        });
        let all: Vec<Option<Marks>> = marks.collect();
        let groups: Option<Vec<Marks>> = all.into_iter().collect();
        let tape = |groups| Tape {
            groups,
            group,
            blank: self.blank.clone(),
        };
        (out, groups.filter(|_| record).map(tape))
    }

    /// A tape for `size` samples, of which every part will be written.
    fn marks(&self, size: usize) -> Marks {
        let blank = self
            .blank
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut marks = blank.unwrap_or_default();
        let all = &self.plan.marks;
        marks.bits.resize(size * all.all_bits, 0);
        marks.picks.resize(size * all.all_picks, [0; BLOCK]);
        marks.numbers.resize(size * all.all_numbers, Block::ZERO);
        marks
    }

    /// From the derivative by the outputs to the one by the inputs, of the samples that left `tape`.
    pub fn backward(&self, tape: &Tape, by_output: &[f32]) -> Vec<f32> {
        let samples = by_output.len() / self.outputs();
        let mut by_input = vec![0.0; samples * self.inputs()];
        let Some(back) = self.back() else {
            return by_input;
        };
        let inputs = by_output.par_chunks(tape.group * self.outputs());
        let outputs = by_input.par_chunks_mut(tape.group * self.inputs());
        let groups = inputs.zip(outputs).zip(&tape.groups);
        groups.for_each(|((by_output, by_input), marks)| {
            let size = by_output.len() / self.outputs();
            let tape = Pass::Follow(marks);
            self.work(|work| work.run(back, size, by_output, by_input, tape));
        });
        by_input
    }

    /// A group of `samples`: not so large that threads have nothing to do.
    fn group_of(&self, samples: usize) -> usize {
        let share = samples.div_ceil(rayon::current_num_threads());
        self.group.min(share).max(1)
    }

    /// Samples of a group, where there are as many for each thread.
    pub(crate) fn group(&self) -> usize {
        self.group
    }

    /// The operations of the way forward.
    pub(crate) fn program(&self) -> &Program {
        &self.plan.forward
    }

    #[cfg(test)]
    pub(crate) fn patches(&self) -> Option<&Patches> {
        self.patches.as_ref()
    }

    /// Lends memory to work in.
    pub(crate) fn work<R>(&self, run: impl FnOnce(&mut Workspace) -> R) -> R {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut work = idle().pop().unwrap_or_default();
        let result = run(&mut work);
        idle().push(work);
        result
    }
}

/// Where all that read the input are dense layers, its elements may as well be channels, which fill blocks.
fn flattened(input: [usize; 3], layers: &[Layer]) -> [usize; 3] {
    let mut readers = layers.iter().filter(|layer| layer.inputs.contains(&0));
    match readers.all(|layer| matches!(layer.kind, Kind::Dense(_))) {
        true => [input.iter().product(), 1, 1],
        false => input,
    }
}
