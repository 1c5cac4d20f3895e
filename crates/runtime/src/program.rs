//! A graph as operators over numbered values, on one backend: shapes are planned first, then the
//! plan runs.

use burn_backend::Backend;
use burn_backend::tensor::FloatTensor;
use scoville_onnx::Graph;

use crate::Error;
use crate::ops::samples::Samples;
use crate::ops::{Context, Gradient};
use crate::patterns::{self, Link};
use crate::step::{Registries, Slot, Slots, Step};
use crate::value::{Fact, Facts, Value, Values, upload};

/// Most bytes of elements that a plan computes before the run.
const MAX_KNOWN_BYTES: u64 = 64 << 20;
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
}

/// What a run towards some values will make, for inputs of certain shapes.
pub(crate) struct Plan {
    targets: Vec<Slot>,
    /// By slot.
    facts: Vec<Option<Fact>>,
    /// By step and output; `None` for a step that no target needs.
    outputs: Vec<Option<Vec<Fact>>>,
    /// For each slot, the last step that reads it.
    last_use: Vec<usize>,
    /// Bytes of what a run holds at its fullest moment.
    pub peak: u64,
    /// Bytes of all that a run makes, which a gradient holds.
    pub total: u64,
}

impl Plan {
    /// What the run's `index`th target will be.
    pub fn target(&self, index: usize) -> Option<&Fact> {
        self.facts.get(*self.targets.get(index)?)?.as_ref()
    }

    /// The slot of the first target.
    pub fn target_slot(&self) -> Slot {
        self.targets.first().copied().unwrap_or(usize::MAX)
    }

    /// The shape of the first target.
    pub fn shape(&self) -> &[usize] {
        self.target(0).map(Fact::shape).unwrap_or_default()
    }
}

/// One step of a plan, for reports.
pub(crate) struct Planned<'a> {
    pub index: usize,
    pub node: &'a str,
    pub op: &'a str,
    pub gradient: Gradient,
    /// Whether it only moves elements.
    pub moves: bool,
    pub inputs: Vec<Option<PlannedInput<'a>>>,
    pub outputs: &'a [Fact],
}

