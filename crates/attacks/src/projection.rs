//! The last word on whether a stored sample is inside its ball: f64 arithmetic on the f32 values that are stored.
//!
//! Kernels project in f32, where `x0 + eps` may round outward. The driver passes every candidate through [`project`],
//! so what is reported lies inside the ball as a reader with f64 would check it.

use scoville_kernels::{Image, Norm};

use crate::transport;

/// Enough for f64.
const BISECTIONS: usize = 80;

/// The distance of `x` from `x0`, laid out as `image`, in f64.
pub fn distance(norm: Norm, image: Image, x0: &[f32], x: &[f32]) -> f64 {
    let differences = x0.iter().zip(x).map(|(&a, &b)| f64::from(b) - f64::from(a));
    match norm {
        Norm::Linf => differences.fold(0.0, |worst, d| worst.max(d.abs())),
        Norm::L2 => differences.map(|d| d * d).sum::<f64>().sqrt(),
        Norm::L1 => differences.map(f64::abs).sum(),
        Norm::L0 => differences.filter(|&d| d != 0.0).count() as f64,
        Norm::Wasserstein => transport::distance(image, x0, x),
    }
}

/// Moves `x`, laid out as `image`, into the ball of radius `eps` round `x0` and into `[lo, hi]`: the least way, but in
/// Wasserstein along the line to `x0`. Values that are not finite return to `x0`.
pub fn project(
    norm: Norm,
    image: Image,
    eps: f64,
    (lo, hi): (f32, f32),
    x0: &[f32],
    x: &mut [f32],
) {
    for (value, &centre) in x.iter_mut().zip(x0) {
        *value = if value.is_finite() {
            value.clamp(lo, hi)
        } else {
            centre
        };
    }
    match norm {
        Norm::Linf => project_linf(eps, x0, x),
        Norm::L2 | Norm::Wasserstein => draw_back(|x| distance(norm, image, x0, x), eps, x0, x),
        Norm::L1 => project_l1(eps, x0, x),
        Norm::L0 => project_l0(eps, x0, x),
    }
}

fn project_linf(eps: f64, x0: &[f32], x: &mut [f32]) {
    for (value, &centre) in x.iter_mut().zip(x0) {
        let c = f64::from(centre);
        if (f64::from(*value) - c).abs() > eps {
            *value = at_most(c, (f64::from(*value) - c).signum() * eps);
        }
    }
}

/// The f32 next to `centre + move` that is no farther from `centre`.
fn at_most(centre: f64, way: f64) -> f32 {
    let mut value = (centre + way) as f32;
    while (f64::from(value) - centre).abs() > way.abs() {
        value = if way > 0.0 {
            value.next_down()
        } else {
            value.next_up()
        };
    }
    value
}

/// Takes the same `t` off every move; `x` lies in the range already, and so does every point between it and `x0`.
fn project_l1(eps: f64, x0: &[f32], x: &mut [f32]) {
    let moves: Vec<f64> = x0
        .iter()
        .zip(x.iter())
        .map(|(&a, &b)| f64::from(b) - f64::from(a))
        .collect();
    let left = |t: f64| -> f64 { moves.iter().map(|d| (d.abs() - t).max(0.0)).sum() };
    if left(0.0) <= eps {
        return;
    }
    let (mut low, mut high) = (
        0.0,
        moves.iter().fold(0.0, |most: f64, d| most.max(d.abs())),
    );
    for _ in 0..BISECTIONS {
        let middle = 0.5 * (low + high);
        if left(middle) <= eps {
            high = middle;
        } else {
            low = middle;
        }
    }
    for ((value, &centre), d) in x.iter_mut().zip(x0).zip(&moves) {
        let way = d.signum() * (d.abs() - high).max(0.0);
        *value = at_most(f64::from(centre), way);
    }
    // The sum may still be a hair outside when it is taken in another order.
    if distance(Norm::L1, Image::row(x.len()), x0, x) > eps {
        project_l1(eps * (1.0 - 1e-12), x0, x);
    }
}

/// Takes back the smallest changes, as many as are too many.
fn project_l0(eps: f64, x0: &[f32], x: &mut [f32]) {
    let size = |i: usize, x: &[f32]| (f64::from(x[i]) - f64::from(x0[i])).abs();
    let mut changed: Vec<usize> = (0..x.len()).filter(|&i| size(i, x) > 0.0).collect();
    changed.sort_by(|&a, &b| size(b, x).total_cmp(&size(a, x)));
    for &i in changed.iter().skip(eps as usize) {
        x[i] = x0[i];
    }
}

