//! Devices, arrays on them, and the attack kernels.
//!
//! Each kernel is one WGSL file in the top-level `shaders/` for GPUs, over burn's buffers without a
//! copy, and one Rust file here: its contract, the launch, and the CPU twin that does the same on a
//! machine without a GPU and that the tests hold the shader against.

mod affine;
pub mod against_rest;
#[cfg(test)]
mod apgd_published;
pub mod apgd_step;
pub mod apgd_track;
mod array;
mod ball;
pub mod blur;
pub mod boundary_step;
mod cache;
pub mod claim;
pub mod combine;
pub mod convnet;
mod device;
pub mod divergence;
pub mod encode;
pub mod enlarge;
mod error;
pub mod fab_step;
pub mod flip_block;
pub mod flow;
pub mod gather;
pub mod head;
pub mod is_class;
pub mod keep_largest;
pub mod keep_lower;
mod launch;
pub mod map;
mod memory;
pub mod momentum;
pub mod noise;
mod normal;
pub mod one_hot;
pub mod paste;
pub mod philox;
pub mod project_l1;
pub mod reduce_rows;
pub mod resize_pad;
pub mod retreat;
pub mod rivals;
pub mod select;
#[cfg(test)]
mod shaders;
pub mod shadow_slope;
pub mod sparse_step;
pub mod square;
pub mod square_l2_propose;
pub mod square_l2_start;
pub mod square_linf_propose;
pub mod square_linf_start;
mod square_pattern;
pub mod stack;
pub mod start;
pub mod step;
pub mod sum_rows;
#[cfg(test)]
mod testing;
pub mod valid;
pub mod warp;
pub mod waves;
mod wide;
pub mod within;
pub mod zip;

pub use affine::affine;
pub use against_rest::against_rest;
pub use apgd_step::apgd_step;
pub use apgd_track::{ApgdMasks, ApgdState, apgd_track};
pub use array::{Array, Bridge, Word};
pub use ball::{Ball, Norm};
pub use blur::blur;
pub use boundary_step::boundary_step;
pub use cache::Cache;
pub use claim::{claim, claim_at};
pub use combine::{Factor, combine};
pub use convnet::ConvNet;
pub use device::{
    AdapterInfo, AdapterLimits, Api, Device, DeviceSpec, Gpu, adapters, store_pipelines,
};
pub use divergence::divergence;
pub use encode::encode;
pub use enlarge::enlarge;
pub use error::{Error, tells_of_memory};
pub use fab_step::fab_step;
pub use flip_block::flip_block;
pub use flow::{flow_carry, flow_gains, flow_pour};
pub use gather::{gather, gather_in_place};
pub use head::{Head, INVALID, Loss, head};
pub use is_class::is_class;
pub use keep_largest::keep_largest;
pub use keep_lower::keep_lower;
pub use map::{Map, map};
pub use momentum::momentum;
pub use noise::{Noise, noise};
pub use one_hot::one_hot;
pub use paste::{Lie, paste, peel};
pub use project_l1::project_l1;
pub use reduce_rows::{Reduce, distance_rows, dot_rows, reduce_rows};
pub use resize_pad::{Diversity, Way, resize_pad};
pub use retreat::retreat;
pub use rivals::rivals;
pub use select::select;
pub use shadow_slope::{Shadow, shadow_slope};
pub use sparse_step::sparse_step;
pub use square::{Image, Windows};
pub use square_l2_propose::square_l2_propose;
pub use square_l2_start::square_l2_start;
pub use square_linf_propose::square_linf_propose;
pub use square_linf_start::square_linf_start;
pub use stack::{part, stack};
pub use start::start;
pub use step::step;
pub use sum_rows::sum_rows;
pub use valid::{Depth, valid};
pub use warp::{Pose, warp};
pub use waves::Waves;
pub use within::within;
pub use zip::{Zip, zip};
