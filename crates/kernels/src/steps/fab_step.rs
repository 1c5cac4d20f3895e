//! One step of the Fast Adaptive Boundary attack (Croce and Hein 2020,
//! <https://arxiv.org/abs/1907.02044>).
//!
//! With the margin `m` at `x` and its gradient `w`, the decision boundary is taken for the plane
//! `w . (z - x) + m = 0`. `x` and the clean `x0` each have a least move (in Linf, L2 or L1) `d(x)`, `d(x0)`
//! to it that stays in the input range, or the farthest one there is. Then
//! `x <- clip((1 - a) (x + 1.05 d(x)) + a (x0 + 1.05 d(x0)))`, `a = min(|d(x)| / (|d(x)| + |d(x0)|), 0.1)`.
//!
//! The least move is `|d_i| = min(lambda r_i, room_i)`, against the sign of `w_i`, with `r_i = 1` in Linf
//! and `|w_i|` in L2. `sum |w_i| |d_i|` rises with lambda along straight pieces, each flatter than
//! the one before, so Newton's method from 0 finds lambda in a few rounds and never passes it. In L1 the elements with the
//! largest `|w_i|` move as far as they can, the last of them as far as is needed; a bisection of the bits of `|w_i|` finds it.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::steps::step::row_scale;
use crate::wide::{dot_of_difference, l2_norm, largest, total, total_of_pairs, wide};
use crate::{Array, Ball, Device, Error, Norm};

const KERNEL: &str = "fab_step";
const SHADER: Shader = shader!("fab_step", needs "reduce");

/// Rounds of Newton's method. 16 was the most that any of 6,000 random rows needed.
const NEWTON_STEPS: usize = 24;
/// The most that the clean sample's projection counts.
const BIAS: f32 = 0.1;
/// How far moves go, 1 being onto the plane.
const OVERSHOOT: f32 = 1.05;
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
}

/// Moves `x` (n x d) on, given the clean `x0` (n x d), and at `x` the `margin` (n x 1) of a rival class over the label
/// and its gradient `grad` (n x d). Of the ball the norm and the range count, not eps. A row whose gradient is zero,
/// reaches beyond 2^100, or holds Inf or NaN, does not move.
pub fn fab_step(
    x: &mut Array,
    x0: &Array,
    grad: &Array,
    margin: &Array,
    ball: &Ball,
) -> Result<(), Error> {
    let (rows, cols) = (x.rows(), x.cols());
    ball.expect_convex(KERNEL)?;
    x0.expect_shape(KERNEL, "x0", rows, cols)?;
    grad.expect_shape(KERNEL, "grad", rows, cols)?;
    margin.expect_shape(KERNEL, "margin", rows, 1)?;
    if x.is_empty() {
        return Ok(());
    }
    match x.device() {
        Device::Cpu => {
            let (x0, grad) = (x0.host(KERNEL)?, grad.host(KERNEL)?);
            let margin = margin.host(KERNEL)?;
            x.host_mut(KERNEL)?
                .par_chunks_mut(cols)
                .zip(x0.par_chunks(cols))
                .zip(grad.par_chunks(cols))
                .zip(margin)
                .for_each(|(((x, x0), grad), &margin)| {
                    wide(
                        #[inline(always)]
                        || row(x, x0, grad, margin, ball),
                    )
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
                    _ => 2,
                },
                lo: ball.lo,
                hi: ball.hi,
            };
            let arrays = [
                x.buffer(KERNEL, &gpu)?,
                x0.buffer(KERNEL, &gpu)?,
                grad.buffer(KERNEL, &gpu)?,
                margin.buffer(KERNEL, &gpu)?,
            ];
            launch(&gpu, &SHADER, &params, &arrays, Grid::Workgroups(rows))
        }
    }
}

#[inline(always)]
fn row(x: &mut [f32], x0: &[f32], grad: &[f32], margin: f32, ball: &Ball) {
    let Some(scale) = row_scale(grad) else { return };
    let w: Vec<f32> = grad.iter().map(|g| g / scale).collect();
    let gap = (margin / scale).clamp(-LARGE, LARGE);
    let across = dot_of_difference(&w, x0, x);
    let here = least_move(x, &w, gap, ball);
    let clean = least_move(x0, &w, gap + across as f32, ball);
    let (far, farther) = (size(&here, ball.norm), size(&clean, ball.norm));
    let alpha = (far / (far + farther)).min(BIAS);
    for (i, x) in x.iter_mut().enumerate() {
        let from_here = *x + OVERSHOOT * here[i];
        let from_clean = x0[i] + OVERSHOOT * clean[i];
        *x = ((1.0 - alpha) * from_here + alpha * from_clean)
            .max(ball.lo)
            .min(ball.hi);
    }
}

