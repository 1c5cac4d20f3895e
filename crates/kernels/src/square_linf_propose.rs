//! Square Attack's proposal in the Linf ball: one square window, at a random place, moves by 2 eps
//! up or down in each channel, and is projected: so every pixel stays at a corner of the ball (cut
//! with the input range).
//!
//! Andriushchenko, Croce, Flammarion & Hein 2020, "Square Attack", arXiv 1912.00049, algorithm 2.
//! As published, a window may touch the lower and the right edge, which the authors' code leaves
//! out. Each sample draws its own window, the same in whatever batch.

use std::ops::Range;

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::philox::key;
use crate::square::{Draws, FIRST_SIGN, Image, image_of, window_size};
use crate::wide::wide;
use crate::{Array, Ball, Device, Error};

const KERNEL: &str = "square_linf_propose";
const SHADER: Shader = shader!("square_linf_propose", needs "philox", needs "square");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    seed: [u32; 2],
    iteration: u32,
    rows: u32,
    cols: u32,
    height: u32,
    width: u32,
    window_height: u32,
    window_width: u32,
    eps: f32,
    lo: f32,
    hi: f32,
}

/// Candidates (n x d) from the best points so far (n x d) about `x0` (n x d) for the samples `ids`
/// (n x 1). The window is `side` pixels high and wide, cut to the image.
#[expect(
    clippy::too_many_arguments,
    reason = "five of them say which random window this is"
)]
pub fn square_linf_propose(
    x_best: &Array,
    x0: &Array,
    ids: &Array<u32>,
    image: Image,
    side: u32,
    seed: u64,
    iteration: u32,
    ball: &Ball,
) -> Result<Array, Error> {
    ball.expect_convex(KERNEL)?;
    let image = image_of(KERNEL, x0, ids, image)?;
    let size = window_size(KERNEL, &image, side)?;
    let (rows, cols) = (x0.rows(), x0.cols());
    x_best.expect_shape(KERNEL, "x_best", rows, cols)?;
    let device = x0.device();
    let mut candidate = Array::uninit(&device, rows, cols)?;
    match device {
        Device::Cpu => {
            let rows = (
                x_best.host(KERNEL)?.par_chunks(cols),
                x0.host(KERNEL)?.par_chunks(cols),
                ids.host(KERNEL)?.par_iter(),
                candidate.host_mut(KERNEL)?.par_chunks_mut(cols),
            );
            rows.into_par_iter().for_each(|(best, x0, &id, out)| {
                let draws = Draws::proposal(seed, id, iteration);
                propose_row(best, x0, out, &image, size, &draws, ball);
            });
        }
        Device::Gpu(gpu) => {
            let params = Params {
                seed: key(seed),
                iteration,
                rows: rows as u32,
                cols: cols as u32,
                height: image.height as u32,
                width: image.width as u32,
                window_height: size.0 as u32,
                window_width: size.1 as u32,
                eps: ball.eps,
                lo: ball.lo,
                hi: ball.hi,
            };
            let arrays = [
                x_best.buffer(KERNEL, &gpu)?,
                x0.buffer(KERNEL, &gpu)?,
                ids.buffer(KERNEL, &gpu)?,
                candidate.buffer(KERNEL, &gpu)?,
            ];
            launch(&gpu, &SHADER, &params, &arrays, Grid::Threads(rows * cols))?;
        }
    }
    Ok(candidate)
}

