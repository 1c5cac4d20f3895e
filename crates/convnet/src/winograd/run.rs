//! Winograd's method on one phase: tiles to points, a product of channels at each point, and back.

// Indices of small matrices read as the formulas do.
#![allow(clippy::needless_range_loop)]

use core::marker::PhantomData;
use core::ops::Range;

use pulp::Simd;

use super::tile::{OUT, Tile};
use super::{LEAST, Part, Place, Tiles};
use crate::end::{Beside, End};
use crate::map::{Map, View, ViewMut};
use crate::phase::Phase;
use crate::product::{pieces, product_of_live, sized};
use crate::simd::{BLOCK, Block, Kernel, Vectors, nonzero, store};

/// The rows of a product: tiles are taken by as many.
const TILES: usize = 16;
/// Blocks that the points of the tiles in work may take: they are to stay in the nearer caches.
const WORK: usize = 6 << 10;

/// One phase, with tiles of `IN` x `IN` inputs.
pub(super) struct Run<'a, 'b, 'c, 'd, T, const IN: usize> {
    pub depth: usize,
    pub end: &'a End,
    pub part: &'a Part,
    pub tiles: Tiles,
    pub source: View<'a>,
    pub to: &'b mut ViewMut<'c>,
    pub beside: &'b mut Beside<'d>,
    pub scratch: &'b mut Vec<Block>,
    pub tile: PhantomData<T>,
}

impl<T: Tile<IN>, const IN: usize> Kernel for Run<'_, '_, '_, '_, T, IN> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let blocks = [self.source_blocks(), self.to.map.blocks()];
        let all = self.tiles.places.len();
        if all == 0 {
            return;
        }
        let fit = WORK / (IN * IN * (blocks[0] + blocks[1]));
        let least = match self.part.is_large() {
            true => LEAST,
            false => TILES,
        };
        let most = (fit / TILES * TILES)
            .max(least)
            .min(all.next_multiple_of(TILES));
        let size = IN * IN * most * (blocks[0] + blocks[1]);
        let mut scratch = core::mem::take(self.scratch);
        if scratch.len() < size {
            scratch.resize(size, Block::ZERO);
        }
        let (inputs, outputs) = scratch.split_at_mut(IN * IN * most * blocks[0]);
        let mut live = vec![0; blocks[0]];
        for first in (0..all).step_by(most) {
            let tiles = most.min(all - first);
            self.mark_others(&mut live);
            for tile in 0..tiles {
                let place = self.tiles.places[first + tile];
                self.take::<S, V>(simd, inputs, &mut live, [tile, tiles], place);
            }
            self.forget_others(&mut live);
            // How many of the tiles are of each kind or one before it.
            let ends = self.tiles.ends;
            let ends = ends.map(|end| end.clamp(first, first + tiles) - first);
            self.multiply::<S, V>(simd, inputs, &live, outputs, ends);
            for tile in 0..tiles {
                let place = self.tiles.places[first + tile];
                self.give::<S, V>(simd, outputs, [tile, tiles], place);
            }
        }
        *self.scratch = scratch;
    }
}

impl<T: Tile<IN>, const IN: usize> Run<'_, '_, '_, '_, T, IN> {
    /// Blocks of channels at a point: those of every grid.
    fn source_blocks(&self) -> usize {
        self.part.corners.len() * self.source.map.blocks()
    }

    /// Takes one tile of each of the source's grids to its points, and marks the channels that are not zero in all of it.
    #[inline(always)]
    fn take<S: Simd, const V: usize>(
        &self,
        simd: S,
        inputs: &mut [Block],
        live: &mut [u16],
        [tile, tiles]: [usize; 2],
        place: Place,
    ) {
        let map: &Map = self.source.map;
        let blocks = self.source_blocks();
        let [down, right] = self.part.phase.stride;
        let down = down * map.row();
        let [height, width] = place.narrow.map(|narrow| IN - usize::from(narrow));
        for b in 0..blocks {
            let corner = self.part.corners[b / map.blocks()];
            // The tile's first pixel may lie before the sample's, inside the halo.
            let offset = corner[0] * map.row() as isize + corner[1];
            let sample = self.source.at(b % map.blocks(), place.sample, 0, 0);
            let pixel = sample + place.y * down + place.x * right;
            let data = &self.source.data[pixel.wrapping_add_signed(offset)..];
            for i in 0..height * width {
                if live[b] == u16::MAX {
                    break;
                }
                live[b] |= nonzero::<S, V>(simd, &data[i / width * down + i % width * right]);
            }
            for v in 0..V {
                let mut points = [[simd.splat_f32s(0.0); IN]; IN];
                for x in 0..width {
                    let column = core::array::from_fn(
                        #[inline(always)]
                        |y| match y < height {
                            true => S::as_simd_f32s(&data[y * down + x * right].0).0[v],
                            false => simd.splat_f32s(0.0),
                        },
                    );
                    let column = T::points(simd, column, place.narrow[0]);
                    for y in 0..IN {
                        points[y][x] = column[y];
                    }
                }
                for (y, row) in points.into_iter().enumerate() {
                    let row = T::points(simd, row, place.narrow[1]);
                    for (x, point) in row.into_iter().enumerate() {
                        let at = ((y * IN + x) * blocks + b) * tiles + tile;
                        S::as_mut_simd_f32s(&mut inputs[at].0).0[v] = point;
                    }
                }
            }
        }
    }

