//! Steps along conjugate gradients, with APGD's schedule.
//!
//! Yamamura et al. 2022, <https://arxiv.org/abs/2206.09628>.

use scoville_kernels::{Array, Map, Zip, combine, dot_rows, map, select, zip};
use scoville_targets::Evaluation;

use super::rule::Auto;
use crate::{Error, Search, search::gather_in_place};

/// What ACG remembers of every running sample.
pub struct Conjugate {
    auto: Auto,
    last: Step,
    /// The step that led to the best point so far.
    before_best: Step,
}

/// A gradient, and the direction that was taken at it.
struct Step {
    gradient: Array,
    direction: Array,
}

impl Conjugate {
    /// The first step, along the gradient.
    pub fn begin(x: &mut Array, seen: Evaluation, search: &Search<'_>) -> Result<Self, Error> {
        let mut auto = Auto::begin(x, &seen, search)?;
        auto.advance(1.0, x, &seen.gradient, search)?;
        let step = || -> Result<Step, Error> {
            Ok(Step {
                gradient: seen.gradient.copy()?,
                direction: seen.gradient.copy()?,
            })
        };
        Ok(Self {
            auto,
            last: step()?,
            before_best: step()?,
        })
    }

    /// Moves `x` on along `g + beta * s` with `s` the last direction and `beta` Hestenes and Stiefel's: `-<g, y> / <s, y>` for `y`
    /// the last gradient less this one.
    pub fn advance(
        &mut self,
        iteration: usize,
        checkpoints: &[usize],
        x: &mut Array,
        seen: Evaluation,
        search: &Search<'_>,
    ) -> Result<(), Error> {
        let last = &self.last.gradient;
        let (gradient, restart) = self.auto.track(iteration, checkpoints, x, last, seen)?;
        self.before_best.take(&self.last, self.auto.improved())?;
        self.last.take(&self.before_best, &restart)?;

        let mut change = self.last.gradient.copy()?;
        combine(&mut change, 1.0, &gradient, -1.0)?;
        let mut beta = dot_rows(&self.last.direction, &change)?;
        map(&mut beta, Map::Reciprocal)?;
        zip(&mut beta, Zip::Multiply, &dot_rows(&gradient, &change)?)?;
        let negative = Map::Affine {
            scale: -1.0,
            shift: 0.0,
        };
        map(&mut beta, negative)?;
        combine(&mut self.last.direction, &beta, &gradient, 1.0)?;
        self.last.gradient = gradient;
        self.auto.advance(1.0, x, &self.last.direction, search)
    }

    /// Keeps only `rows`.
    pub fn gather(&mut self, rows: &Array<u32>) -> Result<(), Error> {
        self.auto.gather(rows)?;
        for step in [&mut self.last, &mut self.before_best] {
            gather_in_place(&mut step.gradient, rows)?;
            gather_in_place(&mut step.direction, rows)?;
        }
        Ok(())
    }
}

impl Step {
    /// Takes over the rows of `other` that are in `mask`.
    fn take(&mut self, other: &Step, mask: &Array<u32>) -> Result<(), Error> {
        select(&mut self.gradient, &other.gradient, mask)?;
        Ok(select(&mut self.direction, &other.direction, mask)?)
    }
}
