//! How far one answer is from another: the Kullback-Leibler divergence of their probabilities.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error};

const KERNEL: &str = "divergence";
const SHADER: Shader = shader!("divergence");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    classes: u32,
}

/// The gradient with respect to the logits z (n x c) of the divergence of softmax(z) from softmax(`from`), which is their
/// difference; 0 in a row with Inf or NaN in either.
pub fn divergence(logits: &Array, from: &Array) -> Result<Array, Error> {
    let (rows, classes) = (logits.rows(), logits.cols());
    from.expect_shape(KERNEL, "from", rows, classes)?;
    let device = logits.device();
    let mut slope = Array::uninit(&device, rows, classes)?;
    if logits.is_empty() {
        return Ok(slope);
    }
    match &device {
        Device::Cpu => {
            let from = from.host(KERNEL)?.par_chunks(classes);
            let logits = logits.host(KERNEL)?.par_chunks(classes);
            let slope = slope.host_mut(KERNEL)?.par_chunks_mut(classes);
            let rows = slope.zip(logits).zip(from).with_min_len(64);
            rows.for_each(|((slope, z), from)| row(slope, z, from));
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                classes: classes as u32,
            };
            let arrays = [
                logits.buffer(KERNEL, gpu)?,
                from.buffer(KERNEL, gpu)?,
                slope.buffer(KERNEL, gpu)?,
            ];
            launch(gpu, &SHADER, &params, &arrays, Grid::Threads(rows))?;
        }
    }
    Ok(slope)
}

fn row(slope: &mut [f32], z: &[f32], from: &[f32]) {
    slope.fill(0.0);
    if !z.iter().chain(from).all(|v| v.is_finite()) {
        return;
    }
    for (z, sign) in [(z, 1.0), (from, -1.0)] {
        let peak = z.iter().fold(f32::MIN, |peak, &v| peak.max(v));
        let total: f32 = z.iter().map(|v| (v - peak).exp()).sum();
        for (slope, v) in slope.iter_mut().zip(z) {
            *slope += sign * (v - peak).exp() / total;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    fn run(device: &Device, z: &[f32], from: &[f32], classes: usize) -> Vec<f32> {
        let array = |data: &[f32]| {
            Array::from_vec(device, data.len() / classes, classes, data.to_vec()).unwrap()
        };
        divergence(&array(z), &array(from))
            .unwrap()
            .to_vec()
            .unwrap()
    }

    /// Against differences of the divergence by its definition.
    #[test]
    fn is_the_derivative_of_the_divergence() {
        let softmax = |z: &[f64]| -> Vec<f64> {
            let total: f64 = z.iter().map(|z| z.exp()).sum();
            z.iter().map(|z| z.exp() / total).collect()
        };
        let value = |z: &[f64], from: &[f64]| -> f64 {
            let pairs = softmax(from).into_iter().zip(softmax(z));
            pairs.map(|(p, q)| p * (p / q).ln()).sum()
        };
        let mut random = Random::new(95);
        for _ in 0..50 {
            let (z, from) = (random.floats(5, -3.0, 3.0), random.floats(5, -3.0, 3.0));
            let got = run(&Device::Cpu, &z, &from, 5);
            let wide = |z: &[f32]| z.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
            let from = wide(&from);
            for j in 0..5 {
                let nudged = |by: f64| {
                    let mut z = wide(&z);
                    z[j] += by;
                    value(&z, &from)
                };
                let slope = (nudged(1e-6) - nudged(-1e-6)) / 2e-6;
                assert_close("slope", &[got[j]], &[slope as f32], 1e-4);
            }
        }
    }

    #[test]
    fn every_device_agrees_and_what_is_no_number_gives_nothing() {
        let mut random = Random::new(96);
        for (rows, classes) in testing::shapes(97) {
            let mut z = random.floats(rows * classes, -30.0, 30.0);
            let from = random.floats(rows * classes, -30.0, 30.0);
            if rows * classes > 0 {
                z[0] = [f32::NAN, f32::INFINITY, 0.0][random.below(3)];
            }
            let expected = run(&Device::Cpu, &z, &from, classes.max(1));
            if rows * classes > 0 && !z[0].is_finite() {
                assert!(expected[..classes].iter().all(|&v| v == 0.0));
            }
            for device in testing::devices() {
                let got = run(&device, &z, &from, classes.max(1));
                assert_close(&format!("{rows} x {classes}"), &got, &expected, 2e-5);
            }
        }
    }

    #[test]
    fn shapes_must_fit() {
        let z = Array::zeros(&Device::Cpu, 2, 3).unwrap();
        let from = Array::zeros(&Device::Cpu, 2, 4).unwrap();
        assert!(matches!(divergence(&z, &from), Err(Error::Shape { .. })));
    }
}
