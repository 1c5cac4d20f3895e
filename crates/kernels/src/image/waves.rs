//! Images of few low frequencies: the inverse of the two-dimensional cosine transform, cut off.

use std::f64::consts::PI;

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error, Image};

const KERNEL: &str = "waves";
const SHADER: Shader = shader!("waves");

/// The cosines of the frequencies of images of one shape, on a device.
pub struct Waves {
    image: Image,
    down: Axis,
    across: Axis,
}

/// Along one side of the image: `cosines[i * frequencies + u]`, orthonormal in u over all frequencies.
struct Axis {
    frequencies: usize,
    cosines: Array,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    channels: u32,
    height: u32,
    width: u32,
    down: u32,
    across: u32,
}

impl Waves {
    /// At most `most` frequencies along each side.
    pub fn new(device: &Device, image: Image, most: usize) -> Result<Self, Error> {
        Ok(Self {
            image,
            down: Axis::new(device, image.height, most)?,
            across: Axis::new(device, image.width, most)?,
        })
    }

    /// Coefficients of a sample: channels x frequencies down x frequencies across.
    pub fn coefficients(&self) -> usize {
        self.image.channels * self.down.frequencies * self.across.frequencies
    }

    /// The images (n x sample_len) of `coefficients` (n x [`Waves::coefficients`]), of the same L2 norm.
    pub fn images(&self, coefficients: &Array) -> Result<Array, Error> {
        let (rows, device) = (coefficients.rows(), coefficients.device());
        coefficients.expect_shape(KERNEL, "coefficients", rows, self.coefficients())?;
        let Image {
            channels,
            height,
            width,
        } = self.image;
        let cols = channels * height * width;
        let mut images = Array::uninit(&device, rows, cols)?;
        if images.is_empty() {
            return Ok(images);
        }
        match &device {
            Device::Cpu => {
                let down = self.down.cosines.host(KERNEL)?;
                let across = self.across.cosines.host(KERNEL)?;
                let planes = images.host_mut(KERNEL)?.par_chunks_mut(height * width);
                let size = self.down.frequencies * self.across.frequencies;
                planes
                    .zip(coefficients.host(KERNEL)?.par_chunks(size))
                    .for_each_init(Vec::new, |half, (plane, c)| {
                        self.plane(plane, c, down, across, half);
                    });
            }
            Device::Gpu(gpu) => {
                let params = Params {
                    rows: rows as u32,
                    channels: channels as u32,
                    height: height as u32,
                    width: width as u32,
                    down: self.down.frequencies as u32,
                    across: self.across.frequencies as u32,
                };
                let arrays = [
                    coefficients.buffer(KERNEL, gpu)?,
                    self.down.cosines.buffer(KERNEL, gpu)?,
                    self.across.cosines.buffer(KERNEL, gpu)?,
                    images.buffer(KERNEL, gpu)?,
                ];
                launch(gpu, &SHADER, &params, &arrays, Grid::Threads(rows * cols))?;
            }
        }
        Ok(images)
    }

    /// One channel: first along the rows of frequencies, then down.
    fn plane(
        &self,
        plane: &mut [f32],
        c: &[f32],
        down: &[f32],
        across: &[f32],
        half: &mut Vec<f32>,
    ) {
        let (width, few) = (self.image.width, self.across.frequencies);
        half.clear();
        for c in c.chunks_exact(few) {
            let value =
                |cosines: &[f32]| -> f32 { c.iter().zip(cosines).map(|(c, w)| c * w).sum() };
            half.extend(across.chunks_exact(few).map(value));
        }
        let rows = plane.chunks_exact_mut(width);
        for (row, cosines) in rows.zip(down.chunks_exact(self.down.frequencies)) {
            row.fill(0.0);
            for (half, w) in half.chunks_exact(width).zip(cosines) {
                row.iter_mut().zip(half).for_each(|(x, h)| *x += w * h);
            }
        }
    }
}

impl Axis {
    fn new(device: &Device, side: usize, most: usize) -> Result<Self, Error> {
        let frequencies = most.clamp(1, side.max(1));
        let cosines = (0..side * frequencies).map(|k| {
            let (i, u) = ((k / frequencies) as f64, (k % frequencies) as f64);
            let scale = if u == 0.0 { 1.0 } else { 2.0 };
            let angle = PI * (i + 0.5) * u / side as f64;
            ((scale / side as f64).sqrt() * angle.cos()) as f32
        });
        Ok(Self {
            frequencies,
            cosines: Array::from_vec(device, side, frequencies, cosines.collect())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};
    use crate::{Reduce, reduce_rows};

    fn image(channels: usize, height: usize, width: usize) -> Image {
        Image {
            channels,
            height,
            width,
        }
    }

    #[test]
    fn images_are_sums_of_cosines_and_keep_their_norm_on_every_device() {
        let mut random = Random::new(95);
        for _ in 0..60 {
            let image = image(
                1 + random.below(3),
                1 + random.below(20),
                1 + random.below(20),
            );
            let (rows, most) = (1 + random.below(4), 1 + random.below(12));
            for device in testing::devices() {
                let waves = Waves::new(&device, image, most).unwrap();
                let c = random.floats(rows * waves.coefficients(), -1.0, 1.0);
                let array =
                    Array::from_vec(&device, rows, waves.coefficients(), c.clone()).unwrap();
                let got = waves.images(&array).unwrap();
                let norms = |a: &Array| reduce_rows(a, Reduce::L2).unwrap().to_vec().unwrap();
                assert_close("norm", &norms(&got), &norms(&array), 1e-5);
                let expected = naive(image, most, &c, rows);
                assert_close(
                    &format!("{device:?}"),
                    &got.to_vec().unwrap(),
                    &expected,
                    1e-5,
                );
            }
        }
    }

    fn naive(image: Image, most: usize, c: &[f32], rows: usize) -> Vec<f32> {
        let Image {
            channels,
            height,
            width,
        } = image;
        let (down, across) = (most.min(height), most.min(width));
        let wave = |i: usize, u: usize, side: usize| {
            let scale = if u == 0 { 1.0 } else { 2.0 };
            let angle = PI * (2 * i + 1) as f64 * u as f64 / (2 * side) as f64;
            (scale / side as f64).sqrt() * angle.cos()
        };
        let mut images = Vec::new();
        for plane in 0..rows * channels {
            for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                let terms = (0..down * across).map(|k| {
                    let c = f64::from(c[plane * down * across + k]);
                    c * wave(y, k / across, height) * wave(x, k % across, width)
                });
                images.push(terms.sum::<f64>() as f32);
            }
        }
        images
    }

    #[test]
    fn shapes_must_fit() {
        let waves = Waves::new(&Device::Cpu, image(3, 4, 4), 2).unwrap();
        assert_eq!(waves.coefficients(), 12);
        assert!(
            waves
                .images(&Array::zeros(&Device::Cpu, 2, 11).unwrap())
                .is_err()
        );
    }
}
