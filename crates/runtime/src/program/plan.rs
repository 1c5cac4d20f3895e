//! What a run will make, decided before it: the shape of every value, and the memory that they take.

use burn_backend::Backend;

use super::{Program, set, unmade};
use crate::Error;
use crate::step::Slot;
use crate::value::Fact;

/// Most bytes of elements that a plan computes before the run.
const MAX_KNOWN_BYTES: u64 = 64 << 20;

/// What a run towards some values will make, for inputs of certain shapes.
pub(crate) struct Plan {
    pub(super) targets: Vec<Slot>,
    /// By slot.
    pub(super) facts: Vec<Option<Fact>>,
    /// By step and output; `None` for a step that no target needs.
    pub(super) outputs: Vec<Option<Vec<Fact>>>,
    /// What is done at the place of each step.
    pub(super) runs: Vec<Run>,
    /// For each slot, the last step that reads it.
    pub(super) last_use: Vec<usize>,
    /// Bytes of what a run holds at its fullest moment.
    pub peak: u64,
    /// Bytes of all that a run makes, which a gradient holds.
    pub total: u64,
}

/// What is done at the place of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// Nothing: no target needs the step, or a segment has it.
    Skip,
    Step,
    /// A segment, whose last step this is.
    Segment(usize),
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

impl<B: Backend> Program<B> {
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
        for (&slot, feed) in self.inputs.iter().zip(feeds) {
            self.check_size("the input", feed.shape(), batch)?;
            set(&mut facts, slot, feed);
        }
        let mut planned = Vec::with_capacity(self.steps.len());
        let mut known = 0;
        for (step, needed) in self.steps.iter().zip(needed) {
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
        let mut plan = Plan {
            runs: Vec::new(),
            last_use: Vec::new(),
            targets,
            facts,
            outputs: planned,
            peak: 0,
            total: 0,
        };
        plan.runs = self.runs(&plan);
        plan.last_use = self.last_use(&plan);
        (plan.peak, plan.total) = self.memory(&plan, batch);
        Ok(plan)
    }

    /// What is done at the place of each step.
    fn runs(&self, plan: &Plan) -> Vec<Run> {
        let run = |outputs: &Option<Vec<Fact>>| match outputs {
            Some(_) => Run::Step,
            None => Run::Skip,
        };
        let mut runs: Vec<Run> = plan.outputs.iter().map(run).collect();
        for (index, segment) in self.segments.iter().enumerate() {
            let Some(&last) = segment.steps.last().filter(|_| segment.serves(plan)) else {
                continue;
            };
            for &step in &segment.steps {
                set_at(&mut runs, step, Run::Skip);
            }
            set_at(&mut runs, last, Run::Segment(index));
        }
        runs
    }

    /// For each slot, the last step that reads it; a target outlives every step.
    fn last_use(&self, plan: &Plan) -> Vec<usize> {
        let mut last_use = vec![0; plan.facts.len()];
        for (i, &run) in plan.runs.iter().enumerate() {
            for &slot in self.reads(i, run).iter().flatten() {
                set_at(&mut last_use, slot, i);
            }
        }
        for &slot in &plan.targets {
            set_at(&mut last_use, slot, usize::MAX);
        }
        last_use
    }

    /// Bytes of what the planned steps hold at their fullest moment, and of all that they make, for a
    /// batch of `batch`.
    fn memory(&self, plan: &Plan, batch: usize) -> (u64, u64) {
        let bytes = |fact: &Fact| {
            fact.shape()
                .iter()
                .fold(4u64, |b, &n| b.saturating_mul(n as u64))
        };
        let of_slot = |slot: Slot| plan.facts.get(slot)?.as_ref().map(bytes);
        let (mut live, mut peak, mut total, mut work) = (0u64, 0u64, 0u64, 0u64);
        for (i, (&run, outputs)) in plan.runs.iter().zip(&plan.outputs).enumerate() {
            let (false, Some(outputs)) = (run == Run::Skip, outputs) else {
                continue;
            };
            let made = outputs.iter().map(bytes).fold(0, u64::saturating_add);
            live = live.saturating_add(made);
            total = total.saturating_add(made);
            let mut passing = 0;
            if let (Run::Segment(index), Ok(batch)) = (run, u32::try_from(batch))
                && let Some(segment) = self.segments.get(index)
            {
                let tape = segment.net.tape_bytes() as u64;
                total = total.saturating_add(tape.saturating_mul(batch.into()));
                passing = segment.net.work_bytes(batch as usize) as u64;
                work = work.max(passing);
            }
            peak = peak.max(live.saturating_add(passing));
            let mut done: Vec<Slot> = self.reads(i, run).into_iter().flatten().collect();
            done.sort_unstable();
            done.dedup();
            let done = done.into_iter().filter(|&slot| {
                let computed = matches!(self.constants.get(slot), Some(None));
                computed && plan.last_use.get(slot) == Some(&i)
            });
            live = live.saturating_sub(done.filter_map(of_slot).sum());
        }
        (peak, total.saturating_add(work))
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
}

fn known_bytes(facts: &[Fact]) -> u64 {
    let known = facts.iter().filter(|fact| fact.is_known());
    known.map(|fact| 8 * fact.len() as u64).sum()
}

fn set_at<T>(places: &mut [T], at: usize, value: T) {
    if let Some(place) = places.get_mut(at) {
        *place = value;
    }
}
