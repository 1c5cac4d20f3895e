//! How often the target was asked about each running sample: all of them are asked alike.

use std::cell::Cell;
use std::rc::Rc;

use scoville_kernels::{Array, Device, Loss};
use scoville_targets::{Error, Evaluation, Gradients, Labels, Scores};

/// A count that a search and the target that it asks share.
#[derive(Default)]
pub(crate) struct Count {
    /// Samples in the batch.
    pub running: Cell<usize>,
    asked: Cell<u32>,
}

impl Count {
    /// Times that the target was asked about a sample that is still in the batch.
    pub fn asked(&self) -> u32 {
        self.asked.get()
    }

    fn add(&self, rows: usize) {
        let times = rows.div_ceil(self.running.get().max(1));
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        self.asked.set(self.asked.get().saturating_add(times));
    }
}

/// A target whose answers are counted.
pub(crate) struct Counted<'a, T: ?Sized> {
    pub target: &'a T,
    pub count: Rc<Count>,
}

impl<T: Labels + ?Sized> Labels for Counted<'_, T> {
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
        self.count.add(x.rows());
        self.target.labels(x)
    }
}

impl<T: Scores + ?Sized> Scores for Counted<'_, T> {
    fn scores(&self, x: &Array) -> Result<Array, Error> {
        self.count.add(x.rows());
        self.target.scores(x)
    }
}

impl<T: Gradients + ?Sized> Gradients for Counted<'_, T> {
    fn gradient(&self, x: &Array, y: &Array<u32>, loss: Loss) -> Result<Evaluation, Error> {
        self.count.add(x.rows());
        self.target.gradient(x, y, loss)
    }

    fn divergence(&self, x: &Array, from: &Array) -> Result<Array, Error> {
        self.count.add(x.rows() + from.rows());
        self.target.divergence(x, from)
    }
}
