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

use crate::array::row_grain;
use crate::launch::{Grid, Shader, launch, shader};
use crate::philox::key;
use crate::square::{FIRST_SIGN, Fitted, Image, Window, Windows};
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

/// Writes `candidate` (n x d) from the best points so far (n x d, in the ball) about `x0` (n x d) for the samples `ids`
/// (n x 1). Where `candidate` differs from them in the windows of `before` alone, saying so spares a copy on the CPU.
pub fn square_linf_propose(
    candidate: &mut Array,
    x_best: &Array,
    x0: &Array,
    ids: &Array<u32>,
    windows: &Windows,
    before: Option<&Windows>,
    ball: &Ball,
) -> Result<(), Error> {
    ball.expect_convex(KERNEL)?;
    let now = windows.fit(KERNEL, x0, ids)?;
    let before = before.map(|b| b.fit(KERNEL, x0, ids)).transpose()?;
    let (rows, cols) = (x0.rows(), x0.cols());
    x_best.expect_shape(KERNEL, "x_best", rows, cols)?;
    candidate.expect_shape(KERNEL, "candidate", rows, cols)?;
    if x0.is_empty() {
        return Ok(());
    }
    match x0.device() {
        Device::Cpu => {
            let rows = (
                candidate.host_mut(KERNEL)?.par_chunks_mut(cols),
                x_best.host(KERNEL)?.par_chunks(cols),
                x0.host(KERNEL)?.par_chunks(cols),
                ids.host(KERNEL)?.par_iter(),
            );
            let rows = rows.into_par_iter().with_min_len(row_grain(cols));
            rows.for_each(|(x, best, x0, &id)| {
                match &before {
                    Some(before) => restore(x, best, before, id),
                    None => x.copy_from_slice(best),
                }
                move_window(x, x0, &now, id, ball);
            });
            Ok(())
        }
        Device::Gpu(gpu) => {
            let params = Params {
                seed: key(now.seed),
                iteration: now.iteration,
                rows: rows as u32,
                cols: cols as u32,
                height: now.image.height as u32,
                width: now.image.width as u32,
                window_height: now.size.0 as u32,
                window_width: now.size.1 as u32,
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
            launch(&gpu, &SHADER, &params, &arrays, Grid::Threads(rows * cols))
        }
    }
}

/// Takes a sample's window back.
fn restore(x: &mut [f32], best: &[f32], windows: &Fitted, id: u32) {
    let [window, _] = windows.draws(id).windows(&windows.image, windows.size);
    for (_, line) in lines(window, &windows.image) {
        x[line.clone()].copy_from_slice(&best[line]);
    }
}

/// Moves a window of a sample.
fn move_window(x: &mut [f32], x0: &[f32], windows: &Fitted, id: u32, ball: &Ball) {
    let Ball { eps, lo, hi, .. } = *ball;
    let draws = windows.draws(id);
    let [window, _] = draws.windows(&windows.image, windows.size);
    for (channel, line) in lines(window, &windows.image) {
        let step = 2.0 * eps * draws.sign(FIRST_SIGN + channel);
        for (x, x0) in x[line.clone()].iter_mut().zip(&x0[line]) {
            *x = (*x + step).max(x0 - eps).min(x0 + eps).max(lo).min(hi);
        }
    }
}

/// A window's lines in all channels of a row, each with its channel.
fn lines(window: Window, image: &Image) -> impl Iterator<Item = (usize, Range<usize>)> {
    let (plane, width) = (image.plane(), image.width);
    (0..image.channels).flat_map(move |channel| {
        let lines = window.lines(width);
        lines.map(move |line| {
            (
                channel,
                channel * plane + line.start..channel * plane + line.end,
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Norm;
    use crate::square::Draws;
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
                if !inside {
                    return case.best[i];
                }
                let step = 2.0 * BALL.eps * draws.sign(128 + channel);
                let (low, high) = (case.x0[i] - BALL.eps, case.x0[i] + BALL.eps);
                (case.best[i] + step).clamp(low, high).clamp(0.0, 1.0)
            };
            let expected: Vec<_> = case.pixels().map(value).collect();
            for device in testing::devices() {
                let best = case.matrix(&device, &case.best);
                let (x0, ids) = (case.matrix(&device, &case.x0), case.ids(&device));
                let mut x = x0.copy().unwrap();
                let mut propose = |windows: &Windows, before: Option<&Windows>| {
                    square_linf_propose(&mut x, &best, &x0, &ids, windows, before, &BALL).unwrap();
                    x.to_vec().unwrap()
                };
                let now = case.windows();
                let other = Windows {
                    side: now.side / 2 + 1,
                    iteration: !now.iteration,
                    ..now
                };
                assert_eq!(propose(&now, None), expected, "{case:?} on {device:?}");
                propose(&other, Some(&now));
                assert_eq!(propose(&now, Some(&other)), expected, "{case:?}, again");
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
            let mut moved = x0.copy().unwrap();
            let windows = Windows {
                image,
                side: 2,
                seed: 1,
                iteration: 0,
            };
            square_linf_propose(&mut moved, &low, &x0, &ids, &windows, None, &ball).unwrap();
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
            let mut moved = x0.copy().unwrap();
            let windows = Windows {
                image,
                side: 2,
                seed: 9,
                iteration: 4,
            };
            square_linf_propose(&mut moved, &x0, &x0, &ids, &windows, None, &BALL).unwrap();
            moved.to_vec().unwrap()
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
                let mut moved = x0.copy().unwrap();
                let windows = Windows {
                    image,
                    side,
                    seed: 0,
                    iteration: 0,
                };
                square_linf_propose(&mut moved, &best, &x0, &ids(n), &windows, None, &BALL)?;
                Ok::<_, Error>(moved)
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
