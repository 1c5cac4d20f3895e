//! The nearest of several decision boundaries, each taken as linear.

use std::ops::Range;

use scoville_kernels::{Array, Map, Norm, Zip, keep_lower, map, reduce_rows, select, zip};
use scoville_kernels::{Loss, rivals};
use scoville_targets::{Evaluation, Gradients};

use crate::parts::dual;
use crate::{Error, Search};

/// The nearest boundary so far of each sample, between its label and a rival class.
pub struct Boundary {
    /// How far it is, n x 1, in the ball's norm.
    pub distance: Array,
    /// The margin of the rival over the label, n x 1.
    pub margin: Array,
    /// The margin's gradient, n x d.
    pub gradient: Array,
}

impl Boundary {
    /// None yet.
    pub fn none(search: &Search<'_>) -> Result<Self, Error> {
        let (n, cols, device) = (search.x0.rows(), search.x0.cols(), search.device());
        Ok(Self {
            distance: Array::filled(&device, n, 1, f32::MAX)?,
            margin: Array::zeros(&device, n, 1)?,
            gradient: Array::zeros(&device, n, cols)?,
        })
    }

    /// Margin and gradient of the nearest at `x` of those with the rivals in `pairs`: one gradient evaluation each.
    pub fn nearest(
        x: &Array,
        pairs: &[Array<u32>],
        search: &Search<'_>,
        target: &dyn Gradients,
    ) -> Result<(Array, Array), Error> {
        let evaluate = |pair| target.gradient(x, pair, Loss::TargetedMargin);
        if let [only] = pairs {
            let seen = evaluate(only)?;
            return Ok((seen.loss, seen.gradient));
        }
        let mut nearest = Self::none(search)?;
        for pair in pairs {
            nearest.take(evaluate(pair)?, search.ball.norm)?;
        }
        Ok((nearest.margin, nearest.gradient))
    }

    /// Takes a boundary where it is nearer: it is as far as the difference of the logits over the dual norm of its gradient.
    pub fn take(&mut self, seen: Evaluation, norm: Norm) -> Result<(), Error> {
        let mut distance = seen.loss.copy()?;
        map(&mut distance, Map::Abs)?;
        let mut slope = reduce_rows(&seen.gradient, dual(norm))?;
        // A boundary without a gradient is far, not near.
        let shift = Map::Affine {
            scale: 1.0,
            shift: 1e-8,
        };
        map(&mut slope, shift)?;
        map(&mut slope, Map::Reciprocal)?;
        zip(&mut distance, Zip::Multiply, &slope)?;
        let nearer = keep_lower(&mut self.distance, &distance)?;
        select(&mut self.margin, &seen.loss, &nearer)?;
        Ok(select(&mut self.gradient, &seen.gradient, &nearer)?)
    }
}

/// The label of each sample with a rival, for the rivals of those `ranks` among the other classes, the likeliest on the
/// clean sample first.
pub fn likeliest(
    ranks: Range<usize>,
    search: &Search<'_>,
    target: &dyn Gradients,
) -> Result<Vec<Array<u32>>, Error> {
    let scores = target.scores(&search.x0)?;
    let others = target.classes().saturating_sub(1);
    (ranks.start..ranks.end.min(others))
        .map(|rank| Ok(rivals(&scores, &search.y, rank)?))
        .collect()
}
