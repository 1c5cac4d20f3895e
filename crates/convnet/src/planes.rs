//! Where a network meets images. Their few channels would leave most of a block empty, so the first convolution reads planes
//! of pixels, and on the way back it writes them, 16 pixels of a row at a time.

use pulp::Simd;

use crate::end::{Beside, End};
use crate::layer::Convolution;
use crate::map::{Halo, View, ViewMut};
use crate::phase::{Phase, Tap};
use crate::product::{pieces, sized};
use crate::simd::{BLOCK, Block, Kernel, Vectors, dispatch, load, store};

/// Most channels of an image.
const MOST: usize = 4;

/// Whether a convolution of `channels` may read planes.
pub(crate) fn is_image(conv: &Convolution, channels: usize) -> bool {
    conv.groups == 1 && channels <= MOST
}

/// The planes of one sample, each with zeros around it.
#[derive(Debug)]
struct Frame {
    planes: usize,
    size: [usize; 2],
    halo: Halo,
}

impl Frame {
    fn row(&self) -> usize {
        self.halo.left + self.size[1] + self.halo.right
    }

    fn plane(&self) -> usize {
        (self.halo.top + self.size[0] + self.halo.bottom) * self.row()
    }

    /// The last vector of the last row may end behind it.
    fn len(&self) -> usize {
        self.planes * self.plane() + BLOCK
    }

    /// The first `len` numbers of `memory`: zeros, but for what `line` writes into each row of each plane.
    fn fill<'a>(
        &self,
        memory: &'a mut Vec<f32>,
        mut line: impl FnMut(usize, usize, &mut [f32]),
    ) -> &'a [f32] {
        memory.clear();
        memory.resize(self.len(), 0.0);
        for (p, plane) in memory
            .chunks_exact_mut(self.plane())
            .take(self.planes)
            .enumerate()
        {
            let rows = plane.chunks_exact_mut(self.row()).skip(self.halo.top);
            for (y, row) in rows.take(self.size[0]).enumerate() {
                line(p, y, &mut row[self.halo.left..][..self.size[1]]);
            }
        }
        memory
    }

    /// From the start of a plane to what each tap meets of pixel (0, 0).
    fn offsets(&self, phase: &Phase) -> Vec<usize> {
        let place = |tap: &Tap| {
            let [y, x] = tap.at;
            let (y, x) = (self.halo.top as isize + y, self.halo.left as isize + x);
            y as usize * self.row() + x as usize
        };
        phase.taps.iter().map(place).collect()
    }
}

/// The convolution that reads the images.
#[derive(Debug)]
pub(crate) struct FromPlanes {
    phase: Phase,
    frame: Frame,
    /// Output block, tap, channel.
    weights: Vec<Block>,
    end: End,
}

impl FromPlanes {
    /// From images of `channels` and `size` pixels to `out` pixels.
    pub fn new(
        conv: &Convolution,
        channels: usize,
        [size, out]: [[usize; 2]; 2],
        end: End,
    ) -> FromPlanes {
        let phase = Phase::forward(&conv.window, out);
        let mut weights = Vec::new();
        for first in (0..conv.filters).step_by(BLOCK) {
            for tap in &phase.taps {
                for c in 0..channels {
                    let lane = |lane| match first + lane {
                        filter if filter < conv.filters => weight(conv, channels, filter, c, tap),
                        _ => 0.0,
                    };
                    weights.push(Block(core::array::from_fn(lane)));
                }
            }
        }
        FromPlanes {
            frame: Frame {
                planes: channels,
                size,
                halo: phase.halo(size),
            },
            phase,
            weights,
            end,
        }
    }

    /// Numbers that it keeps of a sample at work.
    pub fn work(&self) -> usize {
        self.frame.len()
    }

    /// `images`, one after the other.
    pub fn run(&self, images: &[f32], to: &mut ViewMut, beside: &mut Beside, work: &mut Vec<f32>) {
        let [rows, cols] = self.frame.size;
        let offsets = self.frame.offsets(&self.phase);
        let samples = images.chunks_exact(self.frame.planes * rows * cols);
        for (sample, image) in samples.take(to.group).enumerate() {
            let planes = self.frame.fill(work, |p, y, line| {
                line.copy_from_slice(&image[(p * rows + y) * cols..][..cols]);
            });
            dispatch(Forward {
                op: self,
                offsets: &offsets,
                planes,
                sample,
                to,
                beside,
            });
        }
    }
}

