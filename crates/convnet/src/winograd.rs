//! 3 x 3 convolutions of stride 1 by Winograd's F(4x4, 3x3): a quarter of the multiplications.
//!
//! Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks". Tiles of 6 x 6 inputs and the kernel are taken to 36
//! points, where the convolution is a product of channels at each point, and back to 4 x 4 outputs.

// Indices of small matrices read as the formulas do.
#![allow(clippy::needless_range_loop)]

use pulp::Simd;

use crate::end::{Beside, End};
use crate::map::{Halo, Map, View, ViewMut};
use crate::product::{pieces, product, sized};
use crate::simd::{BLOCK, Block, Kernel, LARGE, Vectors, dispatch, store};

/// Outputs of a tile, in each axis.
const OUT: usize = 4;
/// Inputs of a tile, in each axis.
const IN: usize = 6;
const POINTS: usize = IN * IN;
/// The rows of a product: tiles are taken by as many.
const TILES: usize = 16;
/// Blocks that the points of the tiles in work may take: they are to stay in the nearer caches.
const WORK: usize = 6 << 10;
/// Tiles that are taken together at least where the weights do not stay in the nearer caches.
const LEAST: usize = 64;

/// A 3 x 3 convolution ready to run, in either direction.
#[derive(Debug)]
pub(crate) struct Winograd {
    /// Point, output block, source channel.
    weights: Vec<Block>,
    /// Source channels.
    depth: usize,
    /// Padding before, rows and columns.
    begin: [usize; 2],
    end: End,
}

/// Whether it pays for `channels` to `filters` on an output of `size` pixels.
pub(crate) fn pays(channels: usize, filters: usize, size: [usize; 2]) -> bool {
    let tiles = size[0].div_ceil(OUT) * size[1].div_ceil(OUT);
    channels.min(filters) >= 8 && 3 * POINTS * tiles <= 2 * 9 * size[0] * size[1]
}

impl Winograd {
    /// `weight(o, i, y, x)` is the kernel's element from source channel `i` to channel `o`.
    pub fn new(
        depth: usize,
        outputs: usize,
        begin: [usize; 2],
        weight: impl Fn(usize, usize, usize, usize) -> f32,
        end: End,
    ) -> Winograd {
        let blocks = outputs.div_ceil(BLOCK);
        let mut weights = vec![Block::ZERO; POINTS * blocks * depth];
        for o in 0..outputs {
            for i in 0..depth {
                let points = kernel_points(|y, x| weight(o, i, y, x).into());
                for (p, point) in points.into_iter().enumerate() {
                    weights[(p * blocks + o / BLOCK) * depth + i].0[o % BLOCK] = point as f32;
                }
            }
        }
        Winograd {
            weights,
            depth,
            begin,
            end,
        }
    }

    /// The halo that it needs around a source of `size` pixels, towards an output of `out`.
    pub fn halo(&self, size: [usize; 2], out: [usize; 2]) -> Halo {
        let after = |i: usize| {
            (out[i].div_ceil(OUT) * OUT + IN - OUT).saturating_sub(self.begin[i] + size[i])
        };
        Halo {
            top: self.begin[0],
            left: self.begin[1],
            bottom: after(0),
            right: after(1),
        }
    }

    /// Samples that are run together at least.
    pub fn least(&self, out: [usize; 2]) -> usize {
        let tiles = out[0].div_ceil(OUT) * out[1].div_ceil(OUT);
        match self.weights.len() > LARGE {
            true => LEAST.div_ceil(tiles),
            false => 1,
        }
    }

    pub fn run(
        &self,
        source: View,
        to: &mut ViewMut,
        beside: &mut Beside,
        scratch: &mut Vec<Block>,
    ) {
        dispatch(Run {
            op: self,
            source,
            to,
            beside,
            scratch,
        });
    }
}

struct Run<'a, 'b, 'c, 'd> {
    op: &'a Winograd,
    source: View<'a>,
    to: &'b mut ViewMut<'c>,
    beside: &'b mut Beside<'d>,
    scratch: &'b mut Vec<Block>,
}

