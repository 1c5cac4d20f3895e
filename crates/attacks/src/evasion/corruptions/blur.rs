//! Lenses out of focus, and movement while the shutter is open.

use std::f32::consts::FRAC_PI_4;

use super::{Draws, HENDRYCKS, Level, Picture, corruption, row};
use crate::registry::Row;

pub const GAUSSIAN: Row = row(
    "corrupt-gaussian-blur",
    "A Gaussian blur",
    HENDRYCKS,
    |_| corruption(gaussian),
);
pub const DEFOCUS: Row = row(
    "corrupt-defocus-blur",
    "The blur of a lens out of focus: a smoothed disc",
    HENDRYCKS,
    |_| corruption(defocus),
);
pub const MOTION: Row = row(
    "corrupt-motion-blur",
    "A trail that fades, within 45 degrees of the horizontal",
    HENDRYCKS,
    |_| corruption(motion),
);
pub const ZOOM: Row = row(
    "corrupt-zoom-blur",
    "The mean of the image and of ever larger ones of its middle",
    HENDRYCKS,
    |_| corruption(zoom),
);
pub const GLASS: Row = row(
    "corrupt-glass-blur",
    "Frosted glass: pixels take the place of others nearby, between two blurs",
    HENDRYCKS,
    |_| corruption(glass),
);

/// A weight at an offset (rows, columns).
type Tap = (isize, isize, f32);

pub fn gaussian(picture: &mut Picture, level: Level, _: &mut Draws) {
    let sigma = level.of([0.4, 0.6, 0.7, 0.8, 1.0], [1.0, 2.0, 3.0, 4.0, 6.0]);
    smooth(picture, sigma);
}

/// A Gaussian blur.
pub(super) fn smooth(picture: &mut Picture, sigma: f32) {
    let line = bell(sigma, (4.0_f32 * sigma).round() as isize);
    let [down, across] = [|at| (at, 0), |at| (0, at)];
    for place in [down as fn(isize) -> (isize, isize), across] {
        let taps: Vec<Tap> = line
            .iter()
            .map(|&(at, weight)| (place(at).0, place(at).1, weight))
            .collect();
        correlate(picture, &taps);
    }
}

/// A disc, smoothed by a small Gaussian.
pub fn defocus(picture: &mut Picture, level: Level, _: &mut Draws) {
    let (radius, alias): (f32, f32) = level.of(
        [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1)],
        [(3.0, 0.1), (4.0, 0.5), (6.0, 0.5), (8.0, 0.5), (10.0, 0.5)],
    );
    let edge = if radius <= 8.0 { 1 } else { 2 };
    let bell = bell(alias, edge);
    let reach = radius.floor() as isize + edge;
    let inside =
        |row: isize, column: isize| (row * row + column * column) as f32 <= radius * radius;
    let mut taps = Vec::new();
    for row in -reach..=reach {
        for column in -reach..=reach {
            let mut weight = 0.0;
            for &(down, a) in &bell {
                let covered = bell
                    .iter()
                    .filter(|(right, _)| inside(row + down, column + right));
                weight += a * covered.map(|(_, b)| b).sum::<f32>();
            }
            if weight > 0.0 {
                taps.push((row, column, weight));
            }
        }
    }
    correlate(picture, &taps);
}

/// A trail that fades, at a random angle within 45 degrees of the horizontal.
pub fn motion(picture: &mut Picture, level: Level, draws: &mut Draws) {
    let (radius, sigma): (usize, f32) = level.of(
        [(6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5)],
        [(10, 3.0), (15, 5.0), (15, 8.0), (15, 12.0), (20, 15.0)],
    );
    let angle = draws.between(-FRAC_PI_4, FRAC_PI_4);
    trail(picture, radius, sigma, angle);
}

