//! The convolution that reads the images.

use pulp::Simd;

use super::weights_of;
use crate::end::{Beside, End};
use crate::layer::Convolution;
use crate::map::{Halo, ViewMut};
use crate::phase::{Phase, Tap};
use crate::product::{pieces, sized};
use crate::rect::{Area, Rect};
use crate::simd::{BLOCK, Block, Kernel, Vectors, dispatch, load, store};

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

    fn len(&self) -> usize {
        self.planes * self.plane()
    }

    /// Copies an image into the first `len` numbers of `memory`.
    fn fill<'a>(&self, memory: &'a mut Vec<f32>, image: &[f32]) -> &'a [f32] {
        memory.clear();
        memory.resize(self.len(), 0.0);
        let [rows, cols] = self.size;
        let planes = memory.chunks_exact_mut(self.plane());
        for (plane, image) in planes.zip(image.chunks_exact(rows * cols)) {
            let lines = plane.chunks_exact_mut(self.row()).skip(self.halo.top);
            for (line, image) in lines.zip(image.chunks_exact(cols)) {
                line[self.halo.left..][..cols].copy_from_slice(image);
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
                    weights.push(weights_of(conv, channels, first, c, tap));
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

    /// Channels, rows and columns of an image.
    pub fn image(&self) -> [usize; 3] {
        let [rows, cols] = self.frame.size;
        [self.frame.planes, rows, cols]
    }

    /// The outputs that pixels of `source` reach.
    pub fn reached(&self, source: Rect) -> Rect {
        self.phase.reached(source)
    }

    /// Products of blocks for each pixel.
    pub fn products(&self) -> usize {
        self.weights.len()
    }

    /// `images`, one after the other.
    pub fn run(
        &self,
        images: &[f32],
        to: &mut ViewMut,
        beside: &mut Beside,
        work: &mut Vec<f32>,
        area: Area,
    ) {
        let [rows, cols] = self.frame.size;
        let offsets = self.frame.offsets(&self.phase);
        let samples = images.chunks_exact(self.frame.planes * rows * cols);
        for (sample, image) in samples.take(to.group).enumerate() {
            let rect = area.of(sample, self.phase.size);
            if rect.is_empty() {
                continue;
            }
            let planes = self.frame.fill(work, image);
            dispatch(Forward {
                op: self,
                offsets: &offsets,
                planes,
                sample,
                rect,
                to,
                beside,
            });
        }
    }
}

/// One sample.
struct Forward<'a, 'b, 'c, 'd> {
    op: &'a FromPlanes,
    offsets: &'a [usize],
    planes: &'a [f32],
    sample: usize,
    rect: Rect,
    to: &'b mut ViewMut<'c>,
    beside: &'b mut Beside<'d>,
}

impl Kernel for Forward<'_, '_, '_, '_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(mut self, simd: S) {
        let (rect, left) = (self.rect, self.rect.from[1]);
        for block in 0..self.to.map.blocks() {
            for y in rect.from[0]..rect.to[0] {
                for (x, size) in pieces(V, rect.size()[1]) {
                    sized!(size, V, piece::<S>(simd, &mut self, [block, y, left + x]));
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
