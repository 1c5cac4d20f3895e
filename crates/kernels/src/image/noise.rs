//! Random numbers for every element, the same for a sample in whatever batch and on every device.
//!
//! Numbers are [`philox4x32`](philox::philox4x32) at the counter (element / 4, sample id, stream, 2); the key is the seed.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::normal::normals;
use crate::philox::{self, unit};
use crate::wide::wide;
use crate::{Array, Device, Error};

const KERNEL: &str = "noise";
const SHADER: Shader = shader!("noise", needs "philox", needs "normal");

/// Tells these numbers from those of a start with the same stream.
const PURPOSE: u32 = 2;

/// How the numbers are distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// Standard normal.
    Normal = 0,
    /// Uniform in [0, 1).
    Uniform = 1,
    /// -1 or 1.
    Sign = 2,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    key: [u32; 2],
    rows: u32,
    cols: u32,
    stream: u32,
    kind: u32,
}

/// `cols` independent numbers for each sample id (n x 1); n x cols. `stream` tells the uses of one seed apart.
pub fn noise(
    ids: &Array<u32>,
    cols: usize,
    kind: Noise,
    seed: u64,
    stream: u32,
) -> Result<Array, Error> {
    let (rows, device) = (ids.rows(), ids.device());
    ids.expect_shape(KERNEL, "ids", rows, 1)?;
    let mut drawn = Array::uninit(&device, rows, cols)?;
    if drawn.is_empty() {
        return Ok(drawn);
    }
    let key = philox::key(seed);
    match &device {
        Device::Cpu => {
            let rows = drawn.host_mut(KERNEL)?.par_chunks_mut(cols);
            rows.zip(ids.host(KERNEL)?).for_each(|(row, &sample)| {
                let rest = [sample, stream, PURPOSE];
                wide(
                    #[inline(always)]
                    || match kind {
                        Noise::Normal => philox::fill(row, rest, key, normals),
                        Noise::Uniform => philox::fill(row, rest, key, |words| words.map(unit)),
                        Noise::Sign => philox::fill(row, rest, key, signs),
                    },
                );
            });
        }
        Device::Gpu(gpu) => {
            let params = Params {
                key,
                rows: rows as u32,
                cols: cols as u32,
                stream,
                kind: kind as u32,
            };
            let arrays = [ids.buffer(KERNEL, gpu)?, drawn.buffer(KERNEL, gpu)?];
            let threads = Grid::Threads(rows * cols.div_ceil(4));
            launch(gpu, &SHADER, &params, &arrays, threads)?;
        }
    }
    Ok(drawn)
}

#[inline(always)]
fn signs(words: [u32; 4]) -> [f32; 4] {
    words.map(|word| if word >> 31 == 0 { -1.0 } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    const ALL: [Noise; 3] = [Noise::Normal, Noise::Uniform, Noise::Sign];

    fn column(device: &Device, ids: &[u32]) -> Array<u32> {
        Array::from_vec(device, ids.len(), 1, ids.to_vec()).unwrap()
    }

    #[test]
    fn the_shader_agrees_with_the_twin() {
        let Some(gpu) = testing::gpu() else { return };
        let mut random = Random::new(91);
        for (case, (rows, cols)) in testing::shapes(92).into_iter().enumerate() {
            let ids: Vec<u32> = (0..rows).map(|_| random.word()).collect();
            let (kind, stream) = (ALL[case % ALL.len()], random.word());
            let run = |device: &Device| {
                let drawn = noise(&column(device, &ids), cols, kind, 5, stream).unwrap();
                drawn.to_vec().unwrap()
            };
            let what = format!("{kind:?} of {rows} x {cols}");
            assert_close(&what, &run(&gpu), &run(&Device::Cpu), 1e-5);
        }
    }

    #[test]
    fn a_sample_has_its_numbers_in_any_batch() {
        let draw = |ids: &[u32]| noise(&column(&Device::Cpu, ids), 6, Noise::Normal, 3, 4);
        let together = draw(&[7, 9, 1]).unwrap().to_vec().unwrap();
        assert_eq!(draw(&[9]).unwrap().to_vec().unwrap(), together[6..12]);
        assert_ne!(together[..6], together[6..12]);
    }

    #[test]
    fn the_moments_are_those_of_the_distribution() {
        let n = 40_000;
        for (kind, mean, variance) in [
            (Noise::Normal, 0.0, 1.0),
            (Noise::Uniform, 0.5, 1.0 / 12.0),
            (Noise::Sign, 0.0, 1.0),
        ] {
            let drawn = noise(&column(&Device::Cpu, &[3]), n, kind, 1, 0).unwrap();
            let values: Vec<f64> = drawn.to_vec().unwrap().into_iter().map(f64::from).collect();
            let got = values.iter().sum::<f64>() / n as f64;
            let spread = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64;
            assert!((got - mean).abs() < 0.03, "{kind:?}: mean {got}");
            assert!(
                (spread - variance).abs() < 0.03,
                "{kind:?}: variance {spread}"
            );
        }
    }
}
