//! The largest and the mean of each window, and their backward passes.

use core::ops::Range;

use pulp::Simd;

use crate::end::{Beside, End};
use crate::layer::Window;
use crate::map::{View, ViewMut};
use crate::phase::Phase;
use crate::rect::{Area, Rect};
use crate::simd::{BLOCK, Kernel, dispatch, load, store, zip};

/// For each channel of a block of an output pixel, the element of the window that was the largest.
pub(crate) type Pick = [u8; BLOCK];

/// A pool over an input of `size` pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pool {
    pub window: Window,
    /// Pixels of the larger side.
    pub size: [usize; 2],
    /// Pixels of the smaller side.
    pub out: [usize; 2],
    pub count_padding: bool,
}

impl Pool {
    /// The elements of the window along axis `i` that lie over the input at output place `out`.
    fn taps(&self, i: usize, out: usize) -> Taps {
        let (start, apart) = (out * self.window.stride[i], self.window.dilation[i]);
        let below = |place: usize| place.saturating_sub(start).div_ceil(apart);
        let first = below(self.window.begin[i]);
        let end = below(self.size[i] + self.window.begin[i]).min(self.window.kernel[i]);
        Taps {
            taps: first..end.max(first),
            at: (start + first * apart).saturating_sub(self.window.begin[i]),
            apart,
        }
    }

    /// The weight of each element of the mean at output pixel (y, x).
    fn share(&self, out: [usize; 2]) -> f32 {
        let counted = |i: usize| match self.count_padding {
            false => self.taps(i, out[i]).taps.len(),
            true => {
                // Padding counts, but not what a rounded-up output lays beyond it.
                let first = out[i] * self.window.stride[i];
                let end = self.size[i] + self.window.begin[i] + self.window.end[i];
                let taps = 0..self.window.kernel[i];
                taps.filter(|k| first + k * self.window.dilation[i] < end)
                    .count()
            }
        };
        1.0 / (counted(0) * counted(1)) as f32
    }

    /// The outputs that `source` reaches.
    pub fn reached(&self, source: Rect) -> Rect {
        Phase::forward(&self.window, self.out).reached(source)
    }

    /// The largest of each window; NaN is larger than all. The picks are recorded, if there is room for them.
    pub fn largest(&self, source: View, to: &mut ViewMut, picks: Option<&mut [Pick]>, area: Area) {
        dispatch(Largest {
            pool: self,
            source,
            to,
            picks,
            area,
        });
    }

    /// Adds each derivative to the element that was picked.
    pub fn largest_back(&self, source: View, to: &mut ViewMut, picks: &[Pick]) {
        let (window, [_, cols]) = (&self.window, self.window.kernel);
        let row = to.map.row();
        let elements = 0..window.kernel.iter().product();
        let place = |k: usize| k / cols * window.dilation[0] * row + k % cols * window.dilation[1];
        let places: Vec<usize> = elements.map(place).collect();
        let mut picks = picks.iter();
        for [b, s, y, x] in self.outputs(to, Area::Whole) {
            let values = source.data[source.at(b, s, y, x)].0;
            let Some(pick) = picks.next() else { return };
            // Where the window begins, which may lie before the sample.
            let [top, left] = [y * window.stride[0], x * window.stride[1]];
            let from = to.at(b, s, 0, 0) + top * row + left;
            let before = window.begin[0] * row + window.begin[1];
            for lane in 0..BLOCK {
                let at = from + places[usize::from(pick[lane])] - before;
                to.data[at].0[lane] += values[lane];
            }
        }
    }

    /// The mean of each window.
    pub fn mean(&self, source: View, to: &mut ViewMut, area: Area) {
        dispatch(Mean {
            pool: self,
            source,
            to,
            area,
        });
    }

    /// Adds each derivative's share to the elements below it.
    pub fn mean_back(&self, source: View, to: &mut ViewMut) {
        dispatch(MeanBack {
            pool: self,
            source,
            to,
        });
    }

    /// As [`mean_back`](Self::mean_back) of one window that is all of the input, with an end.
    pub fn whole_back(&self, end: &End, source: View, to: &mut ViewMut, beside: &mut Beside) {
        dispatch(WholeBack {
            share: self.share([0, 0]),
            end,
            source,
            to,
            beside,
        });
    }

    /// Block, sample, row and column of the outputs, which `area` lies over.
    fn outputs<'a>(
        &self,
        to: &ViewMut,
        area: Area<'a>,
    ) -> impl Iterator<Item = [usize; 4]> + use<'a> {
        let (group, size) = (to.group, self.out);
        (0..to.map.blocks() * group).flat_map(move |i| {
            let Rect { from, to } = area.of(i % group, size);
            let pixels = (from[0]..to[0]).flat_map(move |y| (from[1]..to[1]).map(move |x| [y, x]));
            pixels.map(move |[y, x]| [i / group, i % group, y, x])
        })
    }
}

/// Elements of a window along an axis.
struct Taps {
    taps: Range<usize>,
    /// The place of the first in the input, and how far it is to the next.
    at: usize,
    apart: usize,
}

