//! The largest and the mean of each window, and their backward passes.

use crate::layer::Window;
use crate::map::{View, ViewMut};
use crate::phase::Phase;
use crate::rect::{Area, Rect};
use crate::simd::{BLOCK, Block};

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
    /// The input pixels below output pixel (y, x), and which element of the window each is.
    fn pixels(&self, out: [usize; 2]) -> impl Iterator<Item = (usize, [usize; 2])> {
        let window = self.window;
        let size = self.size;
        let place = move |i: usize, k: usize| {
            let at = (out[i] * window.stride[i] + k * window.dilation[i])
                .checked_sub(window.begin[i])?;
            (at < size[i]).then_some(at)
        };
        let [rows, cols] = window.kernel;
        (0..rows * cols).filter_map(move |k| Some((k, [place(0, k / cols)?, place(1, k % cols)?])))
    }

    /// The weight of each element of the mean at output pixel (y, x).
    fn share(&self, out: [usize; 2]) -> f32 {
        if !self.count_padding {
            return 1.0 / self.pixels(out).count() as f32;
        }
        // Padding counts, but not what a rounded-up output lays beyond it.
        let within = |i: usize| {
            let first = out[i] * self.window.stride[i];
            let end = self.size[i] + self.window.begin[i] + self.window.end[i];
            let taps = 0..self.window.kernel[i];
            taps.filter(|k| first + k * self.window.dilation[i] < end)
                .count()
        };
        1.0 / (within(0) * within(1)) as f32
    }

    fn outputs<'a>(
        self,
        blocks: usize,
        group: usize,
        area: Area<'a>,
    ) -> impl Iterator<Item = ([usize; 2], [usize; 2])> + 'a {
        (0..blocks * group).flat_map(move |i| {
            let Rect { from, to } = area.of(i % group, self.out);
            let pixels = (from[0]..to[0]).flat_map(move |y| (from[1]..to[1]).map(move |x| [y, x]));
            pixels.map(move |pixel| ([i / group, i % group], pixel))
        })
    }

    /// The outputs that `source` reaches.
    pub fn reached(&self, source: Rect) -> Rect {
        Phase::forward(&self.window, self.out).reached(source)
    }

    /// The largest of each window; NaN is larger than all. The picks are recorded, if there is room for them.
    pub fn largest(&self, source: View, to: &mut ViewMut, picks: Option<&mut [Pick]>, area: Area) {
        let mut picks = picks.into_iter().flatten();
        for ([b, s], out) in self.outputs(to.map.blocks(), to.group, area) {
            let mut best = [f32::NEG_INFINITY; BLOCK];
            let mut pick = [0; BLOCK];
            for (i, (k, [y, x])) in self.pixels(out).enumerate() {
                let values = &source.data[source.at(b, s, y, x)].0;
                for lane in 0..BLOCK {
                    let larger = values[lane] > best[lane] || values[lane].is_nan() || i == 0;
                    best[lane] = if larger { values[lane] } else { best[lane] };
                    pick[lane] = if larger { k as u8 } else { pick[lane] };
                }
            }
            to.data[to.at(b, s, out[0], out[1])] = Block(best);
            if let Some(place) = picks.next() {
                *place = pick;
            }
        }
    }

    /// Adds each derivative to the element that was picked.
    pub fn largest_back(&self, source: View, to: &mut ViewMut, picks: &[Pick]) {
        let [_, cols] = self.window.kernel;
        let outputs = self.outputs(to.map.blocks(), to.group, Area::Whole);
        for (([b, s], out), pick) in outputs.zip(picks) {
            let values = source.data[source.at(b, s, out[0], out[1])].0;
            for lane in 0..BLOCK {
                let k = [
                    usize::from(pick[lane]) / cols,
                    usize::from(pick[lane]) % cols,
                ];
                let [y, x] = [0, 1].map(|i| {
                    (out[i] * self.window.stride[i] + k[i] * self.window.dilation[i])
                        .saturating_sub(self.window.begin[i])
                });
                to.data[to.at(b, s, y, x)].0[lane] += values[lane];
            }
        }
    }

    /// The mean of each window.
    pub fn mean(&self, source: View, to: &mut ViewMut, area: Area) {
        for ([b, s], out) in self.outputs(to.map.blocks(), to.group, area) {
            let mut sum = [0.0f32; BLOCK];
            for (_, [y, x]) in self.pixels(out) {
                let values = &source.data[source.at(b, s, y, x)].0;
                (0..BLOCK).for_each(|lane| sum[lane] += values[lane]);
            }
            let share = self.share(out);
            to.data[to.at(b, s, out[0], out[1])] = Block(sum.map(|sum| sum * share));
        }
    }

    /// Adds each derivative's share to the elements below it.
    pub fn mean_back(&self, source: View, to: &mut ViewMut) {
        for ([b, s], out) in self.outputs(to.map.blocks(), to.group, Area::Whole) {
            let share = self.share(out);
            let values = source.data[source.at(b, s, out[0], out[1])].0;
            for (_, [y, x]) in self.pixels(out) {
                let at = to.at(b, s, y, x);
                let sums = &mut to.data[at].0;
                (0..BLOCK).for_each(|lane| sums[lane] += share * values[lane]);
            }
        }
    }
}