/// What a planned step reads.
pub(crate) struct PlannedInput<'a> {
    pub slot: Slot,
    pub fact: &'a Fact,
    /// Whether it is a constant of the graph.
    pub constant: bool,
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
        };
        let constants = graph.constants.iter().map(|(name, tensor)| {
            program.check_size(name, &tensor.shape, 1)?;
            Ok((slots.of(name), 4 * tensor.len() as u64))
        });
        let constants: Vec<(Slot, u64)> = constants.collect::<Result<_, Error>>()?;
        let budget = MIN_FOLDED_BYTES.max(constants.iter().map(|(_, bytes)| bytes).sum());
        let context = Context::new(graph);
        let registries = Registries::new();
        let steps = graph
            .nodes
            .iter()
            .map(|node| Step::parse(node, &context, &registries, &mut slots));
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

    /// Infers every shape on the way from inputs that are `feeds`, in the graph's order, to the
    /// values `targets`.
    pub fn plan(&self, feeds: Vec<Fact>, targets: &[&str]) -> Result<Plan, Error> {
        let batch = feeds
            .first()
            .and_then(|feed| feed.shape().first().copied())
            .unwrap_or(1);
        let slot = |name: &&str| self.names.iter().position(|n| n == name);
        let targets: Vec<Slot> = targets
            .iter()
            .map(|name| slot(name).ok_or_else(|| unmade(name)))
            .collect::<Result<_, _>>()?;
        let needed = self.needed(&targets);
        let mut facts: Vec<Option<Fact>> = self
            .constants
            .iter()
            .map(|value| value.as_ref().map(|value| value.fact.clone()))
            .collect();
        let mut last_use = vec![0; facts.len()];
        for (&slot, feed) in self.inputs.iter().zip(feeds) {
            self.check_size("the input", feed.shape(), batch)?;
            set(&mut facts, slot, feed);
        }
        let mut planned = Vec::with_capacity(self.steps.len());
        let mut known = 0;
        for (i, (step, needed)) in self.steps.iter().zip(needed).enumerate() {
            if !needed {
                planned.push(None);
                continue;
            }
            let outputs = step.infer(step.facts(&facts)?)?;
            for (slot, fact) in step.outputs.iter().zip(&outputs) {
                self.check_size(&step.node, fact.shape(), batch)?;
                slot.iter()
                    .for_each(|&slot| set(&mut facts, slot, fact.clone()));
            }
            step.inputs
                .iter()
                .flatten()
                .for_each(|&slot| set_last(&mut last_use, slot, i));
            known += known_bytes(&outputs);
            if known > MAX_KNOWN_BYTES {
                return Err(Error::Folding {
                    node: step.node.clone(),
                    limit: MAX_KNOWN_BYTES,
                });
            }
            planned.push(Some(outputs));
        }
        if let Some(&slot) = targets
            .iter()
            .find(|&&slot| !matches!(facts.get(slot), Some(Some(_))))
        {
            return Err(unmade(self.names.get(slot).map_or("", String::as_str)));
        }
        // A target outlives every step.
        for &slot in &targets {
            set_last(&mut last_use, slot, usize::MAX);
        }
        let (peak, total) = self.memory(&planned, &facts, &last_use);
        Ok(Plan {
            targets,
            facts,
            outputs: planned,
            last_use,
            peak,
            total,
        })
    }

    /// Bytes of what the planned steps hold at their fullest moment, and of all that they make.
    fn memory(
        &self,
        planned: &[Option<Vec<Fact>>],
        facts: &[Option<Fact>],
        last_use: &[usize],
    ) -> (u64, u64) {
        let bytes = |fact: &Fact| {
            fact.shape()
                .iter()
                .fold(4u64, |b, &n| b.saturating_mul(n as u64))
        };
        let of_slot = |slot: Slot| facts.get(slot)?.as_ref().map(bytes);
        let (mut live, mut peak, mut total) = (0u64, 0u64, 0u64);
        for (i, (step, outputs)) in self.steps.iter().zip(planned).enumerate() {
            let Some(outputs) = outputs else { continue };
            let made = outputs.iter().map(bytes).fold(0, u64::saturating_add);
            live = live.saturating_add(made);
            total = total.saturating_add(made);
            peak = peak.max(live);
            let mut done: Vec<Slot> = step.inputs.iter().flatten().copied().collect();
            done.sort_unstable();
            done.dedup();
            let done = done.into_iter().filter(|&slot| {
                let computed = matches!(self.constants.get(slot), Some(None));
                computed && last_use.get(slot) == Some(&i)
            });
            live = live.saturating_sub(done.filter_map(of_slot).sum());
        }
        (peak, total)
    }

    /// For each step, whether a target depends on it.
    fn needed(&self, targets: &[Slot]) -> Vec<bool> {
        let mut wanted = vec![false; self.names.len()];
        let mark = |wanted: &mut Vec<bool>, slot: Slot| {
            if let Some(place) = wanted.get_mut(slot) {
                *place = true;
            }
        };
        targets.iter().for_each(|&slot| mark(&mut wanted, slot));
        let mut needed = vec![false; self.steps.len()];
        for (step, needed) in self.steps.iter().zip(&mut needed).rev() {
            let outputs = &mut step.outputs.iter().flatten();
            *needed = outputs.any(|&slot| wanted.get(slot) == Some(&true));
            if *needed {
                step.inputs
                    .iter()
                    .flatten()
                    .for_each(|&slot| mark(&mut wanted, slot));
            }
        }
        needed
    }

    /// Runs a plan of this program on inputs of the planned shapes; the targets come out.
    pub fn run(&self, plan: &Plan, feeds: Vec<Value<B>>) -> Result<Vec<Value<B>>, Error> {
        let mut values = self.constants.clone();
        for (&slot, feed) in self.inputs.iter().zip(feeds) {
            set(&mut values, slot, feed);
        }
        for (i, (step, outputs)) in self.steps.iter().zip(&plan.outputs).enumerate() {
            let Some(outputs) = outputs else { continue };
            let inputs = step
                .inputs
                .iter()
                .map(|slot| values.get((*slot)?).cloned().flatten())
                .collect();
            // Dropped before its last reader runs, so that burn can reuse the memory in place.
            for &slot in step.inputs.iter().flatten() {
                if plan.last_use.get(slot) == Some(&i) {
                    values.get_mut(slot).map(Option::take);
                }
            }
            let inputs = Values {
                inputs,
                device: &self.device,
            };
            for (slot, value) in step.outputs.iter().zip(step.run(inputs, outputs)?) {
                slot.iter()
                    .for_each(|&slot| set(&mut values, slot, value.clone()));
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

    /// The steps of a plan.
    pub fn planned<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = Planned<'a>> {
        let steps = self.steps.iter().zip(&plan.outputs).enumerate();
        steps.filter_map(move |(index, (step, outputs))| {
            let input = |slot: &Option<Slot>| {
                let slot = (*slot)?;
                Some(PlannedInput {
                    slot,
                    fact: plan.facts.get(slot)?.as_ref()?,
                    constant: self.constants.get(slot).is_some_and(Option::is_some),
                })
            };
            Some(Planned {
                index,
                node: &step.node,
                op: &step.op,
                gradient: step.gradient,
                moves: step.moves(),
                inputs: step.inputs.iter().map(input).collect(),
                outputs: outputs.as_deref()?,
            })
        })
    }

    /// How many nodes were computed at load.
    pub fn folded(&self) -> usize {
        self.folded
    }

    /// The chains of planned steps that one kernel can compute, as indices of steps.
    pub fn chains(&self, plan: &Plan) -> Vec<Vec<usize>> {
        let links = self.steps.iter().zip(&plan.outputs).map(|(step, outputs)| {
            let planned = outputs.is_some();
            let inputs = step.inputs.iter().flatten().copied();
            Link {
                op: if planned { &step.op } else { "" },
                inputs: if planned {
                    inputs.collect()
                } else {
                    Vec::new()
                },
                output: step.outputs.first().copied().flatten(),
            }
        });
        patterns::chains(&links.collect::<Vec<_>>(), &plan.targets)
    }

    /// Where the samples of the plan's batch lie in every value; or the first step on the way to
    /// the targets of which it is not certain that it keeps them apart, with its operator.
    pub fn samples(&self, plan: &Plan) -> Result<Vec<Option<Samples>>, (&str, &str)> {
        let (samples, mixer) = self.follow(plan);
        match mixer.and_then(|step| self.steps.get(step)) {
            Some(step) => Err((&step.node, &step.op)),
            None => Ok(samples),
        }
    }

    /// As far as it is certain, where the samples lie; and the first step that is not.
    fn follow(&self, plan: &Plan) -> (Vec<Option<Samples>>, Option<usize>) {
        let mut samples = vec![None; self.names.len()];
        let mut mixer = None;
        for &slot in &self.inputs {
            set(&mut samples, slot, Samples::FIRST);
        }
        for (i, (step, outputs)) in self.steps.iter().zip(&plan.outputs).enumerate() {
            let (Some(outputs), Ok(facts)) = (outputs, step.facts(&plan.facts)) else {
                continue;
            };
            let known = outputs.iter().all(Fact::is_known);
            let of_input = |slot: &Option<Slot>| samples.get((*slot)?).copied().flatten();
            let inputs: Vec<_> = step.inputs.iter().map(of_input).collect();
            let found = match known {
                true => Some(Vec::new()),
                false => step.samples(&inputs, &facts, outputs),
            };
            if found.is_none() {
                mixer = mixer.or(Some(i));
            }
            // What is uncertain is taken to be the usual, so that lifting can go on.
            let guess = vec![Some(Samples::FIRST); outputs.len()];
            for (slot, found) in step.outputs.iter().zip(found.unwrap_or(guess)) {
                if let Some((slot, found)) = slot.zip(found) {
                    set(&mut samples, slot, found);
                }
            }
        }
        (samples, mixer)
    }

    /// Rewrites each Reshape of samples to a constant shape so that the size in which the
    /// batch stands is what is left over: the same function at the exported batch, and defined at
    /// any other.
    pub fn lift_reshapes(&mut self, exported: &Plan) {
        let (samples, _) = self.follow(exported);
        for i in 0..self.steps.len() {
            if let Some(target) = self.lifted_target(i, exported, &samples) {
                self.names.push(format!("lifted shape {i}"));
                self.constants.push(Some(Value::known(Fact::list(target))));
                let slot = self.constants.len() - 1;
                if let Some(step) = self.steps.get_mut(i) {
                    step.inputs.truncate(1);
                    step.inputs.push(Some(slot));
                }
            }
        }
    }

    fn lifted_target(
        &self,
        step: usize,
        exported: &Plan,
        samples: &[Option<Samples>],
    ) -> Option<Vec<i64>> {
        let step = self.steps.get(step).filter(|step| step.op == "Reshape")?;
        let &[Some(data), Some(target)] = step.inputs.as_slice() else {
            return None;
        };
        self.constants.get(target)?.as_ref()?.fact.known_ints()?;
        let fact = |slot: Slot| exported.facts.get(slot)?.as_ref().map(Fact::shape);
        let out = fact(step.outputs.first().copied()??)?;
        let from = samples.get(data).copied().flatten()?;
        let to = from.reshaped(fact(data)?, out)?;
        if out.contains(&0) {
            return None;
        }
        let sizes = out.iter().enumerate().map(|(i, &size)| match i == to.axis {
            true => Some(-1),
            false => i64::try_from(size).ok(),
        });
        sizes.collect()
    }

    /// The float constants in order, with their names.
    pub fn weights(&self) -> impl Iterator<Item = (&str, &FloatTensor<B>)> {
        self.names
            .iter()
            .zip(&self.constants)
            .filter_map(|(name, value)| match value {
                Some(value) if value.fact.is_float() => {
                    Some((name.as_str(), value.tensor.as_ref()?))
                }
                _ => None,
            })
    }

    /// Computes a step whose inputs are all constants, if the result takes at most `budget` bytes.
    fn fold(&self, step: &Step<B>, budget: u64) -> Result<Option<Vec<Value<B>>>, Error> {
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
        };
        let mut values = step.run(inputs, &outputs)?;
        for value in values.iter_mut().filter(|value| value.fact.is_float()) {
            if value.tensor.is_none() {
                value.tensor = upload::<B>(&value.fact, &self.device).ok();
            }
        }
        Ok(Some(values))
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

fn known_bytes(facts: &[Fact]) -> u64 {
    let known = facts.iter().filter(|fact| fact.is_known());
    known.map(|fact| 8 * fact.len() as u64).sum()
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

fn set_last(last_use: &mut [usize], slot: Slot, step: usize) {
    if let Some(place) = last_use.get_mut(slot) {
        *place = step;
    }
}