impl Kernel for Run<'_, '_, '_, '_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let blocks = [self.source.map.blocks(), self.to.map.blocks()];
        let [rows, cols] = [self.to.map.rows, self.to.map.cols].map(|n| n.div_ceil(OUT));
        let all = self.to.group * rows * cols;
        let fit = WORK / (POINTS * (blocks[0] + blocks[1]));
        let least = if self.op.weights.len() > LARGE {
            LEAST
        } else {
            TILES
        };
        let most = (fit / TILES * TILES)
            .max(least)
            .min(all.next_multiple_of(TILES));
        let size = POINTS * most * (blocks[0] + blocks[1]);
        let mut scratch = core::mem::take(self.scratch);
        if scratch.len() < size {
            scratch.resize(size, Block::ZERO);
        }
        let (inputs, outputs) = scratch.split_at_mut(POINTS * most * blocks[0]);
        for first in (0..all).step_by(most) {
            let tiles = most.min(all - first);
            let place = |tile: usize| {
                let tile = first + tile;
                let (s, tile) = (tile / (rows * cols), tile % (rows * cols));
                [s, tile / cols * OUT, tile % cols * OUT]
            };
            for tile in 0..tiles {
                self.take::<S, V>(simd, inputs, [tile, tiles], place(tile));
            }
            self.multiply::<S, V>(simd, inputs, outputs, tiles);
            for tile in 0..tiles {
                self.give::<S, V>(simd, outputs, [tile, tiles], place(tile));
            }
        }
        *self.scratch = scratch;
    }
}

impl Run<'_, '_, '_, '_> {
    /// Takes one tile of the source to its points.
    #[inline(always)]
    fn take<S: Simd, const V: usize>(
        &self,
        simd: S,
        inputs: &mut [Block],
        [tile, tiles]: [usize; 2],
        [s, y, x]: [usize; 3],
    ) {
        let map: &Map = self.source.map;
        let blocks = map.blocks();
        for b in 0..blocks {
            // The tile's first pixel lies before (y, x) by the padding, inside the halo.
            let corner = self.source.at(b, s, 0, 0) + y * map.row() + x
                - self.op.begin[0] * map.row()
                - self.op.begin[1];
            let data = &self.source.data[corner..];
            for v in 0..V {
                let mut points = [[simd.splat_f32s(0.0); IN]; IN];
                for x in 0..IN {
                    let column = core::array::from_fn(
                        #[inline(always)]
                        |y| S::as_simd_f32s(&data[y * map.row() + x].0).0[v],
                    );
                    let column = input_points(simd, column);
                    for y in 0..IN {
                        points[y][x] = column[y];
                    }
                }
                for (y, row) in points.into_iter().enumerate() {
                    for (x, point) in input_points(simd, row).into_iter().enumerate() {
                        let at = ((y * IN + x) * blocks + b) * tiles + tile;
                        S::as_mut_simd_f32s(&mut inputs[at].0).0[v] = point;
                    }
                }
            }
        }
    }