/// The least move of `t` that changes `w . t` by `-gap`; `w` has entries of at most 1.
#[inline(always)]
fn least_move(t: &[f32], w: &[f32], gap: f32, ball: &Ball) -> Vec<f32> {
    let down = if gap >= 0.0 { 1.0 } else { -1.0 };
    let gap = f64::from(gap.abs().min(LARGE));
    let room: Vec<f32> = t
        .iter()
        .zip(w)
        .map(|(&t, &w)| capacity(t, w * down, ball))
        .collect();
    let lengths = match ball.norm {
        Norm::L1 => least_lengths_l1(w, &room, gap),
        Norm::Linf => least_lengths(w, &room, gap, |_| 1.0),
        _ => least_lengths(w, &room, gap, f32::abs),
    };
    let moves = w.iter().zip(lengths);
    moves
        .map(|(&w, length)| if w * down > 0.0 { -length } else { length })
        .collect()
}

#[inline(always)]
fn least_lengths(w: &[f32], room: &[f32], gap: f64, rate: impl Fn(f32) -> f32) -> Vec<f32> {
    let mut lambda = 0.0_f32;
    for _ in 0..NEWTON_STEPS {
        let (full, slope) = closed(w, room, lambda, &rate);
        let next = ((gap - full) / slope) as f32;
        if slope == 0.0 || next <= lambda {
            break;
        }
        lambda = next.min(LARGE);
    }
    let moves = w.iter().zip(room);
    moves
        .map(|(&w, &room)| (lambda * rate(w)).min(room))
        .collect()
}

/// What the elements without room left close of the gap at `lambda`, and how fast the others go on.
#[inline(always)]
fn closed(w: &[f32], room: &[f32], lambda: f32, rate: impl Fn(f32) -> f32) -> (f64, f64) {
    const LANES: usize = 16;
    let (mut full, mut slope) = ([0.0_f32; LANES], [0.0_f32; LANES]);
    let (chunks, rooms) = (w.chunks_exact(LANES), room.chunks_exact(LANES));
    let rest = chunks.remainder().iter().zip(rooms.remainder());
    let parts = |w: f32, room: f32| {
        let goes_on = f32::from(u8::from(room > lambda * rate(w)));
        let size = w.abs();
        ((1.0 - goes_on) * (size * room), goes_on * (size * rate(w)))
    };
    for (w, room) in chunks.zip(rooms) {
        for lane in 0..LANES {
            let (stopped, going) = parts(w[lane], room[lane]);
            full[lane] += stopped;
            slope[lane] += going;
        }
    }
    let lanes = full.into_iter().zip(slope);
    let all = lanes.chain(rest.map(|(&w, &room)| parts(w, room)));
    all.fold((0.0, 0.0), |(full, slope), (f, s)| {
        (full + f64::from(f), slope + f64::from(s))
    })
}

#[inline(always)]
fn least_lengths_l1(w: &[f32], room: &[f32], gap: f64) -> Vec<f32> {
    let pairs = || w.iter().zip(room);
    let beyond = |bits: u32| {
        total_of_pairs(w, room, |w, room| {
            let counted = w.abs().to_bits() > bits;
            if counted {
                f64::from(w.abs() * room)
            } else {
                0.0
            }
        })
    };
    // What is larger than `high` does not close the gap, what is larger than `low` does, if anything can.
    let (mut low, mut high) = (0, 1.0_f32.to_bits());
    if beyond(0) <= gap {
        high = 0;
    }
    while high > low + 1 {
        let middle = low + (high - low) / 2;
        if beyond(middle) <= gap {
            high = middle;
        } else {
            low = middle;
        }
    }
    let last = |w: f32| w.abs().to_bits() == high;
    let size: f64 = pairs()
        .filter(|(w, _)| last(**w))
        .map(|(w, room)| f64::from(w.abs() * room))
        .sum();
    let share = if size > 0.0 {
        ((gap - beyond(high)) / size).min(1.0) as f32
    } else {
        0.0
    };
    pairs()
        .map(|(&w, &room)| match w.abs().to_bits() {
            bits if bits > high => room,
            bits if bits == high => share * room,
            _ => 0.0,
        })
        .collect()
}

