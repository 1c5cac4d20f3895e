//! The step of Brendel and Bethge's attack (2019, <https://arxiv.org/abs/1907.01003>): along a decision boundary, taken as
//! linear, to the point nearest to the clean sample.
//!
//! With `d = x0 - x` it seeks the move `m` that makes `|d - m|` least, subject to `b . m = c`, `|m|_2 <= r`, and the input
//! range. For a multiplier `lambda` of the boundary and one of the radius, the least element by element is
//! - L2: `s d + lambda b`,
//! - L1: `d` moved into `[lambda b - t, lambda b + t]`,
//! - L0: `d` where that costs no more than t, `(d - lambda b)^2 - (z - lambda b)^2 < 2 t`, else the z nearest to `lambda b`;
//!   as `b . m` jumps where elements change sides, lambda is sought again for the elements once they are chosen,
//! - Linf: `lambda b` moved into `[d - t, d + t]`,
//!
//! each moved into the range. `b . m` rises with lambda, and `|m|_2` with the share s that says how much `d` counts: t is
//! `s / (1 - s)` in units of the largest `|d|`, in Linf `1 - s`. So there are two nested searches, of which the outer one takes
//! the largest s that the radius allows. Where even s = 0, the shortest move, does not reach the boundary, the move goes as far
//! towards it as it may.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::step::row_scale;
use crate::wide::wide;
use crate::{Array, Ball, Device, Error, Norm};

const KERNEL: &str = "boundary_step";
const SHADER: Shader = shader!("boundary_step", needs "reduce");

/// Rounds of the search for the share, and of that for lambda.
const OUTER: usize = 14;
const INNER: usize = 20;
/// Where the search for lambda ends on the CPU, and how near to the boundary a move counts as on it.
const EXACT: f32 = 1e-4;
const NEAR: f32 = 1e-2;
/// Stands for what a float can hardly hold.
const LARGE: f32 = 1e30;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    cols: u32,
    norm: u32,
    lo: f32,
    hi: f32,
    radius: f32,
}

/// Moves `x` (n x d) by L2 length `radius` at most, given the clean `x0` (n x d), and of the boundary at `x` the `normal` b
/// (n x d) and the `gap` c (n x 1) that it should be crossed by. Of the ball the norm and the range count, not eps. A row
/// whose normal is zero, or holds Inf or NaN, does not move.
pub fn boundary_step(
    x: &mut Array,
    x0: &Array,
    normal: &Array,
    gap: &Array,
    radius: f32,
    ball: &Ball,
) -> Result<(), Error> {
    let (rows, cols) = (x.rows(), x.cols());
    ball.expect_elementwise(KERNEL)?;
    x0.expect_shape(KERNEL, "x0", rows, cols)?;
    normal.expect_shape(KERNEL, "normal", rows, cols)?;
    gap.expect_shape(KERNEL, "gap", rows, 1)?;
    if x.is_empty() {
        return Ok(());
    }
    match x.device() {
        Device::Cpu => {
            let (x0, normal) = (x0.host(KERNEL)?, normal.host(KERNEL)?);
            let gap = gap.host(KERNEL)?;
            x.host_mut(KERNEL)?
                .par_chunks_mut(cols)
                .zip(x0.par_chunks(cols))
                .zip(normal.par_chunks(cols))
                .zip(gap)
                .for_each(|(((x, x0), normal), &gap)| {
                    wide(|| row(x, x0, normal, gap, radius, ball));
                });
            Ok(())
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                cols: cols as u32,
                norm: match ball.norm {
                    Norm::Linf => 0,
                    Norm::L2 => 1,
                    Norm::L1 => 2,
                    _ => 3,
                },
                lo: ball.lo,
                hi: ball.hi,
                radius,
            };
            let arrays = [
                x.buffer(KERNEL, &gpu)?,
                x0.buffer(KERNEL, &gpu)?,
                normal.buffer(KERNEL, &gpu)?,
                gap.buffer(KERNEL, &gpu)?,
            ];
            launch(&gpu, &SHADER, &params, &arrays, Grid::Workgroups(rows))
        }
    }
}