fn weight(conv: &Convolution, channels: usize, filter: usize, channel: usize, tap: &Tap) -> f32 {
    let ([rows, cols], [y, x]) = (conv.window.kernel, tap.kernel);
    conv.weights[((filter * channels + channel) * rows + y) * cols + x]
}

/// One sample.
struct Forward<'a, 'b, 'c, 'd> {
    op: &'a FromPlanes,
    offsets: &'a [usize],
    planes: &'a [f32],
    sample: usize,
    to: &'b mut ViewMut<'c>,
    beside: &'b mut Beside<'d>,
}

impl Kernel for Forward<'_, '_, '_, '_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let [rows, cols] = self.op.phase.size;
        for block in 0..self.to.map.blocks() {
            for y in 0..rows {
                for (x, size) in pieces(V, cols) {
                    sized!(size, V, piece::<S>(simd, &mut self, [block, y, x]));
                }
            }
        }
    }
}

/// `M` pixels of a row.
#[inline(always)]
fn piece<S: Simd, const V: usize, const M: usize>(
    simd: S,
    run: &mut Forward,
    [block, y, x]: [usize; 3],
) {
    let [down, right] = run.op.phase.stride;
    let from = y * down * run.op.frame.row() + x * right;
    let sums = match right {
        1 => sums::<S, V, M>(simd, run, block, from, 1),
        2 => sums::<S, V, M>(simd, run, block, from, 2),
        right => sums::<S, V, M>(simd, run, block, from, right),
    };
    for (m, sum) in sums.into_iter().enumerate() {
        let (map, pixel) = (run.to.map, [block, run.sample, y, x + m]);
        let value = run.op.end.apply::<S, V>(simd, sum, run.beside, map, pixel);
        let at = run.to.at(block, run.sample, y, x + m);
        store::<S, V>(&mut run.to.data[at].0, 0, value);
    }
}

#[inline(always)]
fn sums<S: Simd, const V: usize, const M: usize>(
    simd: S,
    run: &Forward,
    block: usize,
    from: usize,
    step: usize,
) -> [Vectors<S, V>; M] {
    let (channels, plane) = (run.op.frame.planes, run.op.frame.plane());
    let taps = run.offsets.len();
    let weights = &run.op.weights[block * taps * channels..][..taps * channels];
    let mut sums = [[simd.splat_f32s(0.0); V]; M];
    for (&offset, weights) in run.offsets.iter().zip(weights.chunks_exact(channels)) {
        for (c, w) in weights.iter().enumerate() {
            let w = load::<S, V>(&w.0, 0);
            let pixels = &run.planes[c * plane + offset + from..][..(M - 1) * step + 1];
            for (m, sums) in sums.iter_mut().enumerate() {
                let pixel = simd.splat_f32s(pixels[m * step]);
                for v in 0..V {
                    sums[v] = simd.mul_add_e_f32s(pixel, w[v], sums[v]);
                }
            }
        }
    }
    sums
}

/// The way back through the same convolution: from the derivative by its output to the one by the images.
#[derive(Debug)]
pub(crate) struct ToPlanes {
    /// Each with the weights of a tap, a filter and a channel.
    phases: Vec<(Phase, Vec<f32>)>,
    /// Of the filters.
    frame: Frame,
    channels: usize,
    size: [usize; 2],
}

impl ToPlanes {
    /// To images of `channels` and `size` pixels from `out` pixels.
    pub fn new(
        conv: &Convolution,
        channels: usize,
        [size, out]: [[usize; 2]; 2],
        phases: Vec<Phase>,
    ) -> ToPlanes {
        let halos = phases.iter().map(|phase| phase.halo(out));
        let halo = halos.fold(Halo::default(), Halo::or);
        let pack = |phase: Phase| {
            let taps = phase.taps.iter();
            let filters = taps.flat_map(|tap| (0..conv.filters).map(move |filter| (tap, filter)));
            let all = filters.flat_map(|(tap, filter)| {
                (0..channels).map(move |c| weight(conv, channels, filter, c, tap))
            });
            let weights = all.collect();
            (phase, weights)
        };
        ToPlanes {
            phases: phases.into_iter().map(pack).collect(),
            frame: Frame {
                planes: conv.filters,
                size: out,
                halo,
            },
            channels,
            size,
        }
    }

