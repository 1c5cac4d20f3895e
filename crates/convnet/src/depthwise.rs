//! A convolution in which every channel meets its own kernel alone, and its backward pass.

use pulp::Simd;

use crate::end::{Beside, End};
use crate::map::{View, ViewMut};
use crate::packed::{Packed, Phases};
use crate::phase::{Phase, Tap};
use crate::product::{pieces, sized};
use crate::rect::Area;
use crate::simd::{BLOCK, Block, Kernel, Vectors, dispatch, load, store};

/// A depthwise convolution ready to run, in either direction.
#[derive(Debug)]
pub(crate) struct Depthwise {
    /// With weights by block of channels, tap.
    pub phases: Phases,
    end: End,
}

impl Depthwise {
    /// `weight(c, tap)` is the element of channel `c`'s kernel.
    pub fn new(
        phases: Vec<Phase>,
        channels: usize,
        weight: impl Fn(usize, &Tap) -> f32,
        end: End,
    ) -> Depthwise {
        let pack = |phase: Phase| {
            let firsts = (0..channels).step_by(BLOCK);
            let block = |first: usize, tap: &Tap| {
                Block(core::array::from_fn(|lane| match first + lane {
                    c if c < channels => weight(c, tap),
                    _ => 0.0,
                }))
            };
            let weights = firsts.flat_map(|first| phase.taps.iter().map(move |tap| (first, tap)));
            let weights = weights.map(|(first, tap)| block(first, tap)).collect();
            Packed { phase, weights }
        };
        Depthwise {
            phases: Phases(phases.into_iter().map(pack).collect()),
            end,
        }
    }

    pub fn run(&self, source: View, to: &mut ViewMut, beside: &mut Beside, area: Area) {
        for packed in &self.phases.0 {
            dispatch(Run {
                packed,
                end: &self.end,
                source,
                to,
                beside,
                area,
            });
        }
    }
}

struct Run<'a, 'b, 'c, 'd> {
    packed: &'a Packed,
    end: &'a End,
    source: View<'a>,
    to: &'b mut ViewMut<'c>,
    beside: &'b mut Beside<'d>,
    area: Area<'a>,
}

impl Kernel for Run<'_, '_, '_, '_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let offsets = self.packed.phase.offsets(self.source.map);
        let size = self.packed.phase.size;
        for block in 0..self.to.map.blocks() {
            for s in 0..self.to.group {
                let rect = self.area.of(s, size);
                for y in rect.from[0]..rect.to[0] {
                    for (x, size) in pieces(V, rect.size()[1]) {
                        let place = [block, s, y, rect.from[1] + x];
                        sized!(size, V, piece::<S>(simd, &mut self, &offsets, place));
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn piece<S: Simd, const V: usize, const M: usize>(
    simd: S,
    run: &mut Run,
    offsets: &[isize],
    [block, s, y, x]: [usize; 4],
) {
    let phase = &run.packed.phase;
    let from = run
        .source
        .at(block, s, y * phase.stride[0], x * phase.stride[1]);
    let weights = &run.packed.weights[block * offsets.len()..][..offsets.len()];
    let mut sums: [Vectors<S, V>; M] = [[simd.splat_f32s(0.0); V]; M];
    for (&offset, w) in offsets.iter().zip(weights) {
        let w = load::<S, V>(&w.0, 0);
        let rows = &run.source.data[from.wrapping_add_signed(offset)..];
        for (m, sums) in sums.iter_mut().enumerate() {
            let x = load::<S, V>(&rows[m * phase.stride[1]].0, 0);
            for v in 0..V {
                sums[v] = simd.mul_add_e_f32s(x[v], w[v], sums[v]);
            }
        }
    }
    for (m, sum) in sums.into_iter().enumerate() {
        let y = phase.first[0] + phase.step[0] * y;
        let x = phase.first[1] + phase.step[1] * (x + m);
        let pixel = [block, s, y, x];
        let value = run
            .end
            .apply::<S, V>(simd, sum, run.beside, run.to.map, pixel);
        let at = run.to.at(block, s, y, x);
        store::<S, V>(&mut run.to.data[at].0, 0, value);
    }
}
