//! Tests that belong to no one kernel.

mod apgd_published;
mod shaders;
