//! A network that is ready to run.

use std::sync::{Mutex, OnceLock, PoisonError};

use rayon::prelude::*;

use crate::end::{Beside, Bits};
use crate::error::Error;
use crate::layer::{Kind, Layer};
use crate::map::{View, ViewMut};
use crate::plan::{Core, Op, Plan, Program, plan, plan_back};
use crate::pool::Pick;
use crate::simd::{BLOCK, Block};

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
    idle: Mutex<Vec<Workspace>>,
}

/// What a gradient needs of the forward pass.
#[derive(Debug, Clone)]
pub struct Tape {
    groups: Vec<Marks>,
    /// Samples of each group but the last.
    group: usize,
}

/// What one group leaves on the tape.
#[derive(Debug, Clone, Default)]
struct Marks {
    bits: Vec<u16>,
    picks: Vec<Pick>,
}

/// Memory that is used again.
#[derive(Debug, Default)]
struct Workspace {
    buffers: Vec<Vec<Block>>,
    scratch: Vec<Block>,
    planes: Vec<f32>,
}

impl Net {
    /// A network of samples of `input` channels, rows and columns; the last layer makes the output.
    pub fn new(input: [usize; 3], layers: Vec<Layer>) -> Result<Net, Error> {
        let input = flattened(input, &layers);
        let plan = plan(input, &layers)?;
        let group = plan.forward.group();
        let out = &plan.forward.maps[plan.forward.output];
        Ok(Net {
            inputs: input.iter().product(),
            outputs: out.channels * out.pixels(),
            plan,
            back: OnceLock::new(),
            source: Mutex::new((input, layers)),
            group,
            idle: Mutex::default(),
        })
    }

