//! What scores show by themselves, whatever the samples are.

use scoville_atlas::evidence::{Check, Finding};

use super::{finding, not_run};

/// The same input twice must give the same output, up to the rounding of a parallel sum.
pub(super) fn randomised_output(first: &[f32], again: &[f32]) -> Finding {
    let scale = largest(first);
    let pairs = first.iter().zip(again);
    let difference = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, worse);
    let share = match difference / scale {
        0.0 => "0".into(),
        share => format!("{share:.1e}"),
    };
    let detail = format!("largest difference of two runs {share} of the scores");
    let random = !within(difference.into(), 1e-4 * f64::from(scale));
    finding(Check::RandomisedOutput, random, detail)
}

/// Logits do not keep within [0, 1]; what a softmax or a sigmoid gives does.
pub(super) fn softmax_outputs(scores: &[f32], classes: usize) -> Finding {
    let rows = scores.chunks_exact(classes);
    let n = rows.len();
    let within_one = |row: &&[f32]| row.iter().all(|v| (0.0..=1.0).contains(v));
    let probabilities = rows.filter(within_one).count();
    let detail = format!("{probabilities} of {n} outputs are probabilities");
    finding(Check::SoftmaxOutputs, probabilities == n, detail)
}

/// A surrogate must take at least half of the samples for what the target takes them for, which is their label.
pub(super) fn surrogate_disagrees(answers: Option<Vec<u32>>, y: &[u32]) -> Finding {
    let check = Check::SurrogateDisagrees;
    let Some(answers) = answers else {
        return not_run(check, "needs a surrogate");
    };
    let agreed = answers.iter().zip(y).filter(|(a, y)| a == y).count();
    let detail = format!(
        "the surrogate agrees with the target on {agreed} of {} samples that the target gets right",
        y.len()
    );
    finding(check, 2 * agreed < y.len(), detail)
}

/// `max_{j != y} z_j - z_y` of each row of scores: negative while the label wins.
pub(super) fn margins(scores: &[f32], classes: usize, y: &[u32]) -> Vec<f32> {
    let rows = scores.chunks_exact(classes).zip(y);
    rows.map(|(row, &y)| margin(row, y as usize)).collect()
}

/// Whether `difference` is at most `tolerance` either way; NaN is not.
pub(super) fn within(difference: f64, tolerance: f64) -> bool {
    difference.abs() <= tolerance
}

/// The larger of two, NaN counting as the largest.
fn worse(a: f32, b: f32) -> f32 {
    if a >= b || a.is_nan() { a } else { b }
}

/// The largest magnitude.
pub(super) fn largest(scores: &[f32]) -> f32 {
    scores
        .iter()
        .fold(f32::MIN_POSITIVE, |most, v| most.max(v.abs()))
}

fn margin(row: &[f32], y: usize) -> f32 {
    let others = row.iter().enumerate().filter(|&(class, _)| class != y);
    let best = others.map(|(_, &z)| z).fold(f32::NEG_INFINITY, f32::max);
    best - row.get(y).copied().unwrap_or(f32::NAN)
}

pub(super) fn norm(row: &[f32]) -> f64 {
    let squares = row.iter().map(|&g| f64::from(g) * f64::from(g));
    squares.sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use scoville_atlas::evidence::Outcome;

    use super::*;

    #[test]
    fn nan_never_passes() {
        assert!(within(-0.5, 0.5) && !within(0.6, 0.5));
        assert!(!within(f64::NAN, 0.5) && !within(0.1, f64::NAN));
        assert!(worse(1.0, f32::NAN).is_nan() && worse(f32::NAN, 1.0).is_nan());
        assert_eq!(worse(1.0, 2.0), 2.0);
    }

    #[test]
    fn two_runs_that_are_alike_differ_by_0() {
        let same = randomised_output(&[1.0, -2.0], &[1.0, -2.0]);
        assert_eq!(
            same.detail,
            "largest difference of two runs 0 of the scores"
        );
        let other = randomised_output(&[1.0, -2.0], &[1.0, -1.0]);
        assert!(other.detail.contains(" 5.0e-1 of"), "{}", other.detail);
    }

    #[test]
    fn a_surrogate_agrees_on_half_of_the_samples_or_more() {
        let outcome = |answers: &[u32]| {
            let finding = surrogate_disagrees(Some(answers.into()), &[0, 1, 2, 1]);
            (finding.outcome, finding.detail)
        };
        assert_eq!(outcome(&[0, 1, 0, 0]).0, Outcome::Passed);
        let (warned, detail) = outcome(&[1, 2, 0, 1]);
        assert_eq!(warned, Outcome::Warned);
        assert!(detail.contains("on 1 of 4 samples"), "{detail}");
        assert_eq!(surrogate_disagrees(None, &[0]).outcome, Outcome::NotRun);
    }

    #[test]
    fn the_margin_is_negative_while_the_label_wins() {
        assert_eq!(margin(&[1.0, 5.0, 2.0], 1), -3.0);
        assert_eq!(margin(&[1.0, 5.0, 2.0], 2), 3.0);
        assert!(margin(&[1.0, 5.0], 7).is_nan());
    }
}
