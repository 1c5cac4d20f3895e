//! Rows of an array by number: the samples that are still running, restarts, best points so far.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error, Word};

const SHADER: Shader = shader!("gather");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    cols: u32,
    source_rows: u32,
}

/// `result[r] = source[rows[r]]`, for `source` of m x d and `rows` of n x 1; the result is n x d.
///
/// A number beyond `source` gives a row of all-ones words (NaN, or `u32::MAX`): visible, and never
/// another sample's data.
pub fn gather<T: Word>(source: &Array<T>, rows: &Array<u32>) -> Result<Array<T>, Error> {
    rows.expect_shape("gather", "rows", rows.rows(), 1)?;
    let (device, count, cols) = (source.device(), rows.rows(), source.cols());
    let mut gathered = Array::uninit(&device, count, cols)?;
    if gathered.is_empty() {
        return Ok(gathered);
    }
    match &device {
        Device::Cpu => {
            let (source, rows) = (source.host("gather")?, rows.host("gather")?);
            let targets = gathered.host_mut("gather")?.par_chunks_mut(cols);
            targets
                .zip(rows)
                .with_min_len(64)
                .for_each(
                    |(target, &row)| match source.chunks(cols).nth(row as usize) {
                        Some(found) => target.copy_from_slice(found),
                        None => bytemuck::cast_slice_mut(target).fill(u32::MAX),
                    },
                );
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: count as u32,
                cols: cols as u32,
                source_rows: source.rows() as u32,
            };
            let arrays = [
                source.buffer("gather", gpu)?,
                rows.buffer("gather", gpu)?,
                gathered.buffer("gather", gpu)?,
            ];
            launch(gpu, &SHADER, &params, &arrays, Grid::Threads(count * cols))?;
        }
    }
    Ok(gathered)
}

/// `array = gather(array, rows)`. On the CPU rows move within the array where each comes from its own place or from further
/// down; those that stay where they are cost nothing.
pub fn gather_in_place<T: Word>(array: &mut Array<T>, rows: &Array<u32>) -> Result<(), Error> {
    if array.device().is_gpu() || !moves_up(rows.host("gather")?, array.rows()) {
        *array = gather(array, rows)?;
        return Ok(());
    }
    rows.expect_shape("gather", "rows", rows.rows(), 1)?;
    let cols = array.cols();
    let values = array.host_mut("gather")?;
    for (to, &from) in rows.host("gather")?.iter().enumerate() {
        let from = from as usize;
        if from != to {
            values.copy_within(from * cols..(from + 1) * cols, to * cols);
        }
    }
    array.truncate(rows.rows());
    Ok(())
}

/// Whether no row is overwritten before it is read, and none is missing.
fn moves_up(rows: &[u32], of: usize) -> bool {
    let mut rows = rows.iter().enumerate();
    rows.all(|(to, &from)| (to..of).contains(&(from as usize)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random};

    #[test]
    fn rows_come_by_number_on_every_device() {
        let mut random = Random::new(13);
        for (rows, cols) in testing::shapes(14) {
            let words: Vec<u32> = (0..rows * cols).map(|_| random.word()).collect();
            let count = random.below(2 * rows + 1);
            let numbers: Vec<u32> = (0..count).map(|_| random.below(rows + 1) as u32).collect();
            let mut expected = Vec::new();
            for &number in &numbers {
                let beyond = number as usize == rows;
                let start = number as usize * cols;
                expected.extend((0..cols).map(|j| if beyond { !0 } else { words[start + j] }));
            }
            for device in testing::devices() {
                let rows_of = Array::from_vec(&device, count, 1, numbers.clone()).unwrap();
                let source = Array::from_vec(&device, rows, cols, words.clone()).unwrap();
                let got = gather(&source, &rows_of).unwrap();
                assert_eq!((got.rows(), got.cols()), (count, cols));
                assert_eq!(got.to_vec().unwrap(), expected, "{device:?}");
                assert_eq!(source.to_vec().unwrap(), words);

                // Floats keep their bits, NaN's too.
                let floats = words.iter().map(|&word| f32::from_bits(word)).collect();
                let source = Array::from_vec(&device, rows, cols, floats).unwrap();
                let got = gather(&source, &rows_of).unwrap().to_vec().unwrap();
                let bits: Vec<u32> = got.iter().map(|v| v.to_bits()).collect();
                assert_eq!(bits, expected, "{device:?}");
            }
        }
    }

    #[test]
    fn in_place_is_the_same() {
        let table: [&[u32]; 8] = [
            &[0, 1, 2, 3, 4],
            &[0, 4, 2],
            &[1, 2, 3],
            &[4],
            &[],
            &[1, 0],
            &[2, 2, 2],
            &[0, 9],
        ];
        for device in testing::devices() {
            for rows in table {
                let rows = Array::from_vec(&device, rows.len(), 1, rows.to_vec()).unwrap();
                let words = (0..15).collect();
                let mut array = Array::<u32>::from_vec(&device, 5, 3, words).unwrap();
                let expected = gather(&array, &rows).unwrap();
                gather_in_place(&mut array, &rows).unwrap();
                assert_eq!((array.rows(), array.cols()), (rows.rows(), 3));
                assert_eq!(array.to_vec().unwrap(), expected.to_vec().unwrap());
            }
        }
    }

    #[test]
    fn the_numbers_are_a_column() {
        let source = Array::<f32>::zeros(&Device::Cpu, 2, 3).unwrap();
        let rows = Array::zeros(&Device::Cpu, 2, 2).unwrap();
        assert!(matches!(gather(&source, &rows), Err(Error::Shape { .. })));
    }
}
