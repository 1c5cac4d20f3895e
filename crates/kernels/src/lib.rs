//! Devices, arrays on them, and the attack kernels.
//!
//! Each kernel is one WGSL file in the top-level `shaders/` for GPUs, over burn's buffers without a
//! copy, and one Rust file here: its contract, the launch, and the CPU twin that does the same on a
//! machine without a GPU and that the tests hold the shader against.

mod array;
mod ball;
mod cache;
pub mod convnet;
mod device;
mod error;
pub mod image;
mod launch;
mod memory;
mod normal;
pub mod philox;
pub mod rows;
pub mod square;
pub mod steps;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod wide;

pub use array::{Array, Bridge, Word};
pub use ball::{Ball, Norm};
pub use cache::Cache;
pub use convnet::ConvNet;
pub use device::{
    AdapterInfo, AdapterLimits, Api, Device, DeviceSpec, Gpu, adapters, store_pipelines,
};
pub use error::{Error, tells_of_memory};
pub use image::blur::blur;
pub use image::enlarge::enlarge;
pub use image::flow::{flow_carry, flow_gains, flow_pour};
pub use image::noise::{Noise, noise};
pub use image::paste::{Lie, paste, peel};
pub use image::resize_pad::{Diversity, Way, resize_pad};
pub use image::warp::{Pose, warp};
pub use image::waves::Waves;
pub use rows::affine::affine;
pub use rows::against_rest::against_rest;
pub use rows::claim::{claim, claim_at};
pub use rows::combine::{Factor, combine};
pub use rows::divergence::divergence;
pub use rows::encode::encode;
pub use rows::gather::{gather, gather_in_place};
pub use rows::head::{Head, INVALID, Loss, head};
pub use rows::is_class::is_class;
pub use rows::keep_largest::keep_largest;
pub use rows::keep_lower::keep_lower;
pub use rows::map::{Map, map};
pub use rows::one_hot::one_hot;
pub use rows::reduce_rows::{Reduce, distance_rows, dot_rows, reduce_rows};
pub use rows::rivals::rivals;
pub use rows::select::select;
pub use rows::stack::{part, stack};
pub use rows::sum_rows::sum_rows;
pub use rows::valid::{Depth, valid};
pub use rows::within::within;
pub use rows::zip::{Zip, zip};
pub use square::square_l2_propose::square_l2_propose;
pub use square::square_l2_start::square_l2_start;
pub use square::square_linf_propose::square_linf_propose;
pub use square::square_linf_start::square_linf_start;
pub use square::{Image, Windows};
pub use steps::apgd_step::apgd_step;
pub use steps::apgd_track::{ApgdMasks, ApgdState, apgd_track};
pub use steps::boundary_step::boundary_step;
pub use steps::fab_step::fab_step;
pub use steps::flip_block::flip_block;
pub use steps::momentum::momentum;
pub use steps::project_l1::project_l1;
pub use steps::retreat::retreat;
pub use steps::shadow_slope::{Shadow, shadow_slope};
pub use steps::sparse_step::sparse_step;
pub use steps::start::start;
pub use steps::step::step;
