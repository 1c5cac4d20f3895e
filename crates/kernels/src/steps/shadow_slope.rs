//! What makes a perturbation of an image seen, to be kept small: that it varies, that it changes the colours, and that the channels
//! differ (Ghiasi, Shafahi & Goldstein 2020, <https://arxiv.org/abs/2003.08937>).

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error, Image};

const KERNEL: &str = "shadow_slope";
const SHADER: Shader = shader!("shadow_slope", needs "reduce");

/// How much each part counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shadow {
    /// The squared differences of neighbouring pixels, added up: the total variation.
    pub variation: f32,
    /// The squares of the mean magnitudes of the channels, added up.
    pub colour: f32,
    /// The L2 norm, over the pixels, of the squared differences of the channels.
    pub dissimilarity: f32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    channels: u32,
    height: u32,
    width: u32,
    variation: f32,
    colour: f32,
    dissimilarity: f32,
}

/// The gradient of the weighted sum of the parts with respect to the perturbations `delta` (n x d, laid out as `image`).
pub fn shadow_slope(delta: &Array, image: Image, weights: Shadow) -> Result<Array, Error> {
    let Image {
        channels,
        height,
        width,
    } = image;
    let (rows, cols, device) = (delta.rows(), delta.cols(), delta.device());
    delta.expect_shape(KERNEL, "delta", rows, channels * height * width)?;
    let mut slope = Array::uninit(&device, rows, cols)?;
    if delta.is_empty() {
        return Ok(slope);
    }
    match &device {
        Device::Cpu => {
            let delta = delta.host(KERNEL)?.par_chunks(cols);
            let slope = slope.host_mut(KERNEL)?.par_chunks_mut(cols);
            slope
                .zip(delta)
                .for_each(|(slope, delta)| row(slope, delta, image, weights));
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                channels: channels as u32,
                height: height as u32,
                width: width as u32,
                variation: weights.variation,
                colour: weights.colour,
                dissimilarity: weights.dissimilarity,
            };
            let arrays = [delta.buffer(KERNEL, gpu)?, slope.buffer(KERNEL, gpu)?];
            launch(gpu, &SHADER, &params, &arrays, Grid::Workgroups(rows))?;
        }
    }
    Ok(slope)
}

fn row(slope: &mut [f32], delta: &[f32], image: Image, weights: Shadow) {
    let (plane, channels) = (image.plane(), image.channels as f32);
    for (slope, delta) in slope.chunks_mut(plane).zip(delta.chunks(plane)) {
        let mean = delta.iter().map(|d| d.abs()).sum::<f32>() / plane as f32;
        let pull = 2.0 * weights.colour * mean / plane as f32;
        for (i, slope) in slope.iter_mut().enumerate() {
            let varied = 2.0 * weights.variation * varied(delta, i, image);
            *slope = varied + pull * crate::steps::step::sign(delta[i]);
        }
    }
    let pixel = |i: usize| delta.iter().skip(i).step_by(plane);
    let sums: Vec<f32> = (0..plane).map(|i| pixel(i).sum()).collect();
    let unlike = |i: usize| {
        let squares: f32 = pixel(i).map(|d| d * d).sum();
        (channels * squares - sums[i] * sums[i]).max(0.0)
    };
    let unlike: Vec<f32> = (0..plane).map(unlike).collect();
    let norm = unlike.iter().map(|u| u * u).sum::<f32>().sqrt();
    if !norm.is_normal() {
        return;
    }
    for (i, (slope, delta)) in slope.iter_mut().zip(delta).enumerate() {
        let apart = channels * delta - sums[i % plane];
        *slope += 2.0 * weights.dissimilarity * unlike[i % plane] / norm * apart;
    }
}

/// How much larger an element is than its neighbours, added up.
fn varied(plane: &[f32], i: usize, image: Image) -> f32 {
    let (y, x) = (i / image.width, i % image.width);
    let mut sum = 0.0;
    if x > 0 {
        sum += plane[i] - plane[i - 1];
    }
    if x + 1 < image.width {
        sum += plane[i] - plane[i + 1];
    }
    if y > 0 {
        sum += plane[i] - plane[i - image.width];
    }
    if y + 1 < image.height {
        sum += plane[i] - plane[i + image.width];
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    const WEIGHTS: Shadow = Shadow {
        variation: 0.3,
        colour: 20.0,
        dissimilarity: 0.5,
    };

    fn run(device: &Device, delta: &[f32], rows: usize, image: Image) -> Vec<f32> {
        let cols = delta.len() / rows;
        let delta = Array::from_vec(device, rows, cols, delta.to_vec()).unwrap();
        shadow_slope(&delta, image, WEIGHTS)
            .unwrap()
            .to_vec()
            .unwrap()
    }

    /// The parts by their definition, in f64.
    fn value(delta: &[f64], image: Image) -> f64 {
        let (height, width, plane) = (image.height, image.width, image.height * image.width);
        let at = |c: usize, y: usize, x: usize| delta[c * plane + y * width + x];
        let (mut variation, mut colour, mut squares) = (0.0, 0.0, 0.0);
        for c in 0..image.channels {
            let mut mean = 0.0;
            for y in 0..height {
                for x in 0..width {
                    mean += at(c, y, x).abs() / plane as f64;
                    if x + 1 < width {
                        variation += (at(c, y, x + 1) - at(c, y, x)).powi(2);
                    }
                    if y + 1 < height {
                        variation += (at(c, y + 1, x) - at(c, y, x)).powi(2);
                    }
                }
            }
            colour += mean * mean;
        }
        for i in 0..plane {
            let mut unlike = 0.0;
            for a in 0..image.channels {
                for b in 0..a {
                    unlike += (delta[a * plane + i] - delta[b * plane + i]).powi(2);
                }
            }
            squares += unlike * unlike;
        }
        f64::from(WEIGHTS.variation) * variation
            + f64::from(WEIGHTS.colour) * colour
            + f64::from(WEIGHTS.dissimilarity) * squares.sqrt()
    }

    #[test]
    fn is_the_gradient_on_every_device() {
        let mut random = Random::new(98);
        for (channels, height, width) in [(3, 4, 5), (1, 3, 3), (1, 1, 7), (4, 9, 1), (3, 17, 17)] {
            let image = Image {
                channels,
                height,
                width,
            };
            let cols = channels * height * width;
            let delta = random.floats(2 * cols, -1.0, 1.0);
            let mut expected = Vec::new();
            for row in delta.chunks(cols) {
                let row: Vec<f64> = row.iter().map(|&d| f64::from(d)).collect();
                let nudged = |i: usize, by: f64| {
                    let mut row = row.clone();
                    row[i] += by;
                    value(&row, image)
                };
                let slope = |i| (nudged(i, 1e-6) - nudged(i, -1e-6)) / 2e-6;
                expected.extend((0..cols).map(|i| slope(i) as f32));
            }
            for device in testing::devices() {
                let got = run(&device, &delta, 2, image);
                assert_close(&format!("{image:?} on {device:?}"), &got, &expected, 1e-3);
            }
        }
    }

    #[test]
    fn nothing_pulls_at_no_perturbation_and_shapes_must_fit() {
        let image = Image {
            channels: 3,
            height: 2,
            width: 2,
        };
        for device in testing::devices() {
            assert_eq!(run(&device, &[0.0; 24], 2, image), [0.0; 24]);
        }
        let delta = Array::zeros(&Device::Cpu, 2, 11).unwrap();
        assert!(matches!(
            shadow_slope(&delta, image, WEIGHTS),
            Err(Error::Shape { .. })
        ));
    }
}
