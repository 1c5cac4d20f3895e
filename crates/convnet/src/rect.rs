//! A rectangle of pixels, and the parts of samples that operations write.

use core::ops::Range;

/// Rows `from[0]..to[0]` and columns `from[1]..to[1]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rect {
    pub from: [usize; 2],
    pub to: [usize; 2],
}

impl Rect {
    pub const NONE: Rect = Rect {
        from: [0, 0],
        to: [0, 0],
    };

    /// All of `size` pixels.
    pub fn whole(size: [usize; 2]) -> Rect {
        Rect {
            from: [0, 0],
            to: size,
        }
    }

    pub fn size(self) -> [usize; 2] {
        [0, 1].map(|i| self.to[i].saturating_sub(self.from[i]))
    }

    pub fn pixels(self) -> usize {
        self.size().iter().product()
    }

    /// The columns of row `y`.
    pub fn row(self, y: usize) -> Range<usize> {
        match (self.from[0]..self.to[0]).contains(&y) {
            true => self.from[1]..self.to[1],
            false => 0..0,
        }
    }

    pub fn is_empty(self) -> bool {
        self.pixels() == 0
    }

    /// The smallest that holds both.
    pub fn or(self, other: Rect) -> Rect {
        match (self.is_empty(), other.is_empty()) {
            (_, true) => self,
            (true, _) => other,
            _ => Rect {
                from: [0, 1].map(|i| self.from[i].min(other.from[i])),
                to: [0, 1].map(|i| self.to[i].max(other.to[i])),
            },
        }
    }
}

/// What an operation writes of each sample of a group.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Area<'a> {
    Whole,
    /// A rectangle for each sample. Only on the way forward.
    Of(&'a [Rect]),
}

impl Area<'_> {
    /// The pixels of sample `s`, which has `size`.
    pub fn of(self, s: usize, size: [usize; 2]) -> Rect {
        match self {
            Area::Whole => Rect::whole(size),
            Area::Of(rects) => rects[s],
        }
    }
}
