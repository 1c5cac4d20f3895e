//! The checks on texts: what the model answers to words left out or mistyped, whether the gradient by the embedding is one and leads
//! uphill, and whether other attacks do better.

use std::sync::atomic::AtomicBool;

use scoville_atlas::evidence::{Check, Finding};
use scoville_attacks::text::char_noise::mistyped;
use scoville_attacks::text::deepwordbug::DeepWordBug;
use scoville_attacks::text::hotflip::{HotFlip, steepest};
use scoville_attacks::text::{Lexicon, TextAlgorithm, TextProblem, run};
use scoville_attacks::{Access, Success};
use scoville_targets::text::{Gradients, Sensitivity};
use scoville_text::Sentence;

use super::scores::{
    largest, margins, norm, randomised_output, softmax_outputs, surrogate_disagrees, within,
};
use super::{TOLERATED, finding, not_run};
use crate::order::attack_seed;
use crate::{Error, Plan};

/// Correctly classified texts, and how the white-box attacks fared on them.
pub struct TextProbe<'a> {
    pub ids: Vec<u32>,
    pub texts: Vec<String>,
    pub y: Vec<u32>,
    /// The lowest rung at which white-box attacks broke each, if they did.
    pub white_box: Option<Vec<Option<usize>>>,
    pub plan: &'a Plan,
    pub target: &'a dyn Gradients,
    pub surrogate: Option<&'a dyn Gradients>,
    pub lexicon: &'a Lexicon,
    /// The most words that a budget allows to be changed in a text.
    pub allowed: &'a dyn Fn(u32, f64) -> usize,
    pub stop: &'a AtomicBool,
}

