//! Light, colour and fog.

use super::{Draws, HENDRYCKS, Level, Picture, corruption, row};
use crate::registry::Row;

pub const BRIGHTNESS: Row = row(
    "corrupt-brightness",
    "More light; hue and saturation stay",
    HENDRYCKS,
    |_| corruption(brightness),
);
pub const CONTRAST: Row = row(
    "corrupt-contrast",
    "Less contrast: values move towards the mean of their channel",
    HENDRYCKS,
    |_| corruption(contrast),
);
pub const SATURATE: Row = row(
    "corrupt-saturate",
    "Colours paler at severities 1 and 2, richer at 3 to 5",
    HENDRYCKS,
    |_| corruption(saturate),
);
pub const FOG: Row = row(
    "corrupt-fog",
    "A veil of random clouds, and what is behind it dimmed",
    HENDRYCKS,
    |_| corruption(fog),
);

/// More light: the value of HSV rises, hue and saturation stay.
pub fn brightness(picture: &mut Picture, level: Level, _: &mut Draws) {
    let more = level.of([0.05, 0.1, 0.15, 0.2, 0.3], [0.1, 0.2, 0.3, 0.4, 0.5]);
    if picture.image.channels != 3 {
        picture.values.iter_mut().for_each(|v| *v += more);
        return;
    }
    picture.colours(|colour| {
        let value = brightest(colour);
        let raised = (value + more).min(1.0);
        if value > 0.0 {
            colour.map(|v| v * raised / value)
        } else {
            [raised; 3]
        }
    });
}

/// Towards the mean of each channel.
pub fn contrast(picture: &mut Picture, level: Level, _: &mut Draws) {
    let kept = level.of([0.75, 0.5, 0.4, 0.3, 0.15], [0.4, 0.3, 0.2, 0.1, 0.05]);
    for plane in picture.planes() {
        let mean = plane.iter().sum::<f32>() / plane.len() as f32;
        plane
            .iter_mut()
            .for_each(|v| *v = mean + kept * (*v - mean));
    }
}

/// Colours paler, then richer: the saturation of HSV. What is grey stays so.
pub fn saturate(picture: &mut Picture, level: Level, _: &mut Draws) {
    let (factor, shift) = level.of(
        [(0.3, 0.0), (0.1, 0.0), (1.5, 0.0), (2.0, 0.1), (2.5, 0.2)],
        [(0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2)],
    );
    picture.colours(|colour| {
        let value = brightest(colour);
        let darkest = colour.iter().copied().fold(f32::INFINITY, f32::min);
        let saturation = (value - darkest) / value.max(f32::MIN_POSITIVE);
        if saturation <= 0.0 {
            return colour;
        }
        let changed = (saturation * factor + shift).clamp(0.0, 1.0);
        colour.map(|v| value - (value - v) * changed / saturation)
    });
}

/// A veil of plasma, and what is behind it dimmed.
pub fn fog(picture: &mut Picture, level: Level, draws: &mut Draws) {
    let (density, decay) = level.of(
        [(0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75)],
        [(1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)],
    );
    let (height, width) = (picture.image.height, picture.image.width);
    let side = height.max(width).next_power_of_two();
    let veil = plasma(side, decay, draws);
    let lightest = picture.values.iter().copied().fold(0.0, f32::max);
    let dim = lightest / (lightest + density);
    for plane in picture.planes() {
        for (at, value) in plane.iter_mut().enumerate() {
            let veil = veil[at / width * side + at % width];
            *value = (*value + density * veil) * dim;
        }
    }
}

fn brightest(colour: [f32; 3]) -> f32 {
    colour.iter().copied().fold(0.0, f32::max)
}

/// Clouds in [0, 1] on a torus of `side` x `side`, a power of two, by the diamond-square algorithm (Fournier, Fussell & Carpenter
/// 1982): at each halving the roughness falls by `decay`.
pub(super) fn plasma(side: usize, decay: f32, draws: &mut Draws) -> Vec<f32> {
    let mut map = vec![0.0_f32; side * side];
    let place = |row: usize, column: usize| row % side * side + column % side;
    let (mut step, mut rough) = (side, 100.0_f32);
    while step >= 2 {
        let half = step / 2;
        let mut jitter = |mean: f32| mean + rough * draws.between(-rough, rough);
        for row in (0..side).step_by(step) {
            for column in (0..side).step_by(step) {
                let corners = [(0, 0), (0, step), (step, 0), (step, step)];
                let sum: f32 = corners
                    .iter()
                    .map(|(r, c)| map[place(row + r, column + c)])
                    .sum();
                map[place(row + half, column + half)] = jitter(sum / 4.0);
            }
        }
        for row in (0..side).step_by(half) {
            for column in (0..side).step_by(half) {
                if (row / half + column / half).is_multiple_of(2) {
                    continue;
                }
                let (up, left) = (row + side - half, column + side - half);
                let around = [
                    (up, column),
                    (row + half, column),
                    (row, left),
                    (row, column + half),
                ];
                let sum: f32 = around.iter().map(|&(r, c)| map[place(r, c)]).sum();
                map[place(row, column)] = jitter(sum / 4.0);
            }
        }
        (step, rough) = (half, rough / decay);
    }
    let least = map.iter().copied().fold(f32::INFINITY, f32::min);
    let span = map.iter().copied().fold(f32::NEG_INFINITY, f32::max) - least;
    map.iter()
        .map(|v| (v - least) / span.max(f32::MIN_POSITIVE))
        .collect()
}
