//! APGD's momentum step, with both projections and both clips in one pass over the row.
//!
//! ```text
//! z      = P(x + alpha d(g))                              d(g): sign(g) or g / ||g||_2
//! x'     = P(x + keep (z - x) + (1 - keep) (x - x_prev))
//! x_prev = x
//! ```
//!
//! `P` projects onto the norm ball about `x0`, then clips to `[lo, hi]`. Croce & Hein 2020,
//! "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free
//! attacks", arXiv 2003.01690, algorithm 1.
//!
//! The direction of a broken, tiny or zero gradient is as in [`step`](fn@crate::step): no NaN
//! reaches `x`, and a gradient that is small but normal is followed at full length.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::ball::nearest_in;
use crate::launch::{Grid, Shader, launch, shader};
use crate::steps::step::{row_scale, sign};
use crate::wide::{l2_distance, l2_norm_scaled, wide};
use crate::{Array, Ball, Device, Error, Norm};

const KERNEL: &str = "apgd_step";
const LINF: Shader = shader!("apgd_step_linf");
const L2: Shader = shader!("apgd_step_l2", needs "reduce");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    cols: u32,
    keep: f32,
    eps: f32,
    lo: f32,
    hi: f32,
}

/// Moves every row of `x` (n x d) once, into the place of `x_prev`, and then swaps the two. `alpha` (n x 1) holds absolute step sizes; `keep` is 1 in
/// the first iteration and 0.75 from then on.
///
/// In Linf and L2; in L1 APGD takes sparse steps without momentum ([`sparse_step`](fn@crate::sparse_step)).
///
/// To restart from the best point, put it in `x` and leave `x_prev`: as in the authors' code, the
/// momentum of the next step then counts from where the sample was before.
pub fn apgd_step(
    x: &mut Array,
    x_prev: &mut Array,
    x0: &Array,
    grad: &Array,
    alpha: &Array,
    keep: f32,
    ball: &Ball,
) -> Result<(), Error> {
    ball.expect_convex(KERNEL)?;
    if ball.norm == Norm::L1 {
        return Err(Error::Norm {
            kernel: KERNEL,
            norm: ball.norm,
        });
    }
    let (rows, cols) = (x.rows(), x.cols());
    x_prev.expect_shape(KERNEL, "x_prev", rows, cols)?;
    x0.expect_shape(KERNEL, "x0", rows, cols)?;
    grad.expect_shape(KERNEL, "grad", rows, cols)?;
    alpha.expect_shape(KERNEL, "alpha", rows, 1)?;
    if x.is_empty() {
        return Ok(());
    }
    match x.device() {
        Device::Cpu => {
            let rows = (
                x.host(KERNEL)?.par_chunks(cols),
                x_prev.host_mut(KERNEL)?.par_chunks_mut(cols),
                x0.host(KERNEL)?.par_chunks(cols),
                grad.host(KERNEL)?.par_chunks(cols),
                alpha.host(KERNEL)?.par_iter(),
            );
            rows.into_par_iter()
                .for_each(|(x, x_prev, x0, grad, &alpha)| {
                    Row {
                        x0,
                        grad,
                        alpha,
                        keep,
                        ball,
                    }
                    .step(x, x_prev);
                });
        }
        Device::Gpu(gpu) => {
            let Ball { norm, eps, lo, hi } = *ball;
            let params = Params {
                rows: rows as u32,
                cols: cols as u32,
                keep,
                eps,
                lo,
                hi,
            };
            let arrays = [
                x.buffer(KERNEL, &gpu)?,
                x_prev.buffer(KERNEL, &gpu)?,
                x0.buffer(KERNEL, &gpu)?,
                grad.buffer(KERNEL, &gpu)?,
                alpha.buffer(KERNEL, &gpu)?,
            ];
            match norm {
                Norm::Linf => launch(&gpu, &LINF, &params, &arrays, Grid::Threads(rows * cols))?,
                _ => launch(&gpu, &L2, &params, &arrays, Grid::Workgroups(rows))?,
            }
        }
    }
    std::mem::swap(x, x_prev);
    Ok(())
}

