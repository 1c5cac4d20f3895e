//! A step of gradient ascent in few elements: those with the largest magnitudes of the gradient share its length. This is how L1
//! attacks move (Tramèr & Boneh 2019, arXiv 1904.13000; Croce & Hein 2021, arXiv 2103.01208).

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error};

const KERNEL: &str = "sparse_step";
const SHADER: Shader = shader!("sparse_step", needs "reduce");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    cols: u32,
}

/// Moves each row of `x` by L1 length `alpha` (n x 1) along the signs of the `kept` (n x 1, rounded up, at least 1) elements
/// of `grad` that are largest in magnitude; those that are as large as the last of them move too, zeros and NaN never.
/// `x` and `grad` are n x d.
pub fn sparse_step(x: &mut Array, grad: &Array, kept: &Array, alpha: &Array) -> Result<(), Error> {
    let (rows, cols) = (x.rows(), x.cols());
    grad.expect_shape(KERNEL, "grad", rows, cols)?;
    kept.expect_shape(KERNEL, "kept", rows, 1)?;
    alpha.expect_shape(KERNEL, "alpha", rows, 1)?;
    if x.is_empty() {
        return Ok(());
    }
    match x.device() {
        Device::Cpu => {
            let grad = grad.host(KERNEL)?.par_chunks(cols);
            let (kept, alpha) = (kept.host(KERNEL)?, alpha.host(KERNEL)?);
            let x = x.host_mut(KERNEL)?.par_chunks_mut(cols);
            x.zip(grad)
                .zip(kept)
                .zip(alpha)
                .for_each_init(Vec::new, |sizes, (((x, grad), &kept), &alpha)| {
                    row(x, grad, kept, alpha, sizes)
                });
            Ok(())
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                cols: cols as u32,
            };
            let arrays = [
                x.buffer(KERNEL, &gpu)?,
                grad.buffer(KERNEL, &gpu)?,
                kept.buffer(KERNEL, &gpu)?,
                alpha.buffer(KERNEL, &gpu)?,
            ];
            launch(&gpu, &SHADER, &params, &arrays, Grid::Workgroups(rows))
        }
    }
}

/// The bits of `|g|`, which order as it does; 0 for NaN.
fn magnitude(g: f32) -> u32 {
    if g.is_nan() { 0 } else { g.abs().to_bits() }
}

fn row(x: &mut [f32], grad: &[f32], kept: f32, alpha: f32, sizes: &mut Vec<u32>) {
    sizes.clear();
    sizes.extend(grad.iter().map(|&g| magnitude(g)));
    let wanted = (kept.ceil().max(1.0) as usize).min(sizes.len());
    let (_, &mut last, _) = sizes.select_nth_unstable_by(wanted - 1, |a, b| b.cmp(a));
    let least = last.max(1);
    let reached = sizes.iter().filter(|&&size| size >= least).count();
    let step = alpha / reached.max(1) as f32;
    for (x, &g) in x.iter_mut().zip(grad) {
        if magnitude(g) >= least {
            *x += step.copysign(g);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    fn run(device: &Device, x: &[f32], grad: &[f32], kept: &[f32], alpha: &[f32]) -> Vec<f32> {
        let rows = kept.len();
        let array =
            |data: &[f32]| Array::from_vec(device, rows, data.len() / rows, data.to_vec()).unwrap();
        let mut moved = array(x);
        sparse_step(&mut moved, &array(grad), &array(kept), &array(alpha)).unwrap();
        moved.to_vec().unwrap()
    }

    #[test]
    fn the_largest_share_the_step_on_every_device() {
        let mut random = Random::new(75);
        for (rows, cols) in testing::shapes(76) {
            let size = [1.0, 1e-30, 1e30][random.below(3)];
            let grad = random.floats(rows * cols, -size, size);
            let x = random.floats(rows * cols, 0.0, 1.0);
            let kept = random.floats(rows, 0.0, cols as f32);
            let alpha = random.floats(rows, 0.0, 2.0);
            let mut expected = x.clone();
            for row in 0..rows {
                let at = row * cols..(row + 1) * cols;
                let mut order: Vec<usize> = at.clone().collect();
                order.sort_by(|&a, &b| grad[b].abs().total_cmp(&grad[a].abs()));
                let last = grad[order[(kept[row].ceil() as usize).max(1) - 1]].abs();
                let chosen: Vec<usize> = at.filter(|&i| grad[i].abs() >= last).collect();
                for &i in &chosen {
                    expected[i] += grad[i].signum() * alpha[row] / chosen.len() as f32;
                }
            }
            for device in testing::devices() {
                let got = run(&device, &x, &grad, &kept, &alpha);
                assert_close(&format!("{rows} x {cols}"), &got, &expected, 1e-6);
            }
        }
    }

    #[test]
    fn table() {
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        for device in testing::devices() {
            for (grad, kept, expected) in [
                ([3.0, -2.0, 1.0], 1.0, [0.6, 0.0, 0.0]),
                ([3.0, -2.0, 1.0], 1.5, [0.3, -0.3, 0.0]),
                ([1.0, -1.0, 0.5], 1.0, [0.3, -0.3, 0.0]),
                ([0.0, 0.0, 0.5], 3.0, [0.0, 0.0, 0.6]),
                ([0.0, -0.0, nan], 2.0, [0.0, 0.0, 0.0]),
                ([-inf, nan, 1.0], 1.0, [-0.6, 0.0, 0.0]),
            ] {
                let got = run(&device, &[0.0; 3], &grad, &[kept], &[0.6]);
                assert_close(&format!("{grad:?} on {device:?}"), &got, &expected, 1e-6);
            }
        }
    }

    #[test]
    fn shapes_must_fit() {
        let array = |rows, cols| Array::<f32>::zeros(&Device::Cpu, rows, cols).unwrap();
        let run = |grad: (usize, usize), kept: usize, alpha: usize| {
            let grad = array(grad.0, grad.1);
            sparse_step(&mut array(2, 3), &grad, &array(kept, 1), &array(alpha, 1))
        };
        assert!(run((2, 3), 2, 2).is_ok());
        assert!(run((2, 4), 2, 2).is_err());
        assert!(run((2, 3), 3, 2).is_err());
        assert!(run((2, 3), 2, 1).is_err());
    }
}
