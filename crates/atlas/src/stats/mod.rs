//! Intervals for a rate of successes in Bernoulli trials.
//!
//! [`ConfidenceSequence`] while results stream in: it holds at every moment at once, so a reader
//! may look and stop whenever they like. [`clopper_pearson`] on the finished sample: exact,
//! narrower, and valid for a sample size that was fixed before.

mod clopper_pearson;
mod confidence_sequence;

pub use clopper_pearson::clopper_pearson;
pub use confidence_sequence::{ConfidenceSequence, anytime};

/// The confidence level of every interval that Scoville reports.
pub const LEVEL: f64 = 0.95;

/// The interval of an unknown rate.
const UNKNOWN: [f64; 2] = [0.0, 1.0];

/// Whether an interval can be computed at all: some trials, no more successes than trials, a level
/// inside (0, 1).
fn informative(successes: usize, n: usize, level: f64) -> bool {
    n > 0 && successes <= n && level > 0.0 && level < 1.0
}

/// The edge of the set `contains` between 0 and `inside`, by bisection to the last bit.
///
/// `contains` must hold at `inside`, fail close to 0, and change once between. The edge is rounded
/// outwards, so an interval never loses a point to rounding.
fn lower_edge(inside: f64, contains: impl Fn(f64) -> bool) -> f64 {
    let [mut out, mut inside] = [0.0, inside];
    // 53 halvings exhaust a double unless the edge is near 0; 100 then still locate it to within
    // 1e-30.
    for _ in 0..100 {
        let middle = 0.5 * (out + inside);
        if middle <= out || middle >= inside {
            break;
        }
        if contains(middle) {
            inside = middle;
        } else {
            out = middle;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::lower_edge;

    #[test]
    fn the_edge_is_found_and_rounded_outwards() {
        for edge in [1e-12, 0.1, 1.0 / 3.0, 0.999_999] {
            let found = lower_edge(1.0, |p| p >= edge);
            assert!(
                found < edge && edge - found <= 2.0 * f64::EPSILON * edge,
                "{edge}: {found}"
            );
        }
    }
}
