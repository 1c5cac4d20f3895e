//! End to end, through the binary and the whole stack.

mod assess;
mod devices;
mod errors;
mod support;
mod truth;
