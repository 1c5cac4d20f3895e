//! Whether the predicted class is the one asked about.

use bytemuck::{Pod, Zeroable};

use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error, INVALID};

const KERNEL: &str = "is_class";
const SHADER: Shader = shader!("is_class");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    class: u32,
}

/// 1 where `predicted` (n x 1) is `class`, 0 where it is another, [`INVALID`] where it is that.
pub fn is_class(predicted: &Array<u32>, class: u32) -> Result<Array<u32>, Error> {
    let (device, rows) = (predicted.device(), predicted.rows());
    predicted.expect_shape(KERNEL, "predicted", rows, 1)?;
    let mut answers = Array::uninit(&device, rows, 1)?;
    match &device {
        Device::Cpu => {
            let predicted = predicted.host(KERNEL)?.iter();
            for (answer, &predicted) in answers.host_mut(KERNEL)?.iter_mut().zip(predicted) {
                *answer = match predicted {
                    INVALID => INVALID,
                    predicted => u32::from(predicted == class),
                };
            }
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                class,
            };
            let arrays = [predicted.buffer(KERNEL, gpu)?, answers.buffer(KERNEL, gpu)?];
            launch(gpu, &SHADER, &params, &arrays, Grid::Threads(rows))?;
        }
    }
    Ok(answers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn table() {
        for device in testing::devices() {
            for rows in [1, 5, 300] {
                let predicted: Vec<u32> = (0..rows)
                    .map(|row| if row % 7 == 6 { INVALID } else { row % 3 })
                    .collect();
                let expected: Vec<u32> = predicted
                    .iter()
                    .map(|&class| match class {
                        INVALID => INVALID,
                        2 => 1,
                        _ => 0,
                    })
                    .collect();
                let array = Array::from_vec(&device, rows as usize, 1, predicted).unwrap();
                let answers = is_class(&array, 2).unwrap().to_vec().unwrap();
                assert_eq!(answers, expected, "{rows} rows on {device:?}");
            }
        }
    }
}
