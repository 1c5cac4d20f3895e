//! Sums of rows: the gradient of what several samples share.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error};

const KERNEL: &str = "sum_rows";
const SHADER: Shader = shader!("sum_rows");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    cols: u32,
    groups: u32,
}

/// The sum of the rows of `a` (n x d) of each of `groups` groups, groups x d; `group_of` (n x 1) says which a row belongs to,
/// and a number beyond them to none.
pub fn sum_rows(a: &Array, group_of: &Array<u32>, groups: usize) -> Result<Array, Error> {
    let (rows, cols, device) = (a.rows(), a.cols(), a.device());
    group_of.expect_shape(KERNEL, "group_of", rows, 1)?;
    let mut summed = Array::zeros(&device, groups, cols)?;
    if a.is_empty() || groups == 0 {
        return Ok(summed);
    }
    match &device {
        Device::Cpu => {
            let (a, group_of) = (a.host(KERNEL)?, group_of.host(KERNEL)?);
            let sums = summed.host_mut(KERNEL)?.par_chunks_mut(cols).enumerate();
            sums.for_each(|(group, sum)| {
                let rows = a.chunks(cols).zip(group_of);
                let mine = rows.filter(|(_, g)| **g as usize == group);
                mine.for_each(|(row, _)| sum.iter_mut().zip(row).for_each(|(s, v)| *s += v));
            });
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                cols: cols as u32,
                groups: groups as u32,
            };
            let arrays = [
                a.buffer(KERNEL, gpu)?,
                group_of.buffer(KERNEL, gpu)?,
                summed.buffer(KERNEL, gpu)?,
            ];
            launch(gpu, &SHADER, &params, &arrays, Grid::Threads(groups * cols))?;
        }
    }
    Ok(summed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    #[test]
    fn every_group_is_the_sum_of_its_rows() {
        let mut random = Random::new(71);
        for (n, d) in testing::shapes(72).into_iter().step_by(4) {
            let groups = 1 + random.below(3);
            let a = random.floats(n * d, -1.0, 1.0);
            // One number more than there are groups: those rows count nowhere.
            let group_of: Vec<u32> = (0..n).map(|_| random.below(groups + 1) as u32).collect();
            let mut expected = vec![0.0; groups * d];
            for (row, &group) in a.chunks(d).zip(&group_of) {
                if let Some(sum) = expected.chunks_mut(d).nth(group as usize) {
                    sum.iter_mut().zip(row).for_each(|(s, v)| *s += v);
                }
            }
            for device in testing::devices() {
                let a = Array::from_vec(&device, n, d, a.clone()).unwrap();
                let group_of = Array::from_vec(&device, n, 1, group_of.clone()).unwrap();
                let got = sum_rows(&a, &group_of, groups).unwrap();
                let got = got.to_vec().unwrap();
                assert_close(&format!("{n} {d} {device:?}"), &got, &expected, 1e-5);
            }
        }
    }
}
