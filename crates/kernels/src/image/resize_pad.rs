//! Input diversity: with some probability an image is shrunk by bilinear interpolation and set at a random place on black
//! (Xie et al., "Improving transferability of adversarial examples with input diversity", CVPR 2019).
//!
//! The numbers of a sample are [`philox4x32`] at the counter (0, sample id, stream, 2); the key is the seed.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::array::row_grain;
use crate::launch::{Grid, Shader, launch, shader};
use crate::philox::{self, philox4x32, unit};
use crate::{Array, Device, Error, Image};

const KERNEL: &str = "resize_pad";
const SHADER: Shader = shader!("resize_pad", needs "philox");

/// How often images are shrunk, and how far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Diversity {
    pub probability: f32,
    /// The smallest size as a share of the full one, at most 1.
    pub smallest: f32,
}

/// Which way: images forward, gradients by the transpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Forward = 0,
    Transposed = 1,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    channels: u32,
    height: u32,
    width: u32,
    least_height: u32,
    least_width: u32,
    key: [u32; 2],
    stream: u32,
    transposed: u32,
    probability: f32,
}

/// Each row of `x` (n x d, laid out as `image`) with its sample id (n x 1), shrunk and set on black at random. The same seed
/// and `stream` do the same both ways.
pub fn resize_pad(
    x: &Array,
    ids: &Array<u32>,
    image: Image,
    diversity: Diversity,
    (seed, stream): (u64, u32),
    way: Way,
) -> Result<Array, Error> {
    let (rows, cols, device) = (x.rows(), x.cols(), x.device());
    let (height, width) = (image.height, image.width);
    x.expect_shape(KERNEL, "x", rows, image.channels * height * width)?;
    ids.expect_shape(KERNEL, "ids", rows, 1)?;
    let mut result = Array::zeros(&device, rows, cols)?;
    if result.is_empty() {
        return Ok(result);
    }
    let least = |size: usize| ((size as f32 * diversity.smallest) as usize).clamp(1, size);
    let params = Params {
        rows: rows as u32,
        channels: image.channels as u32,
        height: height as u32,
        width: width as u32,
        least_height: least(height) as u32,
        least_width: least(width) as u32,
        key: philox::key(seed),
        stream,
        transposed: way as u32,
        probability: diversity.probability,
    };
    match &device {
        Device::Cpu => {
            let (x, ids) = (x.host(KERNEL)?.par_chunks(cols), ids.host(KERNEL)?);
            let result = result.host_mut(KERNEL)?.par_chunks_mut(cols);
            let rows = result.zip(x).zip(ids).with_min_len(row_grain(cols));
            rows.for_each(|((result, x), &id)| match Axes::draw(&params, id) {
                None => result.copy_from_slice(x),
                Some(axes) => {
                    let planes = result.chunks_mut(height * width);
                    let planes = planes.zip(x.chunks(height * width));
                    planes.for_each(|(result, x)| axes.apply(result, x, way));
                }
            });
        }
        Device::Gpu(gpu) => {
            let arrays = [
                x.buffer(KERNEL, gpu)?,
                ids.buffer(KERNEL, gpu)?,
                result.buffer(KERNEL, gpu)?,
            ];
            launch(gpu, &SHADER, &params, &arrays, Grid::Threads(rows * cols))?;
        }
    }
    Ok(result)
}

/// One sample's placing: for each row, and each column, of the small image where it lies, and what it is made of.
struct Axes {
    rows: Vec<Tap>,
    columns: Vec<Tap>,
    width: usize,
}

/// A pixel of the small image lies at `to` and is a mean of the pixels `from` and `from + 1`.
struct Tap {
    to: usize,
    from: usize,
    weights: [f32; 2],
}

impl Axes {
    /// `None` for a sample that stays as it is.
    fn draw(params: &Params, id: u32) -> Option<Self> {
        let draw = philox4x32([0, id, params.stream, 2], params.key).map(unit);
        if draw[0] >= params.probability {
            return None;
        }
        let axis = |full: u32, least: u32, place: f32| {
            let size = least + (draw[1] * (full - least) as f32) as u32;
            let first = (place * (full - size + 1) as f32) as u32;
            taps(full as usize, size as usize, first as usize)
        };
        Some(Self {
            rows: axis(params.height, params.least_height, draw[2]),
            columns: axis(params.width, params.least_width, draw[3]),
            width: params.width as usize,
        })
    }