#[inline(always)]
fn row(x: &mut [f32], x0: &[f32], normal: &[f32], gap: f32, radius: f32, ball: &Ball) {
    let Some(scale) = row_scale(normal) else {
        return;
    };
    let signed = if gap < 0.0 { -scale } else { scale };
    let problem = Problem {
        b: normal.iter().map(|b| b / signed).collect(),
        d: x0.iter().zip(x.iter()).map(|(x0, x)| x0 - x).collect(),
        low: x.iter().map(|x| ball.lo - x).collect(),
        high: x.iter().map(|x| ball.hi - x).collect(),
        gap: (gap / signed).clamp(1.0 / LARGE, LARGE),
        radius,
    };
    match ball.norm {
        Norm::Linf => problem.solve(x, ball, |[v, _], d, [low, high], t| {
            v.max(low.max(d - t)).min(high.min(d + t))
        }),
        Norm::L2 => problem.solve(x, ball, |[v, _], d, range, s| clip(s * d + v, range)),
        Norm::L1 => problem.solve(x, ball, |[v, _], d, range, t| {
            clip(d.max(v - t).min(v + t), range)
        }),
        _ => problem.solve(x, ball, |[v, chosen], d, range, t| {
            let z = clip(chosen, range);
            // (d - chosen)^2 - (z - chosen)^2, which would lose its digits.
            let dearer = (d - z) * (d + z - 2.0 * chosen);
            if dearer < 2.0 * t { d } else { clip(v, range) }
        }),
    }
}

#[inline(always)]
fn clip(v: f32, [low, high]: [f32; 2]) -> f32 {
    v.max(low).min(high)
}

struct Problem {
    b: Vec<f32>,
    d: Vec<f32>,
    low: Vec<f32>,
    high: Vec<f32>,
    /// Above 0: the normal points across the boundary.
    gap: f32,
    radius: f32,
}

/// How far a move goes.
#[derive(Clone, Copy)]
struct Reach {
    lambda: f32,
    /// The lambda that the elements to be changed are chosen by, in L0.
    chosen: f32,
    /// Along the normal, in gaps.
    along: f32,
    /// Its L2 norm, in radii.
    length: f32,
}

impl Problem {
    #[inline(always)]
    fn solve(
        &self,
        x: &mut [f32],
        ball: &Ball,
        least: impl Fn([f32; 2], f32, [f32; 2], f32) -> f32 + Copy,
    ) {
        let top = self.d.iter().fold(0.0, |top: f32, d| top.max(d.abs()));
        let weight = |share: f32| weight(share, top, ball.norm);
        let mut best = self.meet(weight(0.0), true, 0.0, false, least);
        let mut share = 0.0;
        if (best.along - 1.0).abs() <= NEAR {
            let mut above = 1.0;
            for _ in 0..OUTER {
                let middle = 0.5 * (share + above);
                let mut there = self.meet(weight(middle), false, best.lambda, false, least);
                if ball.norm == Norm::L0 {
                    there = self.meet(weight(middle), false, there.lambda, true, least);
                }
                if (there.along - 1.0).abs() <= NEAR && there.length <= 1.0 + EXACT {
                    (share, best) = (middle, there);
                } else {
                    above = middle;
                }
            }
        }
        let weight = weight(share);
        for (i, x) in x.iter_mut().enumerate() {
            let step = least(
                [best.lambda, best.chosen].map(|lambda| lambda * self.b[i]),
                self.d[i],
                [self.low[i], self.high[i]],
                weight,
            );
            *x = clip(*x + step, [ball.lo, ball.hi]);
        }
    }

