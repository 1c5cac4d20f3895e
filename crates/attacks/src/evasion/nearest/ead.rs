//! EAD, the elastic-net attack: accelerated shrinkage (FISTA) on `c max(0, margin) + |x - x0|^2 + beta |x - x0|_1`, with a
//! binary search for the smallest c that works. Its perturbations are sparse.
//!
//! Chen et al. 2018, <https://arxiv.org/abs/1709.04114>.

use scoville_kernels::{Array, Ball, Loss, Map, claim, combine, head, map};
use scoville_targets::Gradients;

use crate::parts::{Constants, push};
use crate::registry::{Access, Algorithm, Row, SUMS, WHITE_BOX, real, whole};
use crate::{Error, Search, WhiteBox};

pub const ROW: Row = Row {
    name: "ead",
    summary: "As cw, with changes that shrink at each step, so that few elements change",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: SUMS,
    least_classes: 2,
    parameters: &[
        whole("steps", 200.0, 1e6, "gradient steps for each value of c"),
        whole(
            "searches",
            9.0,
            100.0,
            "values of c, the weight of the loss, that are tried",
        ),
        real(
            "rate",
            0.01,
            (1e-6, 10.0),
            "factor of the gradient in the first step",
        ),
        real(
            "beta",
            0.01,
            (0.0, 1.0),
            "how far each step takes every element back, in pixel units",
        ),
    ],
    paper: "Chen 2018, arXiv:1709.04114",
    build: |v| {
        Algorithm::WhiteBox(Box::new(Ead {
            steps: v.whole("steps"),
            searches: v.whole("searches"),
            rate: v.real("rate"),
            beta: v.real("beta"),
        }))
    },
};

/// EAD: for each of `searches` values of c, `steps` steps that begin with length `rate`; each moves every element `beta`
/// towards the clean sample, and no further. Of the adversarial points the nearest in the norm of the run counts: in L1
/// that is the authors' L1 rule, and what their elastic-net rule takes is no nearer. A step costs a gradient evaluation and
/// a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ead {
    pub steps: usize,
    pub searches: usize,
    pub rate: f32,
    pub beta: f32,
}

impl WhiteBox for Ead {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let mut constants = Constants::new(search)?;
        for _ in 0..self.searches {
            let found = self.descend(&constants.now, search, target)?;
            constants.update(&found)?;
        }
        Ok(())
    }
}

impl Ead {
    /// One descent from the clean sample. Gives the mask of the rows that were misclassified on the way.
    fn descend(
        &self,
        constants: &Array,
        search: &mut Search<'_>,
        target: &dyn Gradients,
    ) -> Result<Array<u32>, Error> {
        let mut found = Array::zeros(&search.device(), search.running(), 1)?;
        let mut x = search.x0.copy()?;
        // The point of the gradient, which runs ahead of x.
        let mut ahead = search.x0.copy()?;
        for step in 0..self.steps {
            search.heed_stop()?;
            let seen = target.gradient(&ahead, &search.y, Loss::Margin)?;
            let mut gradient = ahead.copy()?;
            combine(&mut gradient, 2.0, &search.x0, -2.0)?;
            let weight = push(seen.loss, constants)?;
            combine(&mut gradient, 1.0, &seen.gradient, &weight)?;

            let left = 1.0 - step as f32 / self.steps as f32;
            combine(&mut ahead, 1.0, &gradient, -self.rate * left.sqrt())?;
            let next = self.shrink(ahead, search)?;
            let answer = head(&target.scores(&next)?, &search.y, Loss::Margin)?;
            search.offer_nearer(&next, &answer.predicted)?;
            claim(&mut found, &answer.predicted, &search.y)?;

            let momentum = step as f32 / (step as f32 + 3.0);
            ahead = next.copy()?;
            combine(&mut ahead, 1.0 + momentum, &x, -momentum)?;
            x = next;
        }
        Ok(found)
    }

    fn shrink(&self, mut x: Array, search: &Search<'_>) -> Result<Array, Error> {
        let Ball { lo, hi, .. } = search.ball;
        combine(&mut x, 1.0, &search.x0, -1.0)?;
        map(&mut x, Map::Shrink { by: self.beta })?;
        combine(&mut x, 1.0, &search.x0, 1.0)?;
        map(&mut x, Map::Clamp { lo, hi })?;
        Ok(x)
    }
}
