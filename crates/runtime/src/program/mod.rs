//! A graph as operators over numbered values, on one backend: shapes are planned first, then the
//! plan runs.

mod batch;
mod plan;
mod report;
mod segment;

use burn_backend::Backend;
use scoville_onnx::Graph;

use crate::Error;
use crate::ops::Context;
use crate::ops::stand_in::StandIns;
use crate::step::{Registries, Slot, Slots, Step};
use crate::value::{Facts, Value, Values, upload};

pub(crate) use plan::Plan;
pub(crate) use report::Planned;

pub(crate) use segment::Segment;

use plan::Run;

/// Bytes that folding may always take; more where the file's own constants are larger.
const MIN_FOLDED_BYTES: u64 = 32 << 20;

/// A graph that is ready to run; whatever depends on constants alone has been computed.
pub(crate) struct Program<B: Backend> {
    steps: Vec<Step<B>>,
    names: Vec<String>,
    /// By slot; `None` for what a run computes.
    constants: Vec<Option<Value<B>>>,
    /// The graph's inputs, in order.
    inputs: Vec<Slot>,
    device: B::Device,
    /// Nodes that were computed at load.
    folded: usize,
    /// Most bytes that one value may take.
    limit: u64,
    /// Steps that kernels of our own run, many as one.
    segments: Vec<Segment<B>>,
    /// Through which operators gradients are taken by what stands for them.
    pub stand_ins: StandIns,
}

impl<B: Backend> Program<B> {
    /// Parses every node, moves the graph's constants to `device`, and computes what depends on them
    /// alone.
    pub fn compile(graph: &mut Graph, device: &B::Device, limit: u64) -> Result<Self, Error> {
        let mut slots = Slots::default();
        let inputs = graph.inputs.iter().map(|port| slots.of(&port.name));
        let mut program = Program {
            steps: Vec::new(),
            names: Vec::new(),
            constants: Vec::new(),
            inputs: inputs.collect(),
            device: device.clone(),
            folded: 0,
            limit,
            segments: Vec::new(),
            stand_ins: StandIns::None,
        };
        let constants = graph.constants.iter().map(|(name, tensor)| {
            program.check_size(name, &tensor.shape, 1)?;
            Ok((slots.of(name), 4 * tensor.len() as u64))
        });
        let constants: Vec<(Slot, u64)> = constants.collect::<Result<_, Error>>()?;
        let budget = MIN_FOLDED_BYTES.max(constants.iter().map(|(_, bytes)| bytes).sum());
        let context = Context::new(graph);
        let registries = Registries::new();
        let nodes = graph.nodes.iter().enumerate();
        let steps = nodes.map(|(i, node)| Step::parse(i, node, &context, &registries, &mut slots));
        let steps: Vec<Step<B>> = steps.collect::<Result<_, _>>()?;
        program.constants.resize(slots.len(), None);
        let moved = std::mem::take(&mut graph.constants);
        for ((name, tensor), (slot, _)) in moved.into_iter().zip(constants) {
            let value = Value::constant(&name, tensor, device)?;
            set(&mut program.constants, slot, value);
        }
        let mut folded = 0;
        for step in steps {
            match program.fold(&step, budget - folded)? {
                Some(values) => {
                    folded += values.iter().map(value_bytes).sum::<u64>();
                    program.folded += 1;
                    for (slot, value) in step.outputs.iter().zip(values) {
                        slot.iter()
                            .for_each(|&slot| set(&mut program.constants, slot, value.clone()));
                    }
                }
                None => program.steps.push(step),
            }
        }
        program.names = slots.names;
        let outputs = graph.outputs.iter().map(|port| port.name.as_str());
        program.drop_unread(&outputs.collect::<Vec<_>>());
        Ok(program)
    }

    /// Computes a step whose inputs are all constants, if the result takes at most `budget` bytes.
    fn fold(&self, step: &Step<B>, budget: u64) -> Result<Option<Vec<Value<B>>>, Error> {
        if step.is_random() {
            return Ok(None);
        }
        let values = step.inputs.iter().map(|slot| match slot {
            Some(slot) => self.constants.get(*slot).cloned().flatten().map(Some),
            None => Some(None),
        });
        let Some(inputs) = values.collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let facts = inputs
            .iter()
            .map(|value| value.as_ref().map(|value| value.fact.clone()));
        let outputs = step.infer(Facts(facts.collect()))?;
        for fact in &outputs {
            self.check_size(&step.node, fact.shape(), 1)?;
        }
        let bytes = outputs.iter().map(|fact| 8 * fact.len() as u64);
        if bytes.fold(0, u64::saturating_add) > budget {
            // Computed again at each run, where it is freed as soon as it has been read.
            return Ok(None);
        }
        let inputs = Values {
            inputs,
            device: &self.device,
            stand_ins: false,
        };
        let mut values = step.run(inputs, &outputs)?;
        for value in values.iter_mut().filter(|value| value.fact.is_float()) {
            if value.tensor.is_none() {
                value.tensor = upload::<B>(&value.fact, &self.device).ok();
            }
        }
        Ok(Some(values))
    }