impl TextProbe<'_> {
    /// Every check that the probe allows.
    pub fn findings(&self) -> Result<Vec<Finding>, Error> {
        if self.ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut findings = self.of_answers()?;
        if let Some(broken) = &self.white_box {
            findings.extend(self.of_gradients()?);
            findings.extend(self.of_attacks(broken)?);
        }
        let why = "attacks on texts change one word a step, until the budget is spent";
        let steps = [
            Check::IncompleteOptimisation,
            Check::SingleStepBeatsIterative,
            Check::MoreIterationsGain,
        ];
        findings.extend(steps.map(|check| not_run(check, why)));
        Ok(findings)
    }

    fn of_answers(&self) -> Result<Vec<Finding>, Error> {
        let scores = self.target.scores(&self.texts)?;
        let again = self.target.scores(&self.texts)?;
        let answers = self.surrogate.map(|s| s.labels(&self.texts)).transpose()?;
        Ok(vec![
            surrogate_disagrees(answers, &self.y),
            randomised_output(&scores, &again),
            softmax_outputs(&scores, self.target.classes()),
            self.flat_scores(&scores)?,
            self.non_finite_outputs()?,
        ])
    }

    /// Of all words of a text one at least must count, or an attack on scores sees nothing.
    fn flat_scores(&self, scores: &[f32]) -> Result<Finding, Error> {
        let (mut texts, mut of) = (Vec::new(), Vec::new());
        for (row, text) in self.texts.iter().enumerate() {
            let sentence = Sentence::new(text);
            let words = sentence.words().len();
            texts.extend((0..words).map(|left_out| sentence.text_of(|at| at != left_out)));
            of.resize(texts.len(), row);
        }
        let without = self.target.scores(&texts)?;
        let classes = self.target.classes();
        let mut moves = vec![false; self.n()];
        for (row, without) in of.into_iter().zip(without.chunks_exact(classes)) {
            moves[row] |= without != &scores[row * classes..][..classes];
        }
        let flat = moves.iter().filter(|&&moves| !moves).count();
        let detail = format!(
            "whichever word is left out, the scores stay as they are on {flat} of {} texts",
            self.n()
        );
        let warned = self.more_than_tolerated(flat);
        Ok(finding(Check::FlatScores, warned, detail))
    }

    /// An answer that is not finite is no class, and so no find.
    fn non_finite_outputs(&self) -> Result<Finding, Error> {
        let most = self.plan.ladder.last().copied().unwrap_or_default();
        let seed = attack_seed(self.plan.seed, "check noise", 0.0);
        let noisy = self.texts.iter().zip(&self.ids);
        let noisy = noisy.map(|(text, &id)| {
            mistyped(seed, id, Sentence::new(text), (self.allowed)(id, most)).text()
        });
        let scores = self.target.scores(&noisy.collect::<Vec<_>>())?;
        let rows = scores.chunks_exact(self.target.classes());
        let count = rows
            .filter(|row| row.iter().any(|v| !v.is_finite()))
            .count();
        let detail = format!(
            "NaN or infinite on {count} of {} texts with typing errors",
            self.n()
        );
        Ok(finding(Check::NonFiniteOutputs, count > 0, detail))
    }

    /// The checks of the gradient by the embedding.
    fn of_gradients(&self) -> Result<Vec<Finding>, Error> {
        let seen = self.target.gradient(&self.texts, &self.y)?;
        let zero = seen
            .iter()
            .filter(|seen| !seen.gradient.iter().any(|&g| g != 0.0 && g.is_finite()))
            .count();
        let detail = format!("zero on {zero} of {} texts", self.n());
        Ok(vec![
            finding(Check::ZeroGradients, self.more_than_tolerated(zero), detail),
            self.gradient_mismatch(&seen)?,
            self.ascent_fails(&seen)?,
        ])
    }

    /// The derivative along the gradient against a central difference, in the space of the embedding.
    fn gradient_mismatch(&self, seen: &[Sensitivity]) -> Result<Finding, Error> {
        // As much as 1e-2 in one of the numbers that a token is, or less in many.
        let length = 1e-2;
        let norms: Vec<f64> = seen.iter().map(|seen| norm(&seen.gradient)).collect();
        let moved = |sign: f64| {
            let steps = seen.iter().zip(&norms).map(|(seen, norm)| {
                let scale = sign * length / norm.max(1e-30);
                let steps = seen.gradient.iter().map(|&g| (scale * f64::from(g)) as f32);
                steps.collect()
            });
            let scores = self
                .target
                .scores_beside(&self.texts, &steps.collect::<Vec<_>>())?;
            Ok::<_, Error>((self.margins(&scores), largest(&scores)))
        };
        let ((ahead, most), (behind, _)) = (moved(1.0)?, moved(-1.0)?);
        let rounding = f64::from(40.0 * f32::EPSILON * most) / length;
        let pairs = ahead.iter().zip(&behind).zip(&norms);
        let wrong = pairs
            .filter(|((ahead, behind), norm)| {
                let difference = f64::from(**ahead - **behind) / (2.0 * length);
                !within(difference - **norm, 0.1 * **norm + rounding)
            })
            .count();
        let detail = format!(
            "by the embedding, differs from finite differences on {wrong} of {} texts",
            self.n()
        );
        let warned = self.more_than_tolerated(wrong);
        Ok(finding(Check::GradientMismatch, warned, detail))
    }

    /// The word that the gradient would have replaced first, and by what: that must raise the loss.
    fn ascent_fails(&self, seen: &[Sensitivity]) -> Result<Finding, Error> {
        let flipped = steepest(self.target, self.lexicon, &self.texts, seen)?;
        let pairs = flipped.iter().zip(&self.texts);
        let texts: Vec<String> = pairs
            .map(|(flipped, text)| flipped.as_ref().unwrap_or(text).clone())
            .collect();
        let before = self.margins(&self.target.scores(&self.texts)?);
        let after = self.margins(&self.target.scores(&texts)?);
        let stuck = before.iter().zip(&after);
        let stuck = stuck.filter(|(before, after)| before >= after).count();
        let detail = format!(
            "the replacement that the gradient prefers does not raise the loss on {stuck} of {} texts",
            self.n()
        );
        let warned = self.more_than_tolerated(stuck);
        Ok(finding(Check::AscentFails, warned, detail))
    }

    /// The checks that attack what the run's white-box attacks left.
    fn of_attacks(&self, broken: &[Option<usize>]) -> Result<Vec<Finding>, Error> {
        let rung = self.plan.ladder.len() / 2;
        let standing = |row: &usize| broken[*row].is_none_or(|at| at > rung);
        let standing: Vec<usize> = (0..self.n()).filter(standing).collect();
        let unbroken = (0..self.n()).filter(|&row| broken[row].is_none());
        Ok(vec![
            self.other_attacks(standing, self.plan.ladder[rung])?,
            self.unbounded(unbroken.collect())?,
        ])
    }

    /// HotFlip with many candidates of any meaning, and typing errors where the run has no attack on scores.
    fn other_attacks(&self, standing: Vec<usize>, budget: f64) -> Result<Finding, Error> {
        let flips = HotFlip {
            candidates: 50,
            cosine: -1.0,
        };
        let flips = TextAlgorithm::WhiteBox(Box::new(flips));
        let mut others = vec![("hotflip of 50 candidates", flips)];
        if !self.plan.reaches_for(Access::Scores) {
            let typos = TextAlgorithm::BlackBox(Box::new(DeepWordBug));
            others.push(("deepwordbug", typos));
        }
        let mut left = standing.clone();
        for (name, attack) in &others {
            let allowed = |row: usize| (self.allowed)(self.ids[row], budget);
            let purpose = format!("check {name}");
            left = self.left_by(left, &purpose, allowed, |problem| {
                Ok(run(attack, self.target, problem)?)
            })?;
        }
        let gain = standing.len() - left.len();
        let names: Vec<&str> = others.iter().map(|(name, _)| *name).collect();
        let names = names.join(" and ");
        let detail = format!("{names}: {gain} more of {} texts are broken", self.n());
        let warned = self.more_than_tolerated(gain);
        Ok(finding(Check::OtherAttacksGain, warned, detail))
    }

    /// Where every word may be replaced, every text must fall.
    fn unbounded(&self, mut left: Vec<usize>) -> Result<Finding, Error> {
        let attacks = self.plan.techniques.iter().flat_map(|t| &t.attacks);
        for attack in attacks.filter(|attack| attack.access() == Access::Gradients) {
            let all = |row: usize| self.texts[row].split_whitespace().count();
            left = self.left_by(left, "check unbounded", all, |problem| {
                Ok(attack.run_text(self.target, None, problem)?)
            })?;
        }
        let detail = format!(
            "{} of {} texts stand where all words may change",
            left.len(),
            self.n()
        );
        Ok(finding(Check::UnboundedEpsFails, !left.is_empty(), detail))
    }

    /// The rows that an attack leaves standing.
    fn left_by(
        &self,
        rows: Vec<usize>,
        purpose: &str,
        allowed: impl Fn(usize) -> usize,
        attack: impl FnOnce(&TextProblem<'_>) -> Result<Vec<Success<String>>, Error>,
    ) -> Result<Vec<usize>, Error> {
        let ids: Vec<u32> = rows.iter().map(|&row| self.ids[row]).collect();
        let texts: Vec<&str> = rows.iter().map(|&row| self.texts[row].as_str()).collect();
        let y: Vec<u32> = rows.iter().map(|&row| self.y[row]).collect();
        let edits: Vec<usize> = rows.iter().map(|&row| allowed(row)).collect();
        let problem = TextProblem {
            ids: &ids,
            texts: &texts,
            y: &y,
            edits: &edits,
            seed: attack_seed(self.plan.seed, purpose, 0.0),
            goal: self.plan.goal,
            lexicon: self.lexicon,
            stop: self.stop,
        };
        let mut left = vec![true; rows.len()];
        for success in attack(&problem)? {
            left[success.row] = false;
        }
        let rows = rows.into_iter().zip(left);
        Ok(rows.filter_map(|(row, left)| left.then_some(row)).collect())
    }

    fn margins(&self, scores: &[f32]) -> Vec<f32> {
        margins(scores, self.target.classes(), &self.y)
    }

    fn n(&self) -> usize {
        self.ids.len()
    }

    fn more_than_tolerated(&self, count: usize) -> bool {
        count as f64 > TOLERATED * self.n() as f64
    }
}
