//! Square Attack's start in the L2 and the L1 ball: a centred grid of square tiles, a fifth of the image's
//! shorter side each, that hold the attack's pattern, turned at random and with a random sign for
//! each channel. In L2 the whole has length eps, and is then clipped; in L1 each pattern has length 1, and the whole is
//! projected to the ball.
//!
//! Andriushchenko et al. 2020, "Square Attack", arXiv 1912.00049, section 3.4, as tiled by the
//! authors' code in AutoAttack. Each sample turns its own tiles, the same in whatever batch.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::launch::{Grid, Shader, launch, shader};
use crate::philox::key;
use crate::square::square_pattern::{oriented, patterns};
use crate::square::{Draws, Image, Window, image_of};
use crate::{Array, Ball, Device, Error, Norm, project_l1};

const KERNEL: &str = "square_l2_start";
const SHADER: Shader = shader!("square_l2_start", needs "philox", needs "square");

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    seed: [u32; 2],
    rows: u32,
    cols: u32,
    height: u32,
    width: u32,
    tile: u32,
    scale: f32,
    lo: f32,
    hi: f32,
}

/// Starting points (n x d) about `x0` (n x d) for the samples `ids` (n x 1).
pub fn square_l2_start(
    x0: &Array,
    ids: &Array<u32>,
    image: Image,
    seed: u64,
    ball: &Ball,
) -> Result<Array, Error> {
    if ball.norm == Norm::L1 {
        let mut x = tiled(x0, ids, image, seed, &everywhere(ball))?;
        let radius = Array::filled(&x0.device(), x0.rows(), 1, ball.eps)?;
        project_l1(&mut x, x0, &radius, ball)?;
        return Ok(x);
    }
    tiled(x0, ids, image, seed, ball)
}

/// The ball without the range.
pub(crate) fn everywhere(ball: &Ball) -> Ball {
    Ball {
        lo: f32::MIN,
        hi: f32::MAX,
        ..*ball
    }
}

fn tiled(
    x0: &Array,
    ids: &Array<u32>,
    image: Image,
    seed: u64,
    ball: &Ball,
) -> Result<Array, Error> {
    ball.expect_convex(KERNEL)?;
    let image = image_of(KERNEL, x0, ids, image)?;
    let tiling = Tiling::new(&image);
    let patterns = patterns(tiling.tile, tiling.tile, ball.norm);
    let (rows, cols) = (x0.rows(), x0.cols());
    let device = x0.device();
    let mut candidate = Array::uninit(&device, rows, cols)?;
    match &device {
        Device::Cpu => {
            let start = Start {
                image,
                tiling,
                patterns: &patterns,
                ball,
            };
            let rows = (
                x0.host(KERNEL)?.par_chunks(cols),
                ids.host(KERNEL)?.par_iter(),
                candidate.host_mut(KERNEL)?.par_chunks_mut(cols),
            );
            rows.into_par_iter().for_each(|(x0, &id, out)| {
                start.row(x0, out, &Draws::start(seed, id));
            });
        }
        Device::Gpu(gpu) => {
            let params = Params {
                seed: key(seed),
                rows: rows as u32,
                cols: cols as u32,
                height: image.height as u32,
                width: image.width as u32,
                tile: tiling.tile as u32,
                scale: tiling.scale(&image, ball),
                lo: ball.lo,
                hi: ball.hi,
            };
            let patterns = Array::from_vec(&device, 1, patterns.len(), patterns)?;
            let arrays = [
                x0.buffer(KERNEL, gpu)?,
                ids.buffer(KERNEL, gpu)?,
                patterns.buffer(KERNEL, gpu)?,
                candidate.buffer(KERNEL, gpu)?,
            ];
            launch(gpu, &SHADER, &params, &arrays, Grid::Threads(rows * cols))?;
        }
    }
    Ok(candidate)
}

/// The start's tiles: a centred grid of squares.
struct Tiling {
    tile: usize,
    down: usize,
    across: usize,
}

impl Tiling {
    fn new(image: &Image) -> Self {
        let tile = (image.height.min(image.width) / 5).max(1);
        Tiling {
            tile,
            down: image.height / tile,
            across: image.width / tile,
        }
    }

    fn windows(&self, image: &Image) -> impl Iterator<Item = Window> {
        let Tiling { tile, down, across } = *self;
        let (top, left) = (
            (image.height - down * tile) / 2,
            (image.width - across * tile) / 2,
        );
        (0..down * across).map(move |n| Window {
            top: top + n / across * tile,
            left: left + n % across * tile,
            height: tile,
            width: tile,
        })
    }

    /// In L2, what makes all tiles of all channels, each of length 1, one perturbation of length eps.
    fn scale(&self, image: &Image, ball: &Ball) -> f32 {
        if ball.norm == Norm::L1 {
            return 1.0;
        }
        ball.eps / ((self.down * self.across * image.channels) as f32).sqrt()
    }
}

/// What makes the start of a row.
struct Start<'a> {
    image: Image,
    tiling: Tiling,
    patterns: &'a [f32],
    ball: &'a Ball,
}