    /// The lambda whose move meets the boundary; with a `limited` length, if that is reached before, the radius. It is sought
    /// from `first` on, in L0 with the elements that this chooses if they are `fixed`.
    #[inline(always)]
    fn meet(
        &self,
        weight: f32,
        limited: bool,
        first: f32,
        fixed: bool,
        least: impl Fn([f32; 2], f32, [f32; 2], f32) -> f32 + Copy,
    ) -> Reach {
        let value = |reach: Reach| match limited {
            true => reach.along.max(reach.length),
            false => reach.along,
        };
        let reach =
            |lambda: f32| self.reach(lambda, if fixed { first } else { lambda }, weight, least);
        let mut best = reach(first);
        let squares: f32 = self.b.iter().map(|b| b * b).sum();
        let mut step = (1.0 - value(best)) * self.gap / squares;
        let up = step >= 0.0;
        let (mut near, mut far) = ((best.lambda, value(best)), None);
        for round in 0..INNER {
            if (value(best) - 1.0).abs() <= EXACT {
                break;
            }
            let lambda = match far {
                None => near.0 + step,
                Some(far) => between(near, far, round),
            };
            let here = reach(lambda.clamp(-LARGE, LARGE));
            if (value(here) < 1.0) == up {
                near = (here.lambda, value(here));
                step *= 4.0;
            } else {
                far = Some((here.lambda, value(here)));
            }
            if (value(here) - 1.0).abs() < (value(best) - 1.0).abs() {
                best = here;
            }
        }
        best
    }

    #[inline(always)]
    fn reach(
        &self,
        lambda: f32,
        chosen: f32,
        weight: f32,
        least: impl Fn([f32; 2], f32, [f32; 2], f32) -> f32 + Copy,
    ) -> Reach {
        const LANES: usize = 16;
        let (mut along, mut length) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        let mut add = |lane: usize, i: usize| {
            let b = self.b[i];
            let range = [self.low[i], self.high[i]];
            let m = least([lambda * b, chosen * b], self.d[i], range, weight);
            along[lane] += b * m;
            length[lane] += m * m;
        };
        let whole = self.b.len() / LANES * LANES;
        for start in (0..whole).step_by(LANES) {
            for lane in 0..LANES {
                add(lane, start + lane);
            }
        }
        (whole..self.b.len()).for_each(|i| add(i - whole, i));
        Reach {
            lambda,
            chosen,
            along: along.iter().sum::<f32>() / self.gap,
            length: length.iter().sum::<f32>().sqrt() / self.radius,
        }
    }
}

/// The weight of `d` at a share.
#[inline(always)]
fn weight(share: f32, top: f32, norm: Norm) -> f32 {
    match norm {
        Norm::Linf => (1.0 - share) * top,
        Norm::L2 => share,
        Norm::L1 => share / (1.0 - share) * top,
        _ => share / (1.0 - share) * top * top,
    }
}

