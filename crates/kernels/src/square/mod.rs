//! What the Square Attack kernels share: the image behind a row, windows in it, and the random
//! numbers of a sample. Twin of `square.wgsl`.

pub mod square_l2_propose;
pub mod square_l2_start;
pub mod square_linf_propose;
pub mod square_linf_start;
mod square_pattern;

use std::ops::Range;

use crate::philox::{key, philox4x32};
use crate::{Array, Error};

/// How a row is read as an image: channel by channel, line by line. A sample of `d` values that is
/// no image is `{1, 1, d}` or `{1, d, 1}`; both are treated alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

impl Image {
    /// What is no image: one row of `width` features.
    pub fn row(width: usize) -> Self {
        Self {
            channels: 1,
            height: 1,
            width,
        }
    }

    /// Pixels of one channel.
    pub(crate) fn plane(&self) -> usize {
        self.height * self.width
    }

    /// This image as the image of a row of `cols` values, or why it cannot be.
    ///
    /// An image one pixel wide is laid on its side, so that a stripe is a pixel.
    pub(crate) fn fit(self, kernel: &'static str, cols: usize) -> Result<Image, Error> {
        let Image {
            channels,
            height,
            width,
        } = self;
        let pixels = channels
            .checked_mul(height)
            .and_then(|n| n.checked_mul(width));
        // Twice the columns number the random bits of a sample, in 32 bits.
        if pixels != Some(cols) || cols == 0 || cols > (u32::MAX / 2) as usize {
            return Err(Error::Shape {
                kernel,
                expected: format!("rows of {channels} x {height} x {width} values"),
                got: format!("rows of {cols}"),
            });
        }
        Ok(if width == 1 {
            Image {
                channels,
                height: 1,
                width: height,
            }
        } else {
            self
        })
    }
}

/// A rectangle of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub top: usize,
    pub left: usize,
    pub height: usize,
    pub width: usize,
}

impl Window {
    /// Its lines, as positions in a plane of lines `stride` long.
    pub fn lines(self, stride: usize) -> impl Iterator<Item = Range<usize>> {
        let starts = (self.top..self.top + self.height).map(move |y| y * stride + self.left);
        starts.map(move |start| start..start + self.width)
    }

    /// Its pixels, line by line, as positions in a plane of lines `stride` long.
    pub fn pixels(self, stride: usize) -> impl Iterator<Item = usize> {
        self.lines(stride).flatten()
    }

    pub fn contains(&self, pixel: usize, stride: usize) -> bool {
        let (y, x) = (pixel / stride, pixel % stride);
        (self.top..self.top + self.height).contains(&y)
            && (self.left..self.left + self.width).contains(&x)
    }
}

/// Height and width of a window of `side` pixels each way, cut to the image.
fn window_size(kernel: &'static str, image: &Image, side: u32) -> Result<(usize, usize), Error> {
    if side == 0 {
        return Err(Error::Shape {
            kernel,
            expected: "a window side of at least 1 pixel".into(),
            got: "0".into(),
        });
    }
    let side = side as usize;
    Ok((side.min(image.height), side.min(image.width)))
}

/// The image of the rows of `x0` (n x d), when `ids` (n x 1) fit too.
pub(crate) fn image_of(
    kernel: &'static str,
    x0: &Array,
    ids: &Array<u32>,
    image: Image,
) -> Result<Image, Error> {
    ids.expect_shape(kernel, "ids", x0.rows(), 1)?;
    image.fit(kernel, x0.cols())
}

/// Which random windows the proposals of an iteration move, each sample its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    pub image: Image,
    /// Pixels that a window is high and wide, cut to the image.
    pub side: u32,
    pub seed: u64,
    pub iteration: u32,
}

impl Windows {
    /// These windows in the rows of `x0` (n x d) for the samples `ids` (n x 1), when they fit.
    pub(crate) fn fit(
        &self,
        kernel: &'static str,
        x0: &Array,
        ids: &Array<u32>,
    ) -> Result<Fitted, Error> {
        let image = image_of(kernel, x0, ids, self.image)?;
        Ok(Fitted {
            image,
            size: window_size(kernel, &image, self.side)?,
            seed: self.seed,
            iteration: self.iteration,
        })
    }
}

/// Windows that are known to fit.
#[derive(Clone, Copy)]
pub(crate) struct Fitted {
    pub image: Image,
    /// Height and width.
    pub size: (usize, usize),
    pub seed: u64,
    pub iteration: u32,
}

impl Fitted {
    pub fn draws(&self, id: u32) -> Draws {
        Draws::proposal(self.seed, id, self.iteration)
    }
}

/// The first 128 bits of a proposal place its windows.
pub(crate) const FIRST_SIGN: usize = 128;