impl Start<'_> {
    fn row(&self, x0: &[f32], out: &mut [f32], draws: &Draws) {
        let image = &self.image;
        let scale = self.tiling.scale(image, self.ball);
        out.copy_from_slice(x0);
        for (number, window) in self.tiling.windows(image).enumerate() {
            let first_bit = number * (image.channels + 1);
            let pattern = oriented(self.patterns, draws.bit(first_bit));
            for (channel, plane) in out.chunks_exact_mut(image.plane()).enumerate() {
                let step = scale * draws.sign(first_bit + 1 + channel);
                for (pixel, bump) in window.pixels(image.width).zip(pattern) {
                    plane[pixel] += step * bump;
                }
            }
        }
        for value in out {
            *value = value.max(self.ball.lo).min(self.ball.hi);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::square::square_pattern::tests::turned_or_not;
    use crate::square::testing::{Case, norm};
    use crate::testing::{self, assert_close};

    const BALL: Ball = Ball {
        norm: Norm::L2,
        eps: 0.8,
        lo: 0.0,
        hi: 1.0,
    };

    /// Tile by tile, and the sum scaled by its length.
    fn naive_start(case: &Case, ball: &Ball) -> Vec<f32> {
        let Image {
            channels,
            height,
            width,
        } = case.image;
        let tile = (height.min(width) / 5).max(1);
        let (down, across) = (height / tile, width / tile);
        let rows = (0..case.rows).flat_map(|row| {
            let draws = Draws::start(case.seed, case.ids[row]);
            let mut delta = vec![vec![vec![0.0; width]; height]; channels];
            for number in 0..down * across {
                let bits = number * (channels + 1);
                let pattern = turned_or_not(draws.bit(bits), tile, tile);
                let top = (height - down * tile) / 2 + number / across * tile;
                let left = (width - across * tile) / 2 + number % across * tile;
                for (channel, plane) in delta.iter_mut().enumerate() {
                    let sign = f64::from(draws.sign(bits + 1 + channel));
                    for y in 0..tile {
                        for x in 0..tile {
                            plane[top + y][left + x] = sign * pattern[y][x];
                        }
                    }
                }
            }
            case.apply(row, &delta, ball)
        });
        rows.collect()
    }

    #[test]
    fn every_device_starts_with_tiles() {
        for case in Case::all(3) {
            let expected = naive_start(&case, &BALL);
            for device in testing::devices() {
                let (x0, ids) = (case.matrix(&device, &case.x0), case.ids(&device));
                let start = square_l2_start(&x0, &ids, case.image, case.seed, &BALL).unwrap();
                let what = format!("{:?} on {device:?}", case.image);
                assert_close(&what, &start.to_vec().unwrap(), &expected, 1e-6);
            }
        }
    }

    #[test]
    fn starts_have_length_eps() {
        let ball = Ball {
            lo: -10.0,
            hi: 10.0,
            ..BALL
        };
        for case in Case::all(6) {
            let (x0, ids) = (case.matrix(&Device::Cpu, &case.x0), case.ids(&Device::Cpu));
            let start = square_l2_start(&x0, &ids, case.image, case.seed, &ball).unwrap();
            let start = start.to_vec().unwrap();
            for row in 0..case.rows {
                let length = norm(&case.perturbation(row, &start)) as f32;
                assert_close(&format!("{case:?}"), &[length], &[ball.eps], 1e-5);
            }
        }
    }

    #[test]
    fn in_l1_tiles_are_projected() {
        let ball = Ball {
            norm: Norm::L1,
            ..BALL
        };
        for case in Case::all(8).take(60) {
            let unbounded = everywhere(&ball);
            for device in testing::devices() {
                let (x0, ids) = (case.matrix(&device, &case.x0), case.ids(&device));
                let (image, seed) = (case.image, case.seed);
                let raw = tiled(&x0, &ids, image, seed, &unbounded).unwrap();
                let tiles = Tiling::new(&image.fit("", x0.cols()).unwrap());
                let whole = (tiles.down * tiles.across * image.channels) as f32;
                for (row, &id) in case.ids.iter().enumerate() {
                    let delta = case.perturbation(row, &raw.to_vec().unwrap());
                    let length: f64 = delta.iter().flatten().flatten().map(|d| d.abs()).sum();
                    assert_close(&format!("{id}"), &[length as f32], &[whole], 1e-4);
                }
                let mut expected = raw;
                let radius = Array::filled(&device, case.rows, 1, ball.eps).unwrap();
                project_l1(&mut expected, &x0, &radius, &ball).unwrap();
                let start = square_l2_start(&x0, &ids, image, seed, &ball).unwrap();
                assert_eq!(start.to_vec().unwrap(), expected.to_vec().unwrap());
            }
        }
    }

    #[test]
    fn a_column_is_a_row() {
        let x0 = Array::filled(&Device::Cpu, 3, 11, 0.5).unwrap();
        let ids = Array::from_vec(&Device::Cpu, 3, 1, vec![0, 1, 2]).unwrap();
        let run = |height, width| {
            let image = Image {
                channels: 1,
                height,
                width,
            };
            square_l2_start(&x0, &ids, image, 7, &BALL)
                .unwrap()
                .to_vec()
                .unwrap()
        };
        assert_eq!(run(11, 1), run(1, 11));
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
            assert!(square_l2_start(&x0(2, 5), &ids(2), image, 0, &BALL).is_err());
            assert!(square_l2_start(&x0(2, 6), &ids(3), image, 0, &BALL).is_err());
            let none = square_l2_start(&x0(0, 6), &ids(0), image, 0, &BALL).unwrap();
            assert_eq!(none.rows(), 0);
        }
    }
}