    /// A bit for each channel of a block of the source's that there is.
    fn channels(&self, block: usize) -> u16 {
        match self.depth - block % self.source.map.blocks() * BLOCK {
            left if left < BLOCK => (1 << left) - 1,
            _ => u16::MAX,
        }
    }

    /// Marks what need not be looked at: channels that there are none of, and all where a weight is not finite, or where there
    /// are so few outputs that it does not pay.
    fn mark_others(&self, live: &mut [u16]) {
        for (block, live) in live.iter_mut().enumerate() {
            *live = match self.part.finite && self.to.map.blocks() > 1 {
                true => !self.channels(block),
                false => u16::MAX,
            };
        }
    }

    /// Forgets the channels that there are none of, where not all are marked.
    fn forget_others(&self, live: &mut [u16]) {
        for (block, live) in live.iter_mut().enumerate() {
            if *live != u16::MAX {
                *live &= self.channels(block);
            }
        }
    }

    /// The tiles that a point counts for, where there are so many of each kind or one before it.
    #[inline(always)]
    fn at_point(point: usize, ends: [usize; 4]) -> Range<usize> {
        let [y, x] = [point / IN, point % IN].map(|axis| axis == T::DROPPED);
        let start = if x { ends[0] } else { 0 };
        match (y, x) {
            (true, _) => start..ends[1],
            (false, true) => start..ends[2],
            (false, false) => start..ends[3],
        }
    }

    /// The product of channels at every point.
    #[inline(always)]
    fn multiply<S: Simd, const V: usize>(
        &self,
        simd: S,
        inputs: &[Block],
        live: &[u16],
        outputs: &mut [Block],
        ends: [usize; 4],
    ) {
        let (from, to) = (self.source_blocks(), self.to.map.blocks());
        let channels = self.part.corners.len() * self.depth;
        let tiles = ends[3];
        for point in 0..IN * IN {
            let inputs = &inputs[point * from * tiles..][..from * tiles];
            let some = Self::at_point(point, ends);
            for block in 0..to {
                let at = point * to + block;
                let weights = &self.part.weights[at * channels..][..channels];
                let outputs = &mut outputs[at * tiles..][..tiles];
                for (first, size) in pieces(V, some.len()) {
                    let first = some.start + first;
                    let out = &mut outputs[first..];
                    let (place, depth) = ([first, tiles], self.depth);
                    let terms = (live, depth, weights);
                    sized!(size, V, rows::<S>(simd, inputs, place, terms, out));
                }
            }
        }
    }

    /// Takes the points of one tile to its outputs.
    #[inline(always)]
    fn give<S: Simd, const V: usize>(
        &mut self,
        simd: S,
        outputs: &[Block],
        [tile, tiles]: [usize; 2],
        place: Place,
    ) {
        let blocks = self.to.map.blocks();
        let Phase {
            size, first, step, ..
        } = self.part.phase;
        let [tall, wide] = place.narrow.map(|narrow| OUT - usize::from(narrow));
        let (height, width) = (tall.min(size[0] - place.y), wide.min(size[1] - place.x));
        for b in 0..blocks {
            let mut values = [[[simd.splat_f32s(0.0); V]; OUT]; OUT];
            for v in 0..V {
                let mut half = [[simd.splat_f32s(0.0); IN]; OUT];
                for x in 0..IN {
                    let column = core::array::from_fn(
                        #[inline(always)]
                        |y| {
                            let at = ((y * IN + x) * blocks + b) * tiles + tile;
                            S::as_simd_f32s(&outputs[at].0).0[v]
                        },
                    );
                    let column = T::outputs(simd, column, place.narrow[0]);
                    for y in 0..OUT {
                        half[y][x] = column[y];
                    }
                }
                for y in 0..OUT {
                    let row = T::outputs(simd, half[y], place.narrow[1]);
                    for x in 0..OUT {
                        values[y][x][v] = row[x];
                    }
                }
            }
            for (y, row) in values.into_iter().enumerate().take(height) {
                for (x, value) in row.into_iter().enumerate().take(width) {
                    let y = first[0] + step[0] * (place.y + y);
                    let x = first[1] + step[1] * (place.x + x);
                    let (map, pixel) = (self.to.map, [b, place.sample, y, x]);
                    let value = self.end.apply::<S, V>(simd, value, self.beside, map, pixel);
                    let at = self.to.at(b, place.sample, y, x);
                    store::<S, V>(&mut self.to.data[at].0, 0, value);
                }
            }
        }
    }
}

/// The products of `M` tiles from `first` on, at one point.
#[inline(always)]
fn rows<S: Simd, const V: usize, const M: usize>(
    simd: S,
    inputs: &[Block],
    [first, tiles]: [usize; 2],
    (live, depth, weights): (&[u16], usize, &[Block]),
    out: &mut [Block],
) {
    let starts = (first..inputs.len()).step_by(tiles);
    let sums: [Vectors<S, V>; M] =
        product_of_live::<S, V, M>(simd, inputs, starts, live, depth, weights);
    for (out, sum) in out.iter_mut().zip(sums) {
        store::<S, V>(&mut out.0, 0, sum);
    }
}
