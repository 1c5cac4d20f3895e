//! Functions of two numbers, over an array and another that is as wide or has one number a row.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::array::row_grain;
use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error};

const KERNEL: &str = "zip";
const SHADER: Shader = shader!("zip");

/// A function of two numbers, `a` and `b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zip {
    /// `a * b`.
    Multiply = 0,
    /// The lower one.
    Lower = 1,
    /// `a` moved into `[-b, b]`: the projection to a Linf ball.
    Within = 2,
    /// The higher one.
    Higher = 3,
    /// `a` where `|a|` is at least `b`, else 0: the hard threshold.
    Keep = 4,
    /// `a` where `b` is not 0, else 0.
    Where = 5,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    cols: u32,
    by_row: u32,
    function: u32,
}

/// `a = f(a, b)` for `a` of n x d and `b` of n x d or n x 1.
pub fn zip(a: &mut Array, f: Zip, b: &Array) -> Result<(), Error> {
    let (rows, cols) = (a.rows(), a.cols());
    b.expect_shape(KERNEL, "b", rows, if b.cols() == 1 { 1 } else { cols })?;
    if a.is_empty() {
        return Ok(());
    }
    match a.device() {
        Device::Cpu => {
            let wide = b.cols();
            let b = b.host(KERNEL)?.par_chunks(wide);
            let a = a.host_mut(KERNEL)?.par_chunks_mut(cols);
            let rows = a.zip(b).with_min_len(row_grain(cols));
            rows.for_each(|(a, b)| twin(a, f, b));
            Ok(())
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                cols: cols as u32,
                by_row: u32::from(b.cols() == 1),
                function: f as u32,
            };
            let arrays = [a.buffer(KERNEL, &gpu)?, b.buffer(KERNEL, &gpu)?];
            launch(&gpu, &SHADER, &params, &arrays, Grid::Threads(rows * cols))
        }
    }
}

fn twin(a: &mut [f32], f: Zip, b: &[f32]) {
    match f {
        Zip::Multiply => each(a, b, |a, b| a * b),
        Zip::Lower => each(a, b, |a, b| if b < a { b } else { a }),
        Zip::Within => each(a, b, |a, b| a.min(b).max(-b)),
        Zip::Higher => each(a, b, |a, b| if b > a { b } else { a }),
        Zip::Keep => each(a, b, |a, b| if a.abs() >= b { a } else { 0.0 }),
        Zip::Where => each(a, b, |a, b| if b != 0.0 { a } else { 0.0 }),
    }
}

fn each(a: &mut [f32], b: &[f32], f: impl Fn(f32, f32) -> f32) {
    match *b {
        [b] => a.iter_mut().for_each(|a| *a = f(*a, b)),
        _ => a.iter_mut().zip(b).for_each(|(a, &b)| *a = f(*a, b)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    const ALL: [Zip; 6] = [
        Zip::Multiply,
        Zip::Lower,
        Zip::Within,
        Zip::Higher,
        Zip::Keep,
        Zip::Where,
    ];

    fn naive(f: Zip, a: f32, b: f32) -> f32 {
        match f {
            Zip::Multiply => a * b,
            Zip::Lower => a.min(b),
            Zip::Within => a.clamp(-b, b),
            Zip::Higher => a.max(b),
            Zip::Keep if a >= b || a <= -b => a,
            Zip::Where if b > 0.0 => a,
            Zip::Keep | Zip::Where => 0.0,
        }
    }

    #[test]
    fn every_function_is_what_it_says_on_every_device() {
        let mut random = Random::new(35);
        for (case, (rows, cols)) in testing::shapes(36).into_iter().enumerate() {
            let f = ALL[case % ALL.len()];
            let wide = if (case / ALL.len()).is_multiple_of(2) {
                1
            } else {
                cols
            };
            let a = random.floats(rows * cols, -2.0, 2.0);
            let mut b = random.floats(rows * wide, 0.0, 2.0);
            b.iter_mut().step_by(3).for_each(|b| *b = 0.0);
            let at = |i: usize| if wide == 1 { i / cols } else { i };
            let expected: Vec<f32> = (0..a.len()).map(|i| naive(f, a[i], b[at(i)])).collect();
            for device in testing::devices() {
                let mut got = Array::from_vec(&device, rows, cols, a.clone()).unwrap();
                let b = Array::from_vec(&device, rows, wide, b.clone()).unwrap();
                zip(&mut got, f, &b).unwrap();
                let what = format!("{f:?} on {device:?}");
                assert_close(&what, &got.to_vec().unwrap(), &expected, 1e-6);
            }
        }
    }

    #[test]
    fn shapes_must_fit() {
        let array = |rows, cols| Array::<f32>::zeros(&Device::Cpu, rows, cols).unwrap();
        assert!(zip(&mut array(2, 3), Zip::Lower, &array(2, 2)).is_err());
        assert!(zip(&mut array(2, 3), Zip::Lower, &array(3, 1)).is_err());
        assert!(zip(&mut array(0, 3), Zip::Lower, &array(0, 1)).is_ok());
    }
}
