//! Samples that are texts.

use std::sync::atomic::AtomicBool;

use scoville_atlas::evidence::Finding;
use scoville_attacks::text::{Lexicon, TextProblem};
use scoville_attacks::{Attack, Measure, Success};
use scoville_data::TextData;
use scoville_report::event::TextBroken;
use scoville_targets::text::{Gradients, Labels};
use scoville_targets::{Metered, TextTarget};

use super::{Abreast, Exhibit, Field};
use crate::evidence::TextProbe;
use crate::run::{Place, Samples};
use crate::{Error, Plan};

pub(crate) struct Texts<'a> {
    pub data: &'a TextData,
    pub lexicon: &'a Lexicon,
}

impl Texts<'_> {
    fn texts(&self, ids: &[u32]) -> Vec<String> {
        let text = |&id: &u32| self.data.texts[id as usize].clone();
        ids.iter().map(text).collect()
    }

    /// The most words that a budget allows to be changed in a text.
    fn allowed(&self, plan: &Plan, sample: u32, budget: f64) -> usize {
        match plan.measure {
            Measure::Share => {
                let words = self.data.texts[sample as usize].split_whitespace().count();
                share(budget, words)
            }
            _ => budget as usize,
        }
    }
}

impl Field for Texts<'_> {
    type Target = TextTarget;
    type Surrogate = TextTarget;
    type Found = String;

    fn labels(&self) -> &[u32] {
        &self.data.y
    }

    fn classes(&self) -> usize {
        self.data.classes
    }

    /// Texts stay in the data: there are no values to keep.
    fn clean(
        &self,
        target: &Metered<TextTarget>,
        rows: &[usize],
    ) -> Result<(Vec<u32>, Vec<f32>), Error> {
        let ids: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
        Ok((target.labels(&self.texts(&ids))?, Vec::new()))
    }

    fn attack(
        &self,
        at: Place<'_, TextTarget, TextTarget>,
        attack: &Attack,
        samples: &Samples,
        plan: &Plan,
        Abreast { budgets, .. }: Abreast<'_>,
        stop: &AtomicBool,
    ) -> Result<Vec<Vec<Success<String>>>, Error> {
        let text = |&id: &u32| self.data.texts[id as usize].as_str();
        let texts: Vec<&str> = samples.ids.iter().map(text).collect();
        let surrogate = at.surrogate.map(|surrogate| surrogate as &dyn Gradients);
        let run = |&budget: &f64| {
            let edits = samples.ids.iter().map(|&id| self.allowed(plan, id, budget));
            let problem = TextProblem {
                ids: &samples.ids,
                texts: &texts,
                y: &samples.y,
                edits: &edits.collect::<Vec<_>>(),
                seed: plan.seed_of(attack, budget),
                goal: plan.goal,
                lexicon: self.lexicon,
                stop,
            };
            Ok(attack.run_text(at.target, surrogate, &problem)?)
        };
        budgets.iter().map(run).collect()
    }

    fn reach(&self, plan: &Plan, sample: u32, distance: f64) -> usize {
        let short = |&budget: &f64| (self.allowed(plan, sample, budget) as f64) < distance;
        plan.ladder.partition_point(short)
    }

    fn findings(
        &self,
        plan: &Plan,
        target: &Metered<TextTarget>,
        Samples { ids, y, .. }: Samples,
        white_box: Option<Vec<Option<usize>>>,
        stop: &AtomicBool,
    ) -> Result<Vec<Finding>, Error> {
        let probe = TextProbe {
            texts: self.texts(&ids),
            ids,
            y,
            white_box,
            plan,
            target,
            lexicon: self.lexicon,
            allowed: &|sample, budget| self.allowed(plan, sample, budget),
            stop,
        };
        probe.findings()
    }

    fn exhibit(
        &self,
        attack: &Attack,
        _: f64,
        samples: &Samples,
        success: &Success<String>,
    ) -> Option<Exhibit> {
        let sample = samples.ids[success.row];
        Some(Exhibit::Text(TextBroken {
            technique: attack.technique.into(),
            attack: attack.name.to_string(),
            sample,
            label: samples.y[success.row],
            predicted: success.predicted,
            edits: success.distance as u32,
            text: self.data.texts[sample as usize].clone(),
            edited: success.x.clone(),
        }))
    }
}

/// A share of so many words: whole words, rounded down, and at least one.
fn share(share: f64, words: usize) -> usize {
    let whole = (share * words as f64 * (1.0 + 1e-12)).floor();
    (whole as usize).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_whole_words_and_at_least_one() {
        for (percent, words, allowed) in [
            (10.0, 0, 1),
            (10.0, 9, 1),
            (10.0, 19, 1),
            (10.0, 30, 3),
            (70.0, 10, 7),
            (12.5, 8, 1),
            (12.5, 16, 2),
            (100.0, 7, 7),
        ] {
            assert_eq!(
                share(percent / 100.0, words),
                allowed,
                "{percent} % of {words}"
            );
        }
    }
}
