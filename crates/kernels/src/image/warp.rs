//! Images turned and moved, by bilinear interpolation.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error, Image};

const KERNEL: &str = "warp";
const SHADER: Shader = shader!("warp");

/// A rotation about the middle of the image, and then a shift.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pose {
    pub degrees: f32,
    /// In pixels.
    pub down: f32,
    pub right: f32,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    elements: u32,
    height: u32,
    width: u32,
    cos: f32,
    sin: f32,
    down: f32,
    right: f32,
}

/// Every row of `x`, laid out as `image`, in that pose; 0 comes in from outside.
pub fn warp(x: &Array, image: Image, pose: Pose) -> Result<Array, Error> {
    let (rows, device) = (x.rows(), x.device());
    let plane = image.height * image.width;
    let cols = image.channels * plane;
    x.expect_shape(KERNEL, "x", rows, cols)?;
    let mut warped = Array::uninit(&device, rows, cols)?;
    if warped.is_empty() {
        return Ok(warped);
    }
    let (sin, cos) = pose.degrees.to_radians().sin_cos();
    let params = Params {
        elements: (rows * cols) as u32,
        height: image.height as u32,
        width: image.width as u32,
        cos,
        sin,
        down: pose.down,
        right: pose.right,
    };
    match &device {
        Device::Cpu => {
            let planes = warped.host_mut(KERNEL)?.par_chunks_mut(plane);
            planes
                .zip(x.host(KERNEL)?.par_chunks(plane))
                .for_each(|(out, x)| {
                    for (i, value) in out.iter_mut().enumerate() {
                        *value = params.sample(x, i / image.width, i % image.width);
                    }
                });
        }
        Device::Gpu(gpu) => {
            let arrays = [x.buffer(KERNEL, gpu)?, warped.buffer(KERNEL, gpu)?];
            launch(gpu, &SHADER, &params, &arrays, Grid::Threads(rows * cols))?;
        }
    }
    Ok(warped)
}

impl Params {
    /// What comes to lie at a row and column.
    fn sample(&self, plane: &[f32], row: usize, column: usize) -> f32 {
        let middle = 0.5 * (self.height as f32 - 1.0);
        let centre = 0.5 * (self.width as f32 - 1.0);
        let (y, x) = (
            row as f32 - middle - self.down,
            column as f32 - centre - self.right,
        );
        let from_y = middle + self.cos * y + self.sin * x;
        let from_x = centre + self.cos * x - self.sin * y;
        let (top, left) = (from_y.floor(), from_x.floor());
        let (share_y, share_x) = (from_y - top, from_x - left);
        let line = |y: f32| {
            (1.0 - share_x) * self.pixel(plane, y, left)
                + share_x * self.pixel(plane, y, left + 1.0)
        };
        (1.0 - share_y) * line(top) + share_y * line(top + 1.0)
    }

    fn pixel(&self, plane: &[f32], y: f32, x: f32) -> f32 {
        if y < 0.0 || x < 0.0 || y >= self.height as f32 || x >= self.width as f32 {
            return 0.0;
        }
        plane[y as usize * self.width as usize + x as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    #[test]
    fn poses_by_hand_on_every_device() {
        let image = Image {
            channels: 1,
            height: 3,
            width: 3,
        };
        let x: Vec<f32> = (1..=9).map(|v| v as f32).collect();
        let pose = |degrees, down, right| Pose {
            degrees,
            down,
            right,
        };
        for device in testing::devices() {
            for (pose, expected) in [
                (pose(0.0, 0.0, 0.0), [1, 2, 3, 4, 5, 6, 7, 8, 9]),
                (pose(0.0, 1.0, 0.0), [0, 0, 0, 1, 2, 3, 4, 5, 6]),
                (pose(0.0, 0.0, -2.0), [3, 0, 0, 6, 0, 0, 9, 0, 0]),
                (pose(180.0, 0.0, 0.0), [9, 8, 7, 6, 5, 4, 3, 2, 1]),
                (pose(90.0, 0.0, 0.0), [3, 6, 9, 2, 5, 8, 1, 4, 7]),
            ] {
                let x = Array::from_vec(&device, 1, 9, x.clone()).unwrap();
                let got = warp(&x, image, pose).unwrap().to_vec().unwrap();
                let expected = expected.map(|v: i32| v as f32);
                for (g, e) in got.iter().zip(expected) {
                    assert!((g - e).abs() < 1e-5, "{pose:?} on {device:?}: {got:?}");
                }
            }
        }
    }

    #[test]
    fn the_shader_agrees_with_the_twin() {
        let Some(gpu) = testing::gpu() else { return };
        let mut random = Random::new(101);
        for _ in 0..100 {
            let image = Image {
                channels: 1 + random.below(3),
                height: 1 + random.below(20),
                width: 1 + random.below(20),
            };
            let pose = Pose {
                degrees: random.within(-180.0, 180.0),
                down: random.within(-3.0, 3.0),
                right: random.within(-3.0, 3.0),
            };
            let rows = 1 + random.below(4);
            let cols = image.channels * image.height * image.width;
            let x = random.floats(rows * cols, 0.0, 1.0);
            let run = |device: &Device| {
                let x = Array::from_vec(device, rows, cols, x.clone()).unwrap();
                warp(&x, image, pose).unwrap().to_vec().unwrap()
            };
            let what = format!("{image:?} {pose:?}");
            assert_close(&what, &run(&gpu), &run(&Device::Cpu), 1e-4);
        }
    }
}
