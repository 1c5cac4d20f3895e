//! How often the target was asked about each running sample: all of them are asked alike.

use std::cell::Cell;
use std::rc::Rc;

use scoville_kernels::{Array, Device, Loss};
use scoville_targets::{ByFeatures, Error, Evaluation, Features, Gradients, Labels, Scores};

use crate::constraints::Limits;

/// What a search and the target that it asks share.
#[derive(Default)]
pub(crate) struct Count {
    /// What a valid sample is, where not every point is one.
    pub limits: Option<Limits>,
    /// Samples in the batch.
    pub running: Cell<usize>,
    asked: Cell<u32>,
}

impl Count {
    pub fn new(limits: Option<Limits>) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Times that the target was asked about a sample that is still in the batch.
    pub fn asked(&self) -> u32 {
        self.asked.get()
    }

    /// The valid samples for the points `x`, where those are not valid as they are.
    pub fn valid(&self, x: &Array) -> Result<Option<Array>, scoville_kernels::Error> {
        self.limits
            .as_ref()
            .map(|limits| limits.valid(x))
            .transpose()
    }

    fn add(&self, rows: usize) {
        let times = rows.div_ceil(self.running.get().max(1));
        let times = u32::try_from(times).unwrap_or(u32::MAX);
        self.asked.set(self.asked.get().saturating_add(times));
    }
}

/// A target whose answers are counted, and that is asked about valid samples alone.
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
        let valid = self.count.valid(x)?;
        self.target.labels(valid.as_ref().unwrap_or(x))
    }
}

impl<T: Scores + ?Sized> Scores for Counted<'_, T> {
    fn scores(&self, x: &Array) -> Result<Array, Error> {
        self.count.add(x.rows());
        let valid = self.count.valid(x)?;
        self.target.scores(valid.as_ref().unwrap_or(x))
    }
}

impl<T: ?Sized> Counted<'_, T> {
    /// The gradient at `x` without what cannot go its way.
    fn masked(&self, mut gradient: Array, x: &Array) -> Result<Array, Error> {
        if let Some(limits) = &self.count.limits {
            limits.mask(&mut gradient, x)?;
        }
        Ok(gradient)
    }
}

impl<T: Gradients + ?Sized> Gradients for Counted<'_, T> {
    fn gradient(&self, x: &Array, y: &Array<u32>, loss: Loss) -> Result<Evaluation, Error> {
        self.count.add(x.rows());
        let valid = self.count.valid(x)?;
        let seen = self.target.gradient(valid.as_ref().unwrap_or(x), y, loss)?;
        Ok(Evaluation {
            gradient: self.masked(seen.gradient, x)?,
            ..seen
        })
    }

    fn divergence(&self, x: &Array, from: &Array) -> Result<Array, Error> {
        self.count.add(x.rows() + from.rows());
        let (valid, clean) = (self.count.valid(x)?, self.count.valid(from)?);
        let from = clean.as_ref().unwrap_or(from);
        let gradient = self.target.divergence(valid.as_ref().unwrap_or(x), from)?;
        self.masked(gradient, x)
    }

    fn inside(&self) -> Option<&dyn Features> {
        self.target.inside().map(|_| self as &dyn Features)
    }
}

impl<T: Gradients + ?Sized> Features for Counted<'_, T> {
    fn features(&self, x: &Array) -> Result<Array, Error> {
        self.count.add(x.rows());
        let valid = self.count.valid(x)?;
        let inside = self.target.inside().ok_or(Error::Closed)?;
        inside.features(valid.as_ref().unwrap_or(x))
    }

    fn features_gradient(&self, x: &Array, by: ByFeatures<'_>) -> Result<Array, Error> {
        self.count.add(x.rows());
        let valid = self.count.valid(x)?;
        let inside = self.target.inside().ok_or(Error::Closed)?;
        let gradient = inside.features_gradient(valid.as_ref().unwrap_or(x), by)?;
        self.masked(gradient, x)
    }
}
