//! Parts of a graph that are convolutional networks: they run as one step each, by kernels of our own.

mod candidate;
mod search;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use burn_backend::Backend;
use scoville_onnx::Graph;

use super::plan::Run as Doing;
use super::{Plan, Program};
use crate::convnet::{Make, Run};
use crate::ops::Context;
use crate::ops::layer::Inputs;
use crate::step::Slot;
use crate::value::{Fact, read};
use candidate::{Becomes, Candidate, Made, sample};
use search::Search;

/// Most steps among which a segment is looked for.
const MAX_STEPS: usize = 4096;
/// Most numbers that parts may have which are made of less: a factor of all channels, channels in another order.
const MAX_MADE: usize = 1 << 24;
/// Most steps that the search looks at in all: on graphs made for it, it would take the third power of their number.
const MAX_LOOKS: usize = 1 << 24;

/// Steps that run as one.
pub(crate) struct Segment<B: Backend> {
    /// In order; the last makes the output.
    pub steps: Vec<usize>,
    pub input: Slot,
    pub output: Slot,
    pub net: Box<dyn Run<B>>,
    /// What no reader outside may want.
    inner: Vec<Slot>,
    /// The shapes of one sample.
    shapes: [Vec<usize>; 2],
}

impl<B: Backend> Segment<B> {
    /// Whether a plan can take it in the place of its steps.
    pub fn serves(&self, plan: &Plan) -> bool {
        let shape = |slot: Slot| plan.facts.get(slot)?.as_ref().map(Fact::shape);
        let (Some([n, input @ ..]), Some([m, output @ ..])) =
            (shape(self.input), shape(self.output))
        else {
            return false;
        };
        let planned = |&step: &usize| matches!(plan.outputs.get(step), Some(Some(_)));
        n == m
            && *n > 0
            && [input, output] == self.shapes
            && self.steps.iter().all(planned)
            && !self.inner.iter().any(|slot| plan.targets.contains(slot))
    }
}

impl<B: Backend> Program<B> {
    /// The parts of the plan that are convolutional networks, packed by `make`, and why it did not pack others.
    /// `kept` are names of values that later plans may aim at.
    pub fn find_segments(
        &self,
        graph: &Graph,
        plan: &Plan,
        kept: &[&str],
        make: &Make<B>,
    ) -> (Vec<Segment<B>>, BTreeSet<String>) {
        let kept: BTreeSet<Slot> = (self.names.iter().enumerate())
            .filter(|(_, name)| kept.contains(&name.as_str()))
            .map(|(slot, _)| slot)
            .collect();
        let readers = self.readers(plan);
        let needed = |slot: &Slot| {
            let read = readers.contains_key(slot);
            read || kept.contains(slot) || plan.targets.contains(slot)
        };
        let candidates = self.candidates(graph, plan, needed);
        let search = Search {
            readers,
            candidates: &candidates,
            plan,
            kept,
            looks: Cell::new(MAX_LOOKS),
            refusals: RefCell::default(),
        };
        let mut taken = BTreeSet::new();
        let mut segments = Vec::new();
        for start in 0..candidates.len().min(MAX_STEPS) {
            if taken.contains(&start) {
                continue;
            }
            if let Some(segment) = search.segment(start, &taken, make) {
                taken.extend(segment.steps.iter().copied());
                segments.push(segment);
            }
        }
        (segments, search.refusals.into_inner())
    }

    /// The network that is all that `plan` runs, from the graph's input to the target.
    pub fn sole_network(&self, plan: &Plan) -> Option<&dyn Run<B>> {
        let mut runs = plan.runs.iter().filter(|run| **run != Doing::Skip);
        let (Some(&Doing::Segment(index)), None) = (runs.next(), runs.next()) else {
            return None;
        };
        let segment = self.segments.get(index)?;
        let ends = self.inputs == [segment.input] && plan.targets == [segment.output];
        ends.then_some(segment.net.as_ref())
    }

    /// Plans made from now on take `segments` where they can.
    pub fn set_segments(&mut self, segments: Vec<Segment<B>>) {
        self.segments = segments;
    }

    /// What each step is to a network, with those outputs that are `needed`.
    fn candidates(
        &self,
        graph: &Graph,
        plan: &Plan,
        needed: impl Fn(&Slot) -> bool,
    ) -> Vec<Option<Candidate>> {
        let context = Context::new(graph);
        let room = Cell::new(MAX_MADE);
        let candidate = |i: usize| {
            let step = self.steps.get(i)?;
            let outputs = plan.outputs.get(i)?.as_ref()?;
            let output = outputs.first().filter(|fact| !fact.is_known())?;
            let facts = step.facts(&plan.facts).ok()?;
            let constant = |input: usize| {
                let slot = (*step.inputs.get(input)?)?;
                let value = self.constants.get(slot)?.as_ref()?;
                match &value.tensor {
                    Some(tensor) => read::<B>(tensor.clone()).ok(),
                    None => value.fact.known_floats().map(<[f32]>::to_vec),
                }
            };
            let floats = facts.0.iter().take(1).flatten().all(Fact::is_float);
            let part = step.layer.filter(|_| floats && output.is_float())?(&Inputs {
                node: graph.nodes.get(step.index)?,
                opset: context.opset,
                facts: &facts,
                output,
                outputs,
                constant: &constant,
            })?;
            let (becomes, reads) = Becomes::of(part);
            let made = becomes.into_iter().zip(&step.outputs).zip(outputs);
            let made = made.filter_map(|((becomes, slot), fact)| {
                let slot = slot.filter(&needed)?;
                Some(Made::new(slot, becomes, fact))
            });
            let makes: Vec<Made> = made.collect();
            let unread = step.outputs.iter().flatten();
            let unread = unread.filter(|slot| !needed(slot)).copied().collect();
            let size = makes.iter().map(Made::size).sum();
            room.set(room.get().checked_sub(size)?);
            let read = reads.first().and_then(|&read| facts.get(read));
            let slot = |&input: &usize| {
                let slot = (*step.inputs.get(input)?)?;
                matches!(self.constants.get(slot), Some(None)).then_some(slot)
            };
            Some(Candidate {
                reads: reads.iter().map(slot).collect::<Option<_>>()?,
                makes,
                unread,
                read: read.and_then(sample),
            })
        };
        (0..self.steps.len()).map(candidate).collect()
    }

    /// The planned steps that read each slot; what is known before the run reads nothing in it.
    fn readers(&self, plan: &Plan) -> BTreeMap<Slot, Vec<usize>> {
        let mut readers: BTreeMap<Slot, Vec<usize>> = BTreeMap::new();
        for (i, (step, outputs)) in self.steps.iter().zip(&plan.outputs).enumerate() {
            let runs = (outputs.iter().flatten()).any(|fact| !fact.is_known());
            for &slot in step.inputs.iter().flatten().filter(|_| runs) {
                readers.entry(slot).or_default().push(i);
            }
        }
        readers
    }
}
