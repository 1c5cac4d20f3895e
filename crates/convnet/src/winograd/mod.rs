//! Convolutions by Winograd's F(4x4, 3x3) and F(4x4, 2x2): a quarter of the multiplications, or two fifths.
//!
//! Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks". Tiles of inputs and the kernel are taken to
//! points, where the convolution is a product of channels at each point, and back to 4 x 4 outputs, or 3 in an axis, so that
//! few tiles lie over the edge. A stride cuts the source into grids, each with a small kernel of its own; at the points they
//! are as many more channels.

mod grid;
mod run;
mod tile;

use core::marker::PhantomData;

use crate::end::{Beside, End};
use crate::map::{Halo, View, ViewMut};
use crate::phase::{Phase, Tap};
use crate::simd::{BLOCK, Block, LARGE, dispatch};
use grid::{Cut, Grid, cost, grids};
use run::Run;
use tile::{MOST_TAPS, OUT, Three, Tile, Two, inputs, kernel_points};

/// Tiles that are taken together at least where the weights do not stay in the nearer caches.
const LEAST: usize = 64;

/// A convolution ready to run, in either direction.
#[derive(Debug)]
pub(crate) struct Winograd {
    parts: Vec<Part>,
    /// Source channels.
    depth: usize,
    end: End,
}

/// One phase.
#[derive(Debug)]
struct Part {
    phase: Phase,
    /// Where the first tile starts in each grid.
    corners: Vec<[isize; 2]>,
    /// Rows and columns of the grids' kernels.
    taps: usize,
    /// Point, output block, grid, source channel.
    weights: Vec<Block>,
}

/// Whether it pays for `channels` to `filters`.
pub(crate) fn pays(channels: usize, filters: usize, phases: &[Phase]) -> bool {
    let costs: Option<Vec<[usize; 2]>> = phases.iter().map(cost).collect();
    costs.is_some_and(|costs| {
        let sum = |i: usize| costs.iter().map(|cost| cost[i]).sum::<usize>();
        channels.min(filters) >= 8 && 3 * sum(0) <= 2 * sum(1)
    })
}

impl Winograd {
    /// `weight(o, i, tap)` is the kernel's element from source channel `i` to channel `o`. Only for phases that it
    /// [`pays`] for.
    pub fn new(
        phases: Vec<Phase>,
        depth: usize,
        outputs: usize,
        weight: impl Fn(usize, usize, &Tap) -> f32,
        end: End,
    ) -> Winograd {
        let part = |phase: Phase| {
            let (grids, taps) = grids(&phase)?;
            Some(Part {
                corners: grids.iter().map(|grid| grid.corner).collect(),
                weights: pack(&grids, taps, [depth, outputs], &weight),
                phase,
                taps,
            })
        };
        Winograd {
            parts: phases.into_iter().filter_map(part).collect(),
            depth,
            end,
        }
    }

    /// The halo that it needs around a source of `size` pixels.
    pub fn halo(&self, size: [usize; 2]) -> Halo {
        let halos = self.parts.iter().map(|part| part.halo(size));
        halos.fold(Halo::default(), Halo::or)
    }

    /// Samples that are run together at least.
    pub fn least(&self) -> usize {
        let large = self.parts.iter().filter(|part| part.is_large());
        let tiles = |part: &Part| KINDS.iter().map(|kind| part.tiles(*kind)).sum::<usize>();
        let samples = large.map(|part| LEAST.div_ceil(tiles(part)));
        samples.max().unwrap_or(1)
    }

    pub fn run(
        &self,
        source: View,
        to: &mut ViewMut,
        beside: &mut Beside,
        scratch: &mut Vec<Block>,
    ) {
        for part in &self.parts {
            match part.taps {
                MOST_TAPS => self.part::<Three, 6>(part, source, to, beside, scratch),
                _ => self.part::<Two, 5>(part, source, to, beside, scratch),
            }
        }
    }

    fn part<T: Tile<IN>, const IN: usize>(
        &self,
        part: &Part,
        source: View,
        to: &mut ViewMut,
        beside: &mut Beside,
        scratch: &mut Vec<Block>,
    ) {
        dispatch(Run::<T, IN> {
            depth: self.depth,
            end: &self.end,
            part,
            source,
            to,
            beside,
            scratch,
            tile: PhantomData,
        });
    }
}

/// The points of the grids' kernels.
fn pack(
    grids: &[Grid],
    taps: usize,
    [depth, outputs]: [usize; 2],
    weight: impl Fn(usize, usize, &Tap) -> f32,
) -> Vec<Block> {
    let blocks = outputs.div_ceil(BLOCK);
    let points = inputs(taps).pow(2);
    let mut weights = vec![Block::ZERO; points * blocks * grids.len() * depth];
    for o in 0..outputs {
        for (g, grid) in grids.iter().enumerate() {
            for i in 0..depth {
                let points = kernel_points(taps, |y, x| {
                    let tap = grid.taps.iter().find(|(place, _)| *place == [y, x]);
                    tap.map_or(0.0, |(_, tap)| weight(o, i, tap).into())
                });
                for (p, point) in points.enumerate() {
                    let at = ((p * blocks + o / BLOCK) * grids.len() + g) * depth + i;
                    weights[at].0[o % BLOCK] = point as f32;
                }
            }
        }
    }
    weights
}

/// Whether tiles are narrow, in rows and in columns.
type Narrow = [bool; 2];

/// The kinds of tiles, in an order in which those that are wide in an axis follow each other.
const KINDS: [Narrow; 4] = [[false, true], [false, false], [true, false], [true, true]];

impl Part {
    fn cuts(&self) -> [Cut; 2] {
        self.phase.size.map(Cut::of)
    }

    /// Tiles of a sample that are of a kind.
    fn tiles(&self, narrow: Narrow) -> usize {
        let [rows, cols] = self.cuts();
        rows.tiles(narrow[0]) * cols.tiles(narrow[1])
    }

    /// Whether its weights do not stay in the nearer caches.
    fn is_large(&self) -> bool {
        self.weights.len() > LARGE
    }

    /// The halo that a source of `size` pixels needs, so that all tiles lie inside of it.
    fn halo(&self, size: [usize; 2]) -> Halo {
        let side = |i: usize| {
            let corners = self.corners.iter().map(|corner| corner[i]);
            let before = corners.clone().min().map_or(0, |least| -least).max(0);
            let pixels = self.cuts()[i].pixels() + inputs(self.taps) - OUT;
            let last = (pixels.saturating_sub(1) * self.phase.stride[i]) as isize;
            let after = corners
                .max()
                .map_or(0, |most| last + most + 1 - size[i] as isize);
            (before as usize, after.max(0) as usize)
        };
        let ((top, bottom), (left, right)) = (side(0), side(1));
        Halo {
            top,
            left,
            bottom,
            right,
        }
    }
}