/// What moves one row.
struct Row<'a> {
    x0: &'a [f32],
    grad: &'a [f32],
    alpha: f32,
    keep: f32,
    ball: &'a Ball,
}

impl Row<'_> {
    /// Writes the next point over the one before `x`.
    fn step(&self, x: &[f32], x_prev: &mut [f32]) {
        match self.ball.norm {
            Norm::Linf => wide(
                #[inline(always)]
                || self.step_linf(x, x_prev),
            ),
            _ => wide(
                #[inline(always)]
                || self.step_l2(x, x_prev),
            ),
        }
    }

    #[inline(always)]
    fn step_linf(&self, x: &[f32], x_prev: &mut [f32]) {
        let points = x_prev.iter_mut().zip(x);
        for (((x_prev, &x), &x0), &g) in points.zip(self.x0).zip(self.grad) {
            let (least, most) = self.ball.interval(x0);
            let z = nearest_in(x + self.alpha * sign(g), least, most);
            *x_prev = nearest_in(self.blend(x, z, *x_prev), least, most);
        }
    }

    /// The point between `x` and `z`, with momentum.
    #[inline(always)]
    fn blend(&self, x: f32, z: f32, x_prev: f32) -> f32 {
        x + self.keep * (z - x) + (1.0 - self.keep) * (x - x_prev)
    }

    #[inline(always)]
    fn step_l2(&self, x: &[f32], x_prev: &mut [f32]) {
        let mut z = x.to_vec();
        if let Some(scale) = row_scale(self.grad) {
            let norm = l2_norm_scaled(self.grad, scale);
            for (z, g) in z.iter_mut().zip(self.grad) {
                *z += self.alpha * (g / scale / norm);
            }
        }
        self.project_l2(&mut z);
        for ((x_prev, &x), &z) in x_prev.iter_mut().zip(x).zip(&z) {
            *x_prev = self.blend(x, z, *x_prev);
        }
        self.project_l2(x_prev);
    }

    #[inline(always)]
    fn project_l2(&self, point: &mut [f32]) {
        let Ball { eps, lo, hi, .. } = *self.ball;
        let distance = l2_distance(point, self.x0);
        let shrink = if distance > eps { eps / distance } else { 1.0 };
        for (x, &x0) in point.iter_mut().zip(self.x0) {
            *x = (x0 + (*x - x0) * shrink).max(lo).min(hi);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close, shapes};

    /// The arguments of one call, in host memory.
    struct Case {
        rows: usize,
        cols: usize,
        x: Vec<f32>,
        x_prev: Vec<f32>,
        x0: Vec<f32>,
        grad: Vec<f32>,
        alpha: Vec<f32>,
        keep: f32,
        ball: Ball,
    }

    impl Case {
        /// Points in and somewhat outside of the ball; gradients of all sizes, some zero or broken.
        fn random(random: &mut Random, norm: Norm, (rows, cols): (usize, usize)) -> Case {
            let eps = random.within(0.01, 0.5);
            let len = rows * cols;
            let x0 = random.floats(len, 0.0, 1.0);
            let mut near = || -> Vec<f32> {
                x0.iter()
                    .map(|x| (x + random.within(-eps, eps)).clamp(0.0, 1.0))
                    .collect()
            };
            let (x, x_prev) = (near(), near());
            let mut grad = Vec::with_capacity(len);
            for _ in 0..rows {
                let size = [0.0, 1e-30, 1e-6, 1.0, 1e30][random.below(5)];
                grad.extend(random.floats(cols, -1.0, 1.0).iter().map(|g| size * g));
            }
            if random.below(4) == 0 {
                let broken = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][random.below(3)];
                grad[random.below(len)] = broken;
            }
            let alpha = random.floats(rows, 0.0, 2.0 * eps);
            let keep = [1.0, 0.75][random.below(2)];
            let ball = Ball {
                norm,
                eps,
                lo: 0.0,
                hi: 1.0,
            };
            Case {
                rows,
                cols,
                x,
                x_prev,
                x0,
                grad,
                alpha,
                keep,
                ball,
            }
        }

        /// What `x` and `x_prev` become on `device`.
        fn run(&self, device: &Device) -> (Vec<f32>, Vec<f32>) {
            let matrix = |data: &Vec<f32>| {
                Array::from_vec(device, self.rows, self.cols, data.clone()).unwrap()
            };
            let (mut x, mut x_prev) = (matrix(&self.x), matrix(&self.x_prev));
            let alpha = Array::from_vec(device, self.rows, 1, self.alpha.clone()).unwrap();
            let (x0, grad) = (matrix(&self.x0), matrix(&self.grad));
            apgd_step(
                &mut x,
                &mut x_prev,
                &x0,
                &grad,
                &alpha,
                self.keep,
                &self.ball,
            )
            .unwrap();
            (x.to_vec().unwrap(), x_prev.to_vec().unwrap())
        }

        /// The same by the formulas, in double precision.
        fn naive(&self) -> Vec<f32> {
            let mut result = Vec::new();
            for row in 0..self.rows {
                let pick = |data: &[f32]| -> Vec<f64> {
                    let row = &data[row * self.cols..(row + 1) * self.cols];
                    row.iter()
                        .map(|&v| if v.is_nan() { 0.0 } else { f64::from(v) })
                        .collect()
                };
                let (x, x_prev) = (pick(&self.x), pick(&self.x_prev));
                let (x0, mut grad) = (pick(&self.x0), pick(&self.grad));
                let whole = &self.grad[row * self.cols..(row + 1) * self.cols];
                if self.ball.norm == Norm::L2 && whole.iter().any(|g| !g.is_finite()) {
                    grad.fill(0.0);
                }
                let (alpha, keep) = (f64::from(self.alpha[row]), f64::from(self.keep));
                let length = norm2(&grad);
                let mut z = x.clone();
                for i in 0..self.cols {
                    z[i] += alpha
                        * match self.ball.norm {
                            _ if grad[i] == 0.0 => 0.0,
                            Norm::Linf => grad[i].signum(),
                            _ => grad[i] / length,
                        };
                }
                let z = naive_projection(&z, &x0, &self.ball);
                let next: Vec<f64> = (0..self.cols)
                    .map(|i| x[i] + keep * (z[i] - x[i]) + (1.0 - keep) * (x[i] - x_prev[i]))
                    .collect();
                result.extend(naive_projection(&next, &x0, &self.ball));
            }
            result.iter().map(|&v| v as f32).collect()
        }
    }

    fn norm2(v: &[f64]) -> f64 {
        v.iter().map(|v| v * v).sum::<f64>().sqrt()
    }

    fn naive_projection(x: &[f64], x0: &[f64], ball: &Ball) -> Vec<f64> {
        let eps = f64::from(ball.eps);
        let delta: Vec<f64> = x.iter().zip(x0).map(|(x, x0)| x - x0).collect();
        let length = norm2(&delta);
        let inside = delta.iter().map(|d| match ball.norm {
            Norm::Linf => d.clamp(-eps, eps),
            _ => d * (eps / length).min(1.0),
        });
        let (lo, hi) = (f64::from(ball.lo), f64::from(ball.hi));
        inside
            .zip(x0)
            .map(|(d, x0)| (x0 + d).clamp(lo, hi))
            .collect()
    }

    #[test]
    fn every_device_follows_the_formulas() {
        let mut random = Random::new(5);
        for norm in [Norm::Linf, Norm::L2] {
            for shape in shapes(6) {
                let case = Case::random(&mut random, norm, shape);
                let expected = case.naive();
                for device in testing::devices() {
                    let (x, x_prev) = case.run(&device);
                    let what = format!("{norm} {shape:?} on {device:?}");
                    assert_close(&what, &x, &expected, 2e-6);
                    assert_eq!(x_prev, case.x, "{what}");
                }
            }
        }
    }

    #[test]
    fn a_step_by_hand() {
        let ball = |norm| Ball {
            norm,
            eps: 0.5,
            lo: -1.0,
            hi: 0.4,
        };
        let table = [
            // z = (0.3, -0.3); the momentum adds 0.25 x (0.1, 0).
            (Norm::Linf, 0.75, [0.3, -2.0], [0.25, -0.225]),
            (Norm::Linf, 1.0, [0.3, -2.0], [0.3, -0.3]),
            // The direction is (0.6, -0.8): z = (0.18, -0.24).
            (Norm::L2, 1.0, [3e-20, -4e-20], [0.18, -0.24]),
            (Norm::L2, 0.75, [3.0, -4.0], [0.16, -0.18]),
            // No gradient: the momentum alone.
            (Norm::Linf, 0.75, [0.0, f32::NAN], [0.025, 0.0]),
            (Norm::L2, 0.75, [0.0, f32::INFINITY], [0.025, 0.0]),
        ];
        for device in testing::devices() {
            for (norm, keep, grad, expected) in table {
                let case = Case {
                    rows: 1,
                    cols: 2,
                    x: vec![0.0, 0.0],
                    x_prev: vec![-0.1, 0.0],
                    x0: vec![0.0, 0.0],
                    grad: grad.to_vec(),
                    alpha: vec![0.3],
                    keep,
                    ball: ball(norm),
                };
                assert_close(
                    &format!("{norm} {keep}"),
                    &case.run(&device).0,
                    &expected,
                    1e-6,
                );
            }
        }
    }

    /// The clip alone would leave the corner (0.4, 0.4) at a distance of 0.57.
    #[test]
    fn far_steps_end_in_the_ball_and_the_range() {
        for device in testing::devices() {
            for (norm, expected) in [(Norm::Linf, 0.4), (Norm::L2, 0.125_f32.sqrt())] {
                let case = Case {
                    rows: 1,
                    cols: 2,
                    x: vec![0.0; 2],
                    x_prev: vec![0.0; 2],
                    x0: vec![0.0; 2],
                    grad: vec![1.0; 2],
                    alpha: vec![1e6],
                    keep: 1.0,
                    ball: Ball {
                        norm,
                        eps: 0.5,
                        lo: -1.0,
                        hi: 0.4,
                    },
                };
                assert_close("corner", &case.run(&device).0, &[expected; 2], 1e-6);
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused_and_empty_ones_are_not() {
        let ball = Ball {
            norm: Norm::L2,
            eps: 1.0,
            lo: 0.0,
            hi: 1.0,
        };
        for device in testing::devices() {
            let array = |rows, cols| Array::zeros(&device, rows, cols).unwrap();
            let run = |n: [(usize, usize); 5]| {
                let [mut x, mut x_prev, x0, grad, alpha] = n.map(|(rows, cols)| array(rows, cols));
                apgd_step(&mut x, &mut x_prev, &x0, &grad, &alpha, 1.0, &ball)
            };
            let fitting = [(3, 4), (3, 4), (3, 4), (3, 4), (3, 1)];
            run(fitting).unwrap();
            for wrong in 1..5 {
                let mut shapes = fitting;
                shapes[wrong] = (4, 3);
                assert!(matches!(run(shapes), Err(Error::Shape { .. })), "{wrong}");
            }
            run([(0, 4), (0, 4), (0, 4), (0, 4), (0, 1)]).unwrap();
            run([(2, 0), (2, 0), (2, 0), (2, 0), (2, 1)]).unwrap();
        }
    }
}
