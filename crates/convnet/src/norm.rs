//! Layer normalisation: the channels of each pixel, less their mean, over their deviation (Ba, Kiros and Hinton 2016); or
//! without the mean (Zhang and Sennrich 2019). The tape keeps what is normalised, and one over the deviation.

use pulp::Simd;

use crate::end::{Beside, End};
use crate::map::{Map, View, ViewMut};
use crate::rect::Area;
use crate::run::Pass;
use crate::simd::{BLOCK, Block, Kernel, Vectors, dispatch, load, store, zip};

/// Pixels of a row that are taken together.
const TILE: usize = 16;

/// `(x - mean) / sqrt(variance + epsilon) scale + bias`, over the channels of each pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct Norm {
    /// One a channel.
    pub scale: Vec<f32>,
    /// One a channel, or none.
    pub bias: Vec<f32>,
    pub epsilon: f32,
    /// Whether the mean is taken away.
    pub centre: bool,
}

/// The same, ready to run in either direction.
#[derive(Debug)]
pub(crate) struct Normalise {
    scale: Vec<Block>,
    bias: Vec<Block>,
    channels: usize,
    epsilon: f32,
    centre: bool,
    /// Where on the tape the normalised values lie, and what they were divided by.
    places: [usize; 2],
}

impl Normalise {
    pub fn new(norm: &Norm, places: [usize; 2]) -> Normalise {
        Normalise {
            scale: Block::all(&norm.scale),
            bias: Block::all(&norm.bias),
            channels: norm.scale.len(),
            epsilon: norm.epsilon,
            centre: norm.centre,
            places,
        }
    }

    pub fn run(&self, source: View, to: &mut ViewMut, pass: &mut Pass, area: Area) {
        dispatch(Forward {
            op: self,
            source,
            to,
            pass,
            area,
        });
    }

    /// From the derivative by the result to the one by what was normalised.
    pub fn back(&self, end: &End, source: View, to: &mut ViewMut, beside: &mut Beside) {
        dispatch(Back {
            op: self,
            end,
            source,
            to,
            beside,
        });
    }

    /// The block `value` of channels `b`, with `other` where there are no channels.
    #[inline(always)]
    fn live<S: Simd, const V: usize>(&self, b: usize, value: &Block, other: f32) -> Vectors<S, V> {
        let left = self.channels - b * BLOCK;
        if left >= BLOCK {
            return load::<S, V>(&value.0, 0);
        }
        let mut block = *value;
        block.0[left..].fill(other);
        load::<S, V>(&block.0, 0)
    }

    #[inline(always)]
    fn mean<S: Simd, const V: usize>(&self, simd: S, sums: Vectors<S, V>) -> f32 {
        let zero = simd.splat_f32s(0.0);
        let sum = sums.into_iter().fold(zero, |a, b| simd.add_f32s(a, b));
        simd.reduce_sum_f32s(sum) / self.channels as f32
    }
}

/// The pixels of a tile: of sample `s` and row `y`, `n` from `x` on.
#[derive(Clone, Copy)]
struct Tile {
    s: usize,
    y: usize,
    x: usize,
    n: usize,
}

/// All tiles of the samples' areas.
#[inline(always)]
fn tiles(map: &Map, group: usize, area: Area, mut each: impl FnMut(Tile)) {
    for s in 0..group {
        let rect = area.of(s, [map.rows, map.cols]);
        for y in rect.from[0]..rect.to[0] {
            for x in (rect.from[1]..rect.to[1]).step_by(TILE) {
                let n = TILE.min(rect.to[1] - x);
                each(Tile { s, y, x, n });
            }
        }
    }
}

struct Forward<'a, 'b, 'c, 'd> {
    op: &'a Normalise,
    source: View<'a>,
    to: &'b mut ViewMut<'c>,
    pass: &'b mut Pass<'d>,
    area: Area<'a>,
}

