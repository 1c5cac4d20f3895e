//! Whether the measurement can be trusted: each reliability check of the evidence grade, on a probe of the run's own
//! samples. What a check costs goes on the meter like any other query.

mod answers;
mod curve;
mod gains;
mod scores;
mod texts;

pub use texts::TextProbe;

use std::sync::atomic::AtomicBool;

use scoville_atlas::evidence::{Check, Finding, Outcome};
use scoville_attacks::{Access, Problem};
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
    pub surrogate: Option<&'a dyn Gradients>,
    pub stop: &'a AtomicBool,
}

impl Probe<'_> {
    /// Every check that the probe allows.
    pub fn findings(&self) -> Result<Vec<Finding>, Error> {
        if self.ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut findings = self.of_answers()?;
        if let Some(broken) = self.white_box.as_ref().filter(|_| self.takes_gradients()) {
            findings.extend(self.of_attacks(broken)?);
        }
        Ok(findings)
    }

    fn takes_gradients(&self) -> bool {
        self.plan.reaches_for(Access::Gradients)
    }

    /// Trees answer by steps, which an attack that reads them knows.
    fn reads_trees(&self) -> bool {
        self.plan.reaches_for(Access::Trees)
    }

    fn n(&self) -> usize {
        self.ids.len()
    }

    fn cols(&self) -> usize {
        self.x.len() / self.n()
    }

    fn more_than_tolerated(&self, count: usize) -> bool {
        count as f64 > TOLERATED * self.n() as f64
    }
}

/// Some samples of the probe, to attack.
struct Open {
    /// Their places in the probe.
    rows: Vec<usize>,
    ids: Vec<u32>,
    x: Vec<f32>,
    y: Vec<u32>,
}

impl Open {
    fn of(probe: &Probe<'_>, rows: Vec<usize>) -> Self {
        let cols = probe.cols();
        let sample = |&row: &usize| &probe.x[row * cols..][..cols];
        Self {
            ids: rows.iter().map(|&row| probe.ids[row]).collect(),
            x: rows.iter().flat_map(sample).copied().collect(),
            y: rows.iter().map(|&row| probe.y[row]).collect(),
            rows,
        }
    }

    fn problem<'a>(&'a self, probe: &'a Probe<'_>, purpose: &str, eps: f64) -> Problem<'a> {
        Problem {
            ids: &self.ids,
            x: &self.x,
            y: &self.y,
            norm: probe.plan.measure.norm(),
            eps,
            bounds: (0.0, 1.0),
            seed: attack_seed(probe.plan.seed, purpose, eps),
            goal: probe.plan.goal,
            constraints: probe.plan.constraints.as_ref(),
            stop: probe.stop,
        }
    }
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
