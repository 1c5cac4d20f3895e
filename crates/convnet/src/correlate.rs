//! A convolution of any window, and its backward pass: for each output pixel, the kernel's elements times the
//! channels below them, as one product a block of output channels.

use core::ops::Range;

use pulp::Simd;

use crate::end::{Beside, End};
use crate::map::{Halo, Map, View, ViewMut};
use crate::packed::{Packed, Phases};
use crate::phase::{Phase, Tap};
use crate::product::{pieces, product, sized};
use crate::rect::Area;
use crate::simd::{BLOCK, Block, Kernel, LARGE, dispatch, store};

/// Rows of a product that are taken together at least where the weights do not stay in the nearer caches.
const LEAST: usize = 64;

/// A convolution ready to run, in either direction.
#[derive(Debug)]
pub(crate) struct Correlation {
    /// With weights by output block, tap, source channel of the group.
    pub phases: Phases,
    /// Source channels of a group.
    depth: usize,
    /// Output blocks of a group.
    blocks: usize,
    end: End,
}

impl Correlation {
    /// `weight(o, i, tap)` is what source channel `i` of `o`'s group adds to channel `o`. With more than one group,
    /// `depth` and the outputs of a group are whole blocks.
    pub fn new(
        phases: Vec<Phase>,
        groups: usize,
        depth: usize,
        outputs: usize,
        weight: impl Fn(usize, usize, &Tap) -> f32,
        end: End,
    ) -> Correlation {
        let pack = |phase: Phase| {
            let mut weights =
                Vec::with_capacity(outputs.div_ceil(BLOCK) * phase.taps.len() * depth);
            for first in (0..outputs).step_by(BLOCK) {
                for tap in &phase.taps {
                    for i in 0..depth {
                        let lane = |lane: usize| match first + lane {
                            o if o < outputs => weight(o, i, tap),
                            _ => 0.0,
                        };
                        weights.push(Block(core::array::from_fn(lane)));
                    }
                }
            }
            Packed { phase, weights }
        };
        Correlation {
            phases: Phases(phases.into_iter().map(pack).collect()),
            depth,
            blocks: outputs.div_ceil(groups).div_ceil(BLOCK),
            end,
        }
    }

    /// Samples that are run together at least, for outputs of `out` pixels.
    pub fn least(&self, out: [usize; 2]) -> usize {
        match self.phases.weights() > LARGE {
            true => LEAST.div_ceil(out[0] * out[1]),
            false => 1,
        }
    }

    pub fn run(&self, source: View, to: &mut ViewMut, beside: &mut Beside, area: Area) {
        for packed in &self.phases.0 {
            dispatch(Run {
                op: self,
                packed,
                source,
                to,
                beside,
                area,
            });
        }
    }
}

struct Run<'a, 'b, 'c, 'd> {
    op: &'a Correlation,
    packed: &'a Packed,
    source: View<'a>,
    to: &'b mut ViewMut<'c>,
    beside: &'b mut Beside<'d>,
    area: Area<'a>,
}

/// How the destination's pixels are walked, so that the sources of a line are evenly apart.
#[derive(Clone, Copy)]
enum Lines {
    /// A line is a row of a sample.
    Rows,
    /// All pixels of all samples are one line: nothing lies between them.
    All,
    /// A sample has one pixel here: the samples are the line.
    Samples,
}

impl Kernel for Run<'_, '_, '_, '_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let blocks = self.to.map.blocks();
        let offsets = self.packed.phase.offsets(self.source.map);
        let (lines, walk) = self.lines();
        for block in 0..blocks {
            for line in 0..lines {
                let line_of = self.line(walk, line);
                for (at, size) in pieces(V, line_of.len()) {
                    let place = Place {
                        block,
                        line,
                        at: line_of.start + at,
                        walk,
                    };
                    sized!(size, V, piece::<S>(simd, &mut self, &offsets, place));
                }
            }
        }
    }
}

/// A piece of a line.
#[derive(Clone, Copy)]
struct Place {
    block: usize,
    line: usize,
    at: usize,
    walk: Lines,
}

