//! What is to be computed, forward and back, on whatever device.

use super::fuse::{Fused, fuse};
use super::reverse::reverse;
use super::shape::{affordable, shapes};
use crate::channels::Place;
use crate::end::Activation;
use crate::error::Error;
use crate::layer::{Kind, Layer};

/// Index of a value.
pub type Id = usize;

/// Steps in order, from the value `input` to the value `output`.
#[derive(Debug)]
pub struct Schedule<'a> {
    pub steps: Vec<Step<'a>>,
    /// Channels, rows and columns of every value.
    pub shapes: Vec<[usize; 3]>,
    pub input: Id,
    pub output: Id,
}

/// One operation: `act(work(sources) + add)`.
#[derive(Debug)]
pub struct Step<'a> {
    pub work: Work<'a>,
    /// One, but for what multiplies values or takes channels of several.
    pub sources: Vec<Id>,
    pub add: Option<Id>,
    pub act: Act,
    pub to: Id,
}

/// What a step computes of its sources.
#[derive(Debug, Clone, Copy)]
pub enum Work<'a> {
    /// The first source itself.
    Pass,
    /// A layer that is neither an addition nor an activation; it makes the network's value `of`.
    Forward { kind: &'a Kind, of: Id },
    /// From the derivative by such a layer's output to the one by its input.
    Backward { kind: &'a Kind, of: Id },
    /// From the derivative by the product `of` to the one by factor `factor`: times the other, which has the shape `other`,
    /// and summed over all pixels where the factor has one.
    Weigh {
        of: Id,
        factor: usize,
        other: [usize; 3],
    },
    /// From the derivative by channels of several values to the one by value `input`.
    Return { places: &'a [Place], input: usize },
}

/// The last part of a step.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Act {
    #[default]
    Linear,
    /// Leaves on the tape where the derivative is 1, under the network's value `of`.
    Forward { activation: Activation, of: Id },
    /// Where the tape does not say so, times `slope`.
    Backward { slope: f32, of: Id },
    /// Times the derivative that a smooth function left there, under the network's value `of`.
    Times { of: Id },
}

impl Step<'_> {
    /// All values that it reads.
    pub fn reads(&self) -> impl Iterator<Item = Id> {
        self.sources.iter().copied().chain(self.add)
    }
}

impl<'a> Schedule<'a> {
    /// The way forward. Its values are the network's: 0 is the input, layer `i` makes `i + 1`.
    pub fn forward(input: [usize; 3], layers: &'a [Layer]) -> Result<Schedule<'a>, Error> {
        let shapes = shapes(input, layers)?;
        let fused = fuse(layers, shapes.len());
        affordable(layers, &shapes)?;
        Ok(Schedule {
            steps: fused.iter().map(step).collect(),
            shapes,
            input: 0,
            output: layers.len(),
        })
    }

    /// The way back, for layers that have a way forward; `None` if no gradient reaches the input. Its values are derivatives.
    pub fn backward(input: [usize; 3], layers: &'a [Layer]) -> Option<Schedule<'a>> {
        let shapes = shapes(input, layers).ok()?;
        let fused = fuse(layers, shapes.len());
        reverse(&fused, &shapes, layers.len())
    }
}

fn step<'a>(fused: &Fused<'a>) -> Step<'a> {
    let work = match fused.kind {
        Kind::Add | Kind::Activation(_) => Work::Pass,
        kind => Work::Forward {
            kind,
            of: fused.out,
        },
    };
    let act = match fused.activation {
        Some(activation) => Act::Forward {
            activation,
            of: fused.out,
        },
        None => Act::Linear,
    };
    Step {
        work,
        sources: fused.sources.to_vec(),
        add: fused.add,
        act,
        to: fused.out,
    }
}
