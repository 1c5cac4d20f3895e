//! Square Attack's start in the Linf ball: vertical stripes. Each column of each channel moves by
//! +eps or -eps at random, and is then clipped.
//!
//! Andriushchenko, Croce, Flammarion & Hein 2020, "Square Attack", arXiv 1912.00049, section 3.3.
//! Each sample draws its own signs, the same in whatever batch.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::philox::key;
use crate::square::{Draws, Image, image_of};
use crate::{Array, Ball, Device, Error};

const KERNEL: &str = "square_linf_start";
const SHADER: Shader = shader!("square_linf_start", needs "philox", needs "square");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    seed: [u32; 2],
    rows: u32,
    cols: u32,
    plane: u32,
    width: u32,
    eps: f32,
    lo: f32,
    hi: f32,
}

/// Starting points (n x d) about `x0` (n x d) for the samples `ids` (n x 1).
pub fn square_linf_start(
    x0: &Array,
    ids: &Array<u32>,
    image: Image,
    seed: u64,
    ball: &Ball,
) -> Result<Array, Error> {
    ball.expect_convex(KERNEL)?;
    let image = image_of(KERNEL, x0, ids, image)?;
    let (rows, cols) = (x0.rows(), x0.cols());
    let device = x0.device();
    let mut candidate = Array::uninit(&device, rows, cols)?;
    match device {
        Device::Cpu => {
            let rows = (
                x0.host(KERNEL)?.par_chunks(cols),
                ids.host(KERNEL)?.par_iter(),
                candidate.host_mut(KERNEL)?.par_chunks_mut(cols),
            );
            rows.into_par_iter().for_each(|(x0, &id, out)| {
                start_row(x0, out, &image, &Draws::start(seed, id), ball);
            });
        }
        Device::Gpu(gpu) => {
            let params = Params {
                seed: key(seed),
                rows: rows as u32,
                cols: cols as u32,
                plane: image.plane() as u32,
                width: image.width as u32,
                eps: ball.eps,
                lo: ball.lo,
                hi: ball.hi,
            };
            let arrays = [
                x0.buffer(KERNEL, &gpu)?,
                ids.buffer(KERNEL, &gpu)?,
                candidate.buffer(KERNEL, &gpu)?,
            ];
            launch(&gpu, &SHADER, &params, &arrays, Grid::Threads(rows * cols))?;
        }
    }
    Ok(candidate)
}

fn start_row(x0: &[f32], out: &mut [f32], image: &Image, draws: &Draws, ball: &Ball) {
    let stripes = image.channels * image.width;
    let steps: Vec<f32> = (0..stripes).map(|k| ball.eps * draws.sign(k)).collect();
    let planes = out
        .chunks_exact_mut(image.plane())
        .zip(x0.chunks_exact(image.plane()));
    for ((out, x0), steps) in planes.zip(steps.chunks_exact(image.width)) {
        for ((out, x0), step) in out.iter_mut().zip(x0).zip(steps.iter().cycle()) {
            *out = (x0 + step).max(ball.lo).min(ball.hi);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Norm;
    use crate::square::testing::{Case, Pixel};
    use crate::testing;

    const BALL: Ball = Ball {
        norm: Norm::Linf,
        eps: 0.3,
        lo: 0.0,
        hi: 1.0,
    };

    #[test]
    fn every_device_starts_with_stripes() {
        for case in Case::all(1) {
            let value = |Pixel {
                             i, row, channel, x, ..
                         }| {
                let stripe = channel * case.image.width + x;
                let sign = Draws::start(case.seed, case.ids[row]).sign(stripe);
                (case.x0[i] + sign * BALL.eps).clamp(0.0, 1.0)
            };
            let expected: Vec<_> = case.pixels().map(value).collect();
            for device in testing::devices() {
                let (x0, ids) = (case.matrix(&device, &case.x0), case.ids(&device));
                let start = square_linf_start(&x0, &ids, case.image, case.seed, &BALL).unwrap();
                assert_eq!(start.to_vec().unwrap(), expected, "{case:?} on {device:?}");
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let image = Image {
            channels: 1,
            height: 2,
            width: 3,
        };
        for device in testing::devices() {
            let x0 = |rows, cols| Array::<f32>::zeros(&device, rows, cols).unwrap();
            let ids = |rows| Array::<u32>::zeros(&device, rows, 1).unwrap();
            assert!(square_linf_start(&x0(2, 5), &ids(2), image, 0, &BALL).is_err());
            assert!(square_linf_start(&x0(2, 6), &ids(3), image, 0, &BALL).is_err());
            let none = square_linf_start(&x0(0, 6), &ids(0), image, 0, &BALL).unwrap();
            assert_eq!(none.rows(), 0);
        }
    }
}
