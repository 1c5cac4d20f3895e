//! One dispatch of a network's pass: which shader, over which values, in how many workgroups.

use scoville_convnet::Act;

use super::params::{Params, Tile, word};
use crate::launch::{Grid, Shader, shader};

const CORRELATE: Shader = shader!("conv_correlate", needs "conv_tile");
const DEPTHWISE: Shader = shader!("conv_depthwise", needs "conv_tile");
const DENSE: Shader = shader!("conv_dense", needs "conv_tile");
const PASS: Shader = shader!("conv_pass", needs "conv_tile");
const POOL: Shader = shader!("conv_pool", needs "conv_tile", needs "conv_window");
const POOL_BACK: Shader = shader!("conv_pool_back", needs "conv_tile", needs "conv_window");

/// Fewer workgroups than this leave a large GPU idle: then tiles are made smaller.
const FEW: usize = 256;

/// Outputs and samples of a workgroup of `conv_dense.wgsl`.
const DENSE_TILE: Tile = Tile {
    filters: 16,
    rows: 4,
    cols: 1,
};

/// What a dispatch runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    /// With weights packed for tiles of so many filters.
    Correlate(u32),
    Depthwise,
    Dense,
    Pass,
    Pool,
    PoolBack,
}

/// One dispatch, for any batch.
#[derive(Clone, Debug)]
pub(super) struct Dispatch {
    pub kernel: Kernel,
    pub source: usize,
    pub add: Option<usize>,
    pub to: usize,
    /// Of a batch of none.
    pub params: Params,
    /// The network's value whose marks it reads or writes.
    pub marks: Option<usize>,
}

impl Dispatch {
    pub fn shader(&self) -> &'static Shader {
        match self.kernel {
            Kernel::Correlate(_) => &CORRELATE,
            Kernel::Depthwise => &DEPTHWISE,
            Kernel::Dense => &DENSE,
            Kernel::Pass => &PASS,
            Kernel::Pool => &POOL,
            Kernel::PoolBack => &POOL_BACK,
        }
    }

    pub fn tile(&self, batch: usize) -> Tile {
        match self.kernel {
            Kernel::Correlate(filters) => {
                let large = Tile::new(filters, 8);
                match self.tiles(large, batch) < FEW {
                    true => Tile::new(filters, 4),
                    false => large,
                }
            }
            Kernel::Dense => DENSE_TILE,
            _ => Tile::new(16, 4),
        }
    }

    pub fn grid(&self, batch: usize) -> Grid {
        match self.kernel {
            Kernel::Pool | Kernel::PoolBack => {
                let [rows, cols] = self.params.to;
                Grid::Threads(batch * (self.params.filters * rows * cols) as usize)
            }
            _ => Grid::Workgroups(self.tiles(self.tile(batch), batch)),
        }
    }

    fn tiles(&self, tile: Tile, batch: usize) -> usize {
        let groups = self.params.groups;
        let filters = (self.params.filters / groups).div_ceil(tile.filters) * groups;
        filters as usize * self.params.pixels(batch).div_ceil(tile.pixels())
    }

    /// The parameters for `batch` samples; `marks` says where the marks of a value lie.
    pub fn params(&self, batch: usize, marks: impl Fn(usize) -> u32) -> Params {
        Params {
            batch: word(batch),
            marks: self.marks.map_or(0, marks),
            ..self.params
        }
    }
}

/// The value whose marks an end reads or writes.
pub(super) fn marked(act: Act) -> Option<usize> {
    match act {
        Act::Linear => None,
        Act::Forward { of, .. } | Act::Backward { of, .. } => Some(of),
    }
}
