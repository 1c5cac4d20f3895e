//! Square Attack's proposal in the L2 and the L1 ball. Two windows are placed at random. The second is
//! emptied; its share of the length, and what is left of eps, goes to the first, whose new content
//! is its old direction plus the attack's pattern, turned at random and with a random sign for each
//! channel. In L2 the whole is scaled to length eps, then clipped; in L1 the first window gets the length as often as there
//! are channels, and the whole is projected to the ball.
//!
//! Andriushchenko et al. 2020, "Square Attack", arXiv 1912.00049, algorithm 3, with the pattern
//! turned at random, and L1, as in the authors' code in AutoAttack. Unlike there, a window may touch the
//! lower and the right edge (as published), each sample draws its own windows, and where the old
//! direction and the pattern cancel, so that only rounding would be scaled up, the pattern is taken
//! alone.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::philox::key;
use crate::square::square_l2_start::everywhere;
use crate::square::square_pattern::{oriented, patterns};
use crate::square::{Draws, FIRST_SIGN, Fitted, Image, Window, Windows};
use crate::{Array, Ball, Device, Error, Norm, project_l1};

const KERNEL: &str = "square_l2_propose";
const SHADER: Shader = shader!("square_l2_propose", needs "philox", needs "square", needs "reduce");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    seed: [u32; 2],
    iteration: u32,
    rows: u32,
    channels: u32,
    height: u32,
    width: u32,
    window_height: u32,
    window_width: u32,
    l1: u32,
    eps: f32,
    lo: f32,
    hi: f32,
    /// To a multiple of 8 bytes, as the shader's struct.
    padding: u32,
}

/// Length below which the sum of two directions of length 1 is only rounding.
const CANCELLED: f64 = 1e-3;
/// Keeps the quotient by the length of nothing finite.
const GUARD: f64 = 1e-12;

/// Writes `candidate` (n x d) from the best points so far (n x d) about `x0` (n x d) for the samples `ids`
/// (n x 1).
pub fn square_l2_propose(
    candidate: &mut Array,
    x_best: &Array,
    x0: &Array,
    ids: &Array<u32>,
    windows: &Windows,
    ball: &Ball,
) -> Result<(), Error> {
    if ball.norm == Norm::L1 {
        let ball_only = everywhere(ball);
        move_windows(candidate, x_best, x0, ids, windows, &ball_only)?;
        let radius = Array::filled(&x0.device(), x0.rows(), 1, ball.eps)?;
        return project_l1(candidate, x0, &radius, ball);
    }
    move_windows(candidate, x_best, x0, ids, windows, ball)
}

fn move_windows(
    candidate: &mut Array,
    x_best: &Array,
    x0: &Array,
    ids: &Array<u32>,
    windows: &Windows,
    ball: &Ball,
) -> Result<(), Error> {
    ball.expect_convex(KERNEL)?;
    let windows = windows.fit(KERNEL, x0, ids)?;
    let Fitted { image, size, .. } = windows;
    let patterns = patterns(size.0, size.1, ball.norm);
    let (rows, cols) = (x0.rows(), x0.cols());
    x_best.expect_shape(KERNEL, "x_best", rows, cols)?;
    candidate.expect_shape(KERNEL, "candidate", rows, cols)?;
    if x0.is_empty() {
        return Ok(());
    }
    let device = x0.device();
    match &device {
        Device::Cpu => {
            let proposal = Proposal {
                image,
                size,
                patterns: &patterns,
                ball,
            };
            let rows = (
                x_best.host(KERNEL)?.par_chunks(cols),
                x0.host(KERNEL)?.par_chunks(cols),
                ids.host(KERNEL)?.par_iter(),
                candidate.host_mut(KERNEL)?.par_chunks_mut(cols),
            );
            rows.into_par_iter().for_each(|(best, x0, &id, out)| {
                proposal.row(best, x0, out, &windows.draws(id));
            });
            Ok(())
        }
        Device::Gpu(gpu) => {
            let params = params(rows, &windows, ball);
            let patterns = Array::from_vec(&device, 1, patterns.len(), patterns)?;
            let arrays = [
                x_best.buffer(KERNEL, gpu)?,
                x0.buffer(KERNEL, gpu)?,
                ids.buffer(KERNEL, gpu)?,
                patterns.buffer(KERNEL, gpu)?,
                candidate.buffer(KERNEL, gpu)?,
            ];
            launch(gpu, &SHADER, &params, &arrays, Grid::Workgroups(rows))
        }
    }
}

