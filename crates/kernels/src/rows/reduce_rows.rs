//! One number a row: sums, scalar products, norms and distances.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::array::row_grain;
use crate::launch::{Grid, Shader, launch, shader};
use crate::wide::{largest, total, wide};
use crate::{Array, Device, Error, Norm};

const KERNEL: &str = "reduce_rows";
const SHADER: Shader = shader!("reduce_rows", needs "reduce");

/// What is made of a row. A norm of a row that holds Inf or NaN is not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduce {
    Sum = 0,
    /// How many elements are not 0.
    L0 = 1,
    L1 = 2,
    L2 = 3,
    Linf = 4,
}

impl TryFrom<Norm> for Reduce {
    type Error = Error;

    fn try_from(norm: Norm) -> Result<Self, Error> {
        match norm {
            Norm::Linf => Ok(Reduce::Linf),
            Norm::L1 => Ok(Reduce::L1),
            Norm::L2 => Ok(Reduce::L2),
            Norm::L0 => Ok(Reduce::L0),
            Norm::Wasserstein => Err(Error::Norm {
                kernel: KERNEL,
                norm,
            }),
        }
    }
}

/// What is reduced.
#[derive(Clone, Copy)]
enum Pairing {
    Alone = 0,
    Difference = 1,
    Product = 2,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    cols: u32,
    pairing: u32,
    kind: u32,
}

/// Each row of `a` (n x d) in one number; n x 1.
pub fn reduce_rows(a: &Array, kind: Reduce) -> Result<Array, Error> {
    reduce(a, Pairing::Alone, a, kind)
}

/// The norm of each row of `a - b`, both n x d; n x 1.
pub fn distance_rows(a: &Array, b: &Array, kind: Reduce) -> Result<Array, Error> {
    reduce(a, Pairing::Difference, b, kind)
}

/// The scalar product of each row of `a` with that of `b`, both n x d; n x 1.
pub fn dot_rows(a: &Array, b: &Array) -> Result<Array, Error> {
    reduce(a, Pairing::Product, b, Reduce::Sum)
}

fn reduce(a: &Array, pairing: Pairing, b: &Array, kind: Reduce) -> Result<Array, Error> {
    let (rows, cols, device) = (a.rows(), a.cols(), a.device());
    b.expect_shape(KERNEL, "b", rows, cols)?;
    if a.is_empty() {
        return Array::zeros(&device, rows, 1);
    }
    let mut reduced = Array::uninit(&device, rows, 1)?;
    match &device {
        Device::Cpu => {
            let a = a.host(KERNEL)?.par_chunks(cols);
            let b = b.host(KERNEL)?.par_chunks(cols);
            let out = reduced.host_mut(KERNEL)?.par_iter_mut();
            let rows = out.zip(a).zip(b).with_min_len(row_grain(cols));
            rows.for_each_init(Vec::new, |row, ((out, a), b)| {
                row.clear();
                let pairs = a.iter().zip(b);
                match pairing {
                    Pairing::Alone => row.extend_from_slice(a),
                    Pairing::Difference => row.extend(pairs.map(|(a, b)| a - b)),
                    Pairing::Product => row.extend(pairs.map(|(a, b)| a * b)),
                }
                *out = wide(
                    #[inline(always)]
                    || twin(row, kind),
                );
            });
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                cols: cols as u32,
                pairing: pairing as u32,
                kind: kind as u32,
            };
            let arrays = [
                a.buffer(KERNEL, gpu)?,
                b.buffer(KERNEL, gpu)?,
                reduced.buffer(KERNEL, gpu)?,
            ];
            launch(gpu, &SHADER, &params, &arrays, Grid::Workgroups(rows))?;
        }
    }
    Ok(reduced)
}

#[inline(always)]
fn twin(row: &[f32], kind: Reduce) -> f32 {
    match kind {
        Reduce::Sum => total(row, f64::from) as f32,
        Reduce::L0 => row.iter().filter(|&&v| v != 0.0).count() as f32,
        Reduce::L1 | Reduce::L2 | Reduce::Linf => norm(row, kind),
    }
}

