//! What a program is made of, for reports.

use burn_backend::Backend;
use burn_backend::tensor::FloatTensor;
use scoville_onnx::DType;

use super::plan::Run;
use super::{Plan, Program};
use crate::ops::Gradient;
use crate::ops::stand_in::StandIns;
use crate::step::Slot;
use crate::value::Fact;

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
            let outputs = outputs.as_deref()?;
            let inputs: Vec<_> = step.inputs.iter().map(input).collect();
            let facts: Vec<_> = inputs.iter().map(|i| i.as_ref().map(|i| i.fact)).collect();
            Some(Planned {
                index,
                node: &step.node,
                op: &step.op,
                gradient: step.gradient(&facts, outputs),
                moves: step.moves(),
                inputs,
                outputs,
            })
        })
    }

    /// Whether a gradient gets from the plan's first target to the input, by operators that have one or, with `stand_ins`,
    /// something that stands for it.
    pub fn passes_gradient(&self, plan: &Plan, stand_ins: StandIns) -> bool {
        let mut reached = vec![false; self.names.len()];
        let mark = |reached: &mut Vec<bool>, slots: &mut dyn Iterator<Item = Slot>| {
            slots.for_each(|slot| {
                if let Some(place) = reached.get_mut(slot) {
                    *place = true;
                }
            });
        };
        mark(&mut reached, &mut self.inputs.iter().copied());
        for step in self.planned(plan) {
            let passes = match step.gradient {
                Gradient::Exact => true,
                Gradient::Stepped | Gradient::Quantised => stand_ins.cover(step.gradient),
                Gradient::Zero => false,
            };
            let mut read = step.inputs.iter().flatten().map(|input| input.slot);
            if passes && read.any(|slot| reached.get(slot) == Some(&true)) {
                let made = self.steps.get(step.index).map(|step| &step.outputs);
                mark(
                    &mut reached,
                    &mut made.into_iter().flatten().flatten().copied(),
                );
            }
        }
        reached.get(plan.target_slot()) == Some(&true)
    }

    /// The number of the segment that runs the step in this plan, if one does.
    pub fn segment_of(&self, plan: &Plan, step: usize) -> Option<usize> {
        let running = plan.runs.iter().filter_map(|run| match run {
            Run::Segment(index) => Some(*index),
            _ => None,
        });
        running
            .enumerate()
            .find(|(_, index)| {
                let segment = self.segments.get(*index);
                segment.is_some_and(|segment| segment.steps.contains(&step))
            })
            .map(|(number, _)| number)
    }

    /// The names of the numbers that are made of text which a run is fed: what no text is made of any more.
    pub fn numbers_of_text(&self, plan: &Plan) -> Vec<String> {
        let is_text = |slot: &Slot| {
            let fact = plan.facts.get(*slot).and_then(Option::as_ref);
            fact.is_some_and(|fact| fact.dtype == DType::String)
        };
        let fed = |slot: &Slot| self.constants.get(*slot).is_some_and(Option::is_none);
        let steps = self.steps.iter().zip(&plan.outputs);
        let readers = steps.filter(|(step, outputs)| {
            let mut inputs = step.inputs.iter().flatten();
            outputs.is_some() && inputs.any(|slot| is_text(slot) && fed(slot))
        });
        let made = readers.flat_map(|(step, _)| step.outputs.iter().flatten());
        let numbers = made.filter(|slot| !is_text(slot));
        numbers
            .filter_map(|&slot| self.names.get(slot).cloned())
            .collect()
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
}
