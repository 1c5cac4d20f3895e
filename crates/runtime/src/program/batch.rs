//! Where the samples of a batch lie in a planned run, and what a fixed batch stands in lifted to any.

use burn_backend::Backend;

use super::{Plan, Program, set};
use crate::ops::samples::Samples;
use crate::step::Slot;
use crate::value::{Elements, Fact, Value};

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
    /// batch stands is what is left over, and each Concat of samples with what is the same for all
    /// of them so that this is stretched to as many as there are: the same function at the exported
    /// batch, and defined at any other.
    pub fn lift(&mut self, exported: &Plan) {
        let (samples, _) = self.follow(exported);
        for i in 0..self.steps.len() {
            if let Some(target) = self.lifted_target(i, exported, &samples) {
                self.feed(i, 1, Fact::list(target));
            }
            for (input, row) in self.lone_rows(i, exported, &samples) {
                self.feed(i, input, row);
            }
            if let Some(step) = self.steps.get_mut(i) {
                step.lift();
            }
        }
    }

    /// Makes `fact`, which is known, an input of a step.
    fn feed(&mut self, step: usize, input: usize, fact: Fact) {
        self.names.push(format!("lifted input {input} of {step}"));
        self.constants.push(Some(Value::known(fact)));
        let slot = self.constants.len() - 1;
        let inputs = self.steps.get_mut(step).map(|step| &mut step.inputs);
        if let Some(place) = inputs.and_then(|inputs| inputs.get_mut(input)) {
            *place = Some(slot);
        }
    }

    /// The constants that a Concat puts beside samples and that hold one row as often as there are
    /// samples: each as that row, with its input.
    fn lone_rows(
        &self,
        step: usize,
        exported: &Plan,
        samples: &[Option<Samples>],
    ) -> Vec<(usize, Fact)> {
        let Some(step) = self.steps.get(step).filter(|step| step.op == "Concat") else {
            return Vec::new();
        };
        let of_slot = |slot: &Option<Slot>| samples.get((*slot)?).copied().flatten();
        let Some(place) = step.inputs.iter().find_map(of_slot) else {
            return Vec::new();
        };
        let out = step.outputs.first().copied().flatten();
        let out = out.and_then(|slot| exported.facts.get(slot)?.as_ref());
        let whole = out.and_then(|fact| fact.shape().get(place.axis));
        let row = |slot: &Option<Slot>| {
            let constant = &self.constants.get((*slot)?)?.as_ref()?.fact;
            // Joined along the samples' axis, all inputs together are as long as the output.
            let beside = whole.is_some() && constant.shape().get(place.axis) == whole;
            lone_row(constant, place.axis).filter(|_| beside)
        };
        let inputs = step.inputs.iter().enumerate();
        inputs
            .filter_map(|(i, slot)| Some((i, row(slot)?)))
            .collect()
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

/// The one row of which several lie along `axis`, equal to the bit.
fn lone_row(fact: &Fact, axis: usize) -> Option<Fact> {
    let values = fact.known_floats()?;
    let (before, rest) = fact.shape().split_at_checked(axis)?;
    let (&size, after) = rest.split_first()?;
    let len: usize = after.iter().product();
    if size < 2 || values.is_empty() {
        return None;
    }
    let mut row = Vec::with_capacity(values.len() / size);
    for all in values.chunks(size * len) {
        let first = all.get(..len)?;
        let bits = |row: &[f32]| row.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        if all.chunks(len).any(|other| bits(other) != bits(first)) {
            return None;
        }
        row.extend_from_slice(first);
    }
    let shape = [before, &[1], after].concat();
    Some(Fact::known(fact.dtype, shape, Elements::Float(row)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_equal_are_one() {
        let pairs = Fact::floats(vec![2, 3, 2], [[1.0, 2.0]; 3].concat().repeat(2));
        let row = lone_row(&pairs, 1).expect("equal rows");
        assert_eq!(row, Fact::floats(vec![2, 1, 2], vec![1.0, 2.0, 1.0, 2.0]));
        let columns = Fact::floats(vec![2, 2], vec![1.0, 2.0, 1.0, 2.0]);
        assert_eq!(
            lone_row(&columns, 0),
            Some(Fact::floats(vec![1, 2], vec![1.0, 2.0]))
        );
        assert_eq!(lone_row(&columns, 1), None);
        assert_eq!(lone_row(&columns, 2), None);
        assert_eq!(lone_row(&Fact::floats(vec![1, 2], vec![1.0; 2]), 0), None);
        assert_eq!(lone_row(&Fact::floats(vec![2], vec![0.0, -0.0]), 0), None);
        assert_eq!(lone_row(&Fact::floats(vec![2, 0], vec![]), 0), None);
        assert_eq!(lone_row(&Fact::float(vec![2, 2]), 0), None);
    }
}
