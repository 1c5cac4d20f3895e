//! The velocity of the momentum iterative method, MI-FGSM (Dong et al., "Boosting adversarial
//! attacks with momentum", CVPR 2018): `v <- decay * v + g / |g|_1` by row.
//!
//! A gradient row without a direction (all zero or below the normal floats, beyond 2^100, or Inf
//! or NaN in it) adds nothing.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::steps::step::row_scale;
use crate::{Array, Device, Error};

const SHADER: Shader = shader!("momentum", needs "reduce");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    cols: u32,
    decay: f32,
}

/// Updates `velocity` with `grad`, both n x d.
pub fn momentum(velocity: &mut Array, grad: &Array, decay: f32) -> Result<(), Error> {
    let (rows, cols) = (velocity.rows(), velocity.cols());
    grad.expect_shape("momentum", "grad", rows, cols)?;
    if velocity.is_empty() {
        return Ok(());
    }
    match velocity.device() {
        Device::Cpu => {
            let grad = grad.host("momentum")?.par_chunks(cols);
            let velocity = velocity.host_mut("momentum")?.par_chunks_mut(cols);
            velocity
                .zip(grad)
                .for_each(|(velocity, grad)| row(velocity, grad, decay));
            Ok(())
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                cols: cols as u32,
                decay,
            };
            let arrays = [
                velocity.buffer("momentum", &gpu)?,
                grad.buffer("momentum", &gpu)?,
            ];
            launch(&gpu, &SHADER, &params, &arrays, Grid::Workgroups(rows))
        }
    }
}

fn row(velocity: &mut [f32], grad: &[f32], decay: f32) {
    velocity.iter_mut().for_each(|v| *v *= decay);
    if let Some(scale) = row_scale(grad) {
        let norm = grad
            .iter()
            .map(|g| f64::from((g / scale).abs()))
            .sum::<f64>() as f32;
        for (v, g) in velocity.iter_mut().zip(grad) {
            *v += g / scale / norm;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    fn run(device: &Device, cols: usize, v: &[f32], g: &[f32], decay: f32) -> Vec<f32> {
        let array =
            |data: &[f32]| Array::from_vec(device, data.len() / cols, cols, data.to_vec()).unwrap();
        let mut velocity = array(v);
        momentum(&mut velocity, &array(g), decay).unwrap();
        velocity.to_vec().unwrap()
    }

    #[test]
    fn the_twin_is_the_formula_and_the_shader_agrees() {
        let mut random = Random::new(11);
        for (rows, cols) in testing::shapes(12) {
            let size = [1.0, 1e-30, 1e30][random.below(3)];
            let v = random.floats(rows * cols, -1.0, 1.0);
            let g = random.floats(rows * cols, -size, size);
            let decay = random.within(0.0, 1.0);
            let rows = v.chunks(cols).zip(g.chunks(cols));
            let naive = rows.flat_map(|(v, g)| {
                let norm: f64 = g.iter().map(|&g| f64::from(g).abs()).sum();
                let next = move |(&v, &g): (&f32, &f32)| {
                    (f64::from(decay) * f64::from(v) + f64::from(g) / norm) as f32
                };
                v.iter().zip(g).map(next).collect::<Vec<_>>()
            });
            let naive: Vec<f32> = naive.collect();
            for device in testing::devices() {
                let what = format!("{device:?}, {cols} columns");
                assert_close(&what, &run(&device, cols, &v, &g, decay), &naive, 1e-6);
            }
        }
    }

    #[test]
    fn a_row_without_a_direction_only_decays() {
        for device in testing::devices() {
            for odd in [0.0, f32::NAN, f32::INFINITY] {
                let got = run(
                    &device,
                    2,
                    &[1.0, -2.0, 1.0, -2.0],
                    &[0.0, odd, 3.0, -1.0],
                    0.5,
                );
                assert_close(
                    &format!("{device:?}"),
                    &got,
                    &[0.5, -1.0, 1.25, -1.25],
                    1e-6,
                );
            }
        }
    }

    #[test]
    fn shapes_must_fit() {
        let mut velocity = Array::zeros(&Device::Cpu, 2, 3).unwrap();
        let grad = Array::zeros(&Device::Cpu, 2, 2).unwrap();
        assert!(matches!(
            momentum(&mut velocity, &grad, 1.0),
            Err(Error::Shape { .. })
        ));
    }
}
