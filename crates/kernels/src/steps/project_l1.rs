//! Projection to the L1 ball cut with the input range, which is nearer than one projection after the other.
//!
//! The nearest point is `x0 + sign(d) min(max(|d| - t, 0), room)` with `d = x - x0`, `room` how far the range lets an
//! element go that way, and the least `t >= 0` for which the sum of the moves is at most the radius. That sum falls with
//! t along straight pieces: Newton's method finds t, kept in the bracket by a halving every other round.
//!
//! Croce & Hein 2021, "Mind the box", arXiv 2103.01208, section 3, where the pieces are sorted instead.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::wide::wide;
use crate::{Array, Ball, Device, Error};

const KERNEL: &str = "project_l1";
const SHADER: Shader = shader!("project_l1", needs "reduce");

/// Rounds of the search for t; each second one halves the bracket.
const ROUNDS: usize = 48;
const LANES: usize = 16;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    cols: u32,
    lo: f32,
    hi: f32,
}

/// Moves each row of `x` (n x d) the least way to where its L1 distance from `x0` (n x d) is at most its `radius` (n x 1)
/// and it lies in the range of `ball`, of which only that counts. Values that are not finite return to `x0`.
pub fn project_l1(x: &mut Array, x0: &Array, radius: &Array, ball: &Ball) -> Result<(), Error> {
    let (rows, cols) = (x.rows(), x.cols());
    x0.expect_shape(KERNEL, "x0", rows, cols)?;
    radius.expect_shape(KERNEL, "radius", rows, 1)?;
    if x.is_empty() {
        return Ok(());
    }
    match x.device() {
        Device::Cpu => {
            let (x0, radius) = (x0.host(KERNEL)?.par_chunks(cols), radius.host(KERNEL)?);
            let x = x.host_mut(KERNEL)?.par_chunks_mut(cols);
            x.zip(x0)
                .zip(radius)
                .for_each_init(Moves::default, |moves, ((x, x0), &radius)| {
                    moves.project(x, x0, radius, ball);
                });
            Ok(())
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                cols: cols as u32,
                lo: ball.lo,
                hi: ball.hi,
            };
            let arrays = [
                x.buffer(KERNEL, &gpu)?,
                x0.buffer(KERNEL, &gpu)?,
                radius.buffer(KERNEL, &gpu)?,
            ];
            launch(&gpu, &SHADER, &params, &arrays, Grid::Workgroups(rows))
        }
    }
}

/// A row's distances and rooms, padded with zeros to whole lanes.
#[derive(Default)]
struct Moves {
    size: Vec<f32>,
    room: Vec<f32>,
}

impl Moves {
    fn project(&mut self, x: &mut [f32], x0: &[f32], radius: f32, ball: &Ball) {
        let change = |x: f32, x0: f32| if x.is_finite() { x - x0 } else { 0.0 };
        self.size.clear();
        self.room.clear();
        for (&x, &x0) in x.iter().zip(x0) {
            let d = change(x, x0);
            let room = if d > 0.0 { ball.hi - x0 } else { x0 - ball.lo };
            self.size.push(d.abs());
            self.room.push(room.max(0.0));
        }
        let padded = x.len().next_multiple_of(LANES);
        self.size.resize(padded, 0.0);
        self.room.resize(padded, 0.0);

        let t = self.threshold(radius);
        let moves = self.size.iter().zip(&self.room);
        for ((x, &x0), (&size, &room)) in x.iter_mut().zip(x0).zip(moves) {
            let length = (size - t).max(0.0).min(room);
            let down = change(*x, x0) < 0.0;
            let to = if down { x0 - length } else { x0 + length };
            *x = to.max(ball.lo).min(ball.hi);
        }
    }

    fn threshold(&self, radius: f32) -> f32 {
        let radius = f64::from(radius);
        let (mut low, mut high) = (0.0, self.size.iter().copied().fold(0.0, f32::max));
        let mut t = 0.0;
        for round in 0..ROUNDS {
            let (left, slope) = wide(
                #[inline(always)]
                || self.left(t),
            );
            if left > radius {
                low = t;
            } else {
                high = t;
            }
            if high <= low || (left <= radius && radius - left <= 1e-7 * radius) {
                break;
            }
            let newton = t + ((left - radius) / slope) as f32;
            let inside = newton > low && newton < high;
            t = if inside && round % 2 == 0 {
                newton
            } else {
                low + 0.5 * (high - low)
            };
        }
        high
    }

