//! From layers to two schedules, forward and backward to the input, and from these to the CPU's operations.
//!
//! A convolution takes the addition and the activation behind it with it. Backward, a value's derivative is
//! the sum of what its readers give; the last of them applies the derivative of the activation that made the value.

mod fuse;
mod pack;
mod program;
mod reverse;
mod schedule;
mod shape;

use pack::pack;

use crate::error::Error;
use crate::layer::{Layer, Layout};

pub use schedule::{Act, Schedule, Step, Work};

pub(crate) use pack::Marks;
pub(crate) use program::{Core, Id, Op, Program};
pub(crate) use shape::{depthwise, one_tap};

/// A network's forward program, and what it leaves on the tape.
#[derive(Debug)]
pub(crate) struct Plan {
    pub forward: Program,
    pub marks: Marks,
}

/// The way forward.
pub(crate) fn plan(input: [usize; 3], layers: &[Layer], ends: [Layout; 2]) -> Result<Plan, Error> {
    let schedule = Schedule::forward(input, layers)?;
    let marks = Marks::new(&schedule);
    Ok(Plan {
        forward: pack(&schedule, &marks, ends),
        marks,
    })
}

/// The way back, for layers of which [`plan`] made a plan; `None` if no gradient reaches the input.
pub(crate) fn plan_back(input: [usize; 3], layers: &[Layer], plan: &Plan) -> Option<Program> {
    let [input_as, output_as] = plan.forward.ends;
    let back = Schedule::backward(input, layers)?;
    Some(pack(&back, &plan.marks, [output_as, input_as]))
}
