//! The largest elements of each row, the others made 0: the projection to an L0 ball round 0.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error};

const KERNEL: &str = "keep_largest";
const SHADER: Shader = shader!("keep_largest", needs "reduce");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    cols: u32,
}

/// Leaves at most `kept` (n x 1, rounded down) elements of each row of `x` (n x d), those of the largest magnitude. What is
/// as large as the first that must go goes, too; NaN counts as larger than all numbers.
pub fn keep_largest(x: &mut Array, kept: &Array) -> Result<(), Error> {
    let (rows, cols) = (x.rows(), x.cols());
    kept.expect_shape(KERNEL, "kept", rows, 1)?;
    if x.is_empty() {
        return Ok(());
    }
    match x.device() {
        Device::Cpu => {
            let kept = kept.host(KERNEL)?;
            let x = x.host_mut(KERNEL)?.par_chunks_mut(cols);
            x.zip(kept)
                .for_each_init(Vec::new, |sizes, (x, &kept)| row(x, kept, sizes));
            Ok(())
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                cols: cols as u32,
            };
            let arrays = [x.buffer(KERNEL, &gpu)?, kept.buffer(KERNEL, &gpu)?];
            launch(&gpu, &SHADER, &params, &arrays, Grid::Workgroups(rows))
        }
    }
}

fn row(x: &mut [f32], kept: f32, sizes: &mut Vec<u32>) {
    let kept = kept as usize;
    if kept >= x.len() {
        return;
    }
    sizes.clear();
    sizes.extend(x.iter().map(|v| v.abs().to_bits()));
    let (_, &mut goes, _) = sizes.select_nth_unstable_by(kept, |a, b| b.cmp(a));
    for v in x {
        if v.abs().to_bits() <= goes {
            *v = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random};

    fn run(device: &Device, x: &[f32], kept: &[f32]) -> Vec<f32> {
        let rows = kept.len();
        let mut x = Array::from_vec(device, rows, x.len() / rows, x.to_vec()).unwrap();
        let kept = Array::from_vec(device, rows, 1, kept.to_vec()).unwrap();
        keep_largest(&mut x, &kept).unwrap();
        x.to_vec().unwrap()
    }

    #[test]
    fn the_largest_stay_on_every_device() {
        let mut random = Random::new(81);
        for (rows, cols) in testing::shapes(82) {
            let size = [1.0, 1e-30, 1e30][random.below(3)];
            let x = random.floats(rows * cols, -size, size);
            let kept = random.floats(rows, 0.0, 1.2 * cols as f32);
            let mut expected = x.clone();
            for (x, kept) in expected.chunks_mut(cols).zip(&kept) {
                let mut sizes: Vec<f32> = x.iter().map(|v| v.abs()).collect();
                sizes.sort_by(|a, b| b.total_cmp(a));
                let goes = sizes.get(*kept as usize).copied();
                for v in x.iter_mut().filter(|v| goes.is_some_and(|g| v.abs() <= g)) {
                    *v = 0.0;
                }
            }
            for device in testing::devices() {
                assert_eq!(run(&device, &x, &kept), expected, "{rows} x {cols}");
            }
        }
    }

    #[test]
    fn table() {
        for device in testing::devices() {
            for (x, kept, expected) in [
                ([3.0, -2.0, 1.0], 0.0, [0.0, 0.0, 0.0]),
                ([3.0, -2.0, 1.0], 2.0, [3.0, -2.0, 0.0]),
                ([3.0, -2.0, 1.0], 2.9, [3.0, -2.0, 0.0]),
                ([3.0, -2.0, 1.0], 9.0, [3.0, -2.0, 1.0]),
                ([3.0, -1.0, 1.0], 2.0, [3.0, 0.0, 0.0]),
                ([0.0, -1.0, 0.0], 1.0, [0.0, -1.0, 0.0]),
            ] {
                assert_eq!(run(&device, &x, &[kept]), expected, "{x:?} on {device:?}");
            }
        }
    }

    #[test]
    fn shapes_must_fit() {
        let array = |rows, cols| Array::<f32>::zeros(&Device::Cpu, rows, cols).unwrap();
        assert!(keep_largest(&mut array(2, 3), &array(3, 1)).is_err());
        assert!(keep_largest(&mut array(0, 3), &array(0, 1)).is_ok());
    }
}