impl Kernel for Forward<'_, '_, '_, '_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let (op, source, group, map) = (self.op, self.source, self.to.group, *self.to.map);
        let blocks = map.blocks();
        let mut tape = match self.pass {
            Pass::Record(marks) => Some(&mut marks.numbers),
            _ => None,
        };
        let area = self.area;
        let to = self.to;
        tiles(&map, group, area, |Tile { s, y, x, n }| {
            let zero = simd.splat_f32s(0.0);
            let line = |b: usize| &source.data[source.at(b, s, y, x)..][..n];
            let mut means = [0.0; TILE];
            if op.centre {
                let mut sums = [[zero; V]; TILE];
                for b in 0..blocks {
                    for (sum, value) in sums.iter_mut().zip(line(b)) {
                        let value = op.live::<S, V>(b, value, 0.0);
                        *sum = zip::<S, V>(*sum, value, |a, b| simd.add_f32s(a, b));
                    }
                }
                for (mean, sum) in means.iter_mut().zip(sums) {
                    *mean = op.mean::<S, V>(simd, sum);
                }
            }
            let mut squares = [[zero; V]; TILE];
            for b in 0..blocks {
                for ((sum, value), mean) in squares.iter_mut().zip(line(b)).zip(means) {
                    let value = apart::<S, V>(simd, op, b, value, mean);
                    for v in 0..V {
                        sum[v] = simd.mul_add_e_f32s(value[v], value[v], sum[v]);
                    }
                }
            }
            let inverse = squares.map(|sum| {
                let variance = op.mean::<S, V>(simd, sum);
                1.0 / (variance + op.epsilon).sqrt()
            });
            for b in 0..blocks {
                let scale = load::<S, V>(&op.scale[b].0, 0);
                let bias = op
                    .bias
                    .get(b)
                    .map_or([zero; V], |bias| load::<S, V>(&bias.0, 0));
                let at = (b * group + s) * map.sample() + map.at(y, x);
                let out = &mut to.data[at..][..n];
                let line = line(b);
                for i in 0..n {
                    let by = simd.splat_f32s(inverse[i]);
                    let value = apart::<S, V>(simd, op, b, &line[i], means[i]);
                    let value = value.map(|value| simd.mul_f32s(value, by));
                    if let Some(tape) = &mut tape {
                        let place = ((b * group + s) * map.rows + y) * map.cols + x + i;
                        let kept = &mut tape[op.places[0] * group + place];
                        store::<S, V>(&mut kept.0, 0, value);
                    }
                    let mut scaled = value;
                    for v in 0..V {
                        scaled[v] = simd.mul_add_e_f32s(value[v], scale[v], bias[v]);
                    }
                    store::<S, V>(&mut out[i].0, 0, scaled);
                }
            }
            if let Some(tape) = &mut tape {
                let place = op.places[1] * group + (s * map.rows + y) * map.cols + x;
                for (kept, &inverse) in tape[place..][..n].iter_mut().zip(&inverse) {
                    kept.0.fill(inverse);
                }
            }
        });
    }
}

/// A block less the mean, with zeros where there are no channels.
#[inline(always)]
fn apart<S: Simd, const V: usize>(
    simd: S,
    op: &Normalise,
    b: usize,
    value: &Block,
    mean: f32,
) -> Vectors<S, V> {
    let block = op.live::<S, V>(b, value, mean);
    let mean = simd.splat_f32s(mean);
    block.map(|value| simd.sub_f32s(value, mean))
}

struct Back<'a, 'b, 'c, 'd> {
    op: &'a Normalise,
    end: &'a End,
    source: View<'a>,
    to: &'b mut ViewMut<'c>,
    beside: &'b mut Beside<'d>,
}

impl Kernel for Back<'_, '_, '_, '_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Some(numbers) = self.beside.numbers() else {
            return;
        };
        let (op, source, group, map) = (self.op, self.source, self.to.group, *self.to.map);
        let blocks = map.blocks();
        let (end, to, beside) = (self.end, self.to, self.beside);
        tiles(&map, group, Area::Whole, |Tile { s, y, x, n }| {
            let zero = simd.splat_f32s(0.0);
            let line = |b: usize| &source.data[source.at(b, s, y, x)..][..n];
            let kept = |b: usize| {
                let place = ((b * group + s) * map.rows + y) * map.cols + x;
                &numbers[op.places[0] * group + place..][..n]
            };
            let scaled = |b: usize, value: &Block| {
                let scale = load::<S, V>(&op.scale[b].0, 0);
                let value = op.live::<S, V>(b, value, 0.0);
                zip::<S, V>(value, scale, |a, b| simd.mul_f32s(a, b))
            };
            let mut sums = [[[zero; V]; 2]; TILE];
            for b in 0..blocks {
                for ((sum, value), kept) in sums.iter_mut().zip(line(b)).zip(kept(b)) {
                    let g = scaled(b, value);
                    let kept = load::<S, V>(&kept.0, 0);
                    for v in 0..V {
                        sum[0][v] = simd.add_f32s(sum[0][v], g[v]);
                        sum[1][v] = simd.mul_add_e_f32s(g[v], kept[v], sum[1][v]);
                    }
                }
            }
            let means = sums.map(|sum| sum.map(|sum| op.mean::<S, V>(simd, sum)));
            let place = op.places[1] * group + (s * map.rows + y) * map.cols + x;
            let inverse = &numbers[place..][..n];
            for b in 0..blocks {
                for (i, (value, kept)) in line(b).iter().zip(kept(b)).enumerate() {
                    let g = scaled(b, value);
                    let kept = load::<S, V>(&kept.0, 0);
                    let mean = simd.splat_f32s(if op.centre { means[i][0] } else { 0.0 });
                    let along = simd.splat_f32s(-means[i][1]);
                    let by = simd.splat_f32s(inverse[i].0[0]);
                    let mut value = g;
                    for v in 0..V {
                        let rest = simd.sub_f32s(g[v], mean);
                        let rest = simd.mul_add_e_f32s(kept[v], along, rest);
                        value[v] = simd.mul_f32s(rest, by);
                    }
                    let pixel = [b, s, y, x + i];
                    let value = end.apply::<S, V>(simd, value, beside, &map, pixel);
                    let at = (b * group + s) * map.sample() + map.at(y, x + i);
                    store::<S, V>(&mut to.data[at].0, 0, value);
                }
            }
        });
    }
}