#[inline(always)]
fn norm(row: &[f32], kind: Reduce) -> f32 {
    let usable = (f32::MIN_POSITIVE..f32::INFINITY).contains(&largest(row));
    match (usable, kind) {
        (true, Reduce::L1) => total(row, |v| f64::from(v.abs())) as f32,
        (true, Reduce::L2) => total(row, |v| f64::from(v) * f64::from(v)).sqrt() as f32,
        _ => largest(row),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    const ALL: [Reduce; 5] = [
        Reduce::Sum,
        Reduce::L0,
        Reduce::L1,
        Reduce::L2,
        Reduce::Linf,
    ];

    fn naive(row: &[f64], kind: Reduce) -> f64 {
        match kind {
            Reduce::Sum => row.iter().sum(),
            Reduce::L0 => row.iter().filter(|v| **v != 0.0).count() as f64,
            Reduce::L1 => row.iter().map(|v| v.abs()).sum(),
            Reduce::L2 => row.iter().map(|v| v * v).sum::<f64>().sqrt(),
            Reduce::Linf => row.iter().fold(0.0, |most, v| v.abs().max(most)),
        }
    }

    #[test]
    fn rows_distances_and_products_on_every_device() {
        let mut random = Random::new(37);
        for (case, (rows, cols)) in testing::shapes(38).into_iter().enumerate() {
            let kind = ALL[case % ALL.len()];
            let size = if kind == Reduce::Sum {
                1.0
            } else {
                [1.0, 1e-30, 1e30][case % 3]
            };
            let sparse = |v: &mut f32| {
                if *v < -0.5 * size {
                    *v = 0.0;
                }
            };
            let mut a = random.floats(rows * cols, -size, size);
            a.iter_mut().for_each(sparse);
            let mut b = random.floats(rows * cols, -size, size);
            b.iter_mut().for_each(sparse);
            let expected = |f: fn(f32, f32) -> f64, kind| -> Vec<f32> {
                let rows = a.chunks(cols).zip(b.chunks(cols));
                let row = |(a, b): (&[f32], &[f32])| -> Vec<f64> {
                    a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect()
                };
                rows.map(|pair| (naive(&row(pair), kind) / f64::from(size)) as f32)
                    .collect()
            };
            for device in testing::devices() {
                let array = |v: &[f32]| Array::from_vec(&device, rows, cols, v.to_vec()).unwrap();
                let what = format!("{kind:?} on {device:?}, {cols} columns");
                let check = |got: Array, expected: Vec<f32>, tolerance| {
                    let got: Vec<f32> = got.to_vec().unwrap().iter().map(|v| v / size).collect();
                    assert_close(&what, &got, &expected, tolerance);
                };
                let (a, b) = (array(&a), array(&b));
                check(
                    reduce_rows(&a, kind).unwrap(),
                    expected(|a, _| f64::from(a), kind),
                    1e-5,
                );
                if size == 1.0 {
                    let apart = distance_rows(&a, &b, kind).unwrap();
                    check(apart, expected(|a, b| f64::from(a - b), kind), 1e-5);
                    let product = |a, b| f64::from(a) * f64::from(b);
                    check(
                        dot_rows(&a, &b).unwrap(),
                        expected(product, Reduce::Sum),
                        1e-5,
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_not_finite_shows() {
        for device in testing::devices() {
            for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let a = Array::from_vec(&device, 2, 3, vec![1.0, odd, 2.0, 0.0, 0.0, 0.0]).unwrap();
                for kind in [Reduce::L1, Reduce::L2, Reduce::Linf] {
                    let got = reduce_rows(&a, kind).unwrap().to_vec().unwrap();
                    assert!(!got[0].is_finite() && got[1] == 0.0, "{kind:?}: {got:?}");
                }
            }
        }
    }

    #[test]
    fn shapes_must_fit() {
        let array = |rows, cols| Array::<f32>::zeros(&Device::Cpu, rows, cols).unwrap();
        assert!(dot_rows(&array(2, 3), &array(2, 2)).is_err());
        assert_eq!(reduce_rows(&array(2, 0), Reduce::L2).unwrap().rows(), 2);
    }
}
