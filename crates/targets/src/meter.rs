//! The query meter: an exact account of what a target was asked.

use std::iter::Sum;
use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};

use scoville_kernels::{Array, Device, Loss};

use crate::{ByFeatures, Error, Evaluation, Features, Gradients, Labels, Scores, Trees};

/// What was spent on a target so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Samples sent through the model forward, for labels or scores.
    pub queries: u64,
    /// Samples sent forward and backward. Not counted among the queries.
    pub gradients: u64,
    /// Batches that these were sent in.
    pub calls: u64,
}

impl Spent {
    /// What was spent between `earlier` and now.
    pub fn since(self, earlier: Spent) -> Spent {
        Spent {
            queries: self.queries - earlier.queries,
            gradients: self.gradients - earlier.gradients,
            calls: self.calls - earlier.calls,
        }
    }
}

impl AddAssign for Spent {
    fn add_assign(&mut self, more: Spent) {
        self.queries += more.queries;
        self.gradients += more.gradients;
        self.calls += more.calls;
    }
}

impl Sum for Spent {
    fn sum<I: Iterator<Item = Spent>>(all: I) -> Spent {
        let mut sum = Spent::default();
        all.for_each(|spent| sum += spent);
        sum
    }
}

/// A target that counts every sample that it is asked about.
pub struct Metered<T> {
    inner: T,
    queries: AtomicU64,
    gradients: AtomicU64,
    calls: AtomicU64,
}

impl<T> Metered<T> {
    pub fn new(inner: T) -> Self {
        Self {
            inner,
            queries: AtomicU64::new(0),
            gradients: AtomicU64::new(0),
            calls: AtomicU64::new(0),
        }
    }

    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// The same meter before what `change` makes of the target.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Metered<U> {
        Metered {
            inner: change(self.inner),
            queries: self.queries,
            gradients: self.gradients,
            calls: self.calls,
        }
    }

    pub fn spent(&self) -> Spent {
        Spent {
            queries: self.queries.load(Ordering::Relaxed),
            gradients: self.gradients.load(Ordering::Relaxed),
            calls: self.calls.load(Ordering::Relaxed),
        }
    }

    /// Counts `n` queries, sent in batches of `batch`.
    pub(crate) fn count_queries(&self, n: usize, batch: usize) {
        self.count(&self.queries, n, n.div_ceil(batch));
    }

    /// Counts `n` gradients, sent in batches of `batch`.
    pub(crate) fn count_gradients(&self, n: usize, batch: usize) {
        self.count(&self.gradients, n, n.div_ceil(batch));
    }

    fn count(&self, counter: &AtomicU64, n: usize, calls: usize) {
        counter.fetch_add(n as u64, Ordering::Relaxed);
        self.calls.fetch_add(calls as u64, Ordering::Relaxed);
    }
}

impl<T: Labels> Labels for Metered<T> {
    fn classes(&self) -> usize {
        self.inner.classes()
    }

    fn sample_shape(&self) -> &[usize] {
        self.inner.sample_shape()
    }

    fn device(&self) -> &Device {
        self.inner.device()
    }

    fn labels(&self, x: &Array) -> Result<Array<u32>, Error> {
        self.count(&self.queries, x.rows(), 1);
        self.inner.labels(x)
    }
}

impl<T: Scores> Scores for Metered<T> {
    fn scores(&self, x: &Array) -> Result<Array, Error> {
        self.count(&self.queries, x.rows(), 1);
        self.inner.scores(x)
    }
}

impl<T: Gradients> Gradients for Metered<T> {
    fn gradient(&self, x: &Array, y: &Array<u32>, loss: Loss) -> Result<Evaluation, Error> {
        self.count(&self.gradients, x.rows(), 1);
        self.inner.gradient(x, y, loss)
    }

    fn divergence(&self, x: &Array, from: &Array) -> Result<Array, Error> {
        self.count(&self.queries, from.rows(), 1);
        self.count(&self.gradients, x.rows(), 1);
        self.inner.divergence(x, from)
    }

    fn inside(&self) -> Option<&dyn Features> {
        self.inner.inside().map(|_| self as &dyn Features)
    }

    fn trees(&self) -> Option<&Trees> {
        self.inner.trees()
    }
}

impl<T: Gradients> Features for Metered<T> {
    fn features(&self, x: &Array) -> Result<Array, Error> {
        self.count(&self.queries, x.rows(), 1);
        self.inner.inside().ok_or(Error::Closed)?.features(x)
    }

    fn features_gradient(&self, x: &Array, by: ByFeatures<'_>) -> Result<Array, Error> {
        self.count(&self.gradients, x.rows(), 1);
        let inside = self.inner.inside().ok_or(Error::Closed)?;
        inside.features_gradient(x, by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers class 0 with a fixed score, whatever it is asked.
    struct Constant(Device);

    impl Labels for Constant {
        fn classes(&self) -> usize {
            2
        }
        fn sample_shape(&self) -> &[usize] {
            &[3]
        }
        fn device(&self) -> &Device {
            &self.0
        }
        fn labels(&self, x: &Array) -> Result<Array<u32>, Error> {
            Ok(Array::zeros(&self.0, x.rows(), 1)?)
        }
    }

    impl Scores for Constant {
        fn scores(&self, x: &Array) -> Result<Array, Error> {
            Ok(Array::zeros(&self.0, x.rows(), 2)?)
        }
    }

    #[test]
    fn counts_samples_not_calls() {
        let target = Metered::new(Constant(Device::Cpu));
        let x = |rows| Array::zeros(&Device::Cpu, rows, 3).unwrap();
        target.labels(&x(5)).unwrap();
        let before = target.spent();
        target.scores(&x(7)).unwrap();
        assert_eq!(
            before,
            Spent {
                queries: 5,
                gradients: 0,
                calls: 1
            }
        );
        assert_eq!(
            target.spent().since(before),
            Spent {
                queries: 7,
                gradients: 0,
                calls: 1
            }
        );
    }
}
