//! Which samples are misclassified for the first time, kept on the device so that an attack's loop
//! needs no read back. The driver still judges each claim again.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::rows::head::INVALID;
use crate::{Array, Device, Error};

const SHADER: Shader = shader!("claim");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    stamp: u32,
}

/// The mask of new successes, and `found` takes them in; all n x 1:
/// `mask = !found && predicted != label && predicted != INVALID`, then `found |= mask`.
pub fn claim(
    found: &mut Array<u32>,
    predicted: &Array<u32>,
    labels: &Array<u32>,
) -> Result<Array<u32>, Error> {
    claim_at(found, predicted, labels, 1)
}

/// The same, and `found` is `stamp`, which is not 0, in the rows of the mask.
pub fn claim_at(
    found: &mut Array<u32>,
    predicted: &Array<u32>,
    labels: &Array<u32>,
    stamp: u32,
) -> Result<Array<u32>, Error> {
    let rows = found.rows();
    found.expect_shape("claim", "found", rows, 1)?;
    predicted.expect_shape("claim", "predicted", rows, 1)?;
    labels.expect_shape("claim", "labels", rows, 1)?;
    let device = found.device();
    let mut mask = Array::uninit(&device, rows, 1)?;
    match &device {
        Device::Cpu => {
            let (predicted, labels) = (predicted.host("claim")?, labels.host("claim")?);
            let marks = mask
                .host_mut("claim")?
                .par_iter_mut()
                .zip(found.host_mut("claim")?);
            let rows = marks.zip(predicted).zip(labels).with_min_len(4096);
            rows.for_each(|(((mask, found), &predicted), label)| {
                let wrong = predicted != *label && predicted != INVALID;
                *mask = u32::from(wrong && *found == 0);
                *found |= *mask * stamp;
            });
        }
        Device::Gpu(gpu) => {
            let arrays = [
                found.buffer("claim", gpu)?,
                predicted.buffer("claim", gpu)?,
                labels.buffer("claim", gpu)?,
                mask.buffer("claim", gpu)?,
            ];
            let params = Params {
                rows: rows as u32,
                stamp,
            };
            launch(gpu, &SHADER, &params, &arrays, Grid::Threads(rows))?;
        }
    }
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random};

    fn column(device: &Device, words: &[u32]) -> Array<u32> {
        Array::from_vec(device, words.len(), 1, words.to_vec()).unwrap()
    }

    #[test]
    fn a_success_is_claimed_once() {
        let table: [([u32; 3], u32); 6] = [
            // found, predicted, label -> mask
            ([0, 3, 3], 0),
            ([0, 4, 3], 1),
            ([1, 4, 3], 0),
            ([1, 3, 3], 0),
            ([0, INVALID, 3], 0),
            ([7, INVALID, 3], 0),
        ];
        for device in testing::devices() {
            for ([found, predicted, label], expected) in table {
                let mut array = column(&device, &[found]);
                let mask = claim(
                    &mut array,
                    &column(&device, &[predicted]),
                    &column(&device, &[label]),
                );
                assert_eq!(mask.unwrap().to_vec().unwrap(), [expected]);
                assert_eq!(array.to_vec().unwrap(), [found | expected]);
            }
        }
    }

    #[test]
    fn the_shader_agrees_with_the_twin() {
        let Some(gpu) = testing::gpu() else { return };
        let mut random = Random::new(17);
        for (rows, cols) in testing::shapes(18) {
            let mut words = |bound| -> Vec<u32> {
                (0..rows * cols)
                    .map(|_| random.below(bound) as u32)
                    .collect()
            };
            let (found, mut predicted, labels) = (words(2), words(3), words(3));
            predicted.iter_mut().step_by(5).for_each(|p| *p = INVALID);
            let run = |device: &Device| {
                let mut found = column(device, &found);
                let mask = claim_at(
                    &mut found,
                    &column(device, &predicted),
                    &column(device, &labels),
                    77,
                );
                (mask.unwrap().to_vec().unwrap(), found.to_vec().unwrap())
            };
            assert_eq!(run(&gpu), run(&Device::Cpu), "{} rows", rows * cols);
        }
    }

    #[test]
    fn shapes_must_fit() {
        let mut found = column(&Device::Cpu, &[0, 0]);
        let (two, three) = (
            column(&Device::Cpu, &[1, 1]),
            column(&Device::Cpu, &[1, 1, 1]),
        );
        assert!(matches!(
            claim(&mut found, &two, &three),
            Err(Error::Shape { .. })
        ));
    }
}
