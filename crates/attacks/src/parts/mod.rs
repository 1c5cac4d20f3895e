//! What gradient attacks are made of: a loss (in the kernels), a [`Start`], a [`Rule`] for the step, and the loop that
//! joins them, [`Descent`]. Attacks that seek the nearest adversarial point move among balls of a radius of their own for
//! each sample.

mod adam;
mod balls;
mod boundary;
mod conjugate;
mod constants;
mod descent;
mod eot;
pub mod flow;
pub mod patch;
mod rule;
mod schedule;
mod start;
mod towards;
mod trace;
mod transfer;

pub use adam::Adam;
pub use balls::{dual, into_balls, onto_spheres, widest};
pub use boundary::{Boundary, likeliest};
pub use constants::{Constants, push};
pub use descent::Descent;
pub(crate) use descent::{labels, restarts};
pub use eot::Eot;
pub use rule::{Rule, Walk};
pub use schedule::cosine;
pub use start::Start;
pub use towards::Towards;
pub use trace::Traced;
pub use transfer::Transfer;
