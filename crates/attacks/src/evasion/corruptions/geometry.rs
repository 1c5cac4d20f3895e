//! The camera tilted or moved, and something in the way.

use scoville_kernels::Image;

use super::blur::smooth;
use super::{Draws, HENDRYCKS, Level, Picture, corruption, row};
use crate::registry::Row;

const ENGSTROM: &str = "Engstrom 2019, arXiv:1712.02779";

pub const ROTATION: Row = row(
    "corrupt-rotation",
    "Rotates by 5 to 30 degrees either way; black comes in",
    ENGSTROM,
    |_| corruption(rotation),
);
pub const TRANSLATION: Row = row(
    "corrupt-translation",
    "Shifts by 3 to 15 % of the shorter side, any way; black comes in",
    ENGSTROM,
    |_| corruption(translation),
);
pub const ELASTIC: Row = row(
    "corrupt-elastic",
    "Stretches the image at random, as a whole and then here and there",
    HENDRYCKS,
    |_| corruption(elastic),
);
pub const OCCLUSION: Row = row(
    "corrupt-occlusion",
    "A grey square somewhere, over 2 to 30 % of the image",
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

/// Stretched as a whole, and then here and there: the corners of a triangle move at random and take the image with them, then
/// every pixel by smoothed noise.
pub fn elastic(picture: &mut Picture, level: Level, draws: &mut Draws) {
    // As shares of the side: how far pixels move, how smoothly, and how far the corners move.
    let (moves, smoothness, stretch): (f32, f32, f32) = level.of(
        [
            (0.0, 0.0, 0.08),
            (0.05, 0.2, 0.07),
            (0.08, 0.06, 0.06),
            (0.1, 0.04, 0.05),
            (0.1, 0.03, 0.03),
        ],
        [
            (2.0, 0.7, 0.1),
            (2.0, 0.08, 0.2),
            (0.05, 0.01, 0.02),
            (0.07, 0.01, 0.02),
            (0.12, 0.01, 0.02),
        ],
    );
    let Image { height, width, .. } = picture.image;
    let side = height.min(width) as f32;
    stretched(picture, stretch * side, draws);
    if moves == 0.0 {
        return;
    }
    let one = Image {
        channels: 1,
        ..picture.image
    };
    let mut field = || {
        let noise: Vec<f32> = (0..height * width)
            .map(|_| draws.between(-1.0, 1.0))
            .collect();
        let mut field = Picture::new(one, &noise);
        smooth(&mut field, smoothness * side);
        field.values
    };
    let (right, down) = (field(), field());
    let reach = moves * side;
    picture.redraw(|plane, row, column| {
        let at = row * width + column;
        plane.between(
            mirrored(row as f32 + reach * down[at], height),
            mirrored(column as f32 + reach * right[at], width),
        )
    });
}

/// Moves three corners of the square in the middle by at most `reach` along each axis, and the image with them.
fn stretched(picture: &mut Picture, reach: f32, draws: &mut Draws) {
    let Image { height, width, .. } = picture.image;
    let (middle, centre) = ((height / 2) as f32, (width / 2) as f32);
    let third = (height.min(width) / 3) as f32;
    let corners = [(third, third), (third, -third), (-third, -third)];
    let moved = corners.map(|(down, right)| {
        (
            middle + down + draws.between(-reach, reach),
            centre + right + draws.between(-reach, reach),
        )
    });
    let from = |(row, column): (f32, f32)| (row - moved[1].0, column - moved[1].1);
    let (along, across) = (from(moved[0]), from(moved[2]));
    let area = along.0 * across.1 - along.1 * across.0;
    if area == 0.0 || third == 0.0 {
        return;
    }
    picture.redraw(|plane, row, column| {
        let (down, right) = from((row as f32, column as f32));
        let share_along = (down * across.1 - right * across.0) / area;
        let share_across = (along.0 * right - along.1 * down) / area;
        plane.between(
            mirrored(middle + third - 2.0 * third * share_across, height),
            mirrored(centre - third + 2.0 * third * share_along, width),
        )
    });
}

/// A place beyond an axis of `size` pixels, mirrored at its ends.
fn mirrored(at: f32, size: usize) -> f32 {
    let last = size as f32 - 1.0;
    if last == 0.0 {
        return 0.0;
    }
    last - (at.rem_euclid(2.0 * last) - last).abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_beyond_the_ends_are_mirrored() {
        for (at, expected) in [
            (0.0, 0.0),
            (3.0, 3.0),
            (-1.5, 1.5),
            (4.0, 2.0),
            (6.5, 0.5),
            (-7.0, 1.0),
        ] {
            assert_eq!(mirrored(at, 4), expected, "{at}");
        }
        assert_eq!(mirrored(2.0, 1), 0.0);
    }

    #[test]
    fn what_is_not_stretched_stays() {
        let image = Image {
            channels: 1,
            height: 9,
            width: 12,
        };
        let values: Vec<f32> = (0..108).map(|i| (i * 7 % 11) as f32 / 11.0).collect();
        let mut picture = Picture::new(image, &values);
        stretched(&mut picture, 0.0, &mut Draws::new(1, 2));
        for (a, b) in picture.values.iter().zip(&values) {
            assert!((a - b).abs() < 1e-5);
        }
    }
}
