//! Attacks that seek the nearest adversarial point, with input gradients.

pub mod cw;
pub mod ddn;
pub mod deepfool;
pub mod ead;
pub mod fab;
pub mod fmn;
pub mod jsma;
pub mod lowprofool;
pub mod newtonfool;
pub mod sigma_zero;
pub mod sparsefool;
