//! The search for the move, on the CPU.

use crate::steps::step::row_scale;
use crate::{Ball, Norm};

/// Rounds of the search for the share, and of that for lambda.
const OUTER: usize = 14;
const INNER: usize = 20;
/// Where the search for lambda ends on the CPU, and how near to the boundary a move counts as on it.
const EXACT: f32 = 1e-4;
const NEAR: f32 = 1e-2;
/// Stands for what a float can hardly hold.
const LARGE: f32 = 1e30;

#[inline(always)]
pub(super) fn row(x: &mut [f32], x0: &[f32], normal: &[f32], gap: f32, radius: f32, ball: &Ball) {
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
        Norm::Linf => problem.solve(x, x0, ball, |[v, _], d, [low, high], t| {
            v.max(low.max(d - t)).min(high.min(d + t))
        }),
        Norm::L2 => problem.solve(x, x0, ball, |[v, _], d, range, s| clip(s * d + v, range)),
        Norm::L1 => problem.solve(x, x0, ball, |[v, _], d, range, t| {
            clip(d.max(v - t).min(v + t), range)
        }),
        _ => problem.solve(x, x0, ball, |[v, chosen], d, range, t| {
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
        x0: &[f32],
        ball: &Ball,
        least: impl Fn([f32; 2], f32, [f32; 2], f32) -> f32 + Copy,
    ) {
        let mut weight = if ball.norm == Norm::Linf { LARGE } else { 0.0 };
        let mut best = self.meet(weight, true, 0.0, false, least);
        if (best.along - 1.0).abs() <= NEAR {
            let top = self.farthest(best, weight, least);
            let (mut share, mut above) = (0.0, 1.0);
            for _ in 0..OUTER {
                let middle = 0.5 * (share + above);
                let tried = weight_at(middle, top, ball.norm);
                let mut there = self.meet(tried, false, best.lambda, false, least);
                if ball.norm == Norm::L0 {
                    there = self.meet(tried, false, there.lambda, true, least);
                }
                if (there.along - 1.0).abs() <= NEAR && there.length <= 1.0 + EXACT {
                    (share, weight, best) = (middle, tried, there);
                } else {
                    above = middle;
                }
            }
        }
        for (i, (x, &x0)) in x.iter_mut().zip(x0).enumerate() {
            let step = self.element(i, best, weight, least);
            // Rounding would leave what goes all the way a little off.
            *x = match step == self.d[i] {
                true => x0,
                false => clip(*x + step, [ball.lo, ball.hi]),
            };
        }
    }

    /// An element of the move that reaches so far.
    #[inline(always)]
    fn element(
        &self,
        i: usize,
        reach: Reach,
        weight: f32,
        least: impl Fn([f32; 2], f32, [f32; 2], f32) -> f32,
    ) -> f32 {
        let lambdas = [reach.lambda, reach.chosen].map(|lambda| lambda * self.b[i]);
        least(lambdas, self.d[i], [self.low[i], self.high[i]], weight)
    }

    /// The largest distance from the clean sample that a move leaves in an element.
    #[inline(always)]
    fn farthest(
        &self,
        reach: Reach,
        weight: f32,
        least: impl Fn([f32; 2], f32, [f32; 2], f32) -> f32 + Copy,
    ) -> f32 {
        let left = |i: usize| (self.d[i] - self.element(i, reach, weight, least)).abs();
        (0..self.d.len()).map(left).fold(0.0, f32::max)
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
fn weight_at(share: f32, top: f32, norm: Norm) -> f32 {
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
