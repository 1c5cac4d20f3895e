//! Sigma-zero: Adam on the margin and a smooth stand-in for the number of changed elements, `sum d^2 / (d^2 + sigma)`; after
//! each step, changes below a threshold go back to 0, which rises while the sample is misclassified and falls while it is not.
//!
//! Cinà et al. 2025, <https://arxiv.org/abs/2402.01879>.

use scoville_kernels::{
    Array, Ball, Loss, Map, Reduce, Zip, combine, head, map, reduce_rows, select, zip,
};
use scoville_targets::{Evaluation, Gradients};

use crate::parts::{Adam, cosine, push};
use crate::registry::{Access, Algorithm, L0, Row, WHITE_BOX, real, whole};
use crate::{Error, Search, WhiteBox};

pub const ROW: Row = Row {
    name: "sigma-zero",
    summary: "Adam on the margin and a smooth count of changed elements; small changes are undone",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: L0,
    least_classes: 2,
    parameters: &[
        whole("steps", 100.0, 1e6, "gradient steps"),
        real(
            "threshold",
            0.3,
            (0.0, 1.0),
            "size below which changes are undone at first, in pixel units",
        ),
        real(
            "sigma",
            1e-3,
            (1e-9, 1.0),
            "smoothness of the count, in which d counts d^2 / (d^2 + sigma)",
        ),
    ],
    paper: "Cina 2025, arXiv:2402.01879",
    build: |v| {
        Algorithm::WhiteBox(Box::new(SigmaZero {
            steps: v.whole("steps"),
            threshold: v.real("threshold"),
            sigma: v.real("sigma"),
        }))
    },
};

/// The length of the first and the last step.
const RATE: (f32, f32) = (1.0, 0.1);

/// How much the threshold changes, of a step's length.
const SHARE: f32 = 0.01;

/// Sigma-zero with `steps` steps, which begins with `threshold`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SigmaZero {
    pub steps: usize,
    pub threshold: f32,
    pub sigma: f32,
}

impl WhiteBox for SigmaZero {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let (device, n) = (search.device(), search.running());
        let one = Array::filled(&device, n, 1, 1.0)?;
        let mut threshold = Array::filled(&device, n, 1, self.threshold)?;
        let mut adam = Adam::new(search, RATE.0)?;
        let mut x = search.x0.copy()?;
        for step in 0..self.steps {
            search.heed_stop()?;
            let seen = target.gradient(&x, &search.y, Loss::Margin)?;
            let wrong = search.offer_nearer(&x, &seen.predicted)?;
            let gradient = self.gradient(&x, seen, &one, search)?;
            adam.rate = cosine(RATE.0, RATE.1, step, self.steps);
            adam.descend(&mut x, gradient)?;

            let change = SHARE * adam.rate;
            shift(&mut threshold, change, &wrong)?;
            cut(&mut x, &threshold, search)?;
        }
        let last = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
        search.offer_nearer(&x, &last.predicted)?;
        Ok(())
    }
}

impl SigmaZero {
    /// The gradient of `max(0, margin) + sum d^2 / (d^2 + sigma) / cols`, over its largest magnitude.
    fn gradient(
        &self,
        x: &Array,
        seen: Evaluation,
        one: &Array,
        search: &Search<'_>,
    ) -> Result<Array, Error> {
        let mut gradient = x.copy()?;
        combine(&mut gradient, 1.0, &search.x0, -1.0)?;
        let mut slope = gradient.copy()?;
        map(&mut slope, Map::Square)?;
        let (scale, shift) = (1.0, self.sigma);
        map(&mut slope, Map::Affine { scale, shift })?;
        map(&mut slope, Map::Square)?;
        map(&mut slope, Map::Reciprocal)?;
        zip(&mut gradient, Zip::Multiply, &slope)?;

        let factor = 2.0 * self.sigma / x.cols() as f32;
        combine(
            &mut gradient,
            factor,
            &seen.gradient,
            &push(seen.loss, one)?,
        )?;
        let mut length = reduce_rows(&gradient, Reduce::Linf)?;
        map(&mut length, Map::Reciprocal)?;
        zip(&mut gradient, Zip::Multiply, &length)?;
        Ok(gradient)
    }
}

/// Raises the threshold of the rows that are misclassified, and lowers that of the others.
fn shift(threshold: &mut Array, change: f32, wrong: &Array<u32>) -> Result<(), Error> {
    let moved = |shift| Map::Affine { scale: 1.0, shift };
    let mut higher = threshold.copy()?;
    map(&mut higher, moved(change))?;
    map(threshold, moved(-change))?;
    select(threshold, &higher, wrong)?;
    Ok(map(threshold, Map::Clamp { lo: 0.0, hi: 1.0 })?)
}

/// Takes `x` into the input range, and changes below the threshold back.
fn cut(x: &mut Array, threshold: &Array, search: &Search<'_>) -> Result<(), Error> {
    let Ball { lo, hi, .. } = search.ball;
    map(x, Map::Clamp { lo, hi })?;
    combine(x, 1.0, &search.x0, -1.0)?;
    zip(x, Zip::Keep, threshold)?;
    combine(x, 1.0, &search.x0, 1.0)?;
    Ok(map(x, Map::Clamp { lo, hi })?)
}
