//! What every shader of `conv_*.wgsl` is told.

use bytemuck::{Pod, Zeroable};
use scoville_convnet::{Act, Activation, Phase, Window};

/// No constants of a kind.
pub(super) const NONE: u32 = u32::MAX;

/// `Params` of `conv_end.wgsl`, where each field is explained.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
pub(super) struct Params {
    pub batch: u32,
    pub channels: u32,
    pub size: [u32; 2],
    pub filters: u32,
    pub to: [u32; 2],
    pub groups: u32,
    pub made: [u32; 2],
    pub first: [u32; 2],
    pub step: [u32; 2],
    pub stride: [u32; 2],
    pub depth: u32,
    pub quads: u32,
    pub taps: u32,
    pub weights: u32,
    pub bias: u32,
    pub adds: u32,
    pub act: u32,
    pub low: f32,
    pub high: f32,
    pub marks: u32,
    pub kernel: [u32; 2],
    pub dilation: [u32; 2],
    pub begin: [u32; 2],
    pub end: [u32; 2],
    pub mode: u32,
    pub numbers: u32,
}

impl Params {
    /// Every pixel of `to`, made of the same pixel of `from`; both are channels, rows and columns.
    pub fn new(from: [usize; 3], to: [usize; 3]) -> Params {
        let [channels, rows, cols] = from.map(word);
        let [filters, to_rows, to_cols] = to.map(word);
        Params {
            channels,
            size: [rows, cols],
            filters,
            to: [to_rows, to_cols],
            groups: 1,
            made: [to_rows, to_cols],
            step: [1, 1],
            stride: [1, 1],
            bias: NONE,
            ..Params::default()
        }
    }

    /// The pixels of one phase.
    pub fn phase(self, phase: &Phase) -> Params {
        Params {
            made: phase.size.map(word),
            first: phase.first.map(word),
            step: phase.step.map(word),
            stride: phase.stride.map(word),
            ..self
        }
    }

    pub fn window(self, window: &Window, mode: u32) -> Params {
        Params {
            stride: window.stride.map(word),
            kernel: window.kernel.map(word),
            dilation: window.dilation.map(word),
            begin: window.begin.map(word),
            end: window.end.map(word),
            mode,
            ..self
        }
    }

    pub fn end(self, act: Act, adds: bool) -> Params {
        let (act, low, high) = match act {
            Act::Linear => (0, 0.0, 0.0),
            Act::Forward { activation, .. } => match activation {
                Activation::Relu => (1, 0.0, 0.0),
                Activation::Leaky(slope) => (2, slope, 0.0),
                Activation::Clip(low, high) => (3, low, high),
            },
            Act::Backward { slope, .. } => (4, slope, 0.0),
            Act::Times { .. } => (5, 0.0, 0.0),
        };
        Params {
            act,
            low,
            high,
            adds: adds.into(),
            ..self
        }
    }

    /// Strips of four pixels that are made of `batch` samples.
    pub fn strips(&self, batch: usize) -> usize {
        let [rows, cols] = self.made.map(|size| size as usize);
        batch * rows.div_ceil(4) * cols
    }
}

/// Sizes are checked when a network is made.
pub(super) fn word(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}