    /// The sum of the moves at t, and how many elements it falls with.
    #[inline(always)]
    fn left(&self, t: f32) -> (f64, f64) {
        let (mut left, mut slope) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        let chunks = self.size.chunks_exact(LANES);
        for (size, room) in chunks.zip(self.room.chunks_exact(LANES)) {
            for lane in 0..LANES {
                let rest = (size[lane] - t).max(0.0);
                left[lane] += rest.min(room[lane]);
                slope[lane] += f32::from(u8::from(rest > 0.0 && rest < room[lane]));
            }
        }
        let total = |lanes: [f32; LANES]| lanes.iter().map(|&v| f64::from(v)).sum();
        (total(left), total(slope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Norm;
    use crate::testing::{self, Random, assert_close};

    const BALL: Ball = Ball {
        norm: Norm::L1,
        eps: 0.0,
        lo: 0.0,
        hi: 1.0,
    };

    fn run(device: &Device, x: &[f32], x0: &[f32], radius: &[f32]) -> Vec<f32> {
        let (rows, cols) = (radius.len(), x.len() / radius.len());
        let array = |data: &[f32]| Array::from_vec(device, rows, cols, data.to_vec()).unwrap();
        let mut projected = array(x);
        let radius = Array::from_vec(device, rows, 1, radius.to_vec()).unwrap();
        project_l1(&mut projected, &array(x0), &radius, &BALL).unwrap();
        projected.to_vec().unwrap()
    }

    /// The formula in f64, t by 200 halvings.
    fn naive(x: &[f32], x0: &[f32], radius: f32) -> Vec<f32> {
        let at = |t: f64| -> Vec<f64> {
            let pairs = x.iter().zip(x0);
            let moved = pairs.map(|(&x, &x0)| {
                let (d, x0) = (f64::from(x) - f64::from(x0), f64::from(x0));
                (x0 + d.signum() * (d.abs() - t).max(0.0)).clamp(0.0, 1.0) - x0
            });
            moved.collect()
        };
        let fits = |t: f64| at(t).iter().map(|d| d.abs()).sum::<f64>() <= f64::from(radius);
        let (mut low, mut high) = (0.0, 10.0);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if fits(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        let moves = at(if fits(0.0) { 0.0 } else { high });
        let moved = moves.iter().zip(x0).map(|(d, &x0)| f64::from(x0) + d);
        moved.map(|x| x as f32).collect()
    }

    #[test]
    fn every_device_finds_the_nearest_point() {
        let mut random = Random::new(71);
        for (rows, cols) in testing::shapes(72) {
            // A third of the pixels lie on the edge of the range.
            let x0: Vec<f32> = random
                .floats(rows * cols, -0.25, 1.25)
                .iter()
                .map(|v| v.clamp(0.0, 1.0))
                .collect();
            let x: Vec<f32> = x0.iter().map(|v| v + random.within(-2.0, 2.0)).collect();
            let share = [0.001, 0.1, 0.5, 2.0][random.below(4)];
            let radius = random.floats(rows, 0.0, share * cols as f32);
            let row = |row: usize| row * cols..(row + 1) * cols;
            let expected: Vec<f32> = (0..rows)
                .flat_map(|i| naive(&x[row(i)], &x0[row(i)], radius[i]))
                .collect();
            for device in testing::devices() {
                let got = run(&device, &x, &x0, &radius);
                assert_close(
                    &format!("{rows} x {cols} on {device:?}"),
                    &got,
                    &expected,
                    2e-5,
                );
            }
        }
    }

    /// A projection to a convex set: the way on from it makes no acute angle with the way to any point of the set.
    #[test]
    fn no_point_of_the_ball_is_nearer() {
        let mut random = Random::new(73);
        for _ in 0..500 {
            let (cols, radius) = (1 + random.below(6), random.within(0.05, 2.0));
            let x0 = random.floats(cols, 0.0, 1.0);
            let x = random.floats(cols, -2.0, 3.0);
            let p = run(&Device::Cpu, &x, &x0, &[radius]);
            let other = run(
                &Device::Cpu,
                &random.floats(cols, -2.0, 3.0),
                &x0,
                &[radius],
            );
            let cosine: f32 = (0..cols).map(|i| (x[i] - p[i]) * (other[i] - p[i])).sum();
            assert!(cosine < 1e-4, "{x0:?} {x:?} {p:?} {other:?}");
        }
    }

    #[test]
    fn table() {
        for device in testing::devices() {
            for (x, radius, expected) in [
                ([0.5, 0.5, 0.5], 0.0, [0.5, 0.5, 0.5]),
                ([0.75, 0.5, 0.25], 1.0, [0.75, 0.5, 0.25]),
                ([0.75, 0.5, 0.25], 0.25, [0.625, 0.5, 0.375]),
                ([3.0, 0.5, 0.25], 0.6, [1.0, 0.5, 0.4]),
                ([f32::NAN, 0.75, 0.5], 1.0, [0.5, 0.75, 0.5]),
            ] {
                let got = run(&device, &x, &[0.5; 3], &[radius]);
                assert_close(&format!("{x:?} on {device:?}"), &got, &expected, 1e-6);
            }
        }
    }

    #[test]
    fn shapes_must_fit() {
        let array = |rows, cols| Array::<f32>::zeros(&Device::Cpu, rows, cols).unwrap();
        assert!(project_l1(&mut array(2, 3), &array(2, 2), &array(2, 1), &BALL).is_err());
        assert!(project_l1(&mut array(2, 3), &array(2, 3), &array(3, 1), &BALL).is_err());
        assert!(project_l1(&mut array(0, 3), &array(0, 3), &array(0, 1), &BALL).is_ok());
    }
}
