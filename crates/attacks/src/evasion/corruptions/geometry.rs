//! The camera tilted or moved, and something in the way.

use super::{Draws, Level, Picture, corruption, row};
use crate::registry::Row;

const ENGSTROM: &str = "Engstrom 2019, arXiv:1712.02779";

pub const ROTATION: Row = row("corrupt-rotation", ENGSTROM, |_| corruption(rotation));
pub const TRANSLATION: Row = row("corrupt-translation", ENGSTROM, |_| corruption(translation));
pub const OCCLUSION: Row = row(
    "corrupt-occlusion",
    "DeVries 2017, arXiv:1708.04552",
    |_| corruption(occlusion),
);

/// By 5 to 30 degrees either way round the middle; black comes in.
pub fn rotation(picture: &mut Picture, level: Level, draws: &mut Draws) {
    let degrees: f32 = [5.0, 10.0, 15.0, 20.0, 30.0][level.step];
    let side = if draws.unit() < 0.5 { -1.0 } else { 1.0 };
    let (sin, cos) = (side * degrees).to_radians().sin_cos();
    picture.redraw(|plane, row, column| {
        let (middle, centre) = (
            0.5 * (plane.height - 1) as f32,
            0.5 * (plane.width - 1) as f32,
        );
        let (down, right) = (row as f32 - middle, column as f32 - centre);
        plane.between_or_black(
            middle + cos * down + sin * right,
            centre + cos * right - sin * down,
        )
    });
}

/// By 3 to 15 % of the shorter side, in a random direction; black comes in.
pub fn translation(picture: &mut Picture, level: Level, draws: &mut Draws) {
    let share = [0.03, 0.06, 0.09, 0.12, 0.15][level.step];
    let length = share * picture.image.height.min(picture.image.width) as f32;
    let (down, right) = draws.between(0.0, std::f32::consts::TAU).sin_cos();
    picture.redraw(|plane, row, column| {
        plane.between_or_black(row as f32 - length * down, column as f32 - length * right)
    });
}

/// A grey square over 2 to 30 % of the image.
pub fn occlusion(picture: &mut Picture, level: Level, draws: &mut Draws) {
    let share: f32 = [0.02, 0.05, 0.1, 0.2, 0.3][level.step];
    let (height, width) = (picture.image.height, picture.image.width);
    let side = (share * (height * width) as f32).sqrt().round() as usize;
    let mut start = |size: usize| (draws.unit() * (size.saturating_sub(side) + 1) as f32) as usize;
    let (top, left) = (start(height), start(width));
    let covers = |at: usize, from: usize| (from..from + side).contains(&at);
    picture.redraw(|plane, row, column| {
        if covers(row, top) && covers(column, left) {
            0.5
        } else {
            plane.at(row as isize, column as isize)
        }
    });
}
