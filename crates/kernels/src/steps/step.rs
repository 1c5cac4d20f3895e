//! One step of gradient ascent inside the ball, fused with projection and clipping: the inner loop
//! of FGSM, BIM and PGD (Goodfellow et al. 2015; Kurakin et al. 2017; Madry et al. 2018).
//!
//! - Linf: `x <- clip(project(x + alpha * sign(g)))`, and `sign(NaN) = 0`.
//! - L2: `x <- clip(project(x + alpha * g / |g|))` by row. The gradient is divided by its largest
//!   magnitude before it is squared, so that a tiny one keeps its direction; a row that is all zero
//!   (or below the normal floats), reaches beyond 2^100, or holds Inf or NaN, has no direction and does not move.

//! - L1: along the signs of the hundredth part of the elements whose gradient is largest, then to the nearest point of the
//!   ball cut with the range (SLIDE, Tramèr & Boneh 2019).

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::ball::nearest_in;
use crate::launch::{Grid, Shader, launch, shader};
use crate::wide::{l2_distance, l2_norm_scaled, largest, wide};
use crate::{Array, Ball, Device, Error, Norm, project_l1, sparse_step};

const LINF: Shader = shader!("step_linf");
const L2: Shader = shader!("step_l2", needs "reduce");

/// 2^100: beyond, devices may fail to divide.
const LARGE: f32 = f32::from_bits(0x7180_0000);
/// The share of the elements that a step in L1 moves.
const SPARSE: f32 = 0.01;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct LinfParams {
    elements: u32,
    alpha: f32,
    eps: f32,
    lo: f32,
    hi: f32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct L2Params {
    rows: u32,
    cols: u32,
    alpha: f32,
    eps: f32,
    lo: f32,
    hi: f32,
}

/// Moves `x` by `alpha` along `grad` and back into `ball` round `x0`; all n x d.
pub fn step(x: &mut Array, x0: &Array, grad: &Array, alpha: f32, ball: &Ball) -> Result<(), Error> {
    let (rows, cols) = (x.rows(), x.cols());
    ball.expect_convex("step")?;
    x0.expect_shape("step", "x0", rows, cols)?;
    grad.expect_shape("step", "grad", rows, cols)?;
    if x.is_empty() {
        return Ok(());
    }
    let Ball { norm, eps, lo, hi } = *ball;
    if norm == Norm::L1 {
        return step_l1(x, x0, grad, alpha, ball);
    }
    match x.device() {
        Device::Cpu => {
            let (x0, grad) = (x0.host("step")?, grad.host("step")?);
            let x = x.host_mut("step")?.par_chunks_mut(cols);
            let rows = x.zip(x0.par_chunks(cols)).zip(grad.par_chunks(cols));
            rows.for_each(|((x, x0), grad)| match norm {
                Norm::Linf => wide(
                    #[inline(always)]
                    || linf_row(x, x0, grad, alpha, ball),
                ),
                _ => wide(
                    #[inline(always)]
                    || l2_row(x, x0, grad, alpha, ball),
                ),
            });
            Ok(())
        }
        Device::Gpu(gpu) => {
            let arrays = [
                x.buffer("step", &gpu)?,
                x0.buffer("step", &gpu)?,
                grad.buffer("step", &gpu)?,
            ];
            let (rows32, cols32) = (rows as u32, cols as u32);
            match norm {
                Norm::Linf => {
                    let params = LinfParams {
                        elements: rows32 * cols32,
                        alpha,
                        eps,
                        lo,
                        hi,
                    };
                    launch(&gpu, &LINF, &params, &arrays, Grid::Threads(rows * cols))
                }
                _ => {
                    let params = L2Params {
                        rows: rows32,
                        cols: cols32,
                        alpha,
                        eps,
                        lo,
                        hi,
                    };
                    launch(&gpu, &L2, &params, &arrays, Grid::Workgroups(rows))
                }
            }
        }
    }
}

fn step_l1(x: &mut Array, x0: &Array, grad: &Array, alpha: f32, ball: &Ball) -> Result<(), Error> {
    let column = |value| Array::filled(&x0.device(), x0.rows(), 1, value);
    let kept = column(SPARSE * x0.cols() as f32)?;
    sparse_step(x, grad, &kept, &column(alpha)?)?;
    project_l1(x, x0, &column(ball.eps)?, ball)
}

#[inline(always)]
fn linf_row(x: &mut [f32], x0: &[f32], grad: &[f32], alpha: f32, ball: &Ball) {
    for ((x, &x0), &g) in x.iter_mut().zip(x0).zip(grad) {
        let (least, most) = ball.interval(x0);
        *x = nearest_in(*x + alpha * sign(g), least, most);
    }
}

/// -1, 0 or 1; 0 for NaN.
#[inline(always)]
pub(crate) fn sign(g: f32) -> f32 {
    match g {
        g if g > 0.0 => 1.0,
        g if g < 0.0 => -1.0,
        _ => 0.0,
    }
}

#[inline(always)]
fn l2_row(x: &mut [f32], x0: &[f32], grad: &[f32], alpha: f32, ball: &Ball) {
    if let Some(scale) = row_scale(grad) {
        let norm = l2_norm_scaled(grad, scale);
        for (x, g) in x.iter_mut().zip(grad) {
            *x += alpha * (g / scale / norm);
        }
    }
    let distance = l2_distance(x, x0);
    let shrink = if distance > ball.eps {
        ball.eps / distance
    } else {
        1.0
    };
    for (x, &x0) in x.iter_mut().zip(x0) {
        *x = (x0 + (*x - x0) * shrink).max(ball.lo).min(ball.hi);
    }
}

/// What a gradient row is divided by before it is squared or summed, so that neither overflows nor
/// underflows: its largest magnitude. `None` where the row has no direction: it is zero or not finite, or beyond what devices divide
/// by well.
#[inline(always)]
pub(crate) fn row_scale(grad: &[f32]) -> Option<f32> {
    let scale = largest(grad);
    (f32::MIN_POSITIVE..=LARGE)
        .contains(&scale)
        .then_some(scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    const NORMS: [Norm; 2] = [Norm::Linf, Norm::L2];

    struct Case {
        rows: usize,
        cols: usize,
        x: Vec<f32>,
        x0: Vec<f32>,
        grad: Vec<f32>,
        alpha: f32,
        ball: Ball,
    }

    impl Case {
        fn random(random: &mut Random, rows: usize, cols: usize, norm: Norm) -> Self {
            let eps = [0.01, 0.1, 1.5][random.below(3)];
            let x0 = random.floats(rows * cols, 0.0, 1.0);
            let near = x0.iter().map(|x0| x0 + random.within(-eps, eps) * 0.5);
            let x = near.collect();
            let size = [1.0, 1e-30, 1e30][random.below(3)];
            let grad = random.floats(rows * cols, -size, size);
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
                x0,
                grad,
                alpha: random.within(0.0, 2.0 * eps),
                ball,
            }
        }

        fn run(&self, device: &Device) -> Vec<f32> {
            let array = |data: &[f32]| {
                Array::from_vec(device, self.rows, self.cols, data.to_vec()).unwrap()
            };
            let (mut x, x0, grad) = (array(&self.x), array(&self.x0), array(&self.grad));
            step(&mut x, &x0, &grad, self.alpha, &self.ball).unwrap();
            assert_eq!(x0.to_vec().unwrap(), self.x0);
            assert_eq!(grad.to_vec().unwrap().len(), self.grad.len());
            x.to_vec().unwrap()
        }

        /// The definition, in f64.
        fn naive(&self) -> Vec<f32> {
            let Ball { norm, eps, lo, hi } = self.ball;
            let wide = |data: &[f32]| data.iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
            let length = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
            let mut out = Vec::new();
            for row in 0..self.rows {
                let at = row * self.cols..(row + 1) * self.cols;
                let (x, x0) = (wide(&self.x[at.clone()]), wide(&self.x0[at.clone()]));
                let g = wide(&self.grad[at]);
                let direction = |g_i: f64| match norm {
                    Norm::Linf if g_i == 0.0 => 0.0,
                    Norm::Linf => g_i.signum(),
                    _ => g_i / length(&g),
                };
                let moved = x
                    .iter()
                    .zip(&g)
                    .map(|(x, &g)| x + f64::from(self.alpha) * direction(g));
                let delta: Vec<_> = moved.zip(&x0).map(|(x, x0)| x - x0).collect();
                let shrink = (f64::from(eps) / length(&delta)).min(1.0);
                out.extend(delta.iter().zip(&x0).map(|(delta, x0)| {
                    let delta = match norm {
                        Norm::Linf => delta.clamp(-f64::from(eps), f64::from(eps)),
                        _ => delta * shrink,
                    };
                    (x0 + delta).clamp(f64::from(lo), f64::from(hi)) as f32
                }));
            }
            out
        }
    }

    #[test]
    fn the_twin_is_the_formula() {
        let mut random = Random::new(7);
        for (rows, cols) in testing::shapes(8) {
            for norm in NORMS {
                let case = Case::random(&mut random, rows, cols, norm);
                assert_close("x", &case.run(&Device::Cpu), &case.naive(), 1e-6);
            }
        }
    }

    #[test]
    fn the_shaders_agree_with_the_twin() {
        let Some(gpu) = testing::gpu() else { return };
        let mut random = Random::new(9);
        for (rows, cols) in testing::shapes(10) {
            for norm in NORMS {
                let case = Case::random(&mut random, rows, cols, norm);
                let what = format!("{norm}, {rows} x {cols}");
                assert_close(&what, &case.run(&gpu), &case.run(&Device::Cpu), 1e-6);
            }
        }
    }

    #[test]
    fn a_step_in_l1_moves_a_hundredth_of_the_elements() {
        for device in testing::devices() {
            let array = |data: &[f32]| Array::from_vec(&device, 1, 200, data.to_vec()).unwrap();
            let mut grad = vec![0.1; 200];
            (grad[3], grad[7]) = (2.0, -1.0);
            let x0 = array(&[0.5; 200]);
            let mut x = array(&[0.5; 200]);
            let ball = Ball {
                norm: Norm::L1,
                eps: 0.3,
                lo: 0.0,
                hi: 1.0,
            };
            step(&mut x, &x0, &array(&grad), 0.2, &ball).unwrap();
            let mut expected = [0.5; 200];
            (expected[3], expected[7]) = (0.6, 0.4);
            assert_close("one", &x.to_vec().unwrap(), &expected, 1e-6);
            step(&mut x, &x0, &array(&grad), 0.2, &ball).unwrap();
            (expected[3], expected[7]) = (0.65, 0.35);
            assert_close("two", &x.to_vec().unwrap(), &expected, 1e-6);
        }
    }

    #[test]
    fn odd_gradients() {
        let table: [(Norm, [f32; 3], [f32; 3]); 8] = [
            (Norm::Linf, [0.0, -0.0, f32::NAN], [0.5, 0.5, 0.5]),
            (
                Norm::Linf,
                [1e-45, -1e-45, f32::NEG_INFINITY],
                [0.6, 0.4, 0.4],
            ),
            (Norm::L2, [0.0, -0.0, 0.0], [0.5, 0.5, 0.5]),
            (Norm::L2, [1.0, f32::NAN, 0.0], [0.5, 0.5, 0.5]),
            (Norm::L2, [1.0, 0.0, f32::INFINITY], [0.5, 0.5, 0.5]),
            (Norm::L2, [3e-38, 0.0, 4e-38], [0.56, 0.5, 0.58]),
            (
                Norm::L2,
                [1e30, 0.0, -1e30],
                [0.570_710_7, 0.5, 0.429_289_3],
            ),
            (Norm::L2, [3e38, 0.0, -3e38], [0.5, 0.5, 0.5]),
        ];
        for device in testing::devices() {
            for (norm, grad, expected) in table {
                let ball = Ball {
                    norm,
                    eps: 0.2,
                    lo: 0.0,
                    hi: 1.0,
                };
                let (x, x0) = (vec![0.5; 3], vec![0.5; 3]);
                let case = Case {
                    rows: 1,
                    cols: 3,
                    x,
                    x0,
                    grad: grad.to_vec(),
                    alpha: 0.1,
                    ball,
                };
                let what = format!("{device:?}, {norm}, {grad:?}");
                assert_close(&what, &case.run(&device), &expected, 1e-6);
            }
        }
    }

    #[test]
    fn shapes_and_devices_must_fit() {
        let ball = Ball {
            norm: Norm::Linf,
            eps: 0.1,
            lo: 0.0,
            hi: 1.0,
        };
        let mut x = Array::zeros(&Device::Cpu, 2, 3).unwrap();
        let same = Array::zeros(&Device::Cpu, 2, 3).unwrap();
        let other = Array::zeros(&Device::Cpu, 3, 2).unwrap();
        assert!(matches!(
            step(&mut x, &same, &other, 0.1, &ball),
            Err(Error::Shape { .. })
        ));
        let Some(gpu) = testing::gpu() else { return };
        let far = Array::zeros(&gpu, 2, 3).unwrap();
        let mixed = step(&mut x, &same, &far, 0.1, &ball);
        assert!(matches!(mixed, Err(Error::DeviceMismatch { .. })));
    }
}
