//! Fewer pixels.

use super::{Draws, HENDRYCKS, Level, Picture, corruption, row};
use crate::registry::Row;

pub const PIXELATE: Row = row(
    "corrupt-pixelate",
    "Fewer pixels: means of boxes, enlarged again",
    HENDRYCKS,
    |_| corruption(pixelate),
);

/// Sampled down by means of boxes, and up again by the nearest.
pub fn pixelate(picture: &mut Picture, level: Level, _: &mut Draws) {
    let kept = level.of([0.95, 0.9, 0.85, 0.75, 0.65], [0.6, 0.5, 0.4, 0.3, 0.25]);
    let boxes = |size: usize| Boxes {
        size,
        few: ((size as f32 * kept) as usize).max(1),
    };
    let (rows, columns) = (boxes(picture.image.height), boxes(picture.image.width));
    picture.redraw(|plane, row, column| {
        let (down, right) = (rows.around(row), columns.around(column));
        let count = down.len() * right.len();
        let line = |r: usize| right.clone().map(move |c| plane.at(r as isize, c as isize));
        down.flat_map(line).sum::<f32>() / count.max(1) as f32
    });
}

/// `size` places in `few` boxes.
struct Boxes {
    size: usize,
    few: usize,
}

impl Boxes {
    /// The places of the box that `at` lies in.
    fn around(&self, at: usize) -> std::ops::Range<usize> {
        let mine = (2 * at + 1) * self.few / (2 * self.size);
        let edge =
            |which: usize| (which as f32 * self.size as f32 / self.few as f32).round() as usize;
        let from = edge(mine).min(self.size - 1);
        from..edge(mine + 1).clamp(from + 1, self.size)
    }
}
