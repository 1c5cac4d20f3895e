//! The way back to the images: each pixel is the sum over taps and filters, 16 of these at a time.

use pulp::Simd;

use super::{MOST, weights_of};
use crate::layer::Convolution;
use crate::map::{Halo, View};
use crate::phase::Phase;
use crate::product::{pieces_of, sized};
use crate::simd::{BLOCK, Block, Kernel, dispatch, load};

/// The way back through the same convolution: from the derivative by its output to the one by the images.
#[derive(Debug)]
pub(crate) struct ToPlanes {
    /// Each with the weights of a tap, a block of filters and a channel.
    phases: Vec<(Phase, Vec<Block>)>,
    channels: usize,
    /// Of the images.
    size: [usize; 2],
    /// Of the derivative.
    out: [usize; 2],
}

impl ToPlanes {
    /// To images of `channels` and `size` pixels from `out` pixels.
    pub fn new(
        conv: &Convolution,
        channels: usize,
        [size, out]: [[usize; 2]; 2],
        phases: Vec<Phase>,
    ) -> ToPlanes {
        let pack = |phase: Phase| {
            let mut weights = Vec::new();
            for tap in &phase.taps {
                for first in (0..conv.filters).step_by(BLOCK) {
                    for c in 0..channels {
                        weights.push(weights_of(conv, channels, first, c, tap));
                    }
                }
            }
            (phase, weights)
        };
        ToPlanes {
            phases: phases.into_iter().map(pack).collect(),
            channels,
            size,
            out,
        }
    }

    /// The halo that the derivative needs.
    pub fn halo(&self) -> Halo {
        let halos = self.phases.iter().map(|(phase, _)| phase.halo(self.out));
        halos.fold(Halo::default(), Halo::or)
    }

    /// `images`, one after the other.
    pub fn run(&self, source: View, images: &mut [f32]) {
        match self.channels {
            1 => self.back::<1>(source, images),
            2 => self.back::<2>(source, images),
            3 => self.back::<3>(source, images),
            _ => self.back::<MOST>(source, images),
        }
    }

    fn back<const C: usize>(&self, source: View, images: &mut [f32]) {
        for (phase, weights) in &self.phases {
            dispatch(Back::<C> {
                size: self.size,
                phase,
                offsets: &phase.offsets(source.map),
                weights,
                source,
                images,
            });
        }
    }
}

/// One phase of images of `C` channels.
struct Back<'a, const C: usize> {
    size: [usize; 2],
    phase: &'a Phase,
    offsets: &'a [isize],
    weights: &'a [Block],
    source: View<'a>,
    images: &'a mut [f32],
}

impl<const C: usize> Kernel for Back<'_, C> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let [rows, cols] = self.phase.size;
        // The sums of a piece stay in registers.
        let most = match V {
            1 => 24 / C,
            2 | 4 => 6 / C,
            _ => 1,
        };
        for s in 0..self.source.group {
            for y in 0..rows {
                for (x, size) in pieces_of(most.min(16), cols) {
                    let run = &mut self;
                    sized!(size, V, pixels::<S, C>(simd, run, [s, y, x]));
                }
            }
        }
    }
}

/// `M` pixels of a row of a sample, in all channels.
#[inline(always)]
fn pixels<S: Simd, const V: usize, const M: usize, const C: usize>(
    simd: S,
    run: &mut Back<C>,
    [s, y, x]: [usize; 3],
) {
    let source = run.source;
    let mut sums = [[[simd.splat_f32s(0.0); V]; M]; C];
    let blocks = source.map.blocks();
    let next = source.group * source.map.sample();
    let from = source.at(0, s, y, x);
    for (&offset, weights) in run.offsets.iter().zip(run.weights.chunks_exact(blocks * C)) {
        let tap = from.wrapping_add_signed(offset);
        for (b, weights) in weights.chunks_exact(C).enumerate() {
            let values = &source.data[tap + b * next..][..M];
            for (w, sums) in weights.iter().zip(&mut sums) {
                let w = load::<S, V>(&w.0, 0);
                for (value, sums) in values.iter().zip(sums) {
                    let value = load::<S, V>(&value.0, 0);
                    for v in 0..V {
                        sums[v] = simd.mul_add_e_f32s(value[v], w[v], sums[v]);
                    }
                }
            }
        }
    }
    let Phase { first, step, .. } = run.phase;
    let [rows, cols] = run.size;
    let at = (first[0] + step[0] * y) * cols + first[1] + step[1] * x;
    for (c, sums) in sums.into_iter().enumerate() {
        let line = &mut run.images[(s * C + c) * rows * cols + at..];
        for (to, sum) in line.iter_mut().step_by(step[1]).zip(sums) {
            let sum = sum.into_iter().reduce(|a, b| simd.add_f32s(a, b));
            *to = simd.reduce_sum_f32s(sum.unwrap_or(simd.splat_f32s(0.0)));
        }
    }
}
