//! Whether the measurement can be trusted: each reliability check of the evidence grade, on a probe of the run's own
//! samples. What a check costs goes on the meter like any other query.

use std::sync::atomic::AtomicBool;

use scoville_atlas::evidence::{Check, Finding, Outcome};
use scoville_attacks::{Algorithm, Attack, Problem, Success, black_box, white_box};
use scoville_kernels::{Array, Loss, Norm, head};
use scoville_targets::Gradients;

use crate::order::attack_seed;
use crate::{Error, Plan};

/// Samples that the checks are made on.
pub const PROBE: usize = 32;

/// A share of the probe that a check tolerates.
const TOLERATED: f64 = 0.1;

/// Correctly classified samples, and how the white-box attacks fared on them.
pub struct Probe<'a> {
    pub ids: Vec<u32>,
    pub x: Vec<f32>,
    pub y: Vec<u32>,
    /// The lowest rung at which white-box attacks broke each, if they did.
    pub white_box: Option<Vec<Option<usize>>>,
    pub plan: &'a Plan,
    pub target: &'a dyn Gradients,
    pub stop: &'a AtomicBool,
}

impl Probe<'_> {
    /// Every check that the probe allows.
    pub fn findings(&self) -> Result<Vec<Finding>, Error> {
        if self.ids.is_empty() {
            return Ok(Vec::new());
        }
        let scores = self.scores()?;
        let mut findings = vec![
            self.randomised_output(&scores)?,
            self.softmax_outputs(&scores),
        ];
        if let Some(broken) = &self.white_box {
            let gradient = self.margin_gradient()?;
            findings.push(self.zero_gradients(&gradient));
            findings.push(self.gradient_mismatch(&gradient)?);
            findings.push(self.single_step(broken)?);
            findings.push(self.more_iterations(broken)?);
            findings.push(self.unbounded_eps()?);
        }
        Ok(findings)
    }

    fn n(&self) -> usize {
        self.ids.len()
    }

    fn array(&self, values: Vec<f32>) -> Result<Array, Error> {
        Ok(Array::from_vec(
            self.target.device(),
            self.n(),
            self.x.len() / self.n(),
            values,
        )?)
    }

    fn labels(&self) -> Result<Array<u32>, Error> {
        Ok(Array::from_vec(
            self.target.device(),
            self.n(),
            1,
            self.y.clone(),
        )?)
    }

    /// The same input twice must give the same output, up to the rounding of a parallel sum.
    fn randomised_output(&self, first: &[f32]) -> Result<Finding, Error> {
        let again = self.scores()?;
        let scale = first.iter().fold(1e-6f32, |most, v| most.max(v.abs()));
        let difference = first
            .iter()
            .zip(&again)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, worse);
        let detail = format!(
            "largest difference of two runs {:.1e} of the scores",
            difference / scale
        );
        Ok(finding(
            Check::RandomisedOutput,
            !within(difference.into(), (1e-4 * scale).into()),
            detail,
        ))
    }

    fn scores(&self) -> Result<Vec<f32>, Error> {
        let x = self.array(self.x.clone())?;
        Ok(self.target.scores(&x)?.to_vec()?)
    }

    fn softmax_outputs(&self, scores: &[f32]) -> Finding {
        let rows = scores.chunks_exact(self.target.classes());
        let probabilities = rows
            .filter(|row| {
                let sum: f32 = row.iter().sum();
                row.iter().all(|v| (0.0..=1.0).contains(v)) && (sum - 1.0).abs() < 1e-3
            })
            .count();
        let detail = format!("{probabilities} of {} outputs are probabilities", self.n());
        finding(Check::SoftmaxOutputs, probabilities == self.n(), detail)
    }

    fn zero_gradients(&self, gradient: &[f32]) -> Finding {
        let cols = self.x.len() / self.n();
        let zero = gradient
            .chunks_exact(cols)
            .filter(|row| !row.iter().any(|&g| g != 0.0 && g.is_finite()))
            .count();
        let detail = format!("zero on {zero} of {} samples", self.n());
        finding(Check::ZeroGradients, self.more_than_tolerated(zero), detail)
    }

    /// The derivative along the gradient against a central difference of the margin, which, unlike cross-entropy, does
    /// not saturate.
    fn gradient_mismatch(&self, gradient: &[f32]) -> Result<Finding, Error> {
        let cols = self.x.len() / self.n();
        let rows: Vec<&[f32]> = gradient.chunks_exact(cols).collect();
        let norms: Vec<f64> = rows.iter().map(|row| norm(row)).collect();
        // A step of 1e-3 in L2 changes a pixel by far less than one grey level, and the margin by far more than its
        // rounding error unless the gradient is tiny.
        let step = 1e-3;
        let moved = |sign: f64| {
            let direction =
                |i: usize| sign * step * f64::from(gradient[i]) / norms[i / cols].max(1e-30);
            let point = self
                .x
                .iter()
                .enumerate()
                .map(|(i, &v)| (f64::from(v) + direction(i)) as f32);
            self.margin_at(point.collect())
        };
        let (ahead, behind) = (moved(1.0)?, moved(-1.0)?);
        let wrong = (0..self.n())
            .filter(|&i| {
                let difference = f64::from(ahead[i] - behind[i]) / (2.0 * step);
                !within(difference - norms[i], 0.1 * norms[i] + 0.05)
            })
            .count();
        let detail = format!(
            "differs from finite differences on {wrong} of {} samples",
            self.n()
        );
        Ok(finding(
            Check::GradientMismatch,
            self.more_than_tolerated(wrong),
            detail,
        ))
    }

    /// FGSM must not break what the iterative attacks could not.
    fn single_step(&self, broken: &[Option<usize>]) -> Result<Finding, Error> {
        let rung = self.middle();
        let fgsm = scoville_attacks::evasion::gradients::fgsm::fgsm();
        let found = white_box(
            &fgsm,
            self.target,
            &self.problem("check fgsm", self.plan.ladder[rung]),
        )?;
        let missed = found
            .iter()
            .filter(|s| broken[s.row].is_none_or(|r| r > rung))
            .count();
        let detail = format!("FGSM alone breaks {missed} of {} samples", self.n());
        Ok(finding(Check::SingleStepBeatsIterative, missed > 0, detail))
    }

    /// Twice the iterations on what is left at the middle of the ladder.
    fn more_iterations(&self, broken: &[Option<usize>]) -> Result<Finding, Error> {
        let rung = self.middle();
        let doubled: Vec<Attack> = self.attacks().filter_map(Attack::doubled).collect();
        if doubled.is_empty() {
            return Ok(not_run(
                Check::MoreIterationsGain,
                "no attack of this run iterates",
            ));
        }
        let mut gained = vec![false; self.n()];
        for attack in &doubled {
            let problem = self.problem(attack.row.name, self.plan.ladder[rung]);
            for success in run_attack(attack, self.target, &problem)? {
                gained[success.row] |= broken[success.row].is_none_or(|r| r > rung);
            }
        }
        let gain = gained.iter().filter(|&&g| g).count();
        let detail = format!(
            "twice the iterations break {gain} more of {} samples",
            self.n()
        );
        Ok(finding(
            Check::MoreIterationsGain,
            self.more_than_tolerated(gain),
            detail,
        ))
    }

    /// With a ball that holds the whole input range, every sample must fall.
    fn unbounded_eps(&self) -> Result<Finding, Error> {
        let eps = match self.plan.norm {
            Norm::Linf => 1.0,
            Norm::L2 => (self.x.len() as f64 / self.n() as f64).sqrt(),
            Norm::L1 => self.x.len() as f64 / self.n() as f64,
        };
        let mut broken = vec![false; self.n()];
        for attack in self.attacks() {
            for success in run_attack(attack, self.target, &self.problem("check unbounded", eps))? {
                broken[success.row] = true;
            }
        }
        let left = broken.iter().filter(|&&b| !b).count();
        let detail = format!("{left} of {} samples stand at eps {eps}", self.n());
        Ok(finding(Check::UnboundedEpsFails, left > 0, detail))
    }

    fn margin_gradient(&self) -> Result<Vec<f32>, Error> {
        let x = self.array(self.x.clone())?;
        let seen = self.target.gradient(&x, &self.labels()?, Loss::Margin)?;
        Ok(seen.gradient.to_vec()?)
    }

    fn margin_at(&self, x: Vec<f32>) -> Result<Vec<f32>, Error> {
        let scores = self.target.scores(&self.array(x)?)?;
        Ok(head(&scores, &self.labels()?, Loss::Margin)?
            .loss
            .to_vec()?)
    }

    fn attacks(&self) -> impl Iterator<Item = &Attack> {
        let attacks = self.plan.techniques.iter().flat_map(|t| &t.attacks);
        attacks.filter(|a| matches!(a.algorithm, Algorithm::WhiteBox(_)))
    }

    fn problem(&self, purpose: &str, eps: f64) -> Problem<'_> {
        Problem {
            ids: &self.ids,
            x: &self.x,
            y: &self.y,
            norm: self.plan.norm,
            eps,
            bounds: (0.0, 1.0),
            seed: attack_seed(self.plan.seed, purpose, eps),
            stop: self.stop,
        }
    }

    fn middle(&self) -> usize {
        self.plan.ladder.len() / 2
    }

    fn more_than_tolerated(&self, count: usize) -> bool {
        count as f64 > TOLERATED * self.n() as f64
    }
}

