//! A correlation as a sum of correlations of stride 1 with small kernels, each over one of the grids that a stride cuts
//! its source into; and how its pixels are cut into tiles.

use crate::phase::{Phase, Tap};
use crate::winograd::tile::{MOST_TAPS, OUT, inputs};

/// The taps that meet one grid.
#[derive(Debug)]
pub struct Grid {
    /// The source pixel that the first row and column of the small kernel meet of pixel (0, 0).
    pub corner: [isize; 2],
    /// Place in the small kernel, and the tap.
    pub taps: Vec<([usize; 2], Tap)>,
}

/// The grids of a phase, and how many rows and columns their kernels have at most; `None` where that are too many.
pub fn grids(phase: &Phase) -> Option<(Vec<Grid>, usize)> {
    let stride = phase.stride.map(|stride| stride as isize);
    let rest = |tap: &Tap| [0, 1].map(|i| tap.at[i].rem_euclid(stride[i]));
    let mut rests: Vec<_> = phase.taps.iter().map(rest).collect();
    rests.sort_unstable();
    rests.dedup();
    let grid = |of: [isize; 2]| {
        let taps = phase.taps.iter().filter(|&tap| rest(tap) == of);
        let corner = [0, 1].map(|i| taps.clone().map(|tap| tap.at[i]).min().unwrap_or(0));
        let place = |tap: &Tap| [0, 1].map(|i| ((tap.at[i] - corner[i]) / stride[i]) as usize);
        Grid {
            corner,
            taps: taps.map(|tap| (place(tap), *tap)).collect(),
        }
    };
    let grids: Vec<Grid> = rests.into_iter().map(grid).collect();
    let places = grids.iter().flat_map(|grid| &grid.taps);
    let size = places.flat_map(|(place, _)| *place).max()? + 1;
    (size <= MOST_TAPS).then_some((grids, size))
}

/// How a line of pixels is cut into tiles: wide ones first, then narrow ones, as few as reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The first pixel.
    pub first: usize,
    pub wide: usize,
    pub narrow: usize,
}

impl Cut {
    pub fn of(len: usize) -> Cut {
        let tiles = len.div_ceil(OUT);
        let narrow = tiles.min(tiles * OUT - len);
        Cut {
            first: 0,
            wide: tiles - narrow,
            narrow,
        }
    }

    /// Tiles of a kind.
    pub fn tiles(self, narrow: bool) -> usize {
        if narrow { self.narrow } else { self.wide }
    }

    /// The first pixel of a tile of a kind.
    pub fn start(self, narrow: bool, tile: usize) -> usize {
        let before = match narrow {
            true => self.wide * OUT + tile * (OUT - 1),
            false => tile * OUT,
        };
        self.first + before
    }

    /// Those of the tiles that pixels `from..to` lie in.
    pub fn around(self, from: usize, to: usize) -> Cut {
        let tile = |pixel: usize| match (pixel - self.first).checked_sub(self.wide * OUT) {
            Some(pixel) => self.wide + pixel / (OUT - 1),
            None => (pixel - self.first) / OUT,
        };
        let (first, end) = (tile(from), tile(to - 1) + 1);
        let wide = end.min(self.wide) - first.min(self.wide);
        Cut {
            first: match first.checked_sub(self.wide) {
                Some(narrow) => self.start(true, narrow),
                None => self.start(false, first),
            },
            wide,
            narrow: end - first - wide,
        }
    }

    /// Pixels of all tiles, those beyond the line included.
    pub fn pixels(self) -> usize {
        self.wide * OUT + self.narrow * (OUT - 1)
    }

    /// Points of all tiles, where a wide one has so many.
    fn points(self, wide: usize) -> usize {
        self.wide * wide + self.narrow * (wide - 1)
    }
}

/// Multiplications of a source channel and an output channel: by Winograd's method and as they stand.
pub fn cost(phase: &Phase) -> Option<[usize; 2]> {
    let (grids, taps) = grids(phase)?;
    let [rows, cols] = phase.size.map(|len| Cut::of(len).points(inputs(taps)));
    Some([
        grids.len() * rows * cols,
        phase.taps.len() * phase.size[0] * phase.size[1],
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_into_as_few_tiles_as_reach() {
        // (pixels, wide, narrow, pixels of the tiles)
        for (len, wide, narrow, pixels) in [
            (1, 0, 1, 3),
            (3, 0, 1, 3),
            (4, 1, 0, 4),
            (5, 0, 2, 6),
            (7, 1, 1, 7),
            (10, 1, 2, 10),
            (16, 4, 0, 16),
        ] {
            let cut = Cut::of(len);
            assert_eq!((cut.wide, cut.narrow), (wide, narrow), "{len}");
            assert_eq!(cut.pixels(), pixels, "{len}");
        }
    }

    #[test]
    fn tiles_around_pixels() {
        // Of 10 pixels, 4 + 3 + 3: (pixels, first, wide, narrow)
        for (from, to, first, wide, narrow) in [
            (0, 1, 0, 1, 0),
            (3, 4, 0, 1, 0),
            (3, 5, 0, 1, 1),
            (4, 7, 4, 0, 1),
            (6, 8, 4, 0, 2),
            (7, 10, 7, 0, 1),
            (0, 10, 0, 1, 2),
        ] {
            let cut = Cut::of(10).around(from, to);
            let expected = Cut {
                first,
                wide,
                narrow,
            };
            assert_eq!(cut, expected, "{from}..{to}");
        }
    }
}
