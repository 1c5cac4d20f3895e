//! The state of a search: what was spent, the best point, and the verdict on it.

use std::time::Instant;

use scoville_kernels::Array;
use scoville_runtime::Model;
use scoville_vnnlib::{Case, Conjunction};

use crate::goal::{best_margin, only_compares};
use crate::{Answer, Counterexample, Error, Falsifier, Settings};

/// A margin this far above 0, of the largest output, leaves no doubt in another runtime.
const CLEAR: f64 = 1e-4;
/// Batches that are looked at after a counter-example that is not clear, to find a clearer one.
const PATIENCE: usize = 20;

pub(crate) struct Search<'a> {
    falsifier: &'a Falsifier,
    pub seed: u64,
    deadline: Option<Instant>,
    pub at: usize,
    case: Option<&'a Case>,
    /// The best point by the search's own scores, and the case that it is of.
    best: Option<Best<'a>>,
    verified: Option<(Counterexample, f64)>,
    patience: usize,
    queries: u64,
    gradients: u64,
}

struct Best<'a> {
    score: f64,
    point: Vec<f32>,
    case: &'a Case,
}

impl<'a> Search<'a> {
    pub fn new(falsifier: &'a Falsifier, settings: &Settings) -> Self {
        Search {
            falsifier,
            seed: settings.seed,
            deadline: settings
                .timeout
                .and_then(|timeout| Instant::now().checked_add(timeout)),
            at: 0,
            case: None,
            best: None,
            verified: None,
            patience: PATIENCE,
            queries: 0,
            gradients: 0,
        }
    }

    /// Goes on with this case.
    pub fn enter(&mut self, at: usize, case: &'a Case) {
        (self.at, self.case) = (at, Some(case));
    }

    pub fn any(&self) -> &'a [Conjunction] {
        self.case.map_or(&[], |case| &case.any)
    }

    pub fn model(&self) -> &'a Model {
        &self.falsifier.model
    }

    /// Whether nothing more is to be done.
    pub fn done(&self) -> bool {
        let clear = self.verified.as_ref().is_some_and(|(found, margin)| {
            let largest = found
                .outputs
                .iter()
                .fold(0.0_f32, |most, y| most.max(y.abs()));
            *margin > CLEAR * f64::from(largest)
        });
        let late = || self.deadline.is_some_and(|end| Instant::now() >= end);
        clear || self.patience == 0 || late()
    }

    /// The gradient of what `head` derives by the logits, `rows x sample`; and the logits.
    pub fn gradient(
        &mut self,
        x: &[f32],
        head: &mut dyn FnMut(&[f32]) -> Vec<f32>,
    ) -> Result<(Vec<f32>, Vec<f32>), Error> {
        let model = self.model();
        let x = rows(model, x)?;
        self.gradients += x.rows() as u64;
        let (logits, gradient) = model.gradient(&x, &mut |logits| {
            let by = head(&logits.to_vec()?);
            Array::from_vec(model.device(), logits.rows(), logits.cols(), by)
        })?;
        Ok((logits.to_vec()?, gradient.to_vec()?))
    }

    /// What a search without gradients compares points by: logits where they say the same as the outputs, for a softmax
    /// makes many points alike.
    pub fn scores(&mut self, x: &[f32]) -> Result<Vec<f32>, Error> {
        let model = self.model();
        let x = rows(model, x)?;
        self.queries += x.rows() as u64;
        let scores = match only_compares(self.any()) {
            true => model.logits(&x)?,
            false => model.output(&x)?,
        };
        Ok(scores.to_vec()?)
    }

    /// Looks at a batch and its scores; true when the search is over.
    pub fn observe(&mut self, x: &[f32], scores: &[f32]) -> Result<bool, Error> {
        if self.verified.is_some() {
            self.patience = self.patience.saturating_sub(1);
        }
        let Some(case) = self.case else {
            return Ok(true);
        };
        let (len, outputs) = (self.model().sample_len(), self.model().classes());
        let margins = scores
            .chunks_exact(outputs)
            .map(|row| best_margin(&case.any, row));
        let best = margins
            .zip(x.chunks_exact(len))
            .max_by(|(a, _), (b, _)| a.total_cmp(b));
        let Some((score, point)) = best else {
            return Ok(self.done());
        };
        if self.best.as_ref().is_none_or(|best| score > best.score) {
            let point = point.to_vec();
            self.best = Some(Best { score, point, case });
            if score >= 0.0 {
                self.judge()?;
            }
        }
        Ok(self.done())
    }

    /// Runs the best point alone, as exported, and keeps it if it is a counter-example; its margin.
    fn judge(&mut self) -> Result<Option<f64>, Error> {
        let Some(best) = &mut self.best else {
            return Ok(None);
        };
        let model = &self.falsifier.model;
        self.queries += 1;
        let outputs = model.output(&rows(model, &best.point)?)?.to_vec()?;
        let margin = best_margin(&best.case.any, &outputs);
        let holds = margin >= 0.0 && best.case.contains(&best.point);
        if !holds {
            // The batch said otherwise: it must not stand in the way of a point that holds.
            best.score = best.score.min(margin);
        }
        let better = self
            .verified
            .as_ref()
            .is_none_or(|&(_, known)| margin > known);
        if holds && better {
            let found = Counterexample {
                case: self.at,
                point: best.point.clone(),
                outputs,
            };
            self.verified = Some((found, margin));
        }
        Ok(Some(margin))
    }

    pub fn answer(mut self, empty: usize) -> Result<Answer, Error> {
        let margin = match &self.verified {
            Some((_, margin)) => Some(*margin),
            None => self.judge()?,
        };
        Ok(Answer {
            found: self.verified.map(|(found, _)| found),
            margin,
            empty,
            queries: self.queries,
            gradients: self.gradients,
        })
    }
}

fn rows(model: &Model, x: &[f32]) -> Result<Array, Error> {
    let len = model.sample_len();
    let n = x.len().checked_div(len).unwrap_or(0);
    Ok(Array::from_vec(model.device(), n, len, x.to_vec())?)
}
