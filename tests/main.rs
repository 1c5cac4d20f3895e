//! End to end, through the binary and the whole stack.

mod assess;
mod attacks;
mod broken_defences;
mod devices;
mod errors;
mod falsify;
mod support;
mod tabular;
mod texts;
mod transfer;
mod truth;