/// Moves `x` along the line to `x0` until its `distance`, which grows in proportion on that line, is at most `eps`.
fn draw_back(distance: impl Fn(&[f32]) -> f64, eps: f64, x0: &[f32], x: &mut [f32]) {
    let mut slack = 1e-7;
    loop {
        let length = distance(x);
        if length <= eps {
            return;
        }
        if slack > 0.5 {
            x.copy_from_slice(x0);
            return;
        }
        // Rounding to f32 can leave the point a hair outside: twice as much slack each round.
        let factor = eps / length * (1.0 - slack);
        slack *= 2.0;
        for (value, &centre) in x.iter_mut().zip(x0) {
            let c = f64::from(centre);
            *value = (c + (f64::from(*value) - c) * factor) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: Image = Image {
        channels: 2,
        height: 7,
        width: 7,
    };

    /// Values in [-0.5, 1.5] from a small generator.
    fn values(n: usize, mut state: u64) -> Vec<f32> {
        let mut next = || {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            ((state >> 40) as f32) / 8_388_608.0 - 0.5
        };
        (0..n).map(|_| next()).collect()
    }

    #[test]
    fn what_is_projected_is_inside_by_f64_and_within_bounds() {
        for (norm, eps) in [
            (Norm::Linf, 2.0 / 255.0),
            (Norm::Linf, 1.0 / 3.0),
            (Norm::L2, 0.5),
            (Norm::L2, 1e-3),
            (Norm::L1, 3.0),
            (Norm::L1, 1e-3),
            (Norm::L0, 7.0),
            (Norm::L0, 0.5),
            (Norm::Wasserstein, 0.5),
            (Norm::Wasserstein, 1e-4),
        ] {
            for seed in 0..200 {
                let x0: Vec<f32> = values(98, seed).iter().map(|v| v.clamp(0.0, 1.0)).collect();
                let mut x = values(98, seed + 1000);
                project(norm, IMAGE, eps, (0.0, 1.0), &x0, &mut x);
                assert!(distance(norm, IMAGE, &x0, &x) <= eps, "{norm} {eps} {seed}");
                assert!(x.iter().all(|v| (0.0..=1.0).contains(v)));
            }
        }
    }

    #[test]
    fn a_point_inside_stays_where_it_is() {
        let x0 = [0.5f32, 0.25, 1.0];
        let mut x = [0.5039f32, 0.2461, 0.9961];
        let before = x;
        project(
            Norm::Linf,
            Image::row(x.len()),
            2.0 / 255.0,
            (0.0, 1.0),
            &x0,
            &mut x,
        );
        assert_eq!(x, before);
    }

    #[test]
    fn in_l1_every_move_loses_the_same() {
        let x0 = [0.5f32, 0.5, 0.5, 1.0];
        let mut x = [0.75f32, 0.25, 0.625, 1.0];
        project(Norm::L1, Image::row(x.len()), 0.25, (0.0, 1.0), &x0, &mut x);
        assert_eq!(x, [0.625, 0.375, 0.5, 1.0]);
    }

    #[test]
    fn in_l0_the_largest_changes_stay() {
        let x0 = [0.5f32, 0.5, 0.5, 1.0];
        let mut x = [0.75f32, 0.125, 0.625, 1.0];
        project(Norm::L0, Image::row(x.len()), 2.0, (0.0, 1.0), &x0, &mut x);
        assert_eq!(x, [0.75, 0.125, 0.5, 1.0]);
        assert_eq!(distance(Norm::L0, Image::row(4), &x0, &x), 2.0);
    }

    #[test]
    fn what_is_not_finite_returns_to_the_clean_value() {
        let x0 = [0.5f32, 0.25];
        let mut x = [f32::NAN, f32::INFINITY];
        project(Norm::L2, Image::row(x.len()), 0.5, (0.0, 1.0), &x0, &mut x);
        assert_eq!(x, x0);
    }

    #[test]
    fn a_radius_of_zero_gives_the_clean_sample() {
        let x0 = values(10, 3)
            .iter()
            .map(|v| v.clamp(0.0, 1.0))
            .collect::<Vec<_>>();
        for norm in [Norm::Linf, Norm::L2, Norm::L1, Norm::L0, Norm::Wasserstein] {
            let mut x = values(10, 4);
            project(norm, Image::row(10), 0.0, (0.0, 1.0), &x0, &mut x);
            assert_eq!(x, x0);
        }
    }
}
