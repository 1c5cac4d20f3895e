//! Targets for a targeted attack: the classes in the order in which the target finds them likely.

use std::cmp::Ordering;

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error, INVALID};

const KERNEL: &str = "rivals";
const SHADER: Shader = shader!("rivals");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    classes: u32,
    rank: u32,
}

/// Label and target of each row, n x 2: the target is the class `rank` places behind the most likely of the classes
/// other than the label, for `logits` n x c, `labels` n x 1 and `rank` below c - 1. Among equals the lower class comes
/// first. The target is [`INVALID`] in a row with Inf or NaN among its logits, or a label beyond the classes.
pub fn rivals(logits: &Array, labels: &Array<u32>, rank: usize) -> Result<Array<u32>, Error> {
    let (rows, classes) = (logits.rows(), logits.cols());
    labels.expect_shape(KERNEL, "labels", rows, 1)?;
    if rank + 1 >= classes {
        return Err(Error::Shape {
            kernel: KERNEL,
            expected: format!("a rank below {}", classes.saturating_sub(1)),
            got: format!("{rank}"),
        });
    }
    let device = logits.device();
    let mut pairs = Array::uninit(&device, rows, 2)?;
    match &device {
        Device::Cpu => {
            let (logits, labels) = (logits.host(KERNEL)?, labels.host(KERNEL)?);
            let rows = logits.par_chunks(classes).zip(labels);
            let pairs = pairs.host_mut(KERNEL)?.par_chunks_mut(2);
            rows.zip(pairs)
                .with_min_len(64)
                .for_each(|((z, &y), pair)| {
                    pair.copy_from_slice(&[y, rival(z, y, rank)]);
                });
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                classes: classes as u32,
                rank: rank as u32,
            };
            let arrays = [
                logits.buffer(KERNEL, gpu)?,
                labels.buffer(KERNEL, gpu)?,
                pairs.buffer(KERNEL, gpu)?,
            ];
            launch(gpu, &SHADER, &params, &arrays, Grid::Threads(rows))?;
        }
    }
    Ok(pairs)
}

fn rival(z: &[f32], y: u32, rank: usize) -> u32 {
    if y as usize >= z.len() || z.iter().any(|z| !z.is_finite()) {
        return INVALID;
    }
    let mut others: Vec<u32> = (0..z.len() as u32).filter(|&j| j != y).collect();
    others.sort_by(|&a, &b| {
        z[b as usize]
            .partial_cmp(&z[a as usize])
            .unwrap_or(Ordering::Equal)
    });
    others[rank]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random};

    fn run(device: &Device, z: &[f32], y: &[u32], rank: usize) -> Vec<u32> {
        let z = Array::from_vec(device, y.len(), z.len() / y.len(), z.to_vec()).unwrap();
        let y = Array::from_vec(device, y.len(), 1, y.to_vec()).unwrap();
        rivals(&z, &y, rank).unwrap().to_vec().unwrap()
    }

    #[test]
    fn table() {
        let z = [0.5, 3.0, -1.0, 2.0, 3.0];
        for device in testing::devices() {
            for (y, order) in [
                (1, [4, 3, 0, 2]),
                (4, [1, 3, 0, 2]),
                (2, [1, 4, 3, 0]),
                (9, [INVALID; 4]),
            ] {
                for (rank, target) in order.into_iter().enumerate() {
                    assert_eq!(run(&device, &z, &[y], rank), [y, target]);
                }
            }
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                assert_eq!(run(&device, &[1.0, bad, 0.0], &[0], 1), [0, INVALID]);
            }
        }
    }

    /// So many other classes are as likely or more, and so many are more likely.
    #[test]
    fn a_target_stands_at_its_rank_on_every_device() {
        let mut random = Random::new(41);
        for (rows, classes) in testing::shapes(42) {
            let classes = classes.max(2);
            let rank = random.below(classes - 1).min(20);
            // Whole numbers, so that many are equal.
            let z: Vec<f32> = (0..rows * classes)
                .map(|_| random.below(9) as f32 - 4.0)
                .collect();
            let y: Vec<u32> = (0..rows).map(|_| random.below(classes) as u32).collect();
            let expected = run(&Device::Cpu, &z, &y, rank);
            for (row, pair) in expected.chunks(2).enumerate() {
                let z = &z[row * classes..(row + 1) * classes];
                let (label, target) = (pair[0] as usize, pair[1] as usize);
                let others = || (0..classes).filter(|&j| j != label);
                assert!(label == y[row] as usize && target != label);
                assert!(others().filter(|&j| z[j] > z[target]).count() <= rank);
                assert!(others().filter(|&j| z[j] >= z[target]).count() > rank);
            }
            if let Some(gpu) = testing::gpu() {
                assert_eq!(run(&gpu, &z, &y, rank), expected, "{rows} x {classes}");
            }
        }
    }

    #[test]
    fn a_rank_beyond_the_other_classes_is_refused() {
        let z = Array::zeros(&Device::Cpu, 2, 3).unwrap();
        let y = Array::zeros(&Device::Cpu, 2, 1).unwrap();
        assert!(rivals(&z, &y, 1).is_ok());
        assert!(matches!(rivals(&z, &y, 2), Err(Error::Shape { .. })));
    }
}
