//! The pattern of Square Attack in the L2 and the L1 ball: two bumps of opposite sign, one above the other or
//! side by side. A bump is a pile of nested squares, of which the `k`-th adds `1 / k^2` (`1 / k^4` in L1); each bump
//! has the same length in its norm, the whole has length 1.
//!
//! Andriushchenko et al. 2020, arXiv 1912.00049, section 3.4; in L1 as in the authors' code in AutoAttack.

use crate::Norm;

/// The half of [`patterns`] that is upright, or the one that is turned.
pub(crate) fn oriented(patterns: &[f32], turned: bool) -> &[f32] {
    let (upright, other) = patterns.split_at(patterns.len() / 2);
    if turned { other } else { upright }
}

/// The pattern of a window, line by line: with its bumps one above the other, then side by side.
pub(crate) fn patterns(height: usize, width: usize, norm: Norm) -> Vec<f32> {
    let above = two_bumps(height, width, norm);
    let beside = two_bumps(width, height, norm);
    let turned = (0..height * width).map(|i| beside[i % width * height + i / width]);
    above
        .iter()
        .copied()
        .chain(turned)
        .map(|value| value as f32)
        .collect()
}

fn two_bumps(height: usize, width: usize, norm: Norm) -> Vec<f64> {
    let mut values = bump(height / 2, width, norm);
    let below = bump(height - height / 2, width, norm);
    values.extend(below.iter().map(|value| -value));
    normalised(values, norm)
}

/// Nested squares about the middle: a pixel at distance `r` (in the maximum norm) lies in all of
/// them from number `r` on.
fn bump(height: usize, width: usize, norm: Norm) -> Vec<f64> {
    let steepness = if norm == Norm::L1 { -4 } else { -2 };
    let outermost = height.max(width) / 2;
    let mut heights = vec![0.0; outermost + 2];
    for r in (0..=outermost).rev() {
        heights[r] = heights[r + 1] + ((r + 1) as f64).powi(steepness);
    }
    let distance = |i: usize| {
        (i / width)
            .abs_diff(height / 2)
            .max((i % width).abs_diff(width / 2))
    };
    let values = (0..height * width).map(|i| heights[distance(i)]);
    normalised(values.collect(), norm)
}

fn normalised(mut values: Vec<f64>, norm: Norm) -> Vec<f64> {
    let length = if norm == Norm::L1 {
        values.iter().map(|value| value.abs()).sum::<f64>()
    } else {
        values.iter().map(|value| value * value).sum::<f64>().sqrt()
    };
    values.iter_mut().for_each(|value| *value /= length);
    values
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::assert_close;

    /// The pattern as the authors' code builds it: one growing square after the other.
    pub fn naive_pattern(height: usize, width: usize) -> Vec<Vec<f64>> {
        let mut pattern = vec![vec![0.0; width]; height];
        for (top, bottom, sign) in [(0, height / 2, 1.0), (height / 2, height, -1.0)] {
            let rows = (bottom - top) as i64;
            let (mut y, mut x) = (rows / 2, width as i64 / 2);
            let mut bump = vec![vec![0.0; width]; bottom - top];
            for k in 0..=(rows / 2).max(width as i64 / 2) {
                for line in y.max(0)..(y + 2 * k + 1).min(rows) {
                    for column in x.max(0)..(x + 2 * k + 1).min(width as i64) {
                        bump[line as usize][column as usize] += 1.0 / ((k + 1) * (k + 1)) as f64;
                    }
                }
                (y, x) = (y - 1, x - 1);
            }
            let length = bump
                .iter()
                .flatten()
                .map(|v: &f64| v * v)
                .sum::<f64>()
                .sqrt();
            for (line, bump) in pattern[top..bottom].iter_mut().zip(bump) {
                *line = bump.iter().map(|v| sign * v / length).collect();
            }
        }
        let length = pattern.iter().flatten().map(|v| v * v).sum::<f64>().sqrt();
        pattern
            .iter()
            .map(|line| line.iter().map(|v| v / length).collect())
            .collect()
    }

    /// The same with its bumps side by side where `turned`.
    pub fn turned_or_not(turned: bool, height: usize, width: usize) -> Vec<Vec<f64>> {
        let upright = naive_pattern(height, width);
        let across = naive_pattern(width, height);
        if !turned {
            return upright;
        }
        (0..height)
            .map(|y| (0..width).map(|x| across[x][y]).collect())
            .collect()
    }

    #[test]
    fn in_l1_bumps_are_steeper() {
        // Three high, three wide: 1 + 2^-4 in the middle of the lower bump, whose upper line is its middle.
        let values = patterns(3, 3, Norm::L1);
        let steep = 17.0 / 16.0;
        let (up, down) = (2.0 * (steep + 0.125), 2.0 * (steep + 0.3125));
        let expected = [
            [0.0625 / up, steep / up, 0.0625 / up],
            [-0.0625 / down; 3],
            [-0.0625 / down, -steep / down, -0.0625 / down],
        ];
        assert_close("pattern", &values[..9], &expected.concat(), 1e-6);
    }

    #[test]
    fn the_pattern_is_the_authors() {
        for height in 1..14 {
            for width in 1..14 {
                let both =
                    [false, true].map(|turned| turned_or_not(turned, height, width).concat());
                let both: Vec<_> = both.concat().iter().map(|&v| v as f32).collect();
                assert_close(
                    &format!("{height} x {width}"),
                    &patterns(height, width, Norm::L2),
                    &both,
                    1e-6,
                );
            }
        }
    }
}
