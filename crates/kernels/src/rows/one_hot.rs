//! One coordinate of each sample at a time, in an order of its own: a random permutation that is computed, not stored.
//!
//! The permutation is a Feistel network of four rounds over the smallest even number of bits that holds the columns,
//! walked along until it falls on a column; its keys are [`philox4x32`] at the counter (0, sample id, pass, 3).

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::philox::{self, philox4x32};
use crate::rows::combine::Factor;
use crate::{Array, Device, Error};

const KERNEL: &str = "one_hot";
const SHADER: Shader = shader!("one_hot", needs "philox");

const PURPOSE: u32 = 3;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    key: [u32; 2],
    rows: u32,
    cols: u32,
    half_bits: u32,
    step: f32,
    by_row: u32,
}

/// 1 in one column of each sample (ids of n x 1), 0 elsewhere; n x cols. Steps 0 to cols - 1 visit every column once, as do
/// the next ones, in another order. A step is a whole number below 2^24.
pub fn one_hot<'f>(
    ids: &Array<u32>,
    cols: usize,
    seed: u64,
    step: impl Into<Factor<'f>>,
) -> Result<Array, Error> {
    let step = step.into();
    let (rows, device) = (ids.rows(), ids.device());
    ids.expect_shape(KERNEL, "ids", rows, 1)?;
    step.check(KERNEL, rows)?;
    let mut hot = Array::zeros(&device, rows, cols)?;
    if hot.is_empty() {
        return Ok(hot);
    }
    let params = Params {
        key: philox::key(seed),
        rows: rows as u32,
        cols: cols as u32,
        half_bits: half_bits(cols as u32),
        step: step.one(),
        by_row: u32::from(step.rows().is_some()),
    };
    match &device {
        Device::Cpu => {
            let step = step.host(KERNEL)?;
            let rows = hot.host_mut(KERNEL)?.par_chunks_mut(cols);
            let rows = rows.zip(ids.host(KERNEL)?).enumerate().with_min_len(64);
            rows.for_each(|(i, (row, &sample))| {
                let column = params.column(sample, step(i) as u32);
                if let Some(hot) = row.get_mut(column as usize) {
                    *hot = 1.0;
                }
            });
        }
        Device::Gpu(gpu) => {
            // A binding that the shader does not read takes any array.
            let arrays = [
                ids.buffer(KERNEL, gpu)?,
                step.rows().unwrap_or(&hot).buffer(KERNEL, gpu)?,
                hot.buffer(KERNEL, gpu)?,
            ];
            launch(gpu, &SHADER, &params, &arrays, Grid::Threads(rows))?;
        }
    }
    Ok(hot)
}

/// Half the bits that hold a number below `cols`, rounded up.
fn half_bits(cols: u32) -> u32 {
    (32 - (cols - 1).leading_zeros()).div_ceil(2).max(1)
}

impl Params {
    fn column(&self, sample: u32, step: u32) -> u32 {
        let keys = philox4x32([0, sample, step / self.cols, PURPOSE], self.key);
        let mask = (1 << self.half_bits) - 1;
        let mut column = step % self.cols;
        loop {
            let (mut left, mut right) = (column >> self.half_bits, column & mask);
            for key in keys {
                (left, right) = (right, left ^ (scramble(right ^ key) & mask));
            }
            column = left << self.half_bits | right;
            if column < self.cols {
                return column;
            }
        }
    }
}

/// The finaliser of MurmurHash3.
fn scramble(mut word: u32) -> u32 {
    word = (word ^ word >> 16).wrapping_mul(0x85EB_CA6B);
    word = (word ^ word >> 13).wrapping_mul(0xC2B2_AE35);
    word ^ word >> 16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random};

    fn column(device: &Device, ids: &[u32]) -> Array<u32> {
        Array::from_vec(device, ids.len(), 1, ids.to_vec()).unwrap()
    }

    #[test]
    fn every_column_comes_once_in_an_order_of_its_own() {
        for cols in [1, 2, 3, 5, 64, 97, 300] {
            let order = |id: u32, pass: usize| -> Vec<usize> {
                let ids = column(&Device::Cpu, &[id]);
                let at = |step| {
                    let hot = one_hot(&ids, cols, 9, step as f32)
                        .unwrap()
                        .to_vec()
                        .unwrap();
                    assert_eq!(hot.iter().sum::<f32>(), 1.0);
                    hot.iter().position(|&v| v == 1.0).unwrap()
                };
                (pass * cols..(pass + 1) * cols).map(at).collect()
            };
            let mut sorted = order(1, 0);
            sorted.sort_unstable();
            assert_eq!(sorted, (0..cols).collect::<Vec<_>>());
            if cols >= 64 {
                assert_ne!(order(1, 0), order(2, 0));
                assert_ne!(order(1, 0), order(1, 1));
                let fixed = order(1, 0)
                    .iter()
                    .enumerate()
                    .filter(|(i, c)| i == *c)
                    .count();
                assert!(fixed < 8, "{fixed} of {cols} stay where they are");
            }
        }
    }

    #[test]
    fn the_shader_agrees_with_the_twin() {
        let Some(gpu) = testing::gpu() else { return };
        let mut random = Random::new(93);
        for (rows, cols) in testing::shapes(94) {
            let ids: Vec<u32> = (0..rows).map(|_| random.word()).collect();
            let steps: Vec<f32> = (0..rows).map(|_| random.below(3 * cols) as f32).collect();
            let one = random.below(2) == 0;
            let run = |device: &Device| {
                let rows = Array::from_vec(device, rows, 1, steps.clone()).unwrap();
                let step = if one {
                    Factor::One(steps[0])
                } else {
                    Factor::Rows(&rows)
                };
                let hot = one_hot(&column(device, &ids), cols, 5, step).unwrap();
                hot.to_vec().unwrap()
            };
            assert_eq!(
                run(&gpu),
                run(&Device::Cpu),
                "{rows} x {cols}, steps {steps:?}"
            );
        }
    }
}