/// How far an element at `t` can go against the sign of `w`; nowhere if that is 0.
#[inline(always)]
fn capacity(t: f32, w: f32, ball: &Ball) -> f32 {
    let room = match w {
        w if w > 0.0 => t - ball.lo,
        w if w < 0.0 => ball.hi - t,
        _ => 0.0,
    };
    room.max(0.0)
}

#[inline(always)]
fn size(d: &[f32], norm: Norm) -> f32 {
    let size = match norm {
        Norm::Linf => largest(d),
        Norm::L2 => l2_norm(d),
        _ => total(d, |d| f64::from(d.abs())) as f32,
    };
    size.max(1e-8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    const NORMS: [Norm; 3] = [Norm::Linf, Norm::L2, Norm::L1];

    fn unit_box(norm: Norm) -> Ball {
        Ball {
            norm,
            eps: 0.1,
            lo: 0.0,
            hi: 1.0,
        }
    }

    struct Case {
        rows: usize,
        cols: usize,
        x: Vec<f32>,
        x0: Vec<f32>,
        grad: Vec<f32>,
        margin: Vec<f32>,
        norm: Norm,
    }

    impl Case {
        fn random(random: &mut Random, (rows, cols): (usize, usize), norm: Norm) -> Self {
            // A third of the pixels lie on the edge of the range; some planes are out of reach.
            let x0: Vec<f32> = random
                .floats(rows * cols, -0.25, 1.25)
                .iter()
                .map(|v| v.clamp(0.0, 1.0))
                .collect();
            let x = x0
                .iter()
                .map(|v| (v + random.within(-0.2, 0.2)).clamp(0.0, 1.0))
                .collect();
            let size = [1.0, 1e-20, 1e20][random.below(3)];
            let reach = size * cols as f32 * [0.01, 0.1, 1.0][random.below(3)];
            Case {
                rows,
                cols,
                x,
                grad: random
                    .floats(rows * cols, -1.0, 1.0)
                    .iter()
                    .map(|g| size * g * g * g)
                    .collect(),
                margin: random.floats(rows, -reach, reach),
                x0,
                norm,
            }
        }

        fn run(&self, device: &Device) -> Vec<f32> {
            let array = |data: &[f32], cols: usize| {
                Array::from_vec(device, self.rows, cols, data.to_vec()).unwrap()
            };
            let (mut x, x0) = (array(&self.x, self.cols), array(&self.x0, self.cols));
            let (grad, margin) = (array(&self.grad, self.cols), array(&self.margin, 1));
            fab_step(&mut x, &x0, &grad, &margin, &unit_box(self.norm)).unwrap();
            assert_eq!(x0.to_vec().unwrap(), self.x0);
            x.to_vec().unwrap()
        }

        /// By the formulas, with lambda from 200 halvings, in f64.
        fn naive(&self) -> Vec<f32> {
            let mut out = Vec::new();
            for row in 0..self.rows {
                let pick = |data: &[f32]| -> Vec<f64> {
                    let row = &data[row * self.cols..(row + 1) * self.cols];
                    row.iter().map(|&v| f64::from(v)).collect()
                };
                let (x, x0, w) = (pick(&self.x), pick(&self.x0), pick(&self.grad));
                let margin = f64::from(self.margin[row]);
                let offset: f64 = (0..self.cols).map(|i| w[i] * (x0[i] - x[i])).sum();
                let here = naive_move(&x, &w, margin, self.norm);
                let clean = naive_move(&x0, &w, margin + offset, self.norm);
                let size = |d: &[f64]| match self.norm {
                    Norm::Linf => d.iter().fold(1e-8, |m: f64, d| m.max(d.abs())),
                    Norm::L2 => d.iter().map(|d| d * d).sum::<f64>().sqrt().max(1e-8),
                    _ => d.iter().map(|d| d.abs()).sum::<f64>().max(1e-8),
                };
                let alpha = (size(&here) / (size(&here) + size(&clean))).min(0.1);
                out.extend((0..self.cols).map(|i| {
                    let (a, b) = (x[i] + 1.05 * here[i], x0[i] + 1.05 * clean[i]);
                    ((1.0 - alpha) * a + alpha * b).clamp(0.0, 1.0) as f32
                }));
            }
            out
        }
    }

    /// The steepest elements first, each as far as the range or the gap lets it go.
    fn naive_move_l1(t: &[f64], w: &[f64], gap: f64) -> Vec<f64> {
        let mut order: Vec<usize> = (0..t.len()).filter(|&i| w[i] != 0.0).collect();
        order.sort_by(|&a, &b| w[b].abs().total_cmp(&w[a].abs()));
        let mut d = vec![0.0; t.len()];
        let mut rest = gap.abs();
        for i in order {
            let up = w[i] * gap < 0.0;
            let room = if up { 1.0 - t[i] } else { t[i] };
            let length = room.min(rest / w[i].abs());
            d[i] = if up { length } else { -length };
            rest -= length * w[i].abs();
        }
        d
    }

    fn naive_move(t: &[f64], w: &[f64], gap: f64, norm: Norm) -> Vec<f64> {
        if norm == Norm::L1 {
            return naive_move_l1(t, w, gap);
        }
        let at = |lambda: f64| -> Vec<f64> {
            let step = |(&t, &w): (&f64, &f64)| {
                let rate = if norm == Norm::Linf { 1.0 } else { w.abs() };
                let wanted = if w == 0.0 {
                    0.0
                } else {
                    -w.signum() * gap.signum() * lambda * rate
                };
                (t + wanted).clamp(0.0, 1.0) - t
            };
            t.iter().zip(w).map(step).collect()
        };
        let fall = |d: &[f64]| -> f64 { -d.iter().zip(w).map(|(d, w)| d * w).sum::<f64>() };
        let least = w
            .iter()
            .filter(|w| **w != 0.0)
            .fold(1.0, |m: f64, w| m.min(w.abs()));
        let (mut low, mut high) = (0.0, 2.0 / least);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if fall(&at(middle)) * gap.signum() < gap.abs() {
                low = middle;
            } else {
                high = middle;
            }
        }
        at(high)
    }

    #[test]
    fn every_device_follows_the_formulas() {
        let mut random = Random::new(51);
        for (case, shape) in testing::shapes(52).into_iter().step_by(3).enumerate() {
            let case = Case::random(&mut random, shape, NORMS[case % 3]);
            let expected = case.naive();
            for device in testing::devices() {
                let what = format!("{} {shape:?} on {device:?}", case.norm);
                // In L1 one element takes the rounding of the whole sum.
                let tolerance = if case.norm == Norm::L1 { 3e-4 } else { 3e-5 };
                assert_close(&what, &case.run(&device), &expected, tolerance);
            }
        }
    }

    /// Of all moves onto the plane that keep to the range, none is shorter: random ones are not.
    #[test]
    fn the_move_is_the_least() {
        let mut random = Random::new(53);
        for case in 0..200 {
            let (norm, cols) = (NORMS[case % 3], 2 + random.below(6));
            let (t, w) = (
                random.floats(cols, 0.0, 1.0),
                random.floats(cols, -1.0, 1.0),
            );
            let dot = |d: &[f32]| d.iter().zip(&w).map(|(d, w)| d * w).sum::<f32>();
            let other: Vec<f32> = t.iter().map(|t| random.within(0.0, 1.0) - t).collect();
            let gap = -dot(&other);
            let d = least_move(&t, &w, gap, &unit_box(norm));
            assert!((dot(&d) + gap).abs() < 1e-5, "{} and {gap}", dot(&d));
            assert!(
                d.iter()
                    .zip(&t)
                    .all(|(d, t)| (-1e-6..=1.0 + 1e-6).contains(&(t + d)))
            );
            assert!(
                size(&d, norm) <= size(&other, norm) * (1.0 + 1e-5),
                "{norm}"
            );
        }
    }

    #[test]
    fn a_row_without_a_direction_stays() {
        for device in testing::devices() {
            for norm in NORMS {
                for bad in [0.0, f32::NAN, f32::INFINITY] {
                    let case = Case {
                        rows: 1,
                        cols: 3,
                        x: vec![0.5, 0.25, 1.0],
                        x0: vec![0.5; 3],
                        grad: vec![0.0, bad, 0.0],
                        margin: vec![-1.0],
                        norm,
                    };
                    assert_eq!(case.run(&device), case.x);
                }
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let array = |rows, cols| Array::zeros(&Device::Cpu, rows, cols).unwrap();
        let run = |grad: (usize, usize), margin: (usize, usize)| {
            let (mut x, x0) = (array(3, 4), array(3, 4));
            let (grad, margin) = (array(grad.0, grad.1), array(margin.0, margin.1));
            fab_step(&mut x, &x0, &grad, &margin, &unit_box(Norm::L2))
        };
        assert!(run((3, 4), (3, 1)).is_ok());
        assert!(matches!(run((3, 5), (3, 1)), Err(Error::Shape { .. })));
        assert!(matches!(run((3, 4), (4, 1)), Err(Error::Shape { .. })));
    }
}
