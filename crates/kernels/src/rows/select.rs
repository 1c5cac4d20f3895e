//! Rows of one array in place of another's where a mask says so: best points so far, restarts.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error, Word};

const SHADER: Shader = shader!("select");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    cols: u32,
}

/// `kept[r] = other[r]` in the rows where `mask[r] != 0`; `kept` and `other` n x d, `mask` n x 1.
pub fn select<T: Word>(
    kept: &mut Array<T>,
    other: &Array<T>,
    mask: &Array<u32>,
) -> Result<(), Error> {
    let (rows, cols) = (kept.rows(), kept.cols());
    other.expect_shape("select", "other", rows, cols)?;
    mask.expect_shape("select", "mask", rows, 1)?;
    if kept.is_empty() {
        return Ok(());
    }
    match kept.device() {
        Device::Cpu => {
            let (other, mask) = (other.host("select")?, mask.host("select")?);
            if mask.iter().all(|&mask| mask == 0) {
                return Ok(());
            }
            let kept = kept.host_mut("select")?.par_chunks_mut(cols);
            let rows = kept.zip(other.par_chunks(cols)).zip(mask).with_min_len(64);
            rows.filter(|(_, mask)| **mask != 0)
                .for_each(|((kept, other), _)| {
                    kept.copy_from_slice(other);
                });
            Ok(())
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                cols: cols as u32,
            };
            let arrays = [
                kept.buffer("select", &gpu)?,
                other.buffer("select", &gpu)?,
                mask.buffer("select", &gpu)?,
            ];
            launch(&gpu, &SHADER, &params, &arrays, Grid::Threads(rows * cols))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random};

    #[test]
    fn masked_rows_are_replaced_on_every_device() {
        let mut random = Random::new(15);
        for (rows, cols) in testing::shapes(16) {
            let kept = random.floats(rows * cols, -1.0, 1.0);
            let other = random.floats(rows * cols, 2.0, 3.0);
            let mask: Vec<u32> = (0..rows).map(|_| random.below(3) as u32 * 7).collect();
            let expected = (0..rows * cols).map(|i| match mask[i / cols] {
                0 => kept[i],
                _ => other[i],
            });
            let expected: Vec<f32> = expected.collect();
            for device in testing::devices() {
                let mut array = Array::from_vec(&device, rows, cols, kept.clone()).unwrap();
                let other = Array::from_vec(&device, rows, cols, other.clone()).unwrap();
                let mask = Array::from_vec(&device, rows, 1, mask.clone()).unwrap();
                select(&mut array, &other, &mask).unwrap();
                assert_eq!(array.to_vec().unwrap(), expected, "{device:?}");
            }
        }
    }

    #[test]
    fn shapes_must_fit() {
        let mut kept = Array::<f32>::zeros(&Device::Cpu, 2, 3).unwrap();
        let other = Array::zeros(&Device::Cpu, 2, 3).unwrap();
        let mask = Array::zeros(&Device::Cpu, 3, 1).unwrap();
        assert!(matches!(
            select(&mut kept, &other, &mask),
            Err(Error::Shape { .. })
        ));
    }
}
