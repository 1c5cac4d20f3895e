//! Kernels on images: what lies beside what matters to them.

pub mod blur;
pub mod enlarge;
pub mod flow;
pub mod noise;
pub mod paste;
pub mod resize_pad;
pub mod warp;
pub mod waves;
