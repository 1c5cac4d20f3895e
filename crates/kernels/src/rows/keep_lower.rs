//! Keeps the lower of two numbers in each row: the best margin so far, and whether it fell.
//!
//! A number that is not finite is lower than nothing; a finite one is lower than any that is not.

use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error};

const KERNEL: &str = "keep_lower";
const SHADER: Shader = shader!("keep_lower");

/// `best = min(best, new)`, both n x 1; gives a mask (n x 1) of the rows that fell, strictly.
pub fn keep_lower(best: &mut Array, new: &Array) -> Result<Array<u32>, Error> {
    let rows = best.rows();
    best.expect_shape(KERNEL, "best", rows, 1)?;
    new.expect_shape(KERNEL, "new", rows, 1)?;
    let device = best.device();
    let mut fell = Array::uninit(&device, rows, 1)?;
    match device {
        Device::Cpu => {
            let best = best.host_mut(KERNEL)?.iter_mut();
            let rows = best.zip(new.host(KERNEL)?).zip(fell.host_mut(KERNEL)?);
            for ((best, &new), fell) in rows {
                *fell = u32::from(below(new, *best));
                if *fell == 1 {
                    *best = new;
                }
            }
        }
        Device::Gpu(gpu) => {
            let arrays = [
                best.buffer(KERNEL, &gpu)?,
                new.buffer(KERNEL, &gpu)?,
                fell.buffer(KERNEL, &gpu)?,
            ];
            launch(&gpu, &SHADER, &(rows as u32), &arrays, Grid::Threads(rows))?;
        }
    }
    Ok(fell)
}

fn below(a: f32, b: f32) -> bool {
    a.is_finite() && (!b.is_finite() || a < b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, shapes};

    #[test]
    fn table() {
        let (nan, inf) = (f32::NAN, f32::INFINITY);
        let table = [
            (1.0, 0.5, 0.5, 1),
            (1.0, 1.0, 1.0, 0),
            (-2.0, -1.0, -2.0, 0),
            (0.0, -0.0, 0.0, 0),
            (inf, 3.0, 3.0, 1),
            (-inf, 3.0, 3.0, 1),
            (nan, 3.0, 3.0, 1),
            (3.0, nan, 3.0, 0),
            (3.0, -inf, 3.0, 0),
        ];
        for device in testing::devices() {
            let column = |pick: fn(&(f32, f32, f32, u32)) -> f32| {
                Array::from_vec(&device, table.len(), 1, table.iter().map(pick).collect()).unwrap()
            };
            let (mut best, new) = (column(|row| row.0), column(|row| row.1));
            let fell = keep_lower(&mut best, &new).unwrap().to_vec().unwrap();
            assert_eq!(fell, table.map(|row| row.3));
            assert_eq!(best.to_vec().unwrap(), table.map(|row| row.2));
        }
    }

    #[test]
    fn keeps_the_minimum_on_every_device() {
        let mut random = Random::new(11);
        for (a, b) in shapes(11) {
            let rows = a.max(b);
            let best = random.floats(rows, -1.0, 1.0);
            let new = random.floats(rows, -1.0, 1.0);
            let lower: Vec<_> = best.iter().zip(&new).map(|(b, n)| b.min(*n)).collect();
            let mask: Vec<_> = best
                .iter()
                .zip(&new)
                .map(|(b, n)| u32::from(n < b))
                .collect();
            for device in testing::devices() {
                let mut kept = Array::from_vec(&device, rows, 1, best.clone()).unwrap();
                let new = Array::from_vec(&device, rows, 1, new.clone()).unwrap();
                let fell = keep_lower(&mut kept, &new).unwrap();
                assert_eq!(fell.to_vec().unwrap(), mask);
                assert_eq!(kept.to_vec().unwrap(), lower);
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        for device in testing::devices() {
            let array = |rows, cols| Array::zeros(&device, rows, cols).unwrap();
            assert!(keep_lower(&mut array(3, 1), &array(2, 1)).is_err());
            assert!(keep_lower(&mut array(3, 2), &array(3, 2)).is_err());
            assert_eq!(
                keep_lower(&mut array(0, 1), &array(0, 1)).unwrap().rows(),
                0
            );
        }
    }
}