    fn back(&self) -> Option<&Program> {
        let make = || {
            let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
            let (input, layers) = std::mem::take(&mut *source);
            plan_back(input, &layers, &self.plan.marks)
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
        self.plan.marks.all_bits * size_of::<u16>() + self.plan.marks.all_picks * size_of::<Pick>()
    }

    /// Bytes that running `samples` takes on all threads, beside inputs, outputs and tape.
    pub fn work_bytes(&self, samples: usize) -> usize {
        let group = self.group_of(samples);
        let groups = samples.div_ceil(group).min(rayon::current_num_threads());
        let forward = &self.plan.forward;
        groups * (group * forward.work() * size_of::<Block>() + forward.planes() * size_of::<f32>())
    }

    /// The outputs of the samples `x`, each of channels, rows, columns; and the tape, if it is wanted.
    ///
    /// Elements after the last whole sample are ignored.
    pub fn forward(&self, x: &[f32], record: bool) -> (Vec<f32>, Option<Tape>) {
        let samples = x.len() / self.inputs();
        let group = self.group_of(samples);
        let mut out = vec![0.0; samples * self.outputs()];
        let inputs = x.par_chunks(group * self.inputs());
        let outputs = out.par_chunks_mut(group * self.outputs());
        let marks = inputs.zip(outputs).map(|(x, out)| {
            let size = out.len() / self.outputs();
            let mut marks = Marks::default();
            if record {
                marks.bits = vec![0; size * self.plan.marks.all_bits];
                marks.picks = vec![[0; BLOCK]; size * self.plan.marks.all_picks];
            }
            let tape = match record {
                true => Pass::Record(&mut marks),
                false => Pass::Forget,
            };
            self.run(&self.plan.forward, size, x, out, tape);
            marks
        });
        let groups = marks.collect();
        (out, record.then_some(Tape { groups, group }))
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
            self.run(back, size, by_output, by_input, tape);
        });
        by_input
    }

    /// A group of `samples`: not so large that threads have nothing to do.
    fn group_of(&self, samples: usize) -> usize {
        let share = samples.div_ceil(rayon::current_num_threads());
        self.group.min(share).max(1)
    }

    fn run(&self, program: &Program, group: usize, from: &[f32], to: &mut [f32], mut pass: Pass) {
        let mut work = self.lock().pop().unwrap_or_default();
        work.buffers
            .resize_with(work.buffers.len().max(program.count), Vec::new);
        let (maps, buffers) = (&program.maps, &program.buffers);
        work.write(program, group, program.input, |out, work| {
            match &program.first {
                Some(first) => {
                    let mut beside = pass.beside(None, group);
                    first.run(from, out, &mut beside, &mut work.planes);
                }
                None => out.map.import(group, from, out.data),
            }
        });
        for op in &program.ops {
            work.write(program, group, op.to, |out, work| {
                let view = |id: usize| View {
                    map: &maps[id],
                    data: &work.buffers[buffers[id]],
                    group,
                };
                let (source, add) = (view(op.source), op.add.map(view));
                run_op(op, source, add, out, &mut pass, &mut work.scratch);
            });
        }
        let data = &work.buffers[buffers[program.output]];
        let map = &maps[program.output];
        match &program.last {
            Some(last) => last.run(View { map, data, group }, to),
            None => map.export(group, data, to),
        }
        self.lock().push(work);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Workspace>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
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

impl Workspace {
    /// Lets `make` write the value `id`, which no value that it reads shares its memory with.
    fn write(
        &mut self,
        program: &Program,
        group: usize,
        id: usize,
        make: impl FnOnce(&mut ViewMut, &mut Workspace),
    ) {
        let (map, buffer) = (&program.maps[id], program.buffers[id]);
        let mut data = core::mem::take(&mut self.buffers[buffer]);
        let mut out = ViewMut {
            map,
            data: sized(&mut data, group * map.size()),
            group,
        };
        map.clear_halo(group, out.data);
        make(&mut out, self);
        self.buffers[buffer] = data;
    }
}

/// What a pass does with the tape.
enum Pass<'a> {
    Forget,
    Record(&'a mut Marks),
    Follow(&'a Marks),
}

impl Pass<'_> {
    fn beside<'b>(&'b mut self, add: Option<View<'b>>, group: usize) -> Beside<'b> {
        let bits = match self {
            Pass::Forget => Bits::Off,
            Pass::Record(marks) => Bits::Write(&mut marks.bits),
            Pass::Follow(marks) => Bits::Read(&marks.bits),
        };
        Beside { add, bits, group }
    }
}

fn run_op(
    op: &Op,
    source: View,
    add: Option<View>,
    to: &mut ViewMut,
    pass: &mut Pass,
    scratch: &mut Vec<Block>,
) {
    let group = to.group;
    if let Core::MaxPoolBack(..) | Core::AveragePoolBack(_) = op.core {
        start_from(add, to);
    }
    match (&op.core, &mut *pass) {
        (Core::MaxPool(pool, at), Pass::Record(marks)) => {
            return pool.largest(source, to, Some(&mut marks.picks[at * group..]));
        }
        (Core::MaxPool(pool, _), _) => return pool.largest(source, to, None),
        (Core::MaxPoolBack(pool, at), Pass::Follow(marks)) => {
            return pool.largest_back(source, to, &marks.picks[at * group..]);
        }
        (Core::AveragePool(pool), _) => return pool.mean(source, to),
        (Core::AveragePoolBack(pool), _) => return pool.mean_back(source, to),
        _ => {}
    }
    let mut beside = pass.beside(add, group);
    match &op.core {
        Core::Correlation(op) => op.run(source, to, &mut beside),
        Core::Depthwise(op) => op.run(source, to, &mut beside),
        Core::Winograd(op) => op.run(source, to, &mut beside, scratch),
        Core::Pointwise(end) => crate::pointwise::run(end, source, to, &mut beside),
        _ => {}
    }
}

/// Copies `add` to where more will be added, or writes zeros.
fn start_from(add: Option<View>, to: &mut ViewMut) {
    let Some(add) = add else {
        return to.data.fill(Block::ZERO);
    };
    for b in 0..to.map.blocks() {
        for s in 0..to.group {
            for y in 0..to.map.rows {
                let (from, at) = (add.at(b, s, y, 0), to.at(b, s, y, 0));
                to.data[at..at + to.map.cols].copy_from_slice(&add.data[from..][..to.map.cols]);
            }
        }
    }
}

/// The first `len` blocks of a buffer, which grows to hold them.
fn sized(buffer: &mut Vec<Block>, len: usize) -> &mut [Block] {
    if buffer.len() < len {
        buffer.resize(len, Block::ZERO);
    }
    &mut buffer[..len]
}