impl Taps {
    /// Each element with its place.
    fn places(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (first, at, apart) = (self.taps.start, self.at, self.apart);
        self.taps
            .clone()
            .map(move |k| (k, at + (k - first) * apart))
    }
}

struct Largest<'a, 'b, 'c> {
    pool: &'a Pool,
    source: View<'a>,
    to: &'b mut ViewMut<'c>,
    picks: Option<&'a mut [Pick]>,
    area: Area<'a>,
}

impl Kernel for Largest<'_, '_, '_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let (pool, source) = (self.pool, self.source);
        let mut picks = self.picks.into_iter().flatten();
        let lowest = simd.splat_f32s(f32::NEG_INFINITY);
        for [b, s, y, x] in pool.outputs(self.to, self.area) {
            let (rows, cols) = (pool.taps(0, y), pool.taps(1, x));
            let mut best = [lowest; V];
            let first = (rows.taps.start * pool.window.kernel[1] + cols.taps.start) as u32;
            let mut pick = [simd.splat_u32s(first); V];
            for (ky, y) in rows.places() {
                for (kx, x) in cols.places() {
                    let k = simd.splat_u32s((ky * pool.window.kernel[1] + kx) as u32);
                    let values = load::<S, V>(&source.data[source.at(b, s, y, x)].0, 0);
                    for v in 0..V {
                        let larger = simd.greater_than_f32s(values[v], best[v]);
                        let number = simd.equal_f32s(values[v], values[v]);
                        let kept = simd.select_f32s(larger, values[v], best[v]);
                        best[v] = simd.select_f32s(number, kept, values[v]);
                        let kept = simd.select_u32s(larger, k, pick[v]);
                        pick[v] = simd.select_u32s(number, kept, k);
                    }
                }
            }
            let at = self.to.at(b, s, y, x);
            store::<S, V>(&mut self.to.data[at].0, 0, best);
            if let Some(place) = picks.next() {
                let mut words = [0u32; BLOCK];
                S::as_mut_simd_u32s(&mut words).0.copy_from_slice(&pick);
                *place = words.map(|word| word as u8);
            }
        }
    }
}

struct Mean<'a, 'b, 'c> {
    pool: &'a Pool,
    source: View<'a>,
    to: &'b mut ViewMut<'c>,
    area: Area<'a>,
}

impl Kernel for Mean<'_, '_, '_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let (pool, source) = (self.pool, self.source);
        for [b, s, y, x] in pool.outputs(self.to, self.area) {
            let (rows, cols) = (pool.taps(0, y), pool.taps(1, x));
            let mut sum = [simd.splat_f32s(0.0); V];
            for (_, y) in rows.places() {
                for (_, x) in cols.places() {
                    let values = load::<S, V>(&source.data[source.at(b, s, y, x)].0, 0);
                    sum = zip::<S, V>(sum, values, |a, b| simd.add_f32s(a, b));
                }
            }
            let share = simd.splat_f32s(pool.share([y, x]));
            let at = self.to.at(b, s, y, x);
            let mean = sum.map(|sum| simd.mul_f32s(sum, share));
            store::<S, V>(&mut self.to.data[at].0, 0, mean);
        }
    }
}

struct MeanBack<'a, 'b, 'c> {
    pool: &'a Pool,
    source: View<'a>,
    to: &'b mut ViewMut<'c>,
}

impl Kernel for MeanBack<'_, '_, '_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let (pool, source) = (self.pool, self.source);
        for [b, s, y, x] in pool.outputs(self.to, Area::Whole) {
            let share = simd.splat_f32s(pool.share([y, x]));
            let value = load::<S, V>(&source.data[source.at(b, s, y, x)].0, 0);
            let value = value.map(|value| simd.mul_f32s(value, share));
            let (rows, cols) = (pool.taps(0, y), pool.taps(1, x));
            for (_, y) in rows.places() {
                for (_, x) in cols.places() {
                    let at = self.to.at(b, s, y, x);
                    let sum = load::<S, V>(&self.to.data[at].0, 0);
                    let sum = zip::<S, V>(sum, value, |a, b| simd.add_f32s(a, b));
                    store::<S, V>(&mut self.to.data[at].0, 0, sum);
                }
            }
        }
    }
}

struct WholeBack<'a, 'b, 'c, 'd> {
    share: f32,
    end: &'a End,
    source: View<'a>,
    to: &'b mut ViewMut<'c>,
    beside: &'b mut Beside<'d>,
}

impl Kernel for WholeBack<'_, '_, '_, '_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let (map, share) = (self.to.map, simd.splat_f32s(self.share));
        for b in 0..map.blocks() {
            for s in 0..self.to.group {
                let value = load::<S, V>(&self.source.data[self.source.at(b, s, 0, 0)].0, 0);
                let value = value.map(|value| simd.mul_f32s(value, share));
                for y in 0..map.rows {
                    for x in 0..map.cols {
                        let pixel = [b, s, y, x];
                        let value = self.end.apply::<S, V>(simd, value, self.beside, map, pixel);
                        let at = self.to.at(b, s, y, x);
                        store::<S, V>(&mut self.to.data[at].0, 0, value);
                    }
                }
            }
        }
    }
}