/// A trail along `angle` that fades as a Gaussian does.
pub(super) fn trail(picture: &mut Picture, radius: usize, sigma: f32, angle: f32) {
    let trail: Vec<(f32, f32)> = (0..=2 * radius)
        .map(|at| at as f32)
        .map(|at| (at, (-at * at / (2.0 * sigma * sigma)).exp()))
        .collect();
    let total: f32 = trail.iter().map(|(_, weight)| weight).sum();
    let (down, right) = angle.sin_cos();
    picture.redraw(|plane, row, column| {
        let along = trail.iter().map(|&(at, weight)| {
            weight * plane.between(row as f32 + at * down, column as f32 + at * right)
        });
        along.sum::<f32>() / total
    });
}

/// The mean of the image and of ever larger ones of its middle.
pub fn zoom(picture: &mut Picture, level: Level, _: &mut Draws) {
    let (most, step): (f32, f32) = level.of(
        [
            (1.06, 0.01),
            (1.11, 0.01),
            (1.16, 0.01),
            (1.21, 0.01),
            (1.26, 0.01),
        ],
        [
            (1.11, 0.01),
            (1.16, 0.01),
            (1.21, 0.02),
            (1.26, 0.02),
            (1.31, 0.03),
        ],
    );
    let count = ((most - 1.0) / step).round() as usize;
    let factors: Vec<f32> = (0..count).map(|i| 1.0 + i as f32 * step).collect();
    picture.redraw(|plane, row, column| {
        let (middle, centre) = (
            0.5 * (plane.height - 1) as f32,
            0.5 * (plane.width - 1) as f32,
        );
        let (down, right) = (row as f32 - middle, column as f32 - centre);
        let larger = factors
            .iter()
            .map(|f| plane.between(middle + down / f, centre + right / f));
        (plane.at(row as isize, column as isize) + larger.sum::<f32>()) / (count + 1) as f32
    });
}

/// Frosted glass: pixels take the place of others nearby, between two Gaussian blurs. As in the authors' code, the one that
/// is taken stays where it was, too.
pub fn glass(picture: &mut Picture, level: Level, draws: &mut Draws) {
    let (sigma, reach, rounds): (f32, usize, usize) = level.of(
        [
            (0.05, 1, 1),
            (0.25, 1, 1),
            (0.4, 1, 1),
            (0.25, 1, 2),
            (0.4, 1, 2),
        ],
        [
            (0.7, 1, 2),
            (0.9, 2, 1),
            (1.0, 2, 3),
            (1.1, 3, 2),
            (1.5, 4, 2),
        ],
    );
    smooth(picture, sigma);
    let (height, width) = (picture.image.height, picture.image.width);
    let (rows, columns) = (
        reach + 1..(height + 1).saturating_sub(reach),
        reach + 1..(width + 1).saturating_sub(reach),
    );
    for _ in 0..rounds {
        for row in rows.clone().rev() {
            for column in columns.clone().rev() {
                let mut near =
                    |at: usize| at - reach + (draws.unit() * (2 * reach) as f32) as usize;
                let from = near(row) * width + near(column);
                let to = row * width + column;
                picture.planes().for_each(|plane| plane[to] = plane[from]);
            }
        }
    }
    smooth(picture, sigma);
}

/// A Gaussian line of weights at -reach..=reach, that sum to 1.
fn bell(sigma: f32, reach: isize) -> Vec<(isize, f32)> {
    let weight = |at: isize| (-((at * at) as f32) / (2.0 * sigma * sigma)).exp();
    let total: f32 = (-reach..=reach).map(weight).sum();
    (-reach..=reach)
        .map(|at| (at, weight(at) / total))
        .collect()
}

/// Every pixel becomes the weighted mean of those around.
fn correlate(picture: &mut Picture, taps: &[Tap]) {
    let total: f32 = taps.iter().map(|tap| tap.2).sum();
    picture.redraw(|plane, row, column| {
        let pixel = |&(down, right, weight): &Tap| {
            weight * plane.at(row as isize + down, column as isize + right)
        };
        taps.iter().map(pixel).sum::<f32>() / total
    });
}
