//! A target that remembers: the loss at every step of an attack.

use std::cell::RefCell;

use scoville_kernels::{Array, Device, Loss};
use scoville_targets::{Error, Evaluation, Features, Gradients, Labels, Scores};

/// A target that keeps the loss of each sample at each evaluation of a gradient.
pub struct Traced<'a> {
    target: &'a dyn Gradients,
    losses: RefCell<Vec<Vec<f32>>>,
}

impl<'a> Traced<'a> {
    pub fn new(target: &'a dyn Gradients) -> Self {
        Self {
            target,
            losses: RefCell::default(),
        }
    }

    /// One row an evaluation, one loss a sample.
    pub fn into_losses(self) -> Vec<Vec<f32>> {
        self.losses.into_inner()
    }
}

impl Labels for Traced<'_> {
    fn classes(&self) -> usize {
        self.target.classes()
    }

    fn sample_shape(&self) -> &[usize] {
        self.target.sample_shape()
    }

    fn device(&self) -> &Device {
        self.target.device()
    }

    fn labels(&self, x: &Array) -> Result<Array<u32>, Error> {
        self.target.labels(x)
    }
}

impl Scores for Traced<'_> {
    fn scores(&self, x: &Array) -> Result<Array, Error> {
        self.target.scores(x)
    }
}

impl Gradients for Traced<'_> {
    fn gradient(&self, x: &Array, y: &Array<u32>, loss: Loss) -> Result<Evaluation, Error> {
        let seen = self.target.gradient(x, y, loss)?;
        self.losses.borrow_mut().push(seen.loss.to_vec()?);
        Ok(seen)
    }

    fn divergence(&self, x: &Array, from: &Array) -> Result<Array, Error> {
        self.target.divergence(x, from)
    }

    fn inside(&self) -> Option<&dyn Features> {
        self.target.inside()
    }
}
