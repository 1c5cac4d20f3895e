//! A classifier as one class against the rest.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error};

const KERNEL: &str = "against_rest";
const SHADER: Shader = shader!("against_rest");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    classes: u32,
    class: u32,
}

/// Of each row of `scores` (n x c) the largest of the other classes and the score of `class`, n x 2; both NaN in a row
/// with Inf or NaN.
pub fn against_rest(scores: &Array, class: u32) -> Result<Array, Error> {
    let (rows, classes) = (scores.rows(), scores.cols());
    if class as usize >= classes || classes < 2 {
        return Err(Error::Shape {
            kernel: KERNEL,
            expected: format!("two classes or more, and class {class} among them"),
            got: format!("{classes}"),
        });
    }
    let device = scores.device();
    let mut pairs = Array::uninit(&device, rows, 2)?;
    match &device {
        Device::Cpu => {
            let scores = scores.host(KERNEL)?.par_chunks(classes);
            let pairs = pairs.host_mut(KERNEL)?.par_chunks_mut(2);
            let rows = scores.zip(pairs).with_min_len(64);
            rows.for_each(|(z, pair)| pair.copy_from_slice(&row(z, class as usize)));
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                classes: classes as u32,
                class,
            };
            let arrays = [scores.buffer(KERNEL, gpu)?, pairs.buffer(KERNEL, gpu)?];
            launch(gpu, &SHADER, &params, &arrays, Grid::Threads(rows))?;
        }
    }
    Ok(pairs)
}

fn row(z: &[f32], class: usize) -> [f32; 2] {
    if !z.iter().all(|v| v.is_finite()) {
        return [f32::NAN; 2];
    }
    let others = z.iter().enumerate().filter(|(j, _)| *j != class);
    let largest = others.map(|(_, &v)| v).fold(f32::NEG_INFINITY, f32::max);
    [largest, z[class]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random};

    #[test]
    fn table() {
        let z = [
            1.0,
            3.0,
            2.0,
            -1.0,
            -2.0,
            -3.0,
            0.0,
            f32::NAN,
            1.0,
            f32::INFINITY,
            0.0,
            1.0,
        ];
        for device in testing::devices() {
            let scores = Array::from_vec(&device, 4, 3, z.to_vec()).unwrap();
            let pairs = against_rest(&scores, 0).unwrap().to_vec().unwrap();
            assert_eq!(pairs[..4], [3.0, 1.0, -2.0, -1.0]);
            assert!(pairs[4..].iter().all(|v| v.is_nan()));
            let pairs = against_rest(&scores, 2).unwrap().to_vec().unwrap();
            assert_eq!(pairs[..4], [3.0, 2.0, -1.0, -3.0]);
            assert!(matches!(against_rest(&scores, 3), Err(Error::Shape { .. })));
        }
    }

    #[test]
    fn every_device_agrees() {
        let mut random = Random::new(71);
        for (rows, cols) in testing::shapes(72) {
            let classes = cols.max(2);
            let z = random.floats(rows * classes, -5.0, 5.0);
            let class = random.below(classes) as u32;
            let run = |device: &Device| {
                let scores = Array::from_vec(device, rows, classes, z.clone()).unwrap();
                against_rest(&scores, class).unwrap().to_vec().unwrap()
            };
            let cpu = run(&Device::Cpu);
            for device in testing::devices() {
                assert_eq!(run(&device), cpu, "{rows} x {classes} on {device:?}");
            }
        }
    }
}