/// The random numbers of one sample in one iteration, the same on every device and in every batch.
pub(crate) struct Draws {
    seed: u64,
    id: u32,
    iteration: u32,
    stream: Stream,
}

/// The last counter word: keeps the attack's phases apart.
#[derive(Clone, Copy)]
enum Stream {
    Start = 1,
    Proposal = 2,
}

impl Draws {
    pub fn start(seed: u64, id: u32) -> Self {
        Draws {
            seed,
            id,
            iteration: 0,
            stream: Stream::Start,
        }
    }

    pub fn proposal(seed: u64, id: u32, iteration: u32) -> Self {
        Draws {
            seed,
            id,
            iteration,
            stream: Stream::Proposal,
        }
    }

    /// The four words of block `n`.
    fn block(&self, n: usize) -> [u32; 4] {
        philox4x32(
            [n as u32, self.id, self.iteration, self.stream as u32],
            key(self.seed),
        )
    }

    /// Bit number `k` of the sample's stream.
    pub fn bit(&self, k: usize) -> bool {
        let word = self.block(k / 128)[k / 32 % 4];
        word >> (k % 32) & 1 == 1
    }

    /// Bit number `k` as -1 or 1.
    pub fn sign(&self, k: usize) -> f32 {
        if self.bit(k) { 1.0 } else { -1.0 }
    }

    /// Two windows of one size, each placed uniformly in the image.
    pub fn windows(&self, image: &Image, (height, width): (usize, usize)) -> [Window; 2] {
        let place = |down: u32, across: u32| Window {
            top: below(down, image.height - height + 1),
            left: below(across, image.width - width + 1),
            height,
            width,
        };
        let words = self.block(0);
        [place(words[0], words[1]), place(words[2], words[3])]
    }
}