fn params(rows: usize, windows: &Fitted, ball: &Ball) -> Params {
    let Fitted { image, size, .. } = *windows;
    Params {
        seed: key(windows.seed),
        iteration: windows.iteration,
        rows: rows as u32,
        channels: image.channels as u32,
        height: image.height as u32,
        width: image.width as u32,
        window_height: size.0 as u32,
        window_width: size.1 as u32,
        l1: u32::from(ball.norm == Norm::L1),
        eps: ball.eps,
        lo: ball.lo,
        hi: ball.hi,
        padding: 0,
    }
}

/// What makes a proposal for a row.
struct Proposal<'a> {
    image: Image,
    size: (usize, usize),
    patterns: &'a [f32],
    ball: &'a Ball,
}

impl Proposal<'_> {
    fn row(&self, best: &[f32], x0: &[f32], out: &mut [f32], draws: &Draws) {
        let Ball { norm, eps, lo, hi } = *self.ball;
        for ((delta, best), x0) in out.iter_mut().zip(best).zip(x0) {
            *delta = best - x0;
        }
        let measure = Measure {
            l1: norm == Norm::L1,
        };
        let unused = (measure.of(eps) - measure.total(out)).max(0.0) / self.image.channels as f64;
        let times = if measure.l1 {
            self.image.channels as f64
        } else {
            1.0
        };
        let windows = draws.windows(&self.image, self.size);
        let pattern = oriented(self.patterns, draws.bit(FIRST_SIGN));
        for (channel, delta) in out.chunks_exact_mut(self.image.plane()).enumerate() {
            let sign = draws.sign(FIRST_SIGN + 1 + channel);
            let pattern = pattern.iter().map(|bump| sign * bump);
            let length = Length {
                unused,
                times,
                measure,
            };
            move_length(delta, self.image.width, windows, pattern, length);
        }
        let stretch = if measure.l1 {
            1.0
        } else {
            (f64::from(eps) / (GUARD + measure.root(measure.total(out)))) as f32
        };
        for (value, x0) in out.iter_mut().zip(x0) {
            *value = (x0 + stretch * *value).max(lo).min(hi);
        }
    }
}

/// What a length is the root of: squares in L2, magnitudes in L1.
#[derive(Clone, Copy)]
struct Measure {
    l1: bool,
}

impl Measure {
    fn of(self, value: f32) -> f64 {
        let value = f64::from(value);
        if self.l1 { value.abs() } else { value * value }
    }

    fn total(self, values: &[f32]) -> f64 {
        values.iter().map(|&v| self.of(v)).sum()
    }

    fn root(self, total: f64) -> f64 {
        if self.l1 { total } else { total.sqrt() }
    }
}

/// What is added to the measure of a channel's windows, and how often the first gets the length of that.
struct Length {
    unused: f64,
    times: f64,
    measure: Measure,
}

