//! The steps of attacks, and the balls that they stay in.

pub mod apgd_step;
pub mod apgd_track;
pub mod boundary_step;
pub mod fab_step;
pub mod flip_block;
pub mod momentum;
pub mod project_l1;
pub mod retreat;
pub mod shadow_slope;
pub mod sparse_step;
pub mod start;
pub mod step;
