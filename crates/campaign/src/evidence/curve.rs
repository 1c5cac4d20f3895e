//! Whether an attack's optimisation came to its end: the loss over its steps.
//!
//! Pintor et al. 2022, <https://arxiv.org/abs/2106.09947>, "incomplete optimization".

use scoville_atlas::evidence::{Check, Finding};

use super::{Open, Probe, finding, not_run};
use crate::Error;

/// An attack of fewer steps than this has no curve to speak of.
const LEAST_STEPS: usize = 20;
/// The share of the whole gain that the last quarter of the steps may bring; of a straight line it is a quarter.
const LATE: f32 = 0.2;
/// How far below its best the loss may lie in the last half of the steps, in the mean, as a share of the whole gain.
const FALL: f32 = 0.5;

/// What is wrong with the loss of one sample over the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It never rises.
    Flat,
    /// It falls far back from its best again and again.
    Unstable,
    /// It is still rising at the end.
    Unfinished,
}

impl Probe<'_> {
    /// The first attack that iterates, once to its end on what stands.
    pub(super) fn loss_curve(&self, standing: Vec<usize>, eps: f64) -> Result<Finding, Error> {
        let check = Check::IncompleteOptimisation;
        let Some(attack) = self
            .attacks()
            .find(|attack| attack.steps() >= Some(LEAST_STEPS))
        else {
            return Ok(not_run(
                check,
                "no attack of this run takes 20 steps or more, each by its own gradient",
            ));
        };
        let open = Open::of(self, standing);
        let problem = open.problem(self, &attack.name, eps);
        let losses = attack.losses(self.target, &problem)?;
        if open.rows.is_empty() {
            return Ok(finding(check, false, "no sample stands".into()));
        }
        if Some(losses.len()) != attack.steps() {
            return Ok(not_run(check, "the attack takes several gradients a step"));
        }
        let of_sample =
            |row: usize| -> Vec<f32> { losses.iter().map(|losses| losses[row]).collect() };
        let faults: Vec<Fault> = (0..open.rows.len())
            .filter_map(|row| fault(&of_sample(row)))
            .collect();
        let count = |wanted| faults.iter().filter(|&&fault| fault == wanted).count();
        let detail = format!(
            "over the steps of {} the loss still rises at the end on {}, falls back on {} and never rises on {} of {} samples that stand",
            attack.name,
            count(Fault::Unfinished),
            count(Fault::Unstable),
            count(Fault::Flat),
            open.rows.len(),
        );
        Ok(finding(
            check,
            self.more_than_tolerated(faults.len()),
            detail,
        ))
    }
}

/// What is wrong with the losses of a sample, step by step.
fn fault(losses: &[f32]) -> Option<Fault> {
    let (&first, n) = (losses.first()?, losses.len());
    let mut best = f32::NEG_INFINITY;
    let bests: Vec<f32> = losses
        .iter()
        .map(|&loss| {
            best = best.max(loss);
            best
        })
        .collect();
    let gain = best - first;
    if gain.is_nan() || gain <= 1e-6 * first.abs().max(f32::MIN_POSITIVE) {
        return Some(Fault::Flat);
    }
    let half = n / 2..;
    let falls = bests[half.clone()]
        .iter()
        .zip(&losses[half])
        .map(|(best, loss)| best - loss);
    let fall = falls.sum::<f32>() / (n - n / 2) as f32;
    let late = best - bests[n - 1 - n / 4];
    match (fall > FALL * gain, late > LATE * gain) {
        (true, _) => Some(Fault::Unstable),
        (_, true) => Some(Fault::Unfinished),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_tell_whether_the_attack_is_done() {
        let curve = |loss: fn(f32) -> f32| {
            (0..40u8)
                .map(|step| loss(f32::from(step)))
                .collect::<Vec<f32>>()
        };
        let done = curve(|t| 1.0 - (-t / 5.0).exp());
        assert_eq!(fault(&done), None);
        assert_eq!(
            fault(&curve(|t| 1.0 - (-t / 5.0).exp() + 0.05 * (7.0 * t).sin())),
            None
        );
        assert_eq!(fault(&curve(|t| t)), Some(Fault::Unfinished));
        assert_eq!(fault(&curve(|t| (5.0 * t).sin())), Some(Fault::Unstable));
        assert_eq!(fault(&curve(|_| 0.0)), Some(Fault::Flat));
        assert_eq!(fault(&curve(|t| -t)), Some(Fault::Flat));
        assert_eq!(fault(&curve(|_| f32::NAN)), Some(Fault::Flat));
        assert_eq!(fault(&[]), None);
    }
}
