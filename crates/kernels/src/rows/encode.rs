//! From the elements of a table's sample, in [0, 1], to what a model takes: each has a scale of its own.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error};

const KERNEL: &str = "encode";
const SHADER: Shader = shader!("encode");

/// What a step may miss for rounding: so much of one, and so much of all.
const BETWEEN: f32 = 1e-6;
const ROUNDING: f32 = 2e-7;

/// Numbers of a scale: levels, base, unit, mean, std.
const NUMBERS: usize = 5;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    elements: u32,
    cols: u32,
}

/// `((base + unit * q) - mean) / std` of each element of `x` (n x d), with its `scales` (d x 5: levels, base, unit, mean,
/// std): q is the element times levels, and exactly a whole number where it is one but for rounding; the element itself
/// where levels is 0.
pub fn encode(x: &Array, scales: &Array) -> Result<Array, Error> {
    let (rows, cols) = (x.rows(), x.cols());
    scales.expect_shape(KERNEL, "scales", cols, NUMBERS)?;
    let device = x.device();
    let mut out = Array::uninit(&device, rows, cols)?;
    if out.is_empty() {
        return Ok(out);
    }
    match &device {
        Device::Cpu => {
            let scales = scales.host(KERNEL)?;
            let rows = x.host(KERNEL)?.par_chunks(cols);
            let outs = out.host_mut(KERNEL)?.par_chunks_mut(cols);
            rows.zip(outs).for_each(|(x, out)| {
                for ((&x, out), scale) in x.iter().zip(out).zip(scales.chunks_exact(NUMBERS)) {
                    *out = element(x, scale);
                }
            });
        }
        Device::Gpu(gpu) => {
            let params = Params {
                elements: (rows * cols) as u32,
                cols: cols as u32,
            };
            let arrays = [
                x.buffer(KERNEL, gpu)?,
                scales.buffer(KERNEL, gpu)?,
                out.buffer(KERNEL, gpu)?,
            ];
            launch(gpu, &SHADER, &params, &arrays, Grid::Threads(rows * cols))?;
        }
    }
    Ok(out)
}

/// One element by its scale, of five numbers.
pub fn element(x: f32, scale: &[f32]) -> f32 {
    let &[levels, base, unit, mean, std] = scale else {
        return f32::NAN;
    };
    let mut q = x;
    if levels > 0.0 {
        q *= levels;
        let step = (q + 0.5).floor();
        if (q - step).abs() <= BETWEEN + levels * ROUNDING {
            q = step;
        }
    }
    (base + unit * q - mean) / std
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    /// Whole numbers of a range come out exactly, and what lies between two in proportion.
    #[test]
    fn steps_are_exact() {
        for (low, levels) in [(17.0, 73), (0.0, 99_999), (12_285.0, 1_472_420)] {
            let n = levels as f32;
            let values: Vec<f32> = (0..1000).map(|i| (i * levels / 999) as f32).collect();
            for device in testing::devices() {
                let x = values.iter().map(|v| v / n).collect();
                let x = Array::from_vec(&device, values.len(), 1, x).unwrap();
                let scales = vec![n, low, 1.0, 0.0, 1.0];
                let scales = Array::from_vec(&device, 1, NUMBERS, scales).unwrap();
                let got = encode(&x, &scales).unwrap().to_vec().unwrap();
                let expected: Vec<f32> = values.iter().map(|v| low + v).collect();
                assert_eq!(got, expected, "{device:?}");
            }
        }
        assert_eq!(element(0.5, &[3.0, 10.0, 2.0, 3.0, 2.0]), 5.0);
        assert_eq!(element(0.25, &[0.0, -1.0, 4.0, 0.0, 1.0]), 0.0);
    }

    #[test]
    fn every_device_encodes_alike() {
        let mut random = Random::new(81);
        for (rows, cols) in testing::shapes(82) {
            let x = random.floats(rows * cols, 0.0, 1.0);
            let mut scales = Vec::new();
            for _ in 0..cols {
                let levels = [0.0, 1.0, 10.0][random.below(3)];
                scales.extend([levels, random.within(-5.0, 5.0), random.within(0.1, 9.0)]);
                scales.extend([random.within(-5.0, 5.0), random.within(0.5, 2.0)]);
            }
            let run = |device: &Device| {
                let x = Array::from_vec(device, rows, cols, x.clone()).unwrap();
                let scales = Array::from_vec(device, cols, NUMBERS, scales.clone()).unwrap();
                encode(&x, &scales).unwrap().to_vec().unwrap()
            };
            let Some(gpu) = testing::gpu() else { return };
            assert_close("encode", &run(&gpu), &run(&Device::Cpu), 1e-4);
        }
    }

    #[test]
    fn a_scale_for_each_element() {
        let array = |rows, cols| Array::<f32>::zeros(&Device::Cpu, rows, cols).unwrap();
        assert!(encode(&array(2, 3), &array(3, 5)).is_ok());
        assert!(encode(&array(2, 3), &array(2, 5)).is_err());
    }
}
