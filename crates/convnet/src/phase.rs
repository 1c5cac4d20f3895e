//! How a window meets its input, forward and backward.
//!
//! Backward, the pixels of the input fall into as many phases as the stride has steps; those of one phase meet the same
//! taps of the kernel, so that each phase is a plain correlation over the output's derivative.

use crate::layer::Window;
use crate::map::{Halo, Map};
use crate::plan::one_tap;
use crate::rect::Rect;

/// A correlation: destination pixel `first + step * (y, x)` is the sum over `taps` of
/// source pixel `stride * (y, x) + tap.at`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    pub taps: Vec<Tap>,
    /// Destination pixels.
    pub size: [usize; 2],
    pub first: [usize; 2],
    pub step: [usize; 2],
    /// Of the source.
    pub stride: [usize; 2],
}

/// One element of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tap {
    pub kernel: [usize; 2],
    /// Where it lies over the source, seen from the pixel.
    pub at: [isize; 2],
}

impl Phase {
    /// The forward correlation onto `size` pixels.
    pub fn forward(window: &Window, size: [usize; 2]) -> Phase {
        let at = |kernel: [usize; 2]| {
            [0, 1].map(|i| (kernel[i] * window.dilation[i]) as isize - window.begin[i] as isize)
        };
        Phase {
            taps: kernel(window)
                .map(|kernel| Tap {
                    kernel,
                    at: at(kernel),
                })
                .collect(),
            size,
            first: [0, 0],
            step: [1, 1],
            stride: window.stride,
        }
    }

    /// The correlations of the derivative by an output of `out` pixels that give the one by an input of `size` pixels.
    pub fn gradient(window: &Window, size: [usize; 2], out: [usize; 2]) -> Vec<Phase> {
        Phase::backward(&one_tap(*window, size, out), size)
    }

    /// As [`gradient`](Self::gradient), by the window's own stride.
    pub(crate) fn backward(window: &Window, size: [usize; 2]) -> Vec<Phase> {
        let firsts = (0..window.stride[0].min(size[0]))
            .flat_map(|y| (0..window.stride[1].min(size[1])).map(move |x| [y, x]));
        let phase = |first: [usize; 2]| {
            let tap = |kernel: [usize; 2]| {
                let from = [0, 1].map(|i| {
                    (first[i] + window.begin[i]) as isize
                        - (kernel[i] * window.dilation[i]) as isize
                });
                let stride = window.stride.map(|stride| stride as isize);
                let meets = (0..2).all(|i| from[i] % stride[i] == 0);
                meets.then(|| Tap {
                    kernel,
                    at: [from[0] / stride[0], from[1] / stride[1]],
                })
            };
            Phase {
                taps: kernel(window).filter_map(tap).collect(),
                size: [0, 1].map(|i| (size[i] - first[i]).div_ceil(window.stride[i])),
                first,
                step: window.stride,
                stride: [1, 1],
            }
        };
        firsts.map(phase).collect()
    }

    /// The halo that a source of `size` pixels needs.
    pub(crate) fn halo(&self, size: [usize; 2]) -> Halo {
        let side = |i: usize| {
            let taps = self.taps.iter().map(|tap| tap.at[i]);
            let before = taps.clone().min().map_or(0, |least| -least).max(0);
            let last = (self.size[i].saturating_sub(1) * self.stride[i]) as isize;
            let after = taps
                .max()
                .map_or(0, |most| last + most + 1 - size[i] as isize);
            (before as usize, after.max(0) as usize)
        };
        let ((top, bottom), (left, right)) = (side(0), side(1));
        Halo {
            top,
            left,
            bottom,
            right,
        }
    }

    /// The pixels of this phase that any of `source` reaches.
    pub(crate) fn reached(&self, source: Rect) -> Rect {
        if source.is_empty() {
            return Rect::NONE;
        }
        let side = |i: usize| {
            let taps = self.taps.iter().map(|tap| tap.at[i]);
            let (least, most) = (taps.clone().min().unwrap_or(0), taps.max().unwrap_or(0));
            let stride = self.stride[i] as isize;
            let from = (source.from[i] as isize - most + stride - 1).div_euclid(stride);
            let to = (source.to[i] as isize - 1 - least).div_euclid(stride) + 1;
            let within = |at: isize| at.clamp(0, self.size[i] as isize) as usize;
            (within(from), within(to))
        };
        let (rows, cols) = (side(0), side(1));
        Rect {
            from: [rows.0, cols.0],
            to: [rows.1, cols.1],
        }
    }

    /// From a source pixel to each tap's.
    pub(crate) fn offsets(&self, source: &Map) -> Vec<isize> {
        let row = source.row() as isize;
        self.taps
            .iter()
            .map(|tap| tap.at[0] * row + tap.at[1])
            .collect()
    }
}

fn kernel(window: &Window) -> impl Iterator<Item = [usize; 2]> {
    let [rows, cols] = window.kernel;
    (0..rows).flat_map(move |y| (0..cols).map(move |x| [y, x]))
}
