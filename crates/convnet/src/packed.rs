//! The phases of a convolution with their weights, packed as the operation reads them.

use crate::map::Halo;
use crate::phase::Phase;
use crate::rect::Rect;
use crate::simd::Block;

#[derive(Debug)]
pub(crate) struct Packed {
    pub phase: Phase,
    pub weights: Vec<Block>,
}

#[derive(Debug)]
pub(crate) struct Phases(pub Vec<Packed>);

impl Phases {
    /// The halo that they need around a source of `size` pixels.
    pub fn halo(&self, size: [usize; 2]) -> Halo {
        let halos = self.0.iter().map(|packed| packed.phase.halo(size));
        halos.fold(Halo::default(), Halo::or)
    }

    /// The outputs that `source` reaches, on the way forward.
    pub fn reached(&self, source: Rect) -> Rect {
        let rects = self.0.iter().map(|packed| packed.phase.reached(source));
        rects.fold(Rect::NONE, Rect::or)
    }

    /// Blocks of weights: on the way forward as many as products for each pixel.
    pub fn weights(&self) -> usize {
        self.0.iter().map(|packed| packed.weights.len()).sum()
    }
}