    /// Numbers that it keeps of a sample at work.
    pub fn work(&self) -> usize {
        self.frame.len()
    }

    /// `images`, one after the other.
    pub fn run(&self, source: View, images: &mut [f32], work: &mut Vec<f32>) {
        let [rows, cols] = self.size;
        let samples = images.chunks_exact_mut(self.channels * rows * cols);
        for (s, image) in samples.take(source.group).enumerate() {
            let planes = self.frame.fill(work, |p, y, line| {
                let at = source.at(p / BLOCK, s, y, 0);
                for (value, block) in line.iter_mut().zip(&source.data[at..]) {
                    *value = block.0[p % BLOCK];
                }
            });
            match self.channels {
                1 => self.back::<1>(planes, image),
                2 => self.back::<2>(planes, image),
                3 => self.back::<3>(planes, image),
                _ => self.back::<MOST>(planes, image),
            }
        }
    }

    fn back<const C: usize>(&self, planes: &[f32], image: &mut [f32]) {
        for (phase, weights) in &self.phases {
            dispatch(Back::<C> {
                op: self,
                phase,
                offsets: &self.frame.offsets(phase),
                weights,
                planes,
                image,
            });
        }
    }
}

/// One phase of one sample of `C` channels.
struct Back<'a, const C: usize> {
    op: &'a ToPlanes,
    phase: &'a Phase,
    offsets: &'a [usize],
    weights: &'a [f32],
    planes: &'a [f32],
    image: &'a mut [f32],
}

impl<const C: usize> Kernel for Back<'_, C> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let [rows, cols] = self.phase.size;
        let runs = cols.div_ceil(BLOCK);
        let place = |i: usize| [i / runs, i % runs * BLOCK];
        let many = match V {
            1 => 4,
            2 => 2,
            _ => 1,
        };
        let mut at = 0;
        while at < rows * runs {
            let left = rows * runs - at;
            at += match many.min(left) {
                4 => self.runs::<S, V, 4>(simd, core::array::from_fn(|i| place(at + i))),
                2 | 3 => self.runs::<S, V, 2>(simd, core::array::from_fn(|i| place(at + i))),
                _ => self.runs::<S, V, 1>(simd, [place(at)]),
            };
        }
    }
}

impl<const C: usize> Back<'_, C> {
    /// `M` runs of 16 pixels, each from a (row, column) of the phase on; gives `M`.
    #[inline(always)]
    fn runs<S: Simd, const V: usize, const M: usize>(
        &mut self,
        simd: S,
        places: [[usize; 2]; M],
    ) -> usize {
        let frame = &self.op.frame;
        let (row, plane) = (frame.row(), frame.plane());
        let starts = places.map(|[y, x]| y * row + x);
        let mut sums = [[[simd.splat_f32s(0.0); V]; C]; M];
        let taps = self.weights.chunks_exact(C * frame.planes);
        for (&offset, weights) in self.offsets.iter().zip(taps) {
            let filters = self.planes.chunks(plane).zip(weights.chunks_exact(C));
            for (filter, (_, weights)) in filters.enumerate() {
                for (start, sums) in starts.iter().zip(&mut sums) {
                    let values = load::<S, V>(self.planes, filter * plane + offset + start);
                    for (&w, sums) in weights.iter().zip(sums) {
                        for v in 0..V {
                            sums[v] = simd.mul_add_e_f32s(simd.splat_f32s(w), values[v], sums[v]);
                        }
                    }
                }
            }
        }
        for ([y, x], sums) in places.into_iter().zip(sums) {
            self.keep::<S, V>([y, x], sums);
        }
        M
    }

    /// Writes a run of each channel.
    #[inline(always)]
    fn keep<S: Simd, const V: usize>(&mut self, [y, x]: [usize; 2], runs: [Vectors<S, V>; C]) {
        let Phase {
            first, step, size, ..
        } = self.phase;
        let [rows, cols] = self.op.size;
        let n = BLOCK.min(size[1] - x);
        let at = (first[0] + step[0] * y) * cols + first[1] + step[1] * x;
        for (c, run) in runs.into_iter().enumerate() {
            let mut values = [0.0; BLOCK];
            store::<S, V>(&mut values, 0, run);
            let line = &mut self.image[c * rows * cols + at..];
            for (to, value) in line.iter_mut().step_by(step[1]).zip(&values[..n]) {
                *to = *value;
            }
        }
    }
}
