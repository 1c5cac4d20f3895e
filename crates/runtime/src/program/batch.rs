//! Where the samples of a batch lie in a planned run, and Reshapes lifted to any batch.

use burn_backend::Backend;

use super::{Plan, Program, set};
use crate::ops::samples::Samples;
use crate::step::Slot;
use crate::value::{Fact, Value};

impl<B: Backend> Program<B> {
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
}
