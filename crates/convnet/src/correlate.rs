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
use crate::simd::{BLOCK, Block, Kernel, LARGE, Vectors, dispatch, load, store};
use crate::sparse::Rows;

/// Rows of a product that are taken together at least where the weights do not stay in the nearer caches.
const LEAST: usize = 64;
/// Blocks of outputs for which it pays to look for channels that are zero.
const LEAST_BLOCKS: usize = 4;

/// A convolution ready to run, in either direction.
#[derive(Debug)]
pub(crate) struct Correlation {
    /// With weights by output block, tap, source channel of the group.
    pub phases: Phases,
    /// Source channels of a group.
    depth: usize,
    /// Output blocks of a group.
    blocks: usize,
    /// Whether a weight times zero is zero.
    finite: bool,
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
        let packed: Vec<Packed> = phases.into_iter().map(pack).collect();
        let mut weights = packed.iter().flat_map(|packed| &packed.weights);
        Correlation {
            finite: weights.all(Block::is_finite),
            phases: Phases(packed),
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
        let mut few = None;
        for packed in &self.phases.0 {
            dispatch(Run {
                op: self,
                packed,
                source,
                to,
                beside,
                area,
                few: &mut few,
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
    few: &'b mut Option<Few>,
}

/// What is not zero of the rows at these offsets, where that is little.
struct Few {
    offsets: Vec<isize>,
    rows: Option<Rows>,
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
        if self.may_be_few(walk) {
            // Phases of one pixel read the same rows.
            let known = self.few.take().filter(|few| few.offsets == offsets);
            let mut few = known.unwrap_or_else(|| self.few::<S, V>(simd, &offsets, walk));
            let done = few
                .rows
                .as_mut()
                .map(|rows| self.run_few::<S, V>(simd, rows, walk));
            *self.few = Some(few);
            if done.is_some() {
                return;
            }
        }
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

    /// Whether it may pay to look for channels that are not zero.
    fn may_be_few(&self, walk: Lines) -> bool {
        let blocks = self.to.map.blocks();
        let rows = !matches!(walk, Lines::Rows);
        rows && self.op.finite && self.op.blocks == blocks && blocks >= LEAST_BLOCKS
    }

    /// The channels that are not zero, where they are few.
    #[inline(always)]
    fn few<S: Simd, const V: usize>(&self, simd: S, offsets: &[isize], walk: Lines) -> Few {
        let place = Place {
            block: 0,
            line: 0,
            at: 0,
            walk,
        };
        let (from, step) = self.source(place);
        let depth = self.op.depth;
        let next = self.source.group * self.source.map.sample();
        let starts = offsets.iter().flat_map(|&offset| {
            let tap = from.wrapping_add_signed(offset);
            (0..depth.div_ceil(BLOCK)).map(move |b| tap + b * next)
        });
        let rows = self.line(walk, 0).len();
        Few {
            rows: Rows::few::<S, V>(simd, self.source.data, rows, step, starts, depth),
            offsets: offsets.to_vec(),
        }
    }

    #[inline(always)]
    fn run_few<S: Simd, const V: usize>(&mut self, simd: S, rows: &mut Rows, walk: Lines) {
        let blocks = self.to.map.blocks();
        let mut block = 0;
        while block < blocks {
            block += match (V, blocks - block) {
                (1 | 2, 4..) => self.write_blocks::<S, V, 4>(simd, rows, walk, block),
                (1 | 2 | 4, 2..) => self.write_blocks::<S, V, 2>(simd, rows, walk, block),
                _ => self.write_blocks::<S, V, 1>(simd, rows, walk, block),
            };
        }
    }

    /// Writes `T` blocks of outputs; gives how many.
    #[inline(always)]
    fn write_blocks<S: Simd, const V: usize, const T: usize>(
        &mut self,
        simd: S,
        rows: &mut Rows,
        walk: Lines,
        block: usize,
    ) -> usize {
        let of_block = self.packed.phase.taps.len() * self.op.depth;
        let weights = &self.packed.weights[block * of_block..][..T * of_block];
        let sums = rows.sums::<S, V, T>(simd, weights);
        for (row, sums) in sums.chunks_exact(T).enumerate() {
            let place = Place {
                block,
                line: 0,
                at: row,
                walk,
            };
            let pixel = self.pixel(place, 0);
            for (t, sum) in sums.iter().enumerate() {
                self.put::<S, V>(simd, block + t, pixel, load::<S, V>(&sum.0, 0));
            }
        }
        T
    }

    /// Ends and stores block `b` of a pixel.
    #[inline(always)]
    fn put<S: Simd, const V: usize>(
        &mut self,
        simd: S,
        b: usize,
        [s, y, x]: [usize; 3],
        sum: Vectors<S, V>,
    ) {
        let (end, map) = (&self.op.end, self.to.map);
        let value = end.apply::<S, V>(simd, sum, self.beside, map, [b, s, y, x]);
        let at = self.to.at(b, s, y, x);
        store::<S, V>(&mut self.to.data[at].0, 0, value);
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
        run.put::<S, V>(simd, place.block, run.pixel(place, m), sum);
    }
}
