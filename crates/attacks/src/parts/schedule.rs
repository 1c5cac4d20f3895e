//! How step lengths shrink over a run.

use std::f32::consts::PI;

/// Cosine annealing: `from` at step 0 of `steps`, towards `to` at the end (Loshchilov & Hutter 2017).
pub fn cosine(from: f32, to: f32, step: usize, steps: usize) -> f32 {
    let done = step as f32 / steps.max(1) as f32;
    to + (from - to) * 0.5 * (1.0 + (PI * done).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falls_from_one_end_to_the_other() {
        let lengths: Vec<f32> = (0..=4).map(|i| cosine(1.0, 0.01, i, 4)).collect();
        assert_eq!((lengths[0], lengths[4]), (1.0, 0.01));
        assert!((lengths[2] - 0.505).abs() < 1e-6);
        assert!(lengths.windows(2).all(|pair| pair[1] < pair[0]));
    }
}