    /// Drops the constants that folding left without a reader.
    fn drop_unread(&mut self, outputs: &[&str]) {
        let mut read: Vec<bool> = self
            .names
            .iter()
            .map(|name| outputs.contains(&name.as_str()))
            .collect();
        for &slot in self
            .steps
            .iter()
            .flat_map(|step| step.inputs.iter().flatten())
        {
            if let Some(place) = read.get_mut(slot) {
                *place = true;
            }
        }
        for (constant, read) in self.constants.iter_mut().zip(read) {
            if !read {
                *constant = None;
            }
        }
    }

    /// Runs a plan of this program on inputs of the planned shapes; the targets come out. `tape` says whether gradients will
    /// be taken.
    pub fn run(
        &self,
        plan: &Plan,
        feeds: Vec<Value<B>>,
        tape: bool,
    ) -> Result<Vec<Value<B>>, Error> {
        let mut values = self.constants.clone();
        for (&slot, feed) in self.inputs.iter().zip(feeds) {
            set(&mut values, slot, feed);
        }
        for (i, run) in plan.runs.iter().enumerate() {
            let reads = self.reads(i, *run);
            let inputs = reads
                .iter()
                .map(|slot| values.get((*slot)?).cloned().flatten())
                .collect();
            // Dropped before its last reader runs, so that burn can reuse the memory in place.
            for &slot in reads.iter().flatten() {
                if plan.last_use.get(slot) == Some(&i) {
                    values.get_mut(slot).map(Option::take);
                }
            }
            let moves = |step: &Step<B>| tape && self.stand_ins.cover(step.gradient);
            let inputs = Values {
                inputs,
                device: &self.device,
                stand_ins: self.steps.get(i).is_some_and(moves),
            };
            for (slot, value) in self.run_step(i, *run, plan, inputs)? {
                set(&mut values, slot, value);
            }
        }
        plan.targets
            .iter()
            .map(|&slot| {
                let value = values.get(slot).cloned().flatten();
                value.ok_or_else(|| unmade(self.names.get(slot).map_or("", String::as_str)))
            })
            .collect()
    }

    /// What comes at the place of step `i`, by slot.
    fn run_step(
        &self,
        i: usize,
        run: Run,
        plan: &Plan,
        mut inputs: Values<B>,
    ) -> Result<Vec<(Slot, Value<B>)>, Error> {
        let Some(step) = self.steps.get(i) else {
            return Ok(Vec::new());
        };
        let outputs = match (run, plan.outputs.get(i)) {
            (Run::Skip, _) | (_, None | Some(None)) => return Ok(Vec::new()),
            (Run::Step, Some(Some(facts))) => step.run(inputs, facts)?,
            (Run::Segment(index), Some(Some(facts))) => {
                let (Some(segment), Some(fact)) = (self.segments.get(index), facts.first()) else {
                    return Ok(Vec::new());
                };
                let x = inputs.tensor(0).map_err(|fault| step.fault_of(fault))?;
                let out = segment.net.run(x, fact.shape());
                let out = out.map_err(|fault| step.fault_of(fault))?;
                vec![Value::new(fact.clone(), out)]
            }
        };
        let made = step.outputs.iter().zip(outputs);
        Ok(made
            .filter_map(|(slot, value)| Some(((*slot)?, value)))
            .collect())
    }

    /// The slots that are read at the place of step `i`.
    fn reads(&self, i: usize, run: Run) -> Vec<Option<Slot>> {
        match run {
            Run::Skip => Vec::new(),
            Run::Step => self
                .steps
                .get(i)
                .map(|step| step.inputs.clone())
                .unwrap_or_default(),
            Run::Segment(index) => {
                let segment = self.segments.get(index);
                segment
                    .map(|segment| Some(segment.input))
                    .into_iter()
                    .collect()
            }
        }
    }

    /// How many nodes were computed at load.
    pub fn folded(&self) -> usize {
        self.folded
    }

    /// Whether a step draws random numbers.
    pub fn is_random(&self) -> bool {
        self.steps.iter().any(Step::is_random)
    }

    /// Draws again the random numbers that were drawn first.
    pub fn rewind(&self) {
        self.steps.iter().for_each(Step::rewind);
    }

    fn check_size(&self, value: &str, shape: &[usize], batch: usize) -> Result<(), Error> {
        let bytes = shape
            .iter()
            .try_fold(4u128, |bytes, &size| bytes.checked_mul(size as u128));
        match bytes {
            Some(bytes) if bytes <= u128::from(self.limit) => Ok(()),
            bytes => Err(Error::TooLarge {
                value: value.into(),
                bytes: bytes.unwrap_or(u128::MAX),
                batch,
                limit: self.limit,
            }),
        }
    }
}

fn value_bytes<B: Backend>(value: &Value<B>) -> u64 {
    8 * value.fact.len() as u64
}

fn unmade(name: &str) -> Error {
    let what = "nothing that runs makes it".into();
    Error::Interface {
        port: format!("value {name}"),
        what,
    }
}

fn set<T>(slots: &mut [Option<T>], slot: Slot, value: T) {
    if let Some(place) = slots.get_mut(slot) {
        *place = Some(value);
    }
}
