//! Where a network meets images. Their few channels would leave most of a block empty, so the first convolution reads planes
//! of pixels, and on the way back it writes them, 16 pixels of a row at a time.

use pulp::Simd;

use crate::end::{Beside, End};
use crate::layer::Convolution;
use crate::map::{Halo, View, ViewMut};
use crate::phase::{Phase, Tap};
use crate::product::{pieces, pieces_of, sized};
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
                        let lane = |lane| match first + lane {
                            filter if filter < conv.filters => {
                                weight(conv, channels, filter, c, tap)
                            }
                            _ => 0.0,
                        };
                        weights.push(Block(core::array::from_fn(lane)));
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
