//! Snow and frost.

use super::blur::trail;
use super::light::plasma;
use super::{Draws, HENDRYCKS, Level, Picture, corruption, row};
use crate::registry::Row;
use scoville_kernels::Image;

pub const SNOW: Row = row(
    "corrupt-snow",
    "Falling snow with its trails, and a scene that pales",
    HENDRYCKS,
    |_| corruption(snow),
);
pub const FROST: Row = row(
    "corrupt-frost",
    "Needles of ice on a pane before the scene, made anew for each sample",
    HENDRYCKS,
    |_| corruption(frost),
);

/// Flakes that fall and a scene that pales: noise enlarged by `zoom`, of which what is under `least` goes, with trails of
/// `radius` and `sigma`.
struct Fall {
    mean: f32,
    deviation: f32,
    zoom: f32,
    least: f32,
    radius: usize,
    sigma: f32,
    kept: f32,
}

const fn fall(
    (mean, deviation, zoom): (f32, f32, f32),
    least: f32,
    (radius, sigma): (usize, f32),
    kept: f32,
) -> Fall {
    Fall {
        mean,
        deviation,
        zoom,
        least,
        radius,
        sigma,
        kept,
    }
}

static SMALL: [Fall; 5] = [
    fall((0.1, 0.2, 1.0), 0.6, (8, 3.0), 0.95),
    fall((0.1, 0.2, 1.0), 0.5, (10, 4.0), 0.9),
    fall((0.15, 0.3, 1.75), 0.55, (10, 4.0), 0.9),
    fall((0.25, 0.3, 2.25), 0.6, (12, 6.0), 0.85),
    fall((0.3, 0.3, 1.25), 0.65, (14, 12.0), 0.8),
];

static LARGE: [Fall; 5] = [
    fall((0.1, 0.3, 3.0), 0.5, (10, 4.0), 0.8),
    fall((0.2, 0.3, 2.0), 0.5, (12, 4.0), 0.7),
    fall((0.55, 0.3, 4.0), 0.9, (12, 8.0), 0.7),
    fall((0.55, 0.3, 4.5), 0.85, (12, 8.0), 0.65),
    fall((0.55, 0.3, 2.5), 0.85, (12, 12.0), 0.55),
];

/// Falling snow, the same turned upside down, and a scene that pales.
pub fn snow(picture: &mut Picture, level: Level, draws: &mut Draws) {
    let fall = level.of(SMALL.each_ref(), LARGE.each_ref());
    let flakes = flakes(fall, picture.image, draws);
    let pale = paleness(picture);
    let plane = flakes.len();
    for (at, value) in picture.values.iter_mut().enumerate() {
        let pixel = at % plane;
        let paler = value.max(pale[pixel]);
        *value = fall.kept * *value + (1.0 - fall.kept) * paler;
        *value += flakes[pixel] + flakes[plane - 1 - pixel];
    }
}

fn flakes(fall: &Fall, image: Image, draws: &mut Draws) -> Vec<f32> {
    let one = Image {
        channels: 1,
        ..image
    };
    let noise: Vec<f32> = (0..image.height * image.width)
        .map(|_| fall.mean + fall.deviation * draws.normal())
        .collect();
    let mut layer = Picture::new(one, &noise);
    layer.redraw(|plane, row, column| {
        // The middle of the noise, its first and last pixel at the ends of what it is enlarged to.
        let larger = |at: usize, size: usize| {
            let size = size as f32;
            let kept = (size / fall.zoom).ceil();
            let whole = (kept * fall.zoom).round();
            let (first, cut) = (0.5 * (size - kept), 0.5 * (whole - size));
            first.floor() + (at as f32 + cut.floor()) * (kept - 1.0) / (whole - 1.0).max(1.0)
        };
        let value = plane.between(larger(row, plane.height), larger(column, plane.width));
        if value < fall.least {
            0.0
        } else {
            value.min(1.0)
        }
    });
    let angle = draws.between(-135.0, -45.0).to_radians();
    trail(&mut layer, fall.radius, fall.sigma, angle);
    layer.values
}

/// What each pixel pales towards: its luminance, half again as large, and half of white.
fn paleness(picture: &Picture) -> Vec<f32> {
    let plane = picture.image.height * picture.image.width;
    let planes: Vec<&[f32]> = picture.values.chunks_exact(plane).collect();
    let luminance = |pixel: usize| match planes.as_slice() {
        [red, green, blue] => 0.299 * red[pixel] + 0.587 * green[pixel] + 0.114 * blue[pixel],
        planes => planes.iter().map(|plane| plane[pixel]).sum::<f32>() / planes.len() as f32,
    };
    (0..plane)
        .map(|pixel| 1.5 * luminance(pixel) + 0.5)
        .collect()
}

/// Frost on a pane before a scene that is dimmed. In place of the paper's photographs of frost stand needles of ice that are
/// made anew for each sample: ridges of plasma clouds, on a haze of others, a little blue.
pub fn frost(picture: &mut Picture, level: Level, draws: &mut Draws) {
    let (kept, ice) = level.of(
        [
            (1.0, 0.2),
            (1.0, 0.3),
            (0.9, 0.4),
            (0.85, 0.4),
            (0.75, 0.45),
        ],
        [(1.0, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)],
    );
    let (height, width) = (picture.image.height, picture.image.width);
    let side = height.max(width).next_power_of_two();
    let (needles, haze) = (plasma(side, 1.7, draws), plasma(side, 2.5, draws));
    let pane = |pixel: usize| {
        let at = pixel / width * side + pixel % width;
        let ridge = 1.0 - (2.0 * needles[at] - 1.0).abs();
        0.6 * ridge * ridge + 0.4 * haze[at]
    };
    let tints: &[f32] = match picture.image.channels {
        3 => &[0.85, 0.95, 1.0],
        _ => &[1.0],
    };
    for (plane, tint) in picture.planes().zip(tints.iter().cycle()) {
        for (pixel, value) in plane.iter_mut().enumerate() {
            *value = kept * *value + ice * tint * pane(pixel);
        }
    }
}
