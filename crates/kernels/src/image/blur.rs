//! A Gaussian blur of each channel of each image, with zeros around: what the translation-invariant attack does to
//! gradients (Dong et al., "Evading defenses to transferable adversarial examples by translation-invariant attacks",
//! CVPR 2019).

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::array::row_grain;
use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error, Image};

const KERNEL: &str = "blur";
const SHADER: Shader = shader!("blur");

/// The window reaches so many standard deviations to each side, as in the paper.
const DEVIATIONS: f32 = 3.0;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    elements: u32,
    length: u32,
    stride: u32,
    side: u32,
}

/// Each row of `x` (n x d, laid out as `image`) blurred over windows that reach `radius` pixels to each side; 0 leaves it
/// as it is. The weights of a window add up to 1.
pub fn blur(x: &Array, image: Image, radius: usize) -> Result<Array, Error> {
    let Image {
        channels,
        height,
        width,
    } = image;
    x.expect_shape(KERNEL, "x", x.rows(), channels * height * width)?;
    if radius == 0 {
        return x.copy();
    }
    let side = 2 * radius + 1;
    let weights = Array::from_vec(&x.device(), 1, side, gaussian(radius))?;
    let rows = along(x, &weights, width, 1)?;
    along(&rows, &weights, height, width)
}

fn gaussian(radius: usize) -> Vec<f32> {
    let weight = |k: usize| {
        let z = (k as f32 / radius as f32 - 1.0) * DEVIATIONS;
        (-0.5 * z * z).exp()
    };
    let weights: Vec<f32> = (0..=2 * radius).map(weight).collect();
    let total: f32 = weights.iter().sum();
    weights.into_iter().map(|w| w / total).collect()
}

/// Blurs along an axis of `length` elements that lie `stride` apart.
fn along(x: &Array, weights: &Array, length: usize, stride: usize) -> Result<Array, Error> {
    let (rows, cols, device) = (x.rows(), x.cols(), x.device());
    let mut blurred = Array::uninit(&device, rows, cols)?;
    if x.is_empty() {
        return Ok(blurred);
    }
    match &device {
        Device::Cpu => {
            let (source, weights) = (x.host(KERNEL)?.par_chunks(cols), weights.host(KERNEL)?);
            let blurred = blurred.host_mut(KERNEL)?.par_chunks_mut(cols);
            let rows = blurred.zip(source).with_min_len(row_grain(cols));
            rows.for_each(|(blurred, source)| {
                let planes = blurred
                    .chunks_mut(length * stride)
                    .zip(source.chunks(length * stride));
                planes.for_each(|(blurred, source)| plane(blurred, source, weights, stride));
            });
        }
        Device::Gpu(gpu) => {
            let params = Params {
                elements: (rows * cols) as u32,
                length: length as u32,
                stride: stride as u32,
                side: weights.cols() as u32,
            };
            let arrays = [
                x.buffer(KERNEL, gpu)?,
                weights.buffer(KERNEL, gpu)?,
                blurred.buffer(KERNEL, gpu)?,
            ];
            launch(gpu, &SHADER, &params, &arrays, Grid::Threads(rows * cols))?;
        }
    }
    Ok(blurred)
}

/// Every weight in turn over the part of the plane that it reaches.
fn plane(blurred: &mut [f32], source: &[f32], weights: &[f32], stride: usize) {
    blurred.fill(0.0);
    let half = weights.len() / 2;
    for (k, weight) in weights.iter().enumerate() {
        let ahead = k.saturating_sub(half) * stride;
        let behind = half.saturating_sub(k) * stride;
        let (Some(from), Some(to)) = (source.get(ahead..), blurred.get_mut(behind..)) else {
            continue;
        };
        to.iter_mut()
            .zip(from)
            .for_each(|(to, from)| *to += weight * from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    /// The sum over the window in two dimensions at once, in f64.
    fn naive(x: &[f32], image: Image, radius: usize) -> Vec<f32> {
        let Image { height, width, .. } = image;
        let weights = gaussian(radius);
        let (side, half) = (2 * radius + 1, radius as isize);
        let at = |plane: &[f32], r: isize, c: isize| {
            let inside = (0..height as isize).contains(&r) && (0..width as isize).contains(&c);
            if inside {
                f64::from(plane[r as usize * width + c as usize])
            } else {
                0.0
            }
        };
        let pixel = |plane: &[f32], i: usize| {
            let (r, c) = ((i / width) as isize, (i % width) as isize);
            let window = (0..side * side).map(|k| {
                let (dr, dc) = (k / side, k % side);
                let weight = f64::from(weights[dr]) * f64::from(weights[dc]);
                weight * at(plane, r + dr as isize - half, c + dc as isize - half)
            });
            window.sum::<f64>() as f32
        };
        let planes = x.chunks(height * width);
        planes
            .flat_map(|plane| {
                (0..plane.len())
                    .map(|i| pixel(plane, i))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn every_pixel_is_the_sum_of_its_window() {
        let mut random = Random::new(51);
        for _ in 0..64 {
            let image = Image {
                channels: 1 + random.below(3),
                height: 1 + random.below(12),
                width: 1 + random.below(12),
            };
            let (n, radius) = (1 + random.below(4), 1 + random.below(7));
            let cols = image.channels * image.height * image.width;
            let x = random.floats(n * cols, -1.0, 1.0);
            let expected = naive(&x, image, radius);
            for device in testing::devices() {
                let x = Array::from_vec(&device, n, cols, x.clone()).unwrap();
                let got = blur(&x, image, radius).unwrap().to_vec().unwrap();
                assert_close(
                    &format!("{image:?} {radius} {device:?}"),
                    &got,
                    &expected,
                    1e-5,
                );
            }
        }
    }

    #[test]
    fn an_even_image_stays_even_away_from_its_edges() {
        let image = Image {
            channels: 1,
            height: 9,
            width: 9,
        };
        for device in testing::devices() {
            let x = Array::filled(&device, 1, 81, 0.5).unwrap();
            let got = blur(&x, image, 3).unwrap().to_vec().unwrap();
            assert!((got[40] - 0.5).abs() < 1e-6 && got[0] < 0.4);
            assert_eq!(blur(&x, image, 0).unwrap().to_vec().unwrap(), [0.5; 81]);
        }
        let other = Array::zeros(&Device::Cpu, 1, 5).unwrap();
        assert!(blur(&other, image, 3).is_err());
    }
}