    fn apply(&self, result: &mut [f32], x: &[f32], way: Way) {
        for row in &self.rows {
            for column in &self.columns {
                for (r, down) in row.weights.iter().enumerate() {
                    for (c, across) in column.weights.iter().enumerate() {
                        let weight = down * across;
                        let small = row.to * self.width + column.to;
                        let full = (row.from + r) * self.width + column.from + c;
                        match way {
                            _ if weight == 0.0 => {}
                            Way::Forward => result[small] += weight * x[full],
                            Way::Transposed => result[full] += weight * x[small],
                        }
                    }
                }
            }
        }
    }
}

fn taps(full: usize, size: usize, first: usize) -> Vec<Tap> {
    let tap = |i: usize| {
        let place = (i as f32 + 0.5) * full as f32 / size as f32 - 0.5;
        let from = place.max(0.0).floor();
        let weight = |at: f32| (1.0 - (place - at).abs()).max(0.0);
        let second = if (from as usize) + 1 < full {
            weight(from + 1.0)
        } else {
            0.0
        };
        Tap {
            to: first + i,
            from: from as usize,
            weights: [weight(from), second],
        }
    };
    (0..size).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    fn cases() -> Vec<(usize, Image, Diversity)> {
        let mut random = Random::new(81);
        let mut case = |_| {
            let image = Image {
                channels: 1 + random.below(3),
                height: 1 + random.below(20),
                width: 1 + random.below(20),
            };
            let diversity = Diversity {
                probability: [0.5, 1.0][random.below(2)],
                smallest: random.within(0.5, 1.0),
            };
            (1 + random.below(6), image, diversity)
        };
        (0..40).map(&mut case).collect()
    }

    #[test]
    fn devices_agree_and_the_transpose_is_one() {
        let mut random = Random::new(82);
        for (n, image, diversity) in cases() {
            let cols = image.channels * image.height * image.width;
            let [x, y] = [0; 2].map(|_| random.floats(n * cols, -1.0, 1.0));
            let run = |device: &Device, values: &[f32], way| {
                let x = Array::from_vec(device, n, cols, values.to_vec()).unwrap();
                let ids = Array::from_vec(device, n, 1, (7..7 + n as u32).collect()).unwrap();
                let result = resize_pad(&x, &ids, image, diversity, (5, 3), way).unwrap();
                result.to_vec().unwrap()
            };
            let [there, back] = [(&x, Way::Forward), (&y, Way::Transposed)].map(|(v, way)| {
                let cpu = run(&Device::Cpu, v, way);
                for device in testing::devices() {
                    let what = format!("{image:?} {diversity:?} {way:?} {device:?}");
                    assert_close(&what, &run(&device, v, way), &cpu, 1e-5);
                }
                cpu
            });
            // <Ax, y> = <x, A'y>.
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
                products.sum()
            };
            assert!((dot(&there, &y) - dot(&x, &back)).abs() < 1e-3);
        }
    }

    #[test]
    fn an_even_image_stays_even_inside_and_others_stay_whole() {
        let image = Image {
            channels: 1,
            height: 20,
            width: 20,
        };
        let x = Array::filled(&Device::Cpu, 50, 400, 0.5).unwrap();
        let ids = Array::from_vec(&Device::Cpu, 50, 1, (0..50).collect()).unwrap();
        let run = |probability| {
            let diversity = Diversity {
                probability,
                smallest: 0.8,
            };
            let result = resize_pad(&x, &ids, image, diversity, (1, 0), Way::Forward);
            result.unwrap().to_vec().unwrap()
        };
        assert_eq!(run(0.0), vec![0.5; 50 * 400]);
        for row in run(1.0).chunks(400) {
            let bright = row.iter().filter(|v| (**v - 0.5).abs() < 1e-6).count();
            let black = row.iter().filter(|v| **v == 0.0).count();
            assert_eq!(bright + black, 400);
            assert!((256..400).contains(&bright), "{bright}");
        }
    }
}
