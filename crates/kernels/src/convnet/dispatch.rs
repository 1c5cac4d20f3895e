//! One dispatch of a network's pass: which shader, over which values, in how many workgroups.

use scoville_convnet::Act;

use super::params::{Params, word};
use super::tile::Tile;
use crate::launch::{Grid, Shader, shader};

const CORRELATE: Shader = shader!("conv_correlate", needs "conv_end");
const DEPTHWISE: Shader = shader!("conv_depthwise", needs "conv_end");
const PRODUCT: Shader = shader!("conv_dense", needs "conv_end");
const PASS: Shader = shader!("conv_pass", needs "conv_end");
const POOL: Shader = shader!("conv_pool", needs "conv_end", needs "conv_window");
const SMOOTH: Shader = shader!("conv_smooth", needs "conv_end");
const MULTIPLY: Shader = shader!("conv_multiply", needs "conv_end");
const WEIGH: Shader = shader!("conv_weigh", needs "conv_end");
const WEIGH_SUM: Shader = shader!("conv_weigh_sum", needs "conv_end");
const SPREAD: Shader = shader!("conv_spread", needs "conv_end");
const NORM: Shader = shader!("conv_norm", needs "conv_end");
const NORM_BACK: Shader = shader!("conv_norm_back", needs "conv_end");
const CHANNELS: Shader = shader!("conv_channels", needs "conv_end");
const POOL_BACK: Shader = shader!("conv_pool_back", needs "conv_end", needs "conv_window");

/// Outputs and samples of a workgroup of `conv_dense.wgsl`.
const DENSE: [usize; 2] = [16, 4];
/// Channels of a thread in the others.
const BLOCK: u32 = 8;

/// What a dispatch runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    Correlate(Tile),
    Depthwise,
    Dense,
    Pass,
    Pool,
    PoolBack,
    Smooth,
    Multiply,
    Weigh,
    WeighSum,
    Spread,
    Norm,
    NormBack,
    Channels,
}

/// One dispatch, for any batch.
#[derive(Clone, Debug)]
pub(super) struct Dispatch {
    pub kernel: Kernel,
    pub source: usize,
    /// What the end adds, or the second factor of a product.
    pub add: Option<usize>,
    pub to: usize,
    /// Of a batch of none.
    pub params: Params,
    /// The network's value whose marks it reads or writes.
    pub marks: Option<usize>,
    /// The network's value whose numbers it reads or writes, behind so many of each sample.
    pub numbers: Option<(usize, usize)>,
}

impl Dispatch {
    pub fn shader(&self) -> &'static Shader {
        match self.kernel {
            Kernel::Correlate(_) => &CORRELATE,
            Kernel::Depthwise => &DEPTHWISE,
            Kernel::Dense => &PRODUCT,
            Kernel::Pass => &PASS,
            Kernel::Pool => &POOL,
            Kernel::PoolBack => &POOL_BACK,
            Kernel::Smooth => &SMOOTH,
            Kernel::Multiply => &MULTIPLY,
            Kernel::Weigh => &WEIGH,
            Kernel::WeighSum => &WEIGH_SUM,
            Kernel::Spread => &SPREAD,
            Kernel::Norm => &NORM,
            Kernel::NormBack => &NORM_BACK,
            Kernel::Channels => &CHANNELS,
        }
    }

    /// What makes its pipeline another's.
    pub fn identity(&self) -> (&'static str, Option<Tile>) {
        let tile = match self.kernel {
            Kernel::Correlate(tile) => Some(tile),
            _ => None,
        };
        (self.shader().name, tile)
    }

    pub fn overrides(&self) -> Vec<(&'static str, f64)> {
        match &self.kernel {
            Kernel::Correlate(tile) => tile.overrides(),
            _ => Vec::new(),
        }
    }

    pub fn grid(&self, batch: usize) -> Grid {
        let params = &self.params;
        match &self.kernel {
            Kernel::Correlate(tile) => Grid::Workgroups(tile.workgroups(params, batch)),
            Kernel::Depthwise
            | Kernel::Pass
            | Kernel::Weigh
            | Kernel::Spread
            | Kernel::Channels => {
                let blocks = params.filters.div_ceil(BLOCK) as usize;
                Grid::Threads(blocks * params.strips(batch))
            }
            Kernel::WeighSum => Grid::Workgroups(batch * params.filters as usize),
            // A thread has all channels.
            Kernel::Norm | Kernel::NormBack => Grid::Threads(params.strips(batch)),
            Kernel::Dense => {
                let [outputs, samples] = DENSE;
                let tiles = (params.filters as usize).div_ceil(outputs);
                Grid::Workgroups(tiles * batch.div_ceil(samples))
            }
            Kernel::Pool | Kernel::PoolBack | Kernel::Smooth | Kernel::Multiply => {
                let [rows, cols] = params.to;
                Grid::Threads(batch * (params.filters * rows * cols) as usize)
            }
        }
    }

    /// The parameters for `batch` samples; `marks` says where the marks of a value lie.
    pub fn params(&self, batch: usize, marks: impl Fn(usize) -> u32) -> Params {
        let number = |(of, behind): (usize, usize)| marks(of) + word(behind * batch);
        Params {
            batch: word(batch),
            marks: self.marks.map_or(0, &marks),
            numbers: self.numbers.map_or(0, number),
            ..self.params
        }
    }
}

/// The value whose marks an end reads or writes.
pub(super) fn marked(act: Act) -> Option<usize> {
    match act {
        Act::Linear => None,
        Act::Forward { of, .. } | Act::Backward { of, .. } | Act::Times { of } => Some(of),
    }
}
