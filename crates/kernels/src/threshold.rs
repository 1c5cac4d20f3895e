//! How much of each row to cut off, so that the rest has a given L1 norm or a given number of elements: the projections to
//! an L1 ball (Duchi et al. 2008) and an L0 ball, together with [`Zip::Shrink`](crate::Zip) and [`Zip::Keep`](crate::Zip).
//!
//! Nothing is sorted: floats above 0 order as their bits do, so a bisection of the bits finds the threshold in 31 rounds.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::{Array, Device, Error};

const KERNEL: &str = "threshold";
const SHADER: Shader = shader!("threshold", needs "reduce");

/// What a row's limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// The sum of `max(|x| - t, 0)`.
    Soft = 0,
    /// The number of `|x| > t`.
    Hard = 1,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    cols: u32,
    kind: u32,
}

/// The smallest `t >= 0` of each row of `x` (n x d) for which what is left above it is at most its limit (n x 1, not
/// negative); n x 1. 0 for a row that holds Inf or NaN.
pub fn threshold(x: &Array, limits: &Array, kind: Threshold) -> Result<Array, Error> {
    let (rows, cols, device) = (x.rows(), x.cols(), x.device());
    limits.expect_shape(KERNEL, "limits", rows, 1)?;
    if x.is_empty() {
        return Array::zeros(&device, rows, 1);
    }
    let mut thresholds = Array::uninit(&device, rows, 1)?;
    match &device {
        Device::Cpu => {
            let (x, limits) = (x.host(KERNEL)?.par_chunks(cols), limits.host(KERNEL)?);
            let out = thresholds.host_mut(KERNEL)?.par_iter_mut();
            out.zip(x)
                .zip(limits)
                .for_each(|((out, x), &limit)| *out = twin(x, limit, kind));
        }
        Device::Gpu(gpu) => {
            let params = Params {
                rows: rows as u32,
                cols: cols as u32,
                kind: kind as u32,
            };
            let arrays = [
                x.buffer(KERNEL, gpu)?,
                limits.buffer(KERNEL, gpu)?,
                thresholds.buffer(KERNEL, gpu)?,
            ];
            launch(gpu, &SHADER, &params, &arrays, Grid::Workgroups(rows))?;
        }
    }
    Ok(thresholds)
}

fn twin(x: &[f32], limit: f32, kind: Threshold) -> f32 {
    let fits = |bits| left(x, f32::from_bits(bits), kind) <= f64::from(limit);
    let top = x.iter().map(|v| v.abs().to_bits()).max().unwrap_or(0);
    if top >= f32::INFINITY.to_bits() || fits(0) {
        return 0.0;
    }
    // `high` fits, `low` does not.
    let (mut low, mut high) = (0, top);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    f32::from_bits(high)
}

fn left(x: &[f32], t: f32, kind: Threshold) -> f64 {
    let above = x.iter().map(|v| v.abs()).filter(|&v| v > t);
    match kind {
        Threshold::Soft => above.map(|v| f64::from(v - t)).sum(),
        Threshold::Hard => above.count() as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random};
    use crate::{Reduce, Zip, reduce_rows, zip};

    /// What the cut leaves, over the limit: at most 1, and, if anything was cut, no less than it must be.
    #[test]
    fn what_is_left_is_the_limit_on_every_device() {
        let mut random = Random::new(53);
        for (case, (rows, cols)) in testing::shapes(54).into_iter().enumerate() {
            let kind = [Threshold::Soft, Threshold::Hard][case % 2];
            let (cut, norm) = match kind {
                Threshold::Soft => (Zip::Shrink, Reduce::L1),
                Threshold::Hard => (Zip::Keep, Reduce::L0),
            };
            let x = random.floats(rows * cols, -1.0, 1.0);
            let limits: Vec<f32> = (0..rows)
                .map(|_| match kind {
                    Threshold::Soft => random.within(0.0, 0.6 * cols as f32),
                    Threshold::Hard => random.below(cols + 1) as f32,
                })
                .collect();
            for device in testing::devices() {
                let mut kept = Array::from_vec(&device, rows, cols, x.clone()).unwrap();
                let before = reduce_rows(&kept, norm).unwrap().to_vec().unwrap();
                let limit = Array::from_vec(&device, rows, 1, limits.clone()).unwrap();
                let t = threshold(&kept, &limit, kind).unwrap();
                zip(&mut kept, cut, &t).unwrap();
                let after = reduce_rows(&kept, norm).unwrap().to_vec().unwrap();
                for row in 0..rows {
                    let expected = before[row].min(limits[row]);
                    let error = (after[row] - expected).abs();
                    // Two elements that are equal stay or go together.
                    let slack = if kind == Threshold::Soft {
                        1e-5 * cols as f32
                    } else {
                        1.0
                    };
                    assert!(
                        error <= slack && after[row] <= limits[row] + 1e-5 * cols as f32,
                        "{kind:?} on {device:?}: {} of {}, limit {}",
                        after[row],
                        before[row],
                        limits[row]
                    );
                }
            }
        }
    }

    #[test]
    fn table() {
        let x = vec![3.0, -1.0, 0.5, 0.0];
        for device in testing::devices() {
            for (kind, limit, expected) in [
                (Threshold::Soft, 4.5, 0.0),
                (Threshold::Soft, 3.0, 0.5),
                (Threshold::Soft, 1.0, 2.0),
                (Threshold::Soft, 0.0, 3.0),
                (Threshold::Hard, 3.0, 0.0),
                (Threshold::Hard, 2.0, 0.5),
                (Threshold::Hard, 1.0, 1.0),
                (Threshold::Hard, 0.0, 3.0),
            ] {
                let x = Array::from_vec(&device, 1, 4, x.clone()).unwrap();
                let limit = Array::filled(&device, 1, 1, limit).unwrap();
                let got = threshold(&x, &limit, kind).unwrap().to_vec().unwrap();
                assert!(
                    (got[0] - expected).abs() < 1e-6,
                    "{kind:?}: {got:?}, not {expected}"
                );
            }
            for odd in [f32::NAN, f32::INFINITY] {
                let x = Array::from_vec(&device, 1, 2, vec![odd, 1.0]).unwrap();
                let limit = Array::filled(&device, 1, 1, 0.5).unwrap();
                let got = threshold(&x, &limit, Threshold::Soft).unwrap();
                assert_eq!(got.to_vec().unwrap(), [0.0]);
            }
        }
    }
}
