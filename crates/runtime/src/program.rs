//! A graph as operators over numbered values, on one backend: shapes are planned first, then the
//! plan runs.

use burn_backend::Backend;
use burn_backend::tensor::FloatTensor;
use scoville_onnx::Graph;

use crate::Error;
use crate::ops::Context;
use crate::step::{Slot, Slots, Step};
use crate::value::{Fact, Facts, Ints, Value, Values};

/// A graph that is ready to run; whatever depends on constants alone has been computed.
pub(crate) struct Program<B: Backend> {
    steps: Vec<Step<B>>,
    names: Vec<String>,
    /// By slot; `None` for what a run computes.
    constants: Vec<Option<Value<B>>>,
    input: Slot,
    /// Most bytes that one value may take.
    limit: u64,
}

/// What a run towards one value will make, for one shape of the input.
pub(crate) struct Plan {
    target: Slot,
    /// By slot.
    facts: Vec<Option<Fact>>,
    /// By step and output.
    outputs: Vec<Vec<Fact>>,
    /// For each slot, the last step that reads it.
    last_use: Vec<usize>,
}

impl Plan {
    /// The shape of the value that the run ends at.
    pub fn shape(&self) -> &[usize] {
        self.facts
            .get(self.target)
            .and_then(Option::as_ref)
            .map(Fact::shape)
            .unwrap_or_default()
    }
}

impl<B: Backend> Program<B> {
    /// Parses every node, puts the constants on `device`, and computes what depends on them alone.
    pub fn compile(graph: &Graph, device: &B::Device, limit: u64) -> Result<Self, Error> {
        let mut slots = Slots::default();
        let input = slots.of(graph.inputs.first().map_or("", |port| &port.name));
        let opset = graph.opsets.get("").copied().unwrap_or(1);
        let context = Context {
            opset,
            constants: &graph.constants,
        };
        let mut program = Program {
            steps: Vec::new(),
            names: Vec::new(),
            constants: Vec::new(),
            input,
            limit,
        };
        for (name, tensor) in &graph.constants {
            let slot = slots.of(name);
            program.check_size(name, &tensor.shape, 1)?;
            program.set_constant(slot, Value::constant(name, tensor, device)?);
        }
        for node in &graph.nodes {
            let step = Step::parse(node, &context, &mut slots)?;
            program.constants.resize(slots.len(), None);
            match program.fold(&step)? {
                Some(values) => {
                    for (slot, value) in step.outputs.iter().zip(values) {
                        slot.iter()
                            .for_each(|&slot| program.set_constant(slot, value.clone()));
                    }
                }
                None => program.steps.push(step),
            }
        }
        program.names = slots.names;
        program.constants.resize(program.names.len(), None);
        Ok(program)
    }

    /// Infers every shape on the way from an input of `shape` to the value `target`.
    pub fn plan(&self, shape: Vec<usize>, target: &str) -> Result<Plan, Error> {
        let batch = shape.first().copied().unwrap_or(1);
        let target = self
            .names
            .iter()
            .position(|name| name == target)
            .unwrap_or(usize::MAX);
        let makes = |step: &Step<B>| step.outputs.contains(&Some(target));
        let Some(steps) = self.steps.iter().position(makes).map(|last| last + 1) else {
            let what = "it does not depend on the input".into();
            return Err(Error::Interface {
                port: "output".into(),
                what,
            });
        };
        let mut facts: Vec<Option<Fact>> = self
            .constants
            .iter()
            .map(|value| value.as_ref().map(Value::fact))
            .collect();
        let mut last_use = vec![0; facts.len()];
        self.check_size("the input", &shape, batch)?;
        set(&mut facts, self.input, Fact::Float(shape));
        let mut planned = Vec::with_capacity(steps);
        for (i, step) in self.steps.iter().take(steps).enumerate() {
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
            planned.push(outputs);
        }
        if !matches!(facts.get(target), Some(Some(Fact::Float(_)))) {
            return Err(not_float());
        }
        Ok(Plan {
            target,
            facts,
            outputs: planned,
            last_use,
        })
    }

