//! Common corruptions: what weather, lenses, compression and a careless camera do to an image, at severities 1 to 5. Nothing is
//! optimised and there is no ball: the budget of such a plan is the severity.
//!
//! Hendrycks & Dietterich 2019, <https://arxiv.org/abs/1903.12261>, with their parameters: those of CIFAR-10-C for images
//! of less than 64 pixels a side, those of ImageNet-C for larger ones.

pub mod blur;
pub mod digital;
pub mod geometry;
pub mod jpeg;
pub mod light;
pub mod noise;
mod picture;
pub mod weather;

use rayon::prelude::*;
use scoville_kernels::Array;
use scoville_targets::Labels;

use crate::registry::{Access, Algorithm, MANUAL, Row, Values};
use crate::{Budget, Error, LabelsOnly, Search};
pub use picture::{Draws, Picture};

/// The severities there are.
pub const SEVERITIES: [f64; 5] = [1.0, 2.0, 3.0, 4.0, 5.0];

const HENDRYCKS: &str = "Hendrycks 2019, arXiv:1903.12261";

/// Images of a shorter side than this take the parameters that were made for 32 pixels.
const SMALL: usize = 64;

/// How hard an image is hit.
#[derive(Debug, Clone, Copy)]
pub struct Level {
    step: usize,
    small: bool,
}

impl Level {
    /// Severity 1 to 5 for an image whose shorter side is `side`.
    pub fn new(severity: usize, side: usize) -> Self {
        Self {
            step: severity.clamp(1, SEVERITIES.len()) - 1,
            small: side < SMALL,
        }
    }

    /// The parameter at this severity, of those for small and for large images.
    fn of<T: Copy>(self, small: [T; 5], large: [T; 5]) -> T {
        let all = if self.small { small } else { large };
        all[self.step]
    }
}

/// Changes an image to the given level.
type Change = fn(&mut Picture, Level, &mut Draws);

/// One kind of corruption. Costs one query a sample.
pub struct Corruption {
    change: Change,
}

impl Corruption {
    /// The images of `x`, row after row, corrupted at the severity that stands for the ball's radius.
    fn corrupted(&self, search: &Search<'_>) -> Result<Vec<f32>, Error> {
        let image = search.image;
        let level = Level::new(
            search.ball.eps.round() as usize,
            image.height.min(image.width),
        );
        let (mut x, ids) = (search.x0.to_vec()?, search.ids.to_vec()?);
        let rows = x.par_chunks_mut(search.x0.cols()).zip(ids);
        let (seed, ball, change) = (search.seed, search.ball, self.change);
        rows.for_each(|(row, id)| {
            let mut picture = Picture::new(image, row);
            change(&mut picture, level, &mut Draws::new(seed, id));
            let values = row.iter_mut().zip(&picture.values);
            values.for_each(|(to, &from)| *to = from.max(ball.lo).min(ball.hi));
        });
        Ok(x)
    }
}

impl LabelsOnly for Corruption {
    fn run(&self, search: &mut Search<'_>, target: &dyn Labels) -> Result<(), Error> {
        search.heed_stop()?;
        let (n, cols) = (search.x0.rows(), search.x0.cols());
        let x = Array::from_vec(&search.device(), n, cols, self.corrupted(search)?)?;
        search.offer(&x, &target.labels(&x)?)
    }
}

const fn row(
    name: &'static str,
    summary: &'static str,
    paper: &'static str,
    build: fn(&Values) -> Algorithm,
) -> Row {
    Row {
        name,
        summary,
        technique: MANUAL,
        access: Access::Labels,
        budget: Budget::Severity,
        least_classes: 2,
        parameters: &[],
        paper,
        build,
    }
}

fn corruption(change: Change) -> Algorithm {
    Algorithm::LabelsOnly(Box::new(Corruption { change }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use scoville_kernels::Image;

    /// A grey or coloured scene with edges, a gradient and a fine texture.
    fn scene(channels: usize, side: usize) -> Vec<f32> {
        let pixel = |c: usize, y: usize, x: usize| {
            let inside = (side / 4..side / 2).contains(&y) && (side / 3..2 * side / 3).contains(&x);
            let ramp =
                0.8 * (x + y) as f32 / (2 * side) as f32 + 0.2 * ((x * 3 + y * 5) % 4) as f32 / 3.0;
            if inside { 0.9 - 0.3 * c as f32 } else { ramp }
        };
        let mut values = Vec::new();
        for c in 0..channels {
            for y in 0..side {
                values.extend((0..side).map(|x| pixel(c, y, x)));
            }
        }
        values
    }

    fn run(change: Change, channels: usize, severity: usize) -> f64 {
        let side = 32;
        let image = Image {
            channels,
            height: side,
            width: side,
        };
        let clean = scene(channels, side);
        let distance = |id: u32| {
            let mut picture = Picture::new(image, &clean);
            change(
                &mut picture,
                Level::new(severity, side),
                &mut Draws::new(3, id),
            );
            assert!(picture.values.iter().all(|v| v.is_finite()));
            let moved = picture.values.iter().zip(&clean);
            moved.map(|(a, b)| f64::from((a - b).abs())).sum::<f64>() / clean.len() as f64
        };
        (0..8).map(distance).sum::<f64>() / 8.0
    }

    #[test]
    fn every_corruption_changes_an_image_and_more_so_when_severe() {
        let all: [(&str, Change); 20] = [
            ("gaussian noise", noise::gaussian),
            ("shot noise", noise::shot),
            ("impulse noise", noise::impulse),
            ("speckle noise", noise::speckle),
            ("gaussian blur", blur::gaussian),
            ("defocus blur", blur::defocus),
            ("motion blur", blur::motion),
            ("zoom blur", blur::zoom),
            ("glass blur", blur::glass),
            ("snow", weather::snow),
            ("frost", weather::frost),
            ("elastic", geometry::elastic),
            ("brightness", light::brightness),
            ("contrast", light::contrast),
            ("saturate", light::saturate),
            ("fog", light::fog),
            ("pixelate", digital::pixelate),
            ("jpeg", jpeg::jpeg),
            ("rotation", geometry::rotation),
            ("occlusion", geometry::occlusion),
        ];
        for (name, change) in all {
            for channels in [1, 3] {
                let [least, most] = [1, 5].map(|severity| run(change, channels, severity));
                if matches!(name, "elastic" | "frost") {
                    // One turns from stretching the whole to moving pixels, the other dims what it makes lighter.
                    assert!(0.01 < least.min(most) && most < 0.6, "{least} {most}");
                } else if name == "saturate" {
                    // It turns from paler to richer, and grey has no colours.
                    assert_eq!(least > 0.0 && most > 0.0, channels == 3, "{least} {most}");
                } else {
                    assert!(
                        0.0 < least && 1.2 * least < most && most < 0.6,
                        "{name}: {least} {most}"
                    );
                }
            }
        }
    }
}