/// A random word as a number in `0..n`.
fn below(word: u32, n: usize) -> usize {
    ((u64::from(word) * n as u64) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_fits_its_rows_only() {
        let image = Image {
            channels: 3,
            height: 4,
            width: 5,
        };
        assert_eq!(image.fit("square", 60).unwrap(), image);
        let error = image.fit("square", 59).unwrap_err().to_string();
        assert_eq!(
            error,
            "square: expected rows of 3 x 4 x 5 values, got rows of 59"
        );
        let column = Image {
            channels: 2,
            height: 7,
            width: 1,
        };
        assert_eq!(
            column.fit("square", 14).unwrap(),
            Image {
                channels: 2,
                height: 1,
                width: 7
            }
        );
        assert!(
            Image {
                channels: usize::MAX,
                height: 2,
                width: 1
            }
            .fit("square", 0)
            .is_err()
        );
        assert!(
            Image {
                channels: 0,
                height: 2,
                width: 1
            }
            .fit("square", 0)
            .is_err()
        );
    }

    #[test]
    fn a_window_is_cut_to_the_image() {
        let image = Image {
            channels: 1,
            height: 4,
            width: 9,
        };
        for (side, expected) in [(1, (1, 1)), (4, (4, 4)), (6, (4, 6)), (u32::MAX, (4, 9))] {
            assert_eq!(window_size("square", &image, side).unwrap(), expected);
        }
        assert!(window_size("square", &image, 0).is_err());
    }

    /// Chi-squared over the 20 places of a 2 x 3 window in a 5 x 7 image: with 19 degrees of
    /// freedom one in a thousand exceeds 43.8.
    #[test]
    fn every_place_is_equally_likely() {
        let image = Image {
            channels: 1,
            height: 5,
            width: 7,
        };
        let mut counts = [[0u32; 20]; 2];
        for iteration in 0..4000 {
            let windows = Draws::proposal(7, iteration % 5, iteration).windows(&image, (2, 3));
            for (count, window) in counts.iter_mut().zip(windows) {
                count[window.top * 5 + window.left] += 1;
            }
        }
        for count in counts {
            let chi: f64 = count
                .iter()
                .map(|&n| (f64::from(n) - 200.0).powi(2) / 200.0)
                .sum();
            assert!(chi < 43.8, "{chi}: {count:?}");
        }
    }

    /// 6000 fair coins have a standard deviation of 39.
    #[test]
    fn signs_are_fair_and_differ_between_samples_iterations_and_phases() {
        let draws = |id, iteration| Draws::proposal(3, id, iteration);
        let heads = (0..6000).filter(|&k| draws(0, 0).bit(k)).count();
        assert!((2850..3150).contains(&heads), "{heads}");
        let agree = |a: &Draws, b: &Draws| (0..6000).filter(|&k| a.bit(k) == b.bit(k)).count();
        for other in [
            draws(1, 0),
            draws(0, 1),
            Draws::start(3, 0),
            Draws::proposal(4, 0, 0),
        ] {
            let agreements = agree(&draws(0, 0), &other);
            assert!((2850..3150).contains(&agreements), "{agreements}");
        }
    }
}

/// Random calls of the kernels, for their tests.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::testing::Random;
    use crate::{Ball, Device};

    #[derive(Debug)]
    pub struct Case {
        pub rows: usize,
        pub image: Image,
        pub side: u32,
        pub seed: u64,
        pub iteration: u32,
        pub ids: Vec<u32>,
        pub x0: Vec<f32>,
        /// Within 0.3 of `x0` in each element.
        pub best: Vec<f32>,
    }

    impl Case {
        /// 256 of them: flat samples, single pixels, many channels, and windows larger than the
        /// image among them. No image is one pixel wide, so that tests need not turn it.
        pub fn all(seed: u64) -> impl Iterator<Item = Case> {
            let mut random = Random::new(seed);
            (0..256).map(move |number| {
                let image = match number % 4 {
                    0 => Image {
                        channels: 1,
                        height: 1,
                        width: 2 + random.below(600),
                    },
                    1 => Image {
                        channels: 1 + random.below(200),
                        height: 2,
                        width: 3,
                    },
                    _ => Image {
                        channels: 1 + random.below(4),
                        height: 1 + random.below(20),
                        width: 2 + random.below(20),
                    },
                };
                Case::random(&mut random, image)
            })
        }

        pub fn random(random: &mut Random, image: Image) -> Case {
            let rows = 1 + random.below(6);
            let len = rows * image.channels * image.plane();
            let x0 = random.floats(len, 0.0, 1.0);
            let best = x0
                .iter()
                .map(|x| (x + random.within(-0.3, 0.3)).clamp(0.0, 1.0));
            Case {
                rows,
                image,
                best: best.collect(),
                x0,
                side: 1 + random.below(24) as u32,
                seed: (u64::from(random.word()) << 32) | u64::from(random.word()),
                iteration: random.word(),
                ids: (0..rows).map(|_| random.word()).collect(),
            }
        }

        pub fn windows(&self) -> Windows {
            Windows {
                image: self.image,
                side: self.side,
                seed: self.seed,
                iteration: self.iteration,
            }
        }

        pub fn matrix(&self, device: &Device, data: &[f32]) -> Array {
            Array::from_vec(device, self.rows, data.len() / self.rows, data.to_vec()).unwrap()
        }

        pub fn ids(&self, device: &Device) -> Array<u32> {
            Array::from_vec(device, self.rows, 1, self.ids.clone()).unwrap()
        }

        /// All elements in row order.
        pub fn pixels(&self) -> impl Iterator<Item = Pixel> {
            let Image {
                channels,
                height,
                width,
            } = self.image;
            (0..self.x0.len()).map(move |i| Pixel {
                i,
                row: i / (channels * height * width),
                channel: i / (height * width) % channels,
                y: i / width % height,
                x: i % width,
            })
        }

        /// `x - x0` of one row, where `x` holds all rows.
        pub fn perturbation(&self, row: usize, x: &[f32]) -> Vec<Plane> {
            let cols = self.x0.len() / self.rows;
            let pairs = x.iter().zip(&self.x0).skip(row * cols).take(cols);
            let delta: Vec<_> = pairs
                .map(|(&x, &x0)| f64::from(x) - f64::from(x0))
                .collect();
            let lines = |plane: &[f64]| plane.chunks(self.image.width).map(<[_]>::to_vec).collect();
            delta.chunks(self.image.plane()).map(lines).collect()
        }

        /// A row's `x0` plus `delta` scaled to length eps, clipped.
        pub fn apply(&self, row: usize, delta: &[Plane], ball: &Ball) -> Vec<f32> {
            let scale = f64::from(ball.eps) / norm(delta);
            let x0 = &self.x0[row * self.x0.len() / self.rows..];
            let moved = delta.iter().flatten().flatten().zip(x0);
            let moved = moved.map(|(d, &x0)| (f64::from(x0) + scale * d) as f32);
            moved.map(|x| x.clamp(ball.lo, ball.hi)).collect()
        }
    }

    /// Where an element of the rows lies: its position in the data, then in the image.
    pub struct Pixel {
        pub i: usize,
        pub row: usize,
        pub channel: usize,
        pub y: usize,
        pub x: usize,
    }

    /// The lines of one channel.
    pub type Plane = Vec<Vec<f64>>;

    pub fn norm(planes: &[Plane]) -> f64 {
        planes
            .iter()
            .flatten()
            .flatten()
            .map(|v| v * v)
            .sum::<f64>()
            .sqrt()
    }
}
