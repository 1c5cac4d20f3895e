//! Linear combinations by row: the steps, moving averages and rescalings of attacks.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::array::row_grain;
use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error};

const KERNEL: &str = "combine";
const SHADER: Shader = shader!("combine");

/// What a row is multiplied by.
#[derive(Clone, Copy, Debug)]
pub enum Factor<'a> {
    /// Every row by the same number.
    One(f32),
    /// Each row by its own: n x 1.
    Rows(&'a Array),
}

impl From<f32> for Factor<'_> {
    fn from(factor: f32) -> Self {
        Factor::One(factor)
    }
}

impl<'a> From<&'a Array> for Factor<'a> {
    fn from(factors: &'a Array) -> Self {
        Factor::Rows(factors)
    }
}

impl<'a> Factor<'a> {
    pub(crate) fn check(self, kernel: &'static str, rows: usize) -> Result<(), Error> {
        match self {
            Factor::One(_) => Ok(()),
            Factor::Rows(factors) => factors.expect_shape(kernel, "factors", rows, 1),
        }
    }

    pub(crate) fn host(
        self,
        kernel: &'static str,
    ) -> Result<impl Fn(usize) -> f32 + Sync + 'a, Error> {
        let (one, rows) = match self {
            Factor::One(factor) => (factor, None),
            Factor::Rows(factors) => (0.0, Some(factors.host(kernel)?)),
        };
        Ok(move |row: usize| rows.map_or(one, |rows: &[f32]| rows[row]))
    }

    pub(crate) fn one(self) -> f32 {
        match self {
            Factor::One(factor) => factor,
            Factor::Rows(_) => 0.0,
        }
    }

    pub(crate) fn rows(self) -> Option<&'a Array> {
        match self {
            Factor::One(_) => None,
            Factor::Rows(factors) => Some(factors),
        }
    }
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    cols: u32,
    alpha: f32,
    beta: f32,
    by_row: u32,
}

/// `a = alpha * a + beta * b` by row, for `a` and `b` of n x d. A term whose factor is 0 is left out, whatever it holds.
pub fn combine<'f>(
    a: &mut Array,
    alpha: impl Into<Factor<'f>>,
    b: &Array,
    beta: impl Into<Factor<'f>>,
) -> Result<(), Error> {
    let (rows, cols) = (a.rows(), a.cols());
    let (alpha, beta) = (alpha.into(), beta.into());
    b.expect_shape(KERNEL, "b", rows, cols)?;
    alpha.check(KERNEL, rows)?;
    beta.check(KERNEL, rows)?;
    if a.is_empty() {
        return Ok(());
    }
    match a.device() {
        Device::Cpu => {
            let (alpha, beta) = (alpha.host(KERNEL)?, beta.host(KERNEL)?);
            let b = b.host(KERNEL)?.par_chunks(cols);
            let a = a.host_mut(KERNEL)?.par_chunks_mut(cols);
            let rows = a.zip(b).enumerate().with_min_len(row_grain(cols));
            rows.for_each(|(row, (a, b))| combine_row(a, alpha(row), b, beta(row)));
            Ok(())
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                cols: cols as u32,
                alpha: alpha.one(),
                beta: beta.one(),
                by_row: u32::from(alpha.rows().is_some()) + 2 * u32::from(beta.rows().is_some()),
            };
            // A binding that the shader does not read takes any array.
            let arrays = [
                a.buffer(KERNEL, &gpu)?,
                b.buffer(KERNEL, &gpu)?,
                alpha.rows().unwrap_or(b).buffer(KERNEL, &gpu)?,
                beta.rows().unwrap_or(b).buffer(KERNEL, &gpu)?,
            ];
            launch(&gpu, &SHADER, &params, &arrays, Grid::Threads(rows * cols))
        }
    }
}

fn combine_row(a: &mut [f32], alpha: f32, b: &[f32], beta: f32) {
    let pairs = a.iter_mut().zip(b);
    match (alpha == 0.0, beta == 0.0) {
        (true, true) => a.fill(0.0),
        (true, false) => pairs.for_each(|(a, b)| *a = beta * b),
        (false, true) => pairs.for_each(|(a, _)| *a *= alpha),
        (false, false) => pairs.for_each(|(a, b)| *a = alpha * *a + beta * b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    #[test]
    fn factors_are_numbers_or_one_a_row_on_every_device() {
        let mut random = Random::new(31);
        for (case, (rows, cols)) in testing::shapes(32).into_iter().enumerate() {
            let (a, b) = (
                random.floats(rows * cols, -1.0, 1.0),
                random.floats(rows * cols, -1.0, 1.0),
            );
            let mut factors = random.floats(rows, -2.0, 2.0);
            factors[random.below(rows)] = 0.0;
            let one = [0.0, 1.0, -0.5][random.below(3)];
            let (by_a, by_b) = (case % 2 == 1, case % 4 > 1);
            let factor = |by_row: bool, i: usize| if by_row { factors[i / cols] } else { one };
            let expected: Vec<f32> = (0..rows * cols)
                .map(|i| factor(by_a, i) * a[i] + factor(by_b, i) * b[i])
                .collect();
            for device in testing::devices() {
                let array =
                    |data: &[f32]| Array::from_vec(&device, rows, cols, data.to_vec()).unwrap();
                let factors = Array::from_vec(&device, rows, 1, factors.clone()).unwrap();
                let pick = |by_row| match by_row {
                    true => Factor::Rows(&factors),
                    false => Factor::One(one),
                };
                let mut got = array(&a);
                combine(&mut got, pick(by_a), &array(&b), pick(by_b)).unwrap();
                assert_close(
                    &format!("{device:?}"),
                    &got.to_vec().unwrap(),
                    &expected,
                    1e-6,
                );
            }
        }
    }

    #[test]
    fn a_term_with_factor_zero_is_not_looked_at() {
        for device in testing::devices() {
            let array = |v: f32| Array::filled(&device, 2, 3, v).unwrap();
            let mut a = array(f32::NAN);
            combine(&mut a, 0.0, &array(2.0), 1.5).unwrap();
            assert_eq!(a.to_vec().unwrap(), [3.0; 6]);
            combine(&mut a, 2.0, &array(f32::INFINITY), 0.0).unwrap();
            assert_eq!(a.to_vec().unwrap(), [6.0; 6]);
        }
    }

    #[test]
    fn shapes_must_fit() {
        let array = |rows, cols| Array::<f32>::zeros(&Device::Cpu, rows, cols).unwrap();
        assert!(combine(&mut array(2, 3), 1.0, &array(2, 2), 1.0).is_err());
        assert!(combine(&mut array(2, 3), &array(3, 1), &array(2, 3), 1.0).is_err());
        assert!(combine(&mut array(2, 3), 1.0, &array(2, 3), &array(2, 3)).is_err());
        assert!(combine(&mut array(0, 3), 1.0, &array(0, 3), 1.0).is_ok());
    }
}