/// A point between two at which a rising function lies on either side of 1: where their secant meets 1, or halfway.
#[inline(always)]
fn between(near: (f32, f32), far: (f32, f32), round: usize) -> f32 {
    let secant = (1.0 - near.1) / (far.1 - near.1);
    let share = if round.is_multiple_of(2) && secant > 0.0 && secant < 1.0 {
        secant
    } else {
        0.5
    };
    near.0 + share * (far.0 - near.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    const NORMS: [Norm; 4] = [Norm::Linf, Norm::L2, Norm::L1, Norm::L0];

    fn ball(norm: Norm) -> Ball {
        Ball {
            norm,
            eps: 0.0,
            lo: 0.0,
            hi: 1.0,
        }
    }

    fn run(
        device: &Device,
        [x, x0, b]: [&[f32]; 3],
        gap: &[f32],
        radius: f32,
        norm: Norm,
    ) -> Vec<f32> {
        let (rows, cols) = (gap.len(), x.len() / gap.len());
        let array = |data: &[f32]| Array::from_vec(device, rows, cols, data.to_vec()).unwrap();
        let gap = Array::from_vec(device, rows, 1, gap.to_vec()).unwrap();
        let mut moved = array(x);
        boundary_step(&mut moved, &array(x0), &array(b), &gap, radius, &ball(norm)).unwrap();
        moved.to_vec().unwrap()
    }

    fn distance(a: &[f32], b: &[f32], norm: Norm) -> f64 {
        let moves = a.iter().zip(b).map(|(a, b)| f64::from(a - b).abs());
        match norm {
            Norm::Linf => moves.fold(0.0, f64::max),
            Norm::L2 => moves.map(|m| m * m).sum::<f64>().sqrt(),
            Norm::L1 => moves.sum(),
            _ => moves.filter(|&m| m > 1e-6).count() as f64,
        }
    }

    #[test]
    fn table() {
        // x at the middle, the clean sample 0.2 below in both elements, the boundary through x.
        let (x, x0, b) = ([0.5, 0.5], [0.3, 0.3], [2.0, 1.0]);
        for device in testing::devices() {
            for (norm, radius, gap, expected) in [
                // The moves onto 2 m0 + m1 = -0.3 that end nearest to (-0.2, -0.2).
                (Norm::L2, 9.0, -0.3, [0.42, 0.36]),
                (Norm::L1, 9.0, -0.3, [0.45, 0.3]),
                (Norm::Linf, 9.0, -0.3, [0.4, 0.4]),
                // The shortest move to it is as long as the radius; beyond the radius there is none.
                (Norm::L2, 0.1342, -0.3, [0.38, 0.44]),
                (Norm::L1, 0.1, 0.9, [0.5894, 0.5447]),
                // The range ends at 1.
                (Norm::L2, 9.0, 3.0, [1.0, 1.0]),
            ] {
                let got = run(&device, [&x, &x0, &b], &[gap], radius, norm);
                assert_close(
                    &format!("{norm} {gap} on {device:?}"),
                    &got,
                    &expected,
                    5e-3,
                );
            }
            for bad in [0.0, f32::NAN, f32::INFINITY] {
                let got = run(&device, [&x, &x0, &[bad, bad]], &[1.0], 1.0, Norm::L2);
                assert_eq!(got, x);
            }
        }
    }

    /// The move keeps to the radius, the range and the boundary, and every device ends as near to the clean sample.
    #[test]
    fn constraints_hold_and_devices_agree() {
        let mut random = Random::new(91);
        // Software devices take long for as many rounds over larger ones.
        let shapes = testing::shapes(92).into_iter();
        let small = shapes.filter(|(rows, cols)| rows * cols <= 4096);
        for (case, (rows, cols)) in small.enumerate() {
            let norm = NORMS[case % 4];
            let x0 = random.floats(rows * cols, 0.0, 1.0);
            let x = random.floats(rows * cols, 0.0, 1.0);
            let b = random.floats(rows * cols, -1.0, 1.0);
            let gap = random.floats(rows, -0.2, 0.2);
            let radius = [0.3, 3.0][case / 4 % 2];
            let cpu = run(&Device::Cpu, [&x, &x0, &b], &gap, radius, norm);
            for device in testing::devices() {
                let got = run(&device, [&x, &x0, &b], &gap, radius, norm);
                for row in 0..rows {
                    let at = row * cols..(row + 1) * cols;
                    let what = format!("{norm}, {rows} x {cols}, row {row} on {device:?}");
                    let (x, x0, got, cpu) = (
                        &x[at.clone()],
                        &x0[at.clone()],
                        &got[at.clone()],
                        &cpu[at.clone()],
                    );
                    assert!(got.iter().all(|v| (0.0..=1.0).contains(v)), "{what}");
                    assert!(
                        distance(x, got, Norm::L2) <= 1.002 * f64::from(radius),
                        "{what}"
                    );
                    let along = |to: &[f32]| -> f64 {
                        let moves = to.iter().zip(x).map(|(to, x)| f64::from(to - x));
                        moves
                            .zip(&b[at.clone()])
                            .map(|(m, &b)| m * f64::from(b))
                            .sum()
                    };
                    if norm == Norm::L0 {
                        // Rounding may choose another element, which matters where there are few.
                        continue;
                    }
                    let (mine, theirs) = (along(got), along(cpu));
                    assert!((mine - theirs).abs() < 0.03 * theirs.abs() + 1e-4, "{what}");
                    let (near, nearer) = (distance(got, x0, norm), distance(cpu, x0, norm));
                    assert!(
                        (near - nearer).abs() <= 0.05 * nearer + 2e-2,
                        "{what}: {near} {nearer}"
                    );
                }
            }
        }
    }

    /// No random move that meets the same constraints ends nearer to the clean sample.
    #[test]
    fn nothing_feasible_is_nearer() {
        let mut random = Random::new(93);
        for case in 0..60 {
            let (norm, cols, radius) = (NORMS[case % 3], 6, 0.4);
            let x0 = random.floats(cols, 0.2, 0.8);
            let x = random.floats(cols, 0.2, 0.8);
            let b = random.floats(cols, -1.0, 1.0);
            let gap = random.floats(1, -0.1, 0.1);
            let got = run(&Device::Cpu, [&x, &x0, &b], &gap, radius, norm);
            let moved: Vec<f32> = got.iter().zip(&x).map(|(g, x)| g - x).collect();
            let along: f32 = moved.iter().zip(&b).map(|(m, b)| m * b).sum();
            let squares: f32 = b.iter().map(|b| b * b).sum();
            let least = distance(&got, &x0, norm);
            for _ in 0..400 {
                let mut other: Vec<f32> = moved
                    .iter()
                    .zip(random.floats(cols, -0.1, 0.1))
                    .map(|(m, r)| m + r)
                    .collect();
                let off: f32 = other.iter().zip(&b).map(|(m, b)| m * b).sum::<f32>() - along;
                other
                    .iter_mut()
                    .zip(&b)
                    .for_each(|(m, b)| *m -= off / squares * b);
                let to: Vec<f32> = other.iter().zip(&x).map(|(m, x)| m + x).collect();
                let inside = to.iter().all(|v| (0.0..=1.0).contains(v));
                if inside && distance(&to, &x, Norm::L2) <= f64::from(radius) {
                    let there = distance(&to, &x0, norm);
                    assert!(there >= least - 6e-3, "{norm}: {there} {least}");
                }
            }
        }
    }

    #[test]
    fn in_l0_few_elements_stay_changed_on_every_device() {
        let mut random = Random::new(94);
        for cols in [300, 3000] {
            let x0 = random.floats(cols, 0.3, 0.7);
            let noise = random.floats(cols, -0.2, 0.2);
            let x: Vec<f32> = x0.iter().zip(noise).map(|(x0, noise)| x0 + noise).collect();
            let b = random.floats(cols, -1.0, 1.0);
            let gap: f32 = b
                .iter()
                .zip(&x0)
                .zip(&x)
                .map(|((b, x0), x)| b * (x0 - x))
                .sum();
            let gap = gap + 0.8;
            for device in testing::devices() {
                let got = run(&device, [&x, &x0, &b], &[gap], 50.0, Norm::L0);
                let changed = distance(&got, &x0, Norm::L0);
                assert!(
                    (1.0..6.0).contains(&changed),
                    "{changed} of {cols} on {device:?}"
                );
                let moves = got.iter().zip(&x).map(|(to, x)| to - x);
                let along: f32 = moves.zip(&b).map(|(m, b)| m * b).sum();
                assert!((along - gap).abs() <= 0.02 * gap.abs(), "{along} {gap}");
            }
        }
    }

    #[test]
    fn shapes_must_fit() {
        let array = |rows, cols| Array::<f32>::zeros(&Device::Cpu, rows, cols).unwrap();
        let run = |x0: usize, b: usize, gap: usize| {
            let (x0, b, gap) = (array(x0, 3), array(2, b), array(gap, 1));
            boundary_step(&mut array(2, 3), &x0, &b, &gap, 1.0, &ball(Norm::L2))
        };
        assert!(run(2, 3, 2).is_ok());
        assert!(run(3, 3, 2).is_err());
        assert!(run(2, 4, 2).is_err());
        assert!(run(2, 3, 1).is_err());
    }
}
