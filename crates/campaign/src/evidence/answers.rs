//! Checks of what the target answers, on the probe and a little beside it.

use scoville_atlas::evidence::{Check, Finding};
use scoville_attacks::Measure;
use scoville_kernels::{Array, Ball, Loss, Norm, combine, start, step};
use scoville_targets::Gradients;

use super::scores::{
    largest, margins, norm, randomised_output, softmax_outputs, surrogate_disagrees, within,
};
use super::{Probe, finding, not_run};
use crate::Error;
use crate::order::attack_seed;

impl Probe<'_> {
    /// The checks that need no attack, those of the gradient where white-box attacks ran.
    pub(super) fn of_answers(&self) -> Result<Vec<Finding>, Error> {
        let scores = self.scores_at(&self.clean()?)?;
        let again = self.scores_at(&self.clean()?)?;
        let mut findings = vec![
            randomised_output(&scores, &again),
            self.surrogate_disagrees()?,
        ];
        if self.reads_trees() {
            let why = "trees answer by steps, and the attack on them reads those";
            findings.extend([Check::SoftmaxOutputs, Check::FlatScores].map(|c| not_run(c, why)));
        } else {
            findings.push(softmax_outputs(&scores, self.target.classes()));
        }
        if self.plan.measure == Measure::Severity {
            return Ok(findings);
        }
        if !self.reads_trees() {
            findings.push(self.flat_scores(&scores)?);
        }
        if !self.takes_gradients() {
            findings.push(self.non_finite_outputs(None)?);
            return Ok(findings);
        }
        let (x, y) = (self.clean()?, self.labels()?);
        let gradient = self.target.gradient(&x, &y, Loss::Margin)?.gradient;
        let values = gradient.to_vec()?;
        findings.extend([
            self.non_finite_outputs(Some(&gradient))?,
            self.zero_gradients(&values),
            self.gradient_mismatch(&values, largest(&scores))?,
            self.ascent_fails(&scores, &gradient)?,
        ]);
        Ok(findings)
    }

    fn surrogate_disagrees(&self) -> Result<Finding, Error> {
        let answers = |surrogate: &dyn Gradients| -> Result<Vec<u32>, Error> {
            Ok(surrogate.labels(&self.clean()?)?.to_vec()?)
        };
        let answers = self.surrogate.map(answers).transpose()?;
        Ok(surrogate_disagrees(answers, &self.y))
    }

    fn array(&self, values: Vec<f32>) -> Result<Array, Error> {
        let device = self.target.device();
        Ok(Array::from_vec(device, self.n(), self.cols(), values)?)
    }

    fn clean(&self) -> Result<Array, Error> {
        self.array(self.x.clone())
    }

    fn labels(&self) -> Result<Array<u32>, Error> {
        let device = self.target.device();
        Ok(Array::from_vec(device, self.n(), 1, self.y.clone())?)
    }

    fn scores_at(&self, x: &Array) -> Result<Vec<f32>, Error> {
        Ok(self.target.scores(x)?.to_vec()?)
    }

    /// `max_{j != y} z_j - z_y` of each row of scores: negative while the label wins.
    fn margins(&self, scores: &[f32]) -> Vec<f32> {
        margins(scores, self.target.classes(), &self.y)
    }

    fn margins_at(&self, x: &Array) -> Result<Vec<f32>, Error> {
        Ok(self.margins(&self.scores_at(x)?))
    }

    /// A random point within `eps` of each sample.
    fn noisy(&self, eps: f64) -> Result<Array, Error> {
        let device = self.target.device();
        let ids = Array::from_vec(device, self.n(), 1, self.ids.clone())?;
        let seed = attack_seed(self.plan.seed, "check noise", 0.0);
        Ok(start(
            &self.clean()?,
            &ids,
            &self.ball(eps),
            seed,
            0,
            false,
        )?)
    }

    /// A step of length `eps` along the gradient from each sample.
    fn stepped(&self, gradient: &Array, eps: f64) -> Result<Array, Error> {
        let (mut x, ball) = (self.clean()?, self.ball(eps));
        step(&mut x, &self.clean()?, gradient, ball.eps, &ball)?;
        Ok(x)
    }

    /// The ball of `eps`. In L1 and L0, where points of it differ in few elements, the budget is spread over all of them, and
    /// in Wasserstein, where it is a share of the mass, as much over all of that.
    fn ball(&self, eps: f64) -> Ball {
        let (norm, eps) = match self.plan.measure.norm() {
            Norm::L1 | Norm::L0 => (Norm::Linf, eps / self.cols() as f64),
            Norm::Wasserstein => (Norm::Linf, eps * self.mean()),
            norm => (norm, eps),
        };
        Ball {
            norm,
            eps: eps as f32,
            lo: 0.0,
            hi: 1.0,
        }
    }

    /// The mean value of an element.
    fn mean(&self) -> f64 {
        self.x.iter().map(|&v| f64::from(v)).sum::<f64>() / self.x.len() as f64
    }

    fn smallest(&self) -> f64 {
        self.plan.ladder.first().copied().unwrap_or_default()
    }

    /// A quarter of noise of the smallest budget must move the scores, and not far less than in proportion to all of it:
    /// where scores go by steps, an attack on them sees nothing between two of them.
    fn flat_scores(&self, clean: &[f32]) -> Result<Finding, Error> {
        let eps = self.smallest();
        let before = self.margins(clean);
        let whole = self.noisy(eps)?;
        let mut quarter = self.clean()?;
        combine(&mut quarter, 0.75, &whole, 0.25)?;
        let (quarter, whole) = (self.margins_at(&quarter)?, self.margins_at(&whole)?);
        let moves = before.iter().zip(quarter.iter().zip(&whole));
        let flat = moves
            .filter(|(before, (quarter, whole))| {
                let (little, much) = ((*quarter - *before).abs(), (*whole - *before).abs());
                little == 0.0 || little < 0.1 * 0.25 * much
            })
            .count();
        let detail = format!(
            "a quarter of noise of eps {:.4} hardly moves the scores on {flat} of {} samples",
            eps,
            self.n()
        );
        let warned = self.more_than_tolerated(flat);
        Ok(finding(Check::FlatScores, warned, detail))
    }

    /// An answer that is not finite is no class, and so no find: there must be none within the largest budget.
    fn non_finite_outputs(&self, gradient: Option<&Array>) -> Result<Finding, Error> {
        let eps = self.plan.ladder.last().copied().unwrap_or_default();
        let mut points = vec![self.noisy(eps)?];
        if let Some(gradient) = gradient {
            points.push(self.stepped(gradient, eps)?);
        }
        let mut invalid = vec![false; self.n()];
        for point in points {
            let scores = self.scores_at(&point)?;
            let rows = scores.chunks_exact(self.target.classes());
            for (invalid, row) in invalid.iter_mut().zip(rows) {
                *invalid |= row.iter().any(|v| !v.is_finite());
            }
        }
        let count = invalid.iter().filter(|&&i| i).count();
        let detail = format!(
            "NaN or infinite within eps {eps:.4} of {count} of {} samples",
            self.n()
        );
        Ok(finding(Check::NonFiniteOutputs, count > 0, detail))
    }

    fn zero_gradients(&self, gradient: &[f32]) -> Finding {
        let zero = gradient
            .chunks_exact(self.cols())
            .filter(|row| !row.iter().any(|&g| g != 0.0 && g.is_finite()))
            .count();
        let detail = format!("zero on {zero} of {} samples", self.n());
        finding(Check::ZeroGradients, self.more_than_tolerated(zero), detail)
    }

    /// The derivative along the gradient against a central difference of the margin, which, unlike cross-entropy, does
    /// not saturate.
    fn gradient_mismatch(&self, gradient: &[f32], largest: f32) -> Result<Finding, Error> {
        let cols = self.cols();
        let norms: Vec<f64> = gradient.chunks_exact(cols).map(norm).collect();
        // A step of 1e-3 in L2 changes a pixel by far less than one grey level, and the margin by far more than its
        // rounding error unless the gradient is tiny.
        let length = 1e-3;
        let moved = |sign: f64| {
            let directions = norms.iter().map(|norm| sign * length / norm.max(1e-30));
            let steps = directions.flat_map(|scale| std::iter::repeat_n(scale, cols));
            let points = self.x.iter().zip(gradient).zip(steps);
            let point =
                points.map(|((&v, &g), scale)| (f64::from(v) + scale * f64::from(g)) as f32);
            self.margins_at(&self.array(point.collect())?)
        };
        let rounding = f64::from(40.0 * f32::EPSILON * largest) / length;
        let (ahead, behind) = (moved(1.0)?, moved(-1.0)?);
        let pairs = ahead.iter().zip(&behind).zip(&norms);
        let wrong = pairs
            .filter(|((ahead, behind), norm)| {
                let difference = f64::from(**ahead - **behind) / (2.0 * length);
                !within(difference - **norm, 0.1 * **norm + rounding)
            })
            .count();
        let detail = format!(
            "differs from finite differences on {wrong} of {} samples",
            self.n()
        );
        let warned = self.more_than_tolerated(wrong);
        Ok(finding(Check::GradientMismatch, warned, detail))
    }

    /// One step along the gradient, as long as the smallest budget, must raise the loss.
    fn ascent_fails(&self, scores: &[f32], gradient: &Array) -> Result<Finding, Error> {
        let after = self.margins_at(&self.stepped(gradient, self.smallest())?)?;
        let before = self.margins(scores);
        let stuck = before.iter().zip(&after);
        let stuck = stuck.filter(|(before, after)| before >= after).count();
        let detail = format!(
            "a step of eps {:.4} does not raise the loss on {stuck} of {} samples",
            self.smallest(),
            self.n()
        );
        let warned = self.more_than_tolerated(stuck);
        Ok(finding(Check::AscentFails, warned, detail))
    }
}
