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
use crate::rect::{Area, Rect};
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
    /// The phase with all that its tiles meet: of a grid with fewer taps than another, inputs that no tap meets, which cancel
    /// but for their rounding.
    met: Phase,
    /// Point, output block, grid, source channel.
    weights: Vec<Block>,
    /// Whether a weight times zero is zero.
    finite: bool,
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
            let weights = pack(&grids, taps, [depth, outputs], &weight);
            Some(Part {
                met: met(&phase, &grids, taps),
                corners: grids.iter().map(|grid| grid.corner).collect(),
                finite: weights.iter().all(Block::is_finite),
                weights,
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
        let tiles = |part: &Part| part.cuts().map(|cut| cut.wide + cut.narrow);
        let samples = large.map(|part| LEAST.div_ceil(tiles(part).iter().product()));
        samples.max().unwrap_or(1)
    }

    /// The outputs that `source` reaches, on the way forward.
    pub fn reached(&self, source: Rect) -> Rect {
        let rects = self.parts.iter().map(|part| part.met.reached(source));
        rects.fold(Rect::NONE, Rect::or)
    }

    /// The outputs of all tiles that `rect` lies in, on the way forward.
    pub fn tiles(&self, rect: Rect) -> Rect {
        let rects = self.parts.iter().map(|part| part.tiles_of(rect));
        rects.fold(Rect::NONE, Rect::or)
    }

    /// What a tile costs in products of blocks: those of channels, and its way to the points and back.
    pub fn cost_of_tile(&self, sources: usize, outputs: usize) -> usize {
        let part = |part: &Part| {
            let points = inputs(part.taps).pow(2);
            part.weights.len() + 6 * points * (part.corners.len() * sources + outputs)
        };
        self.parts.iter().map(part).sum()
    }

    /// Of a part, whole tiles.
    pub fn run(
        &self,
        source: View,
        to: &mut ViewMut,
        beside: &mut Beside,
        scratch: &mut Vec<Block>,
        area: Area,
    ) {
        for part in &self.parts {
            let tiles = part.tiles(to.group, area);
            match part.taps {
                MOST_TAPS => self.part::<Three, 6>(part, tiles, source, to, beside, scratch),
                _ => self.part::<Two, 5>(part, tiles, source, to, beside, scratch),
            }
        }
    }

    fn part<T: Tile<IN>, const IN: usize>(
        &self,
        part: &Part,
        tiles: Tiles,
        source: View,
        to: &mut ViewMut,
        beside: &mut Beside,
        scratch: &mut Vec<Block>,
    ) {
        dispatch(Run::<T, IN> {
            depth: self.depth,
            end: &self.end,
            part,
            tiles,
            source,
            to,
            beside,
            scratch,
            tile: PhantomData,
        });
    }
}

/// `phase` with the first and the last tap of full kernels on all grids.
fn met(phase: &Phase, grids: &[Grid], taps: usize) -> Phase {
    let tap = |at: [isize; 2]| Tap { kernel: [0, 0], at };
    let far = |i: usize| ((taps - 1) * phase.stride[i]) as isize;
    let ends = |grid: &Grid| {
        let [y, x] = grid.corner;
        [tap([y, x]), tap([y + far(0), x + far(1)])]
    };
    Phase {
        taps: grids.iter().flat_map(ends).collect(),
        ..phase.clone()
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

/// A tile of a sample.
#[derive(Debug, Clone, Copy)]
struct Place {
    sample: usize,
    /// Its first output.
    y: usize,
    x: usize,
    narrow: Narrow,
}

/// Tiles, one kind after the other.
struct Tiles {
    places: Vec<Place>,
    /// Where each kind ends.
    ends: [usize; 4],
}

impl Tiles {
    /// Those of samples that are cut like this in rows and in columns.
    fn new(samples: &[(usize, [Cut; 2])]) -> Tiles {
        let mut places = Vec::new();
        let ends = KINDS.map(|narrow| {
            for &(sample, [rows, cols]) in samples {
                for row in 0..rows.tiles(narrow[0]) {
                    for col in 0..cols.tiles(narrow[1]) {
                        places.push(Place {
                            sample,
                            y: rows.start(narrow[0], row),
                            x: cols.start(narrow[1], col),
                            narrow,
                        });
                    }
                }
            }
            places.len()
        });
        Tiles { places, ends }
    }
}

/// The kinds of tiles, in an order in which those that are wide in an axis follow each other.
const KINDS: [Narrow; 4] = [[false, true], [false, false], [true, false], [true, true]];

impl Part {
    fn cuts(&self) -> [Cut; 2] {
        self.phase.size.map(Cut::of)
    }

    /// The tiles in rows and columns that `rect` lies in; `None` if it is empty.
    fn around(&self, rect: Rect) -> Option<[Cut; 2]> {
        let cuts = self.cuts();
        let around = |i: usize| cuts[i].around(rect.from[i], rect.to[i]);
        (!rect.is_empty()).then(|| [0, 1].map(around))
    }

    /// The outputs of the tiles that `rect` lies in.
    fn tiles_of(&self, rect: Rect) -> Rect {
        self.around(rect).map_or(Rect::NONE, |cuts| Rect {
            from: cuts.map(|cut| cut.first),
            to: [0, 1].map(|i| (cuts[i].first + cuts[i].pixels()).min(self.phase.size[i])),
        })
    }

    /// The tiles of `group` samples that are written.
    fn tiles(&self, group: usize, area: Area) -> Tiles {
        let cuts = |s: usize| self.around(area.of(s, self.phase.size));
        let samples: Vec<_> = (0..group).filter_map(|s| Some((s, cuts(s)?))).collect();
        Tiles::new(&samples)
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
