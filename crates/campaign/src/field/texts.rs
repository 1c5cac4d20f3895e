//! Samples that are texts.

use std::sync::atomic::AtomicBool;

use scoville_atlas::evidence::{Check, Finding};
use scoville_attacks::text::{Lexicon, TextProblem};
use scoville_attacks::{Attack, Success};
use scoville_data::TextData;
use scoville_report::event::TextBroken;
use scoville_targets::text::{Labels, Scores};
use scoville_targets::{Metered, TextTarget};

use super::{Exhibit, Field};
use crate::evidence::{finding, not_run};
use crate::order::attack_seed;
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
}

impl Field for Texts<'_> {
    type Target = TextTarget;
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
        at: Place<'_, TextTarget>,
        attack: &Attack,
        samples: &Samples,
        plan: &Plan,
        budgets: &[f64],
        stop: &AtomicBool,
    ) -> Result<Vec<Vec<Success<String>>>, Error> {
        let text = |&id: &u32| self.data.texts[id as usize].as_str();
        let texts: Vec<&str> = samples.ids.iter().map(text).collect();
        let run = |&edits: &f64| {
            let problem = TextProblem {
                ids: &samples.ids,
                texts: &texts,
                y: &samples.y,
                edits: edits as usize,
                seed: attack_seed(plan.seed, &attack.name, edits),
                lexicon: self.lexicon,
                stop,
            };
            Ok(attack.run_text(at.target, &problem)?)
        };
        budgets.iter().map(run).collect()
    }

    /// Whether the same text twice gives the same scores; the other checks are of numbers.
    fn findings(
        &self,
        _: &Plan,
        target: &Metered<TextTarget>,
        probe: Samples,
        _: Option<Vec<Option<usize>>>,
        _: &AtomicBool,
    ) -> Result<Vec<Finding>, Error> {
        if probe.ids.is_empty() {
            return Ok(Vec::new());
        }
        let texts = self.texts(&probe.ids);
        let (once, twice) = (target.scores(&texts)?, target.scores(&texts)?);
        let classes = target.classes();
        let pairs = once.chunks(classes).zip(twice.chunks(classes));
        let differ = pairs.filter(|(once, twice)| once != twice).count();
        let detail = format!(
            "{differ} of {} texts have other scores when asked again",
            texts.len()
        );
        let mut findings = vec![finding(Check::RandomisedOutput, differ > 0, detail)];
        // These are made of the whole run, when it is over.
        let late = [
            Check::BlackBoxBeatsWhiteBox,
            Check::NoRiseWithEps,
            Check::LabelNeverPredicted,
        ];
        let open = Check::ALL
            .into_iter()
            .skip_while(|&c| c == Check::RandomisedOutput);
        let open = open.filter(|check| !late.contains(check));
        findings.extend(open.map(|check| not_run(check, "not made on texts")));
        Ok(findings)
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
