//! Inner products by row: how far two directions agree.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::array::row_grain;
use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error};

const KERNEL: &str = "dot_rows";
const SHADER: Shader = shader!("dot_rows", needs "reduce");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    cols: u32,
}

/// The inner product of each row of `a` with that of `b`, both n x d; n x 1.
pub fn dot_rows(a: &Array, b: &Array) -> Result<Array, Error> {
    let (rows, cols, device) = (a.rows(), a.cols(), a.device());
    b.expect_shape(KERNEL, "b", rows, cols)?;
    if a.is_empty() {
        return Array::zeros(&device, rows, 1);
    }
    let mut products = Array::uninit(&device, rows, 1)?;
    match &device {
        Device::Cpu => {
            let a = a.host(KERNEL)?.par_chunks(cols);
            let b = b.host(KERNEL)?.par_chunks(cols);
            let out = products.host_mut(KERNEL)?.par_iter_mut();
            let rows = out.zip(a).zip(b).with_min_len(row_grain(cols));
            rows.for_each(|((out, a), b)| *out = dot(a, b));
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                cols: cols as u32,
            };
            let arrays = [
                a.buffer(KERNEL, gpu)?,
                b.buffer(KERNEL, gpu)?,
                products.buffer(KERNEL, gpu)?,
            ];
            launch(gpu, &SHADER, &params, &arrays, Grid::Workgroups(rows))?;
        }
    }
    Ok(products)
}

/// In eight lanes.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (mut lanes, split) = ([0.0_f64; 8], a.len() - a.len() % 8);
    let product = |(a, b): (&f32, &f32)| f64::from(*a) * f64::from(*b);
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for (lane, pair) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += product(pair);
        }
    }
    let rest: f64 = a[split..].iter().zip(&b[split..]).map(product).sum();
    (lanes.iter().sum::<f64>() + rest) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    #[test]
    fn each_row_is_the_sum_of_its_products() {
        let mut random = Random::new(61);
        for (n, d) in testing::shapes(62) {
            let [a, b] = [0; 2].map(|_| random.floats(n * d, -1.0, 1.0));
            let rows = a.chunks(d).zip(b.chunks(d));
            let expected: Vec<f32> = rows
                .map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum())
                .collect();
            for device in testing::devices() {
                let [a, b] = [&a, &b].map(|v| Array::from_vec(&device, n, d, v.clone()).unwrap());
                let got = dot_rows(&a, &b).unwrap().to_vec().unwrap();
                let tolerance = 1e-6 * (d as f32).sqrt().max(4.0);
                assert_close(&format!("{n} {d} {device:?}"), &got, &expected, tolerance);
            }
        }
    }

    #[test]
    fn shapes_must_agree() {
        let [a, b] = [3, 4].map(|d| Array::zeros(&Device::Cpu, 2, d).unwrap());
        assert!(dot_rows(&a, &b).is_err());
    }
}