/// Writes the best point so far, with a window moved.
fn propose_row(
    best: &[f32],
    x0: &[f32],
    out: &mut [f32],
    image: &Image,
    size: (usize, usize),
    draws: &Draws,
    ball: &Ball,
) {
    let Ball { eps, lo, hi, .. } = *ball;
    let move_by = |step: f32, range: Range<usize>, out: &mut [f32]| {
        let points = out[range.clone()].iter_mut().zip(&best[range.clone()]);
        for ((out, best), x0) in points.zip(&x0[range]) {
            *out = (best + step).max(x0 - eps).min(x0 + eps).max(lo).min(hi);
        }
    };
    wide(
        #[inline(always)]
        || move_by(0.0, 0..out.len(), out),
    );
    let [window, _] = draws.windows(image, size);
    for channel in 0..image.channels {
        let step = 2.0 * eps * draws.sign(FIRST_SIGN + channel);
        for line in window.lines(image.width) {
            let start = channel * image.plane() + line.start;
            move_by(step, start..start + line.len(), out);
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
    fn every_device_proposes_the_same_windows() {
        for case in Case::all(2) {
            let side = case.side as usize;
            let size = (side.min(case.image.height), side.min(case.image.width));
            let value = |Pixel {
                             i,
                             row,
                             channel,
                             y,
                             x,
                         }| {
                let draws = Draws::proposal(case.seed, case.ids[row], case.iteration);
                let [window, _] = draws.windows(&case.image, size);
                let inside = (window.top..window.top + size.0).contains(&y)
                    && (window.left..window.left + size.1).contains(&x);
                let step = if inside {
                    2.0 * BALL.eps * draws.sign(128 + channel)
                } else {
                    0.0
                };
                let (low, high) = (case.x0[i] - BALL.eps, case.x0[i] + BALL.eps);
                (case.best[i] + step).clamp(low, high).clamp(0.0, 1.0)
            };
            let expected: Vec<_> = case.pixels().map(value).collect();
            for device in testing::devices() {
                let best = case.matrix(&device, &case.best);
                let (x0, ids) = (case.matrix(&device, &case.x0), case.ids(&device));
                let candidate = square_linf_propose(
                    &best,
                    &x0,
                    &ids,
                    case.image,
                    case.side,
                    case.seed,
                    case.iteration,
                    &BALL,
                );
                let candidate = candidate.unwrap().to_vec().unwrap();
                assert_eq!(candidate, expected, "{case:?} on {device:?}");
            }
        }
    }

    /// A window as large as the image: every pixel of a channel jumps to the same side.
    #[test]
    fn a_window_over_all_moves_a_channel_by_two_eps() {
        let image = Image {
            channels: 2,
            height: 2,
            width: 2,
        };
        let ball = Ball {
            norm: Norm::Linf,
            eps: 0.1,
            lo: 0.0,
            hi: 1.0,
        };
        for device in testing::devices() {
            let x0 = Array::filled(&device, 20, 8, 0.5).unwrap();
            let low = Array::filled(&device, 20, 8, 0.4).unwrap();
            let ids = Array::from_vec(&device, 20, 1, (0..20).collect()).unwrap();
            let moved = square_linf_propose(&low, &x0, &ids, image, 2, 1, 0, &ball).unwrap();
            let mut seen = [0; 2];
            for channel in moved.to_vec().unwrap().chunks(4) {
                let up = channel[0] > 0.5;
                let expected = if up { 0.6 } else { 0.4 };
                testing::assert_close("channel", channel, &[expected; 4], 1e-6);
                seen[usize::from(up)] += 1;
            }
            assert!(seen.iter().all(|&times| times > 5), "{seen:?}");
        }
    }

    #[test]
    fn a_sample_gets_the_same_in_whatever_batch() {
        let image = Image {
            channels: 1,
            height: 3,
            width: 5,
        };
        let propose = |ids: &[u32]| {
            let x0 = Array::filled(&Device::Cpu, ids.len(), 15, 0.5).unwrap();
            let ids = Array::from_vec(&Device::Cpu, ids.len(), 1, ids.to_vec()).unwrap();
            square_linf_propose(&x0, &x0, &ids, image, 2, 9, 4, &BALL)
                .unwrap()
                .to_vec()
                .unwrap()
        };
        let (all, some) = (propose(&[4, 8, 15, 16]), propose(&[16, 8]));
        assert_eq!(some, [&all[45..60], &all[15..30]].concat());
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let image = Image {
            channels: 1,
            height: 2,
            width: 3,
        };
        for device in testing::devices() {
            let array = |rows, cols| Array::<f32>::zeros(&device, rows, cols).unwrap();
            let ids = |rows| Array::<u32>::zeros(&device, rows, 1).unwrap();
            let propose = |best: (usize, usize), x0: (usize, usize), n, side| {
                let (best, x0) = (array(best.0, best.1), array(x0.0, x0.1));
                square_linf_propose(&best, &x0, &ids(n), image, side, 0, 0, &BALL)
            };
            assert!(propose((2, 6), (2, 6), 2, 1).is_ok());
            assert!(propose((2, 6), (2, 6), 2, 0).is_err());
            assert!(propose((2, 6), (2, 6), 3, 1).is_err());
            assert!(propose((1, 6), (2, 6), 2, 1).is_err());
            assert!(propose((2, 5), (2, 5), 2, 1).is_err());
            assert_eq!(propose((0, 6), (0, 6), 0, 1).unwrap().rows(), 0);
        }
    }
}
