//! Noise of sensors and of transmission.

use super::{Draws, HENDRYCKS, Level, Picture, corruption, row};
use crate::registry::Row;

pub const GAUSSIAN: Row = row(
    "corrupt-gaussian-noise",
    "Normal noise, the same whatever the light",
    HENDRYCKS,
    |_| corruption(gaussian),
);
pub const SHOT: Row = row(
    "corrupt-shot-noise",
    "Noise of counted photons, relatively stronger in the dark",
    HENDRYCKS,
    |_| corruption(shot),
);
pub const IMPULSE: Row = row(
    "corrupt-impulse-noise",
    "Some values turn black or white at random",
    HENDRYCKS,
    |_| corruption(impulse),
);
pub const SPECKLE: Row = row(
    "corrupt-speckle-noise",
    "Normal noise in proportion to the light",
    HENDRYCKS,
    |_| corruption(speckle),
);

/// The same normal noise whatever the light.
pub fn gaussian(picture: &mut Picture, level: Level, draws: &mut Draws) {
    let scale = level.of(
        [0.04, 0.06, 0.08, 0.09, 0.10],
        [0.08, 0.12, 0.18, 0.26, 0.38],
    );
    let values = picture.values.iter_mut();
    values.for_each(|v| *v += scale * draws.normal());
}

/// Photons are counted: Poisson noise.
pub fn shot(picture: &mut Picture, level: Level, draws: &mut Draws) {
    let photons = level.of(
        [500.0, 250.0, 100.0, 75.0, 50.0],
        [60.0, 25.0, 12.0, 5.0, 3.0],
    );
    let values = picture.values.iter_mut();
    values.for_each(|v| *v = draws.poisson(*v * photons) / photons);
}

/// Values that turn black or white, each as often as the other.
pub fn impulse(picture: &mut Picture, level: Level, draws: &mut Draws) {
    let share = level.of(
        [0.01, 0.02, 0.03, 0.05, 0.07],
        [0.03, 0.06, 0.09, 0.17, 0.27],
    );
    for value in &mut picture.values {
        let draw = draws.unit();
        if draw < share {
            *value = f32::from(u8::from(draw < 0.5 * share));
        }
    }
}

/// Noise in proportion to the light.
pub fn speckle(picture: &mut Picture, level: Level, draws: &mut Draws) {
    let scale = level.of([0.06, 0.10, 0.12, 0.16, 0.20], [0.15, 0.2, 0.35, 0.45, 0.6]);
    let values = picture.values.iter_mut();
    values.for_each(|v| *v += *v * scale * draws.normal());
}
