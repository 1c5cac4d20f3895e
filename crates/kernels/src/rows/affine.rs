//! A scale and a shift for each channel of a sample: how pixels become a model's input, and, without
//! the shift, how a gradient comes back.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::wide::wide;
use crate::{Array, Device, Error};

const KERNEL: &str = "affine";
const SHADER: Shader = shader!("affine");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    elements: u32,
    channels: u32,
    plane: u32,
}

/// `x * scale + shift` for `x` of n x d, whose rows are the planes of c channels, one after the
/// other; `scale` and `shift` are 1 x c, and c divides d.
pub fn affine(x: &Array, scale: &Array, shift: &Array) -> Result<Array, Error> {
    let (rows, cols, channels) = (x.rows(), x.cols(), scale.cols());
    scale.expect_shape(KERNEL, "scale", 1, channels)?;
    shift.expect_shape(KERNEL, "shift", 1, channels)?;
    if channels == 0 || !cols.is_multiple_of(channels) {
        return Err(Error::Shape {
            kernel: KERNEL,
            expected: format!("rows of {channels} channels"),
            got: format!("rows of {cols}"),
        });
    }
    let device = x.device();
    let mut out = Array::uninit(&device, rows, cols)?;
    if out.is_empty() {
        return Ok(out);
    }
    let plane = cols / channels;
    match &device {
        Device::Cpu => {
            let (scale, shift) = (scale.host(KERNEL)?, shift.host(KERNEL)?);
            let rows = x.host(KERNEL)?.par_chunks(cols);
            let outs = out.host_mut(KERNEL)?.par_chunks_mut(cols);
            rows.zip(outs).for_each(|(x, out)| {
                wide(
                    #[inline(always)]
                    || row(x, out, scale, shift, plane),
                )
            });
        }
        Device::Gpu(gpu) => {
            let params = Params {
                elements: (rows * cols) as u32,
                channels: channels as u32,
                plane: plane as u32,
            };
            let arrays = [
                x.buffer(KERNEL, gpu)?,
                scale.buffer(KERNEL, gpu)?,
                shift.buffer(KERNEL, gpu)?,
                out.buffer(KERNEL, gpu)?,
            ];
            launch(gpu, &SHADER, &params, &arrays, Grid::Threads(rows * cols))?;
        }
    }
    Ok(out)
}

#[inline(always)]
fn row(x: &[f32], out: &mut [f32], scale: &[f32], shift: &[f32], plane: usize) {
    let planes = x.chunks_exact(plane).zip(out.chunks_exact_mut(plane));
    for (((x, out), scale), shift) in planes.zip(scale).zip(shift) {
        for (x, out) in x.iter().zip(out) {
            *out = x * scale + shift;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    #[test]
    fn every_device_follows_the_formula() {
        let mut random = Random::new(21);
        for (rows, plane) in testing::shapes(22) {
            let channels = 1 + random.below(4);
            let cols = channels * plane;
            let x = random.floats(rows * cols, -1.0, 1.0);
            let scale = random.floats(channels, 0.1, 300.0);
            let shift = random.floats(channels, -3.0, 3.0);
            let expected = (0..rows * cols).map(|i| {
                let channel = i % cols / plane;
                (f64::from(x[i]) * f64::from(scale[channel]) + f64::from(shift[channel])) as f32
            });
            let expected: Vec<f32> = expected.collect();
            for device in testing::devices() {
                let array = |rows, data: &[f32]| {
                    Array::from_vec(&device, rows, data.len() / rows, data.to_vec()).unwrap()
                };
                let got = affine(&array(rows, &x), &array(1, &scale), &array(1, &shift)).unwrap();
                let what = format!("{rows} x {channels} x {plane} on {device:?}");
                assert_close(&what, &got.to_vec().unwrap(), &expected, 1e-5);
            }
        }
    }

    #[test]
    fn channels_must_fit() {
        let array = |cols| Array::<f32>::zeros(&Device::Cpu, 1, cols).unwrap();
        assert!(affine(&array(6), &array(3), &array(3)).is_ok());
        for (x, scale, shift) in [(6, 4, 4), (6, 3, 2), (6, 0, 0)] {
            let wrong = affine(&array(x), &array(scale), &array(shift));
            assert!(
                matches!(wrong, Err(Error::Shape { .. })),
                "{x} {scale} {shift}"
            );
        }
    }
}