    /// Runs a plan of this program on an input of the planned shape.
    pub fn run(&self, plan: &Plan, x: FloatTensor<B>) -> Result<FloatTensor<B>, Error> {
        let mut values = self.constants.clone();
        set(&mut values, self.input, Value::Float(x));
        for (i, (step, outputs)) in self.steps.iter().zip(&plan.outputs).enumerate() {
            let inputs = step
                .inputs
                .iter()
                .map(|slot| values.get((*slot)?).cloned().flatten());
            let inputs = Values(inputs.collect());
            // Dropped before its last reader runs, so that burn can reuse the memory in place.
            for &slot in step.inputs.iter().flatten() {
                if plan.last_use.get(slot) == Some(&i) {
                    values.get_mut(slot).map(Option::take);
                }
            }
            for (slot, value) in step.outputs.iter().zip(step.run(inputs, outputs)?) {
                slot.iter()
                    .for_each(|&slot| set(&mut values, slot, value.clone()));
            }
        }
        match values.get_mut(plan.target).and_then(Option::take) {
            Some(Value::Float(tensor)) => Ok(tensor),
            _ => Err(not_float()),
        }
    }

    /// Turns each Reshape to a constant `[1, ...]` of something that is `[1, ...]` at the exported
    /// batch size into one that keeps its input's first size: the same function at batch 1, and
    /// defined at any other.
    pub fn lift_reshapes(&mut self, exported: &Plan) {
        for i in 0..self.steps.len() {
            if let Some(target) = self.baked_target(i, exported) {
                self.names.push(format!("lifted shape {i}"));
                self.constants.push(Some(Value::Int(target)));
                let slot = self.constants.len() - 1;
                if let Some(step) = self.steps.get_mut(i) {
                    step.inputs.truncate(1);
                    step.inputs.push(Some(slot));
                }
            }
        }
    }

    /// The float constants in order, with their names.
    pub fn weights(&self) -> impl Iterator<Item = (&str, &FloatTensor<B>)> {
        self.names
            .iter()
            .zip(&self.constants)
            .filter_map(|(name, value)| match value {
                Some(Value::Float(tensor)) => Some((name.as_str(), tensor)),
                _ => None,
            })
    }

    fn baked_target(&self, step: usize, exported: &Plan) -> Option<Ints> {
        let step = self.steps.get(step).filter(|step| step.copies_sizes)?;
        let &[Some(data), Some(target)] = step.inputs.as_slice() else {
            return None;
        };
        let data = exported.facts.get(data)?.as_ref()?;
        let Some(Some(Value::Int(target))) = self.constants.get(target) else {
            return None;
        };
        let mut lifted = target.clone();
        let first = lifted.values.first_mut().filter(|size| **size == 1)?;
        *first = 0;
        (data.shape().first() == Some(&1)).then_some(lifted)
    }

    /// Computes a step whose inputs are all constants.
    fn fold(&self, step: &Step<B>) -> Result<Option<Vec<Value<B>>>, Error> {
        let values = step.inputs.iter().map(|slot| match slot {
            Some(slot) => self.constants.get(*slot).cloned().flatten().map(Some),
            None => Some(None),
        });
        let Some(values) = values.collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let facts = Facts(
            values
                .iter()
                .map(|value| value.as_ref().map(Value::fact))
                .collect(),
        );
        let outputs = step.infer(facts)?;
        for fact in &outputs {
            self.check_size(&step.node, fact.shape(), 1)?;
        }
        step.run(Values(values), &outputs).map(Some)
    }

    fn set_constant(&mut self, slot: Slot, value: Value<B>) {
        self.constants
            .resize(self.constants.len().max(slot + 1), None);
        set(&mut self.constants, slot, value);
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

fn not_float() -> Error {
    let what = "it holds integers; a float output is needed".into();
    Error::Interface {
        port: "output".into(),
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
