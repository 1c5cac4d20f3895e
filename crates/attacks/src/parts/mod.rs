//! What gradient attacks are made of: a loss (in the kernels), a [`Start`], a [`Rule`] for the step, and the loop that
//! joins them, [`Descent`].

mod descent;
mod rule;
mod start;

pub use descent::Descent;
pub use rule::{Rule, Walk};
pub use start::Start;