/// Runs an attack with the access that it needs.
pub fn run_attack(
    attack: &Attack,
    target: &dyn Gradients,
    problem: &Problem<'_>,
) -> Result<Vec<Success>, Error> {
    Ok(match &attack.algorithm {
        Algorithm::WhiteBox(attack) => white_box(attack.as_ref(), target, problem)?,
        Algorithm::BlackBox(attack) => black_box(attack.as_ref(), target, problem)?,
    })
}

/// A check that was made: `warned` when it found something.
pub fn finding(check: Check, warned: bool, detail: String) -> Finding {
    Finding {
        check,
        outcome: if warned {
            Outcome::Warned
        } else {
            Outcome::Passed
        },
        detail,
    }
}

/// A check that was not made, and why.
pub fn not_run(check: Check, why: &str) -> Finding {
    Finding {
        check,
        outcome: Outcome::NotRun,
        detail: why.into(),
    }
}

/// Whether `difference` is at most `tolerance` either way; NaN is not.
fn within(difference: f64, tolerance: f64) -> bool {
    difference.abs() <= tolerance
}

/// The larger of two, NaN counting as the largest.
fn worse(a: f32, b: f32) -> f32 {
    if a >= b || a.is_nan() { a } else { b }
}

fn norm(row: &[f32]) -> f64 {
    row.iter()
        .map(|&g| f64::from(g) * f64::from(g))
        .sum::<f64>()
        .sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_never_passes() {
        assert!(within(-0.5, 0.5) && !within(0.6, 0.5));
        assert!(!within(f64::NAN, 0.5) && !within(0.1, f64::NAN));
        assert!(worse(1.0, f32::NAN).is_nan() && worse(f32::NAN, 1.0).is_nan());
        assert_eq!(worse(1.0, 2.0), 2.0);
    }
}