/// Empties the second window of one channel and refills the first with the length of both.
fn move_length(
    delta: &mut [f32],
    stride: usize,
    [filled, emptied]: [Window; 2],
    pattern: impl Iterator<Item = f32> + Clone,
    Length {
        unused,
        times,
        measure,
    }: Length,
) {
    let part = |pixel: usize| measure.of(delta[pixel]);
    let in_filled: f64 = filled.pixels(stride).map(part).sum();
    let only_emptied = emptied
        .pixels(stride)
        .filter(|&pixel| !filled.contains(pixel, stride));
    let length = times * measure.root(unused + in_filled + only_emptied.map(part).sum::<f64>());

    let keep = (1.0 / (GUARD + measure.root(in_filled))) as f32;
    let old = filled.pixels(stride).map(|pixel| keep * delta[pixel]);
    let mut direction: Vec<f32> = pattern
        .clone()
        .zip(old)
        .map(|(bump, old)| bump + old)
        .collect();
    let mut own_length = measure.root(measure.total(&direction));
    if own_length < CANCELLED {
        direction = pattern.collect();
        own_length = 1.0;
    }
    let scale = (length / own_length) as f32;

    emptied.pixels(stride).for_each(|pixel| delta[pixel] = 0.0);
    for (pixel, value) in filled.pixels(stride).zip(direction) {
        delta[pixel] = scale * value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::square::square_pattern::tests::turned_or_not;
    use crate::square::testing::{Case, norm};
    use crate::square_l2_start;
    use crate::testing::{self, assert_close};

    const BALL: Ball = Ball {
        norm: Norm::L2,
        eps: 0.8,
        lo: 0.0,
        hi: 1.0,
    };

    fn proposed(
        best: &Array,
        x0: &Array,
        ids: &Array<u32>,
        windows: &Windows,
        ball: &Ball,
    ) -> Result<Array, Error> {
        let mut candidate = x0.copy()?;
        square_l2_propose(&mut candidate, best, x0, ids, windows, ball)?;
        Ok(candidate)
    }

    /// Algorithm 3 with masks, as in the authors' code.
    fn naive_proposal(case: &Case, best: &[f32], ball: &Ball) -> Vec<f32> {
        let Image {
            channels,
            height,
            width,
        } = case.image;
        let side = case.side as usize;
        let size = (side.min(height), side.min(width));
        let rows = (0..case.rows).flat_map(|row| {
            let draws = Draws::proposal(case.seed, case.ids[row], case.iteration);
            let [filled, emptied] = draws.windows(&case.image, size);
            let inside = |w: &Window, y: usize, x: usize| {
                y >= w.top && y < w.top + size.0 && x >= w.left && x < w.left + size.1
            };
            let mut delta = case.perturbation(row, best);
            let unused = (f64::from(ball.eps).powi(2) - norm(&delta).powi(2)).max(0.0);
            let pattern = turned_or_not(draws.bit(128), size.0, size.1);
            for (channel, plane) in delta.iter_mut().enumerate() {
                let masked = |mask: &dyn Fn(usize, usize) -> bool| -> f64 {
                    let all = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
                    let kept = all.filter(|&(y, x)| mask(y, x));
                    kept.map(|(y, x)| plane[y][x].powi(2)).sum::<f64>().sqrt()
                };
                let window = masked(&|y, x| inside(&filled, y, x));
                let windows = masked(&|y, x| inside(&filled, y, x) || inside(&emptied, y, x));
                let sign = f64::from(draws.sign(129 + channel));
                let mut new = vec![vec![0.0; size.1]; size.0];
                for y in 0..size.0 {
                    for x in 0..size.1 {
                        let old = plane[filled.top + y][filled.left + x] / (1e-12 + window);
                        new[y][x] = sign * pattern[y][x] + old;
                    }
                }
                let mut length = norm(&[new.clone()]);
                if length < 1e-3 {
                    new = pattern
                        .iter()
                        .map(|v| v.iter().map(|v| sign * v).collect())
                        .collect();
                    length = 1.0;
                }
                let scale = (unused / channels as f64 + windows.powi(2)).sqrt() / length;
                for y in 0..height {
                    for x in 0..width {
                        if inside(&filled, y, x) {
                            plane[y][x] = scale * new[y - filled.top][x - filled.left];
                        } else if inside(&emptied, y, x) {
                            plane[y][x] = 0.0;
                        }
                    }
                }
            }
            case.apply(row, &delta, ball)
        });
        rows.collect()
    }

    fn check_proposal(case: &Case, best: &[f32], ball: &Ball, tolerance: f32) {
        let expected = naive_proposal(case, best, ball);
        for device in testing::devices() {
            let (best, x0) = (case.matrix(&device, best), case.matrix(&device, &case.x0));
            let ids = case.ids(&device);
            let candidate = proposed(&best, &x0, &ids, &case.windows(), ball);
            let what = format!("{:?}, side {} on {device:?}", case.image, case.side);
            assert_close(
                &what,
                &candidate.unwrap().to_vec().unwrap(),
                &expected,
                tolerance,
            );
        }
    }

    /// Well inside of the ball, so that what is left of eps is no difference of near equals.
    #[test]
    fn every_device_proposes_the_same_from_inside() {
        for case in Case::all(4) {
            let lengths = (0..case.rows).map(|row| norm(&case.perturbation(row, &case.best)));
            let eps = 1.5 * lengths.fold(0.1, f64::max) as f32;
            let ball = Ball {
                eps,
                lo: -10.0,
                hi: 10.0,
                ..BALL
            };
            check_proposal(&case, &case.best, &ball, 2e-5);
        }
    }

    /// At full length `eps^2 - |delta|^2` is rounding, of order 1e-7 eps^2, and its root is what an
    /// empty window gets.
    #[test]
    fn every_device_proposes_the_same_from_the_surface() {
        for case in Case::all(5) {
            let (x0, ids) = (case.matrix(&Device::Cpu, &case.x0), case.ids(&Device::Cpu));
            let start = square_l2_start(&x0, &ids, case.image, case.seed, &BALL).unwrap();
            check_proposal(&case, &start.to_vec().unwrap(), &BALL, 1e-3 * BALL.eps);
        }
    }

    #[test]
    fn in_l1_proposals_lie_in_the_ball_and_agree_on_every_device() {
        let ball = Ball {
            norm: Norm::L1,
            eps: 1.5,
            ..BALL
        };
        for case in Case::all(9).take(80) {
            let run = |device: &Device, best: &[f32]| {
                let (best, x0) = (case.matrix(device, best), case.matrix(device, &case.x0));
                proposed(&best, &x0, &case.ids(device), &case.windows(), &ball)
                    .unwrap()
                    .to_vec()
                    .unwrap()
            };
            let (x0, ids) = (case.matrix(&Device::Cpu, &case.x0), case.ids(&Device::Cpu));
            let start = square_l2_start(&x0, &ids, case.image, case.seed, &ball).unwrap();
            let start = start.to_vec().unwrap();
            let expected = run(&Device::Cpu, &start);
            assert_ne!(expected, start);
            for row in 0..case.rows {
                let delta = case.perturbation(row, &expected);
                let length: f64 = delta.iter().flatten().flatten().map(|d| d.abs()).sum();
                assert!(length <= 1.5 * (1.0 + 1e-5), "{length}");
            }
            assert!(expected.iter().all(|v| (0.0..=1.0).contains(v)));
            for device in testing::devices() {
                let what = format!("{:?}, side {} on {device:?}", case.image, case.side);
                assert_close(&what, &run(&device, &start), &expected, 1e-3);
            }
        }
    }

    #[test]
    fn proposals_have_length_eps() {
        let ball = Ball {
            lo: -10.0,
            hi: 10.0,
            ..BALL
        };
        for case in Case::all(6).take(40) {
            for device in testing::devices() {
                let (x0, ids) = (case.matrix(&device, &case.x0), case.ids(&device));
                let (image, seed) = (case.image, case.seed);
                let mut x = square_l2_start(&x0, &ids, image, seed, &ball).unwrap();
                for iteration in 0..4 {
                    let data = x.to_vec().unwrap();
                    for row in 0..case.rows {
                        let length = norm(&case.perturbation(row, &data)) as f32;
                        assert_close(&format!("{case:?}"), &[length], &[ball.eps], 1e-5);
                    }
                    let windows = Windows {
                        iteration,
                        ..case.windows()
                    };
                    x = proposed(&x, &x0, &ids, &windows, &ball).unwrap();
                }
            }
        }
    }

    /// One pixel: the old direction is 1 or -1, and so is the pattern. Whether they agree or
    /// cancel, the pattern's sign wins.
    #[test]
    fn a_cancelled_direction_becomes_the_pattern() {
        let image = Image {
            channels: 1,
            height: 1,
            width: 1,
        };
        let ball = Ball {
            norm: Norm::L2,
            eps: 0.3,
            lo: 0.0,
            hi: 1.0,
        };
        let windows = Windows {
            image,
            side: 1,
            seed: 5,
            iteration: 0,
        };
        for device in testing::devices() {
            for old in [0.2, 0.8] {
                let x0 = Array::filled(&device, 30, 1, 0.5).unwrap();
                let best = Array::filled(&device, 30, 1, old).unwrap();
                let ids = Array::from_vec(&device, 30, 1, (0..30).collect()).unwrap();
                let new = proposed(&best, &x0, &ids, &windows, &ball).unwrap();
                let expected = (0..30).map(|id| 0.5 - 0.3 * Draws::proposal(5, id, 0).sign(129));
                let expected: Vec<_> = expected.collect();
                assert_close("pixel", &new.to_vec().unwrap(), &expected, 1e-6);
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
            let array = |rows, cols| Array::<f32>::zeros(&device, rows, cols).unwrap();
            let ids = |rows| Array::<u32>::zeros(&device, rows, 1).unwrap();
            let propose = |best: (usize, usize), x0: (usize, usize), n, side| {
                let (best, x0) = (array(best.0, best.1), array(x0.0, x0.1));
                let windows = Windows {
                    image,
                    side,
                    seed: 0,
                    iteration: 0,
                };
                proposed(&best, &x0, &ids(n), &windows, &BALL)
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
