//! Blocks of a row turned to the other sign: the whole row first, then its halves, quarters and so on, as far as single
//! elements (RayS, Chen & Gu 2020, <https://arxiv.org/abs/2006.12792>).

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::array::row_grain;
use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error};

const KERNEL: &str = "flip_block";
const SHADER: Shader = shader!("flip_block");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    cols: u32,
    /// Blocks of all sizes.
    blocks: u32,
}

/// `x` (n x d) with the block of each row turned over whose number is in `blocks` (n x 1, whole numbers below 2^24): 0 is
/// the whole row, 1 and 2 its halves, and after the last single element comes the whole row again. At level l a block is
/// d / 2^l elements long, rounded up, and the last one what is left.
pub fn flip_block(x: &Array, blocks: &Array) -> Result<Array, Error> {
    let (rows, cols, device) = (x.rows(), x.cols(), x.device());
    blocks.expect_shape(KERNEL, "blocks", rows, 1)?;
    let mut flipped = x.copy()?;
    if x.is_empty() {
        return Ok(flipped);
    }
    let all = levels(cols).map(|size| cols.div_ceil(size)).sum::<usize>();
    match &device {
        Device::Cpu => {
            let rows = flipped.host_mut(KERNEL)?.par_chunks_mut(cols);
            let rows = rows.zip(blocks.host(KERNEL)?);
            rows.with_min_len(row_grain(cols))
                .for_each(|(row, &block)| {
                    let (first, end) = range(cols, block as usize % all);
                    row[first..end].iter_mut().for_each(|v| *v = -*v);
                });
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                cols: cols as u32,
                blocks: all as u32,
            };
            let arrays = [blocks.buffer(KERNEL, gpu)?, flipped.buffer(KERNEL, gpu)?];
            launch(gpu, &SHADER, &params, &arrays, Grid::Threads(rows * cols))?;
        }
    }
    Ok(flipped)
}

/// The sizes of blocks, from the whole row to one element.
fn levels(cols: usize) -> impl Iterator<Item = usize> {
    let size = move |level: u32| cols.div_ceil(1 << level);
    let last = cols.next_power_of_two().trailing_zeros();
    (0..=last).map(size)
}

/// The first element of a block, and the one after its last.
fn range(cols: usize, mut block: usize) -> (usize, usize) {
    for size in levels(cols) {
        let count = cols.div_ceil(size);
        if block < count {
            return (block * size, ((block + 1) * size).min(cols));
        }
        block -= count;
    }
    (0, cols)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random};

    #[test]
    fn blocks_are_halved_down_to_single_elements() {
        let ranges: Vec<_> = (0..11).map(|block| range(5, block)).collect();
        let expected = [
            (0, 5),
            (0, 3),
            (3, 5),
            (0, 2),
            (2, 4),
            (4, 5),
            (0, 1),
            (1, 2),
            (2, 3),
            (3, 4),
            (4, 5),
        ];
        assert_eq!(ranges, expected);
        for device in testing::devices() {
            let x = Array::filled(&device, 3, 5, 1.0).unwrap();
            let blocks = Array::from_vec(&device, 3, 1, vec![2.0, 11.0, 8.0]).unwrap();
            let flipped = flip_block(&x, &blocks).unwrap().to_vec().unwrap();
            let expected = [
                [1.0, 1.0, 1.0, -1.0, -1.0],
                [-1.0; 5],
                [1.0, 1.0, -1.0, 1.0, 1.0],
            ];
            assert_eq!(flipped, expected.concat(), "{device:?}");
        }
    }

    #[test]
    fn the_shader_agrees_with_the_twin() {
        let Some(gpu) = testing::gpu() else { return };
        let mut random = Random::new(99);
        for (rows, cols) in testing::shapes(100) {
            let x = random.floats(rows * cols, -1.0, 1.0);
            let blocks: Vec<f32> = (0..rows).map(|_| random.below(5 * cols) as f32).collect();
            let run = |device: &Device| {
                let x = Array::from_vec(device, rows, cols, x.clone()).unwrap();
                let blocks = Array::from_vec(device, rows, 1, blocks.clone()).unwrap();
                flip_block(&x, &blocks).unwrap().to_vec().unwrap()
            };
            assert_eq!(run(&gpu), run(&Device::Cpu), "{rows} x {cols}");
        }
    }
}
