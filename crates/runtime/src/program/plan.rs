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
    /// For each slot, the last step that reads it.
    pub(super) last_use: Vec<usize>,
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
}

fn known_bytes(facts: &[Fact]) -> u64 {
    let known = facts.iter().filter(|fact| fact.is_known());
    known.map(|fact| 8 * fact.len() as u64).sum()
}

fn set_last(last_use: &mut [usize], slot: Slot, step: usize) {
    if let Some(place) = last_use.get_mut(slot) {
        *place = step;
    }
}
