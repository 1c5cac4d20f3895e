//! What scores show by themselves, whatever the samples are.

use scoville_atlas::evidence::{Check, Finding};

use super::finding;

/// The same input twice must give the same output, up to the rounding of a parallel sum.
pub(super) fn randomised_output(first: &[f32], again: &[f32]) -> Finding {
    let scale = largest(first);
    let pairs = first.iter().zip(again);
    let difference = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, worse);
    let detail = format!(
        "largest difference of two runs {:.1e} of the scores",
        difference / scale
    );
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
    use super::*;

    #[test]
    fn nan_never_passes() {
        assert!(within(-0.5, 0.5) && !within(0.6, 0.5));
        assert!(!within(f64::NAN, 0.5) && !within(0.1, f64::NAN));
        assert!(worse(1.0, f32::NAN).is_nan() && worse(f32::NAN, 1.0).is_nan());
        assert_eq!(worse(1.0, 2.0), 2.0);
    }

    #[test]
    fn the_margin_is_negative_while_the_label_wins() {
        assert_eq!(margin(&[1.0, 5.0, 2.0], 1), -3.0);
        assert_eq!(margin(&[1.0, 5.0, 2.0], 2), 3.0);
        assert!(margin(&[1.0, 5.0], 7).is_nan());
    }
}
