//! The backward step of attacks that seek the nearest adversarial point: from beyond the decision
//! boundary some way back to the clean sample (Croce and Hein 2020, <https://arxiv.org/abs/1907.02044>).

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error, INVALID};

const KERNEL: &str = "retreat";
const SHADER: Shader = shader!("retreat");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    cols: u32,
    keep: f32,
}

/// `x = x0 + keep (x - x0)` (both n x d) in the rows where `predicted` is a class other than the label (both n x 1).
pub fn retreat(
    x: &mut Array,
    x0: &Array,
    predicted: &Array<u32>,
    labels: &Array<u32>,
    keep: f32,
) -> Result<(), Error> {
    let (rows, cols) = (x.rows(), x.cols());
    x0.expect_shape(KERNEL, "x0", rows, cols)?;
    predicted.expect_shape(KERNEL, "predicted", rows, 1)?;
    labels.expect_shape(KERNEL, "labels", rows, 1)?;
    if x.is_empty() {
        return Ok(());
    }
    match x.device() {
        Device::Cpu => {
            let answers = predicted.host(KERNEL)?.par_iter().zip(labels.host(KERNEL)?);
            x.host_mut(KERNEL)?
                .par_chunks_mut(cols)
                .zip(x0.host(KERNEL)?.par_chunks(cols))
                .zip(answers)
                .with_min_len(16)
                .filter(|(_, (predicted, label))| predicted != label && **predicted != INVALID)
                .for_each(|((x, x0), _)| {
                    for (x, x0) in x.iter_mut().zip(x0) {
                        *x = x0 + keep * (*x - x0);
                    }
                });
            Ok(())
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                cols: cols as u32,
                keep,
            };
            let arrays = [
                x.buffer(KERNEL, &gpu)?,
                x0.buffer(KERNEL, &gpu)?,
                predicted.buffer(KERNEL, &gpu)?,
                labels.buffer(KERNEL, &gpu)?,
            ];
            launch(&gpu, &SHADER, &params, &arrays, Grid::Threads(rows * cols))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    #[test]
    fn misclassified_rows_go_back_on_every_device() {
        let mut random = Random::new(71);
        for (rows, cols) in testing::shapes(72) {
            let (x, x0) = (
                random.floats(rows * cols, 0.0, 1.0),
                random.floats(rows * cols, 0.0, 1.0),
            );
            let labels: Vec<u32> = (0..rows).map(|_| random.below(3) as u32).collect();
            let predicted: Vec<u32> = (0..rows)
                .map(|_| [0, 1, 2, INVALID][random.below(4)])
                .collect();
            let keep = random.within(0.0, 1.0);
            let expected: Vec<f32> = (0..rows * cols)
                .map(|i| {
                    let (label, answer) = (labels[i / cols], predicted[i / cols]);
                    let back = f64::from(x0[i]) * f64::from(1.0 - keep)
                        + f64::from(x[i]) * f64::from(keep);
                    match answer {
                        INVALID => x[i],
                        _ if answer == label => x[i],
                        _ => back as f32,
                    }
                })
                .collect();
            for device in testing::devices() {
                let matrix =
                    |data: &[f32]| Array::from_vec(&device, rows, cols, data.to_vec()).unwrap();
                let column =
                    |data: &[u32]| Array::from_vec(&device, rows, 1, data.to_vec()).unwrap();
                let mut got = matrix(&x);
                retreat(
                    &mut got,
                    &matrix(&x0),
                    &column(&predicted),
                    &column(&labels),
                    keep,
                )
                .unwrap();
                let what = format!("{rows} x {cols} on {device:?}");
                assert_close(&what, &got.to_vec().unwrap(), &expected, 1e-6);
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let array = |rows, cols| Array::zeros(&Device::Cpu, rows, cols).unwrap();
        let column = |rows| Array::zeros(&Device::Cpu, rows, 1).unwrap();
        let run = |cols, predicted, labels| {
            let (predicted, labels) = (column(predicted), column(labels));
            retreat(&mut array(2, 3), &array(2, cols), &predicted, &labels, 0.9)
        };
        assert!(run(3, 2, 2).is_ok());
        for (cols, predicted, labels) in [(4, 2, 2), (3, 1, 2), (3, 2, 3)] {
            assert!(matches!(
                run(cols, predicted, labels),
                Err(Error::Shape { .. })
            ));
        }
    }
}