    /// The product of channels at every point.
    #[inline(always)]
    fn multiply<S: Simd, const V: usize>(
        &self,
        simd: S,
        inputs: &[Block],
        outputs: &mut [Block],
        tiles: usize,
    ) {
        let (from, to) = (self.source.map.blocks(), self.to.map.blocks());
        let depth = self.op.depth;
        for point in 0..POINTS {
            let inputs = &inputs[point * from * tiles..][..from * tiles];
            for block in 0..to {
                let at = point * to + block;
                let weights = &self.op.weights[at * depth..][..depth];
                let outputs = &mut outputs[at * tiles..][..tiles];
                for (first, size) in pieces(V, tiles) {
                    let out = &mut outputs[first..];
                    sized!(
                        size,
                        V,
                        rows::<S>(simd, inputs, [first, tiles], weights, out)
                    );
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
        [s, top, left]: [usize; 3],
    ) {
        let blocks = self.to.map.blocks();
        let [height, width] = [self.to.map.rows - top, self.to.map.cols - left].map(|n| n.min(OUT));
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
                    let column = outputs_of(simd, column);
                    for y in 0..OUT {
                        half[y][x] = column[y];
                    }
                }
                for y in 0..OUT {
                    let row = outputs_of(simd, half[y]);
                    for x in 0..OUT {
                        values[y][x][v] = row[x];
                    }
                }
            }
            for (y, row) in values.into_iter().enumerate().take(height) {
                for (x, value) in row.into_iter().enumerate().take(width) {
                    let pixel = [b, s, top + y, left + x];
                    let end = &self.op.end;
                    let value = end.apply::<S, V>(simd, value, self.beside, self.to.map, pixel);
                    let at = self.to.at(b, s, top + y, left + x);
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
    weights: &[Block],
    out: &mut [Block],
) {
    let starts = (first..inputs.len()).step_by(tiles);
    let sums: [Vectors<S, V>; M] =
        product::<S, V, M>(simd, inputs, starts, 1, weights.len(), weights);
    for (out, sum) in out.iter_mut().zip(sums) {
        store::<S, V>(&mut out.0, 0, sum);
    }
}

/// The six points of six inputs in a line.
#[inline(always)]
fn input_points<S: Simd>(simd: S, d: [S::f32s; IN]) -> [S::f32s; IN] {
    let times = |k: f32, x| simd.mul_f32s(simd.splat_f32s(k), x);
    let madd = |k: f32, x, y| simd.mul_add_e_f32s(simd.splat_f32s(k), x, y);
    let even = madd(-4.0, d[2], d[4]);
    let odd = madd(-4.0, d[1], d[3]);
    let second = simd.sub_f32s(d[4], d[2]);
    let first = times(2.0, simd.sub_f32s(d[3], d[1]));
    [
        madd(4.0, d[0], madd(-5.0, d[2], d[4])),
        simd.add_f32s(even, odd),
        simd.sub_f32s(even, odd),
        simd.add_f32s(second, first),
        simd.sub_f32s(second, first),
        madd(4.0, d[1], madd(-5.0, d[3], d[5])),
    ]
}

/// The four outputs of six points in a line.
#[inline(always)]
fn outputs_of<S: Simd>(simd: S, m: [S::f32s; IN]) -> [S::f32s; OUT] {
    let madd = |k: f32, x, y| simd.mul_add_e_f32s(simd.splat_f32s(k), x, y);
    let (sum, difference) = (simd.add_f32s(m[1], m[2]), simd.sub_f32s(m[1], m[2]));
    let (sum2, difference2) = (simd.add_f32s(m[3], m[4]), simd.sub_f32s(m[3], m[4]));
    [
        simd.add_f32s(m[0], simd.add_f32s(sum, sum2)),
        madd(2.0, difference2, difference),
        madd(4.0, sum2, sum),
        simd.add_f32s(madd(8.0, difference2, difference), m[5]),
    ]
}

/// The points of a kernel.
fn kernel_points(at: impl Fn(usize, usize) -> f64) -> [f64; POINTS] {
    let line = |g: [f64; 3]| {
        let even = -(g[0] + g[2]) / 6.0;
        let far = g[0] / 24.0 + g[2] / 6.0;
        [
            g[0] / 4.0,
            even - g[1] / 6.0,
            even + g[1] / 6.0,
            far + g[1] / 12.0,
            far - g[1] / 12.0,
            g[2],
        ]
    };
    let columns: [[f64; IN]; 3] =
        core::array::from_fn(|x| line(core::array::from_fn(|y| at(y, x))));
    let rows: [[f64; IN]; IN] =
        core::array::from_fn(|y| line(core::array::from_fn(|x| columns[x][y])));
    core::array::from_fn(|p| rows[p / IN][p % IN])
}