impl Run<'_, '_, '_, '_> {
    /// How many lines there are, and what one is.
    fn lines(&self) -> (usize, Lines) {
        let phase = &self.packed.phase;
        let bare = |map: &Map| map.halo == Halo::default();
        let add = self.beside.add.as_ref();
        let flat = bare(self.to.map)
            && bare(self.source.map)
            && add.is_none_or(|add| bare(add.map))
            && phase.stride == [1, 1]
            && phase.step == [1, 1];
        if matches!(self.area, Area::Of(_)) {
            (self.to.group * phase.size[0], Lines::Rows)
        } else if flat && phase.taps.iter().all(|tap| tap.at == [0, 0]) && phase.taps.len() == 1 {
            (1, Lines::All)
        } else if phase.size == [1, 1] {
            (1, Lines::Samples)
        } else {
            (self.to.group * phase.size[0], Lines::Rows)
        }
    }

    /// What there is to write of a line.
    fn line(&self, walk: Lines, line: usize) -> Range<usize> {
        let size = self.packed.phase.size;
        match walk {
            Lines::Rows => self.area.of(line / size[0], size).row(line % size[0]),
            Lines::All => 0..self.to.group * self.to.map.pixels(),
            Lines::Samples => 0..self.to.group,
        }
    }

    /// Sample, row and column of the destination.
    #[inline(always)]
    fn pixel(&self, place: Place, m: usize) -> [usize; 3] {
        let phase = &self.packed.phase;
        let x = place.at + m;
        match place.walk {
            Lines::Rows => [
                place.line / phase.size[0],
                phase.first[0] + phase.step[0] * (place.line % phase.size[0]),
                phase.first[1] + phase.step[1] * x,
            ],
            Lines::All => [0, 0, x],
            Lines::Samples => [x, phase.first[0], phase.first[1]],
        }
    }

    /// Where the piece's first source pixel is, and how far the next.
    #[inline(always)]
    fn source(&self, place: Place) -> (usize, usize) {
        let phase = &self.packed.phase;
        let source = &self.source;
        match place.walk {
            Lines::Rows => {
                let (s, y) = (place.line / phase.size[0], place.line % phase.size[0]);
                let at = source.at(0, s, y * phase.stride[0], place.at * phase.stride[1]);
                (at, phase.stride[1])
            }
            Lines::All => (place.at, 1),
            Lines::Samples => (source.at(0, place.at, 0, 0), source.map.sample()),
        }
    }
}

#[inline(always)]
fn piece<S: Simd, const V: usize, const M: usize>(
    simd: S,
    run: &mut Run,
    offsets: &[isize],
    place: Place,
) {
    let (from, step) = run.source(place);
    let depth = run.op.depth;
    let of_group = depth.div_ceil(BLOCK);
    let next = run.source.group * run.source.map.sample();
    let from = from + place.block / run.op.blocks * of_group * next;
    let starts = offsets.iter().flat_map(
        #[inline(always)]
        |&offset| {
            let tap = from.wrapping_add_signed(offset);
            (0..of_group).map(
                #[inline(always)]
                move |b| tap + b * next,
            )
        },
    );
    let taps = offsets.len();
    let w = &run.packed.weights[place.block * taps * depth..][..taps * depth];
    let a = run.source.data;
    let sums = match step {
        1 => product::<S, V, M>(simd, a, starts, 1, depth, w),
        2 => product::<S, V, M>(simd, a, starts, 2, depth, w),
        step => product::<S, V, M>(simd, a, starts, step, depth, w),
    };
    for (m, sum) in sums.into_iter().enumerate() {
        let [s, y, x] = run.pixel(place, m);
        let pixel = [place.block, s, y, x];
        let value = run
            .op
            .end
            .apply::<S, V>(simd, sum, run.beside, run.to.map, pixel);
        let at = run.to.at(place.block, s, y, x);
        store::<S, V>(&mut run.to.data[at].0, 0, value);
    }
}
