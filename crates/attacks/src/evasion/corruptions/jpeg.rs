//! What JPEG loses: cosine transforms of 8 x 8 blocks, rounded. Colour is kept at half the resolution.
//!
//! ITU-T T.81 (1992), annex K, with the quality scale of the Independent JPEG Group.

use std::f32::consts::PI;

use super::{Draws, HENDRYCKS, Level, Picture, corruption, row};
use crate::registry::Row;

pub const ROW: Row = row(
    "corrupt-jpeg",
    "What JPEG loses: rounded cosines of blocks, and colour at half the resolution",
    HENDRYCKS,
    |_| corruption(jpeg),
);

const BLOCK: usize = 8;

const LUMINANCE: [u8; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113,
    92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];
const CHROMINANCE: [u8; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
];

/// Quality 80 to 40 for small images, 25 to 7 for large ones.
pub fn jpeg(picture: &mut Picture, level: Level, _: &mut Draws) {
    let quality = level.of([80, 65, 58, 50, 40], [25, 18, 15, 10, 7]);
    let (height, width) = (picture.image.height, picture.image.width);
    let colour = picture.image.channels == 3;
    picture.values.iter_mut().for_each(|v| *v *= 255.0);
    picture.colours(to_ycc);
    for (at, plane) in picture.planes().enumerate() {
        if colour && at > 0 {
            let (rows, columns) = (height.div_ceil(2), width.div_ceil(2));
            let mut half = halved(plane, height, width);
            transform(&mut half, rows, columns, &table(&CHROMINANCE, quality));
            doubled(&half, plane, height, width);
        } else {
            transform(plane, height, width, &table(&LUMINANCE, quality));
        }
    }
    picture.colours(to_rgb);
    picture.values.iter_mut().for_each(|v| *v /= 255.0);
}

fn table(base: &[u8; 64], quality: u32) -> [f32; 64] {
    let scale = if quality < 50 {
        5000 / quality
    } else {
        200 - 2 * quality
    };
    base.map(|entry| ((u32::from(entry) * scale + 50) / 100).clamp(1, 255) as f32)
}

fn to_ycc([r, g, b]: [f32; 3]) -> [f32; 3] {
    [
        0.299 * r + 0.587 * g + 0.114 * b,
        128.0 - 0.168_736 * r - 0.331_264 * g + 0.5 * b,
        128.0 + 0.5 * r - 0.418_688 * g - 0.081_312 * b,
    ]
}

fn to_rgb([y, cb, cr]: [f32; 3]) -> [f32; 3] {
    let (cb, cr) = (cb - 128.0, cr - 128.0);
    [
        y + 1.402 * cr,
        y - 0.344_136 * cb - 0.714_136 * cr,
        y + 1.772 * cb,
    ]
}

/// The means of 2 x 2 pixels.
fn halved(plane: &[f32], height: usize, width: usize) -> Vec<f32> {
    let at = |row: usize, column: usize| plane[row.min(height - 1) * width + column.min(width - 1)];
    let places = (0..height)
        .step_by(2)
        .flat_map(|row| (0..width).step_by(2).map(move |column| (row, column)));
    places
        .map(|(r, c)| (at(r, c) + at(r, c + 1) + at(r + 1, c) + at(r + 1, c + 1)) / 4.0)
        .collect()
}

fn doubled(half: &[f32], plane: &mut [f32], height: usize, width: usize) {
    let columns = width.div_ceil(2);
    for row in 0..height {
        for column in 0..width {
            plane[row * width + column] = half[row / 2 * columns + column / 2];
        }
    }
}

/// Rounds the coefficients of every block to multiples of `steps`; blocks beyond the edge repeat it.
fn transform(plane: &mut [f32], height: usize, width: usize, steps: &[f32; 64]) {
    let cosines = cosines();
    for top in (0..height).step_by(BLOCK) {
        for left in (0..width).step_by(BLOCK) {
            let place = |at: usize| {
                let row = (top + at / BLOCK).min(height - 1);
                row * width + (left + at % BLOCK).min(width - 1)
            };
            let block: [f32; 64] = std::array::from_fn(|at| plane[place(at)] - 128.0);
            let coefficients = rotated(&rotated(&block, &cosines, false), &cosines, false);
            let rounded = std::array::from_fn(|i| (coefficients[i] / steps[i]).round() * steps[i]);
            let back = rotated(&rotated(&rounded, &cosines, true), &cosines, true);
            for (at, value) in back.iter().enumerate() {
                if top + at / BLOCK < height && left + at % BLOCK < width {
                    plane[place(at)] = value + 128.0;
                }
            }
        }
    }
}

/// The orthonormal cosine transform of each row of a block, or its inverse, and the block transposed: twice, it is that of the
/// block.
fn rotated(block: &[f32; 64], cosines: &[f32; 64], inverse: bool) -> [f32; 64] {
    std::array::from_fn(|at| {
        let (to, row) = (at / BLOCK, at % BLOCK);
        let weight = |from: usize| match inverse {
            false => cosines[to * BLOCK + from],
            true => cosines[from * BLOCK + to],
        };
        (0..BLOCK)
            .map(|from| weight(from) * block[row * BLOCK + from])
            .sum()
    })
}

/// `cosines[k * 8 + n]`: sample n of wave k.
fn cosines() -> [f32; 64] {
    std::array::from_fn(|at| {
        let (wave, sample) = ((at / BLOCK) as f32, (at % BLOCK) as f32);
        let scale = if wave == 0.0 { 0.125_f32 } else { 0.25 };
        scale.sqrt() * (PI * wave * (2.0 * sample + 1.0) / 16.0).cos()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_is_orthonormal_and_colours_come_back() {
        let mut plane: Vec<f32> = (0..100).map(|i| (i * 37 % 256) as f32).collect();
        let before = plane.clone();
        transform(&mut plane, 10, 10, &[1e-3; 64]);
        assert!(plane.iter().zip(&before).all(|(a, b)| (a - b).abs() < 0.05));
        let back = to_rgb(to_ycc([200.0, 30.0, 90.0]));
        assert!(
            back.iter()
                .zip([200.0, 30.0, 90.0])
                .all(|(a, b)| (a - b).abs() < 0.01)
        );
    }

    #[test]
    fn tables_scale_as_in_the_groups_library() {
        assert_eq!(table(&LUMINANCE, 50)[..3], [16.0, 11.0, 10.0]);
        assert_eq!(table(&LUMINANCE, 80)[..3], [6.0, 4.0, 4.0]);
        assert_eq!(table(&LUMINANCE, 25)[..3], [32.0, 22.0, 20.0]);
    }
}
