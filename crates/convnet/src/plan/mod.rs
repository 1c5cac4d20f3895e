//! From layers to two lists of operations: forward, and backward to the input.
//!
//! A convolution takes the addition and the activation behind it with it. Backward, a value's derivative is
//! the sum of what its readers give; the last of them applies the derivative of the activation that made the value.

mod backward;
mod forward;
mod fuse;
mod program;
mod shape;

use backward::backward;
use forward::forward;
use fuse::fuse;
use shape::{affordable, shapes};

use crate::error::Error;
use crate::layer::Layer;

pub(crate) use program::{Core, Op, Program};

/// A network's forward program, and what it leaves on the tape.
#[derive(Debug)]
pub(crate) struct Plan {
    pub forward: Program,
    /// Bits that a sample leaves on the tape, in blocks of channels.
    pub bits: usize,
    /// Picks that a sample leaves on the tape, in blocks of channels.
    pub picks: usize,
}

/// The way forward.
pub(crate) fn plan(input: [usize; 3], layers: &[Layer]) -> Result<Plan, Error> {
    let shapes = shapes(input, layers)?;
    let mut tape = [0, 0];
    let fused = fuse(layers, &shapes, &mut tape);
    affordable(layers, &shapes)?;
    let forward = forward(&fused, &shapes, layers.len());
    Ok(Plan {
        forward,
        bits: tape[0],
        picks: tape[1],
    })
}

/// The way back, for layers of which [`plan`] made a plan; `None` if no gradient reaches the input.
pub(crate) fn plan_back(input: [usize; 3], layers: &[Layer]) -> Option<Program> {
    let shapes = shapes(input, layers).ok()?;
    let fused = fuse(layers, &shapes, &mut [0, 0]);
    backward(&fused, &shapes, layers.len())
}
