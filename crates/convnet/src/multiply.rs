//! The product of two values: of one shape, or one of them with a single pixel, a factor for each channel. On the way back
//! each is weighed by the other, which the tape keeps.

use pulp::Simd;

use crate::end::{Beside, End};
use crate::map::{Map, View, ViewMut};
use crate::rect::Area;
use crate::run::Pass;
use crate::simd::{Block, Kernel, dispatch, load, store, zip};

/// From a derivative by the product to the one by a factor.
#[derive(Debug)]
pub(crate) struct MultiplyBack {
    /// The other factor, and where it lies on the tape.
    pub other: Map,
    pub at: usize,
    pub end: End,
}

/// Writes the product of two values, and themselves on the tape, each from its place on.
pub(crate) fn run(
    places: [usize; 2],
    factors: [View; 2],
    to: &mut ViewMut,
    pass: &mut Pass,
    area: Area,
) {
    if let Pass::Record(marks) = pass {
        for (at, factor) in places.into_iter().zip(&factors) {
            keep(*factor, &mut marks.numbers[at * factor.group..]);
        }
    }
    dispatch(Run { factors, to, area });
}

fn keep(factor: View, tape: &mut [Block]) {
    let map = factor.map;
    let lines = (0..map.blocks() * factor.group)
        .flat_map(|i| (0..map.rows).map(move |y| i * map.sample() + map.at(y, 0)));
    for (from, line) in lines.zip(tape.chunks_exact_mut(map.cols)) {
        line.copy_from_slice(&factor.data[from..from + map.cols]);
    }
}

struct Run<'a, 'b, 'c> {
    factors: [View<'a>; 2],
    to: &'b mut ViewMut<'c>,
    area: Area<'a>,
}

impl Kernel for Run<'_, '_, '_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let (map, [a, b]) = (self.to.map, self.factors);
        let steps = [a, b].map(|factor| step(factor.map, map));
        for block in 0..map.blocks() {
            for s in 0..self.to.group {
                let rect = self.area.of(s, [map.rows, map.cols]);
                for y in rect.from[0]..rect.to[0] {
                    let froms = [(a, steps[0]), (b, steps[1])]
                        .map(|(factor, step)| factor.at(block, s, y * step, 0));
                    let at = self.to.at(block, s, y, 0);
                    for x in rect.from[1]..rect.to[1] {
                        let value = load::<S, V>(&a.data[froms[0] + x * steps[0]].0, 0);
                        let other = load::<S, V>(&b.data[froms[1] + x * steps[1]].0, 0);
                        let product = zip::<S, V>(value, other, |a, b| simd.mul_f32s(a, b));
                        store::<S, V>(&mut self.to.data[at + x].0, 0, product);
                    }
                }
            }
        }
    }
}

/// Pixels of a factor from one to the next of the product.
fn step(factor: &Map, product: &Map) -> usize {
    usize::from(factor.pixels() == product.pixels())
}

impl MultiplyBack {
    pub fn run(&self, source: View, to: &mut ViewMut, beside: &mut Beside) {
        dispatch(Back {
            op: self,
            source,
            to,
            beside,
        });
    }
}

struct Back<'a, 'b, 'c, 'd> {
    op: &'a MultiplyBack,
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
        let (source, map, other, group) = (self.source, self.to.map, self.op.other, self.to.group);
        let numbers = &numbers[self.op.at * group..];
        let by = step(&other, source.map);
        let summed = map.pixels() != source.map.pixels();
        for b in 0..map.blocks() {
            for s in 0..group {
                let other = (b * group + s) * other.pixels();
                let mut sums = [simd.splat_f32s(0.0); V];
                for y in 0..source.map.rows {
                    let from = source.at(b, s, y, 0);
                    let place = other + y * source.map.cols * by;
                    for x in 0..source.map.cols {
                        let g = load::<S, V>(&source.data[from + x].0, 0);
                        let factor = load::<S, V>(&numbers[place + x * by].0, 0);
                        if summed {
                            for v in 0..V {
                                sums[v] = simd.mul_add_e_f32s(g[v], factor[v], sums[v]);
                            }
                            continue;
                        }
                        let value = zip::<S, V>(g, factor, |a, b| simd.mul_f32s(a, b));
                        let pixel = [b, s, y, x];
                        let value = self.op.end.apply(simd, value, self.beside, map, pixel);
                        let at = self.to.at(b, s, y, x);
                        store::<S, V>(&mut self.to.data[at].0, 0, value);
                    }
                }
                if summed {
                    let end = &self.op.end;
                    let value = end.apply::<S, V>(simd, sums, self.beside, map, [b, s, 0, 0]);
                    let at = self.to.at(b, s, 0, 0);
                    store::<S, V>(&mut self.to.data[at].0, 0, value);
                }
            }
        }
    }
}
