//! Attacks that seek the nearest adversarial point, with input gradients.

pub mod cw;
pub mod ddn;
pub mod deepfool;
pub mod fab;
pub mod fmn;
