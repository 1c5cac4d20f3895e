//! Convolutional networks on the CPU: the forward pass, and the gradient by the input.
//!
//! Weights are constant, so they are packed and transformed once ([`Net::new`]). Samples go through the whole network in
//! small groups, one group a task, so that activations stay in the near caches; what the gradient needs of the forward
//! pass is a bit for each rectified element, a byte for each pooled one, and numbers where a layer bends, multiplies or
//! normalises ([`Tape`]).
//!
//! | module | what |
//! |---|---|
//! | `layer` | what a network is made of |
//! | `plan` | layers to schedules, forward and backward, for any device ([`Schedule`]); these to the CPU's operations |
//! | `map` | how activations lie in memory |
//! | `correlate`, `winograd`, `depthwise`, `pool`, `pointwise`, `smooth`, `multiply`, `channels`, `norm` | the operations |
//! | `phase`, `product`, `sparse`, `end` | what they share: geometry, the inner product, the same of what is mostly zero, what is done before storing |
//! | `patch` | calls of which only a patch of each sample is new |
//! | `simd` | 16 channels on vectors of any width |

#![forbid(unsafe_code)]

mod channels;
mod correlate;
mod depthwise;
mod end;
mod error;
mod layer;
mod map;
mod multiply;
mod net;
mod norm;
mod packed;
mod patch;
mod phase;
mod plan;
mod planes;
mod pointwise;
mod pool;
mod product;
mod rect;
mod run;
mod simd;
mod smooth;
mod sparse;
#[doc(hidden)]
pub mod testing;
#[cfg(test)]
mod tests;
mod winograd;

pub use error::Error;
pub use layer::{
    Activation, Convolution, Dense, Function, Kind, Layer, Layout, Norm, Place, Smooth, Window,
};
pub use net::{Net, Tape};
pub use phase::{Phase, Tap};
pub use plan::{Act, Schedule, Step, Work};
