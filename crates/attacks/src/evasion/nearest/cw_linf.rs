//! Carlini and Wagner's Linf attack: Adam on `c * max(0, margin) + sum max(0, |x - x0| - tau)`, whose tau falls after each
//! descent that found a nearer point, while c grows after each that did not.
//!
//! Carlini & Wagner 2017, <https://arxiv.org/abs/1608.04644>; of their ways to keep to the input range, the projection.

use scoville_kernels::{Array, Loss, Map, Reduce, Zip, combine, map, select, zip};
use scoville_targets::Gradients;

use super::{Nearest, change, clip, column, scaled};
use crate::parts::{Adam, cosine, push};
use crate::registry::{Access, Algorithm, LINF, Row, WHITE_BOX, real, whole};
use crate::{Error, Search, WhiteBox};

pub const ROW: Row = Row {
    name: "cw-linf",
    summary: "Adam on the margin and on changes beyond a limit, which falls after nearer points",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: LINF,
    least_classes: 2,
    parameters: &[
        whole("steps", 50.0, 1e6, "gradient steps of each descent"),
        whole(
            "searches",
            20.0,
            1e4,
            "descents, each with another limit or weight of the margin",
        ),
        real(
            "rate",
            0.01,
            (1e-6, 1.0),
            "longest first step of a descent, in pixel units",
        ),
    ],
    paper: "Carlini 2017, arXiv:1608.04644",
    build: |v| {
        Algorithm::WhiteBox(Box::new(CarliniWagnerLinf {
            steps: v.whole("steps"),
            searches: v.whole("searches"),
            rate: v.real("rate"),
        }))
    },
};

/// The first c, its growth, and the largest.
const CONSTANT: f32 = 0.1;
const GROWTH: f32 = 2.0;
const LARGEST_CONSTANT: f32 = 20.0;
/// What is left of tau after a descent that worked.
const DECREASE: f32 = 0.9;
/// The last step of a descent, of its first.
const LAST: f32 = 0.01;
/// The longest step in tau.
const LONGEST: f32 = 0.03;

/// C&W in Linf: `searches` descents of `steps` steps of Adam, the first of length `rate`, or of a small share of tau if that is
/// less. After one that worked, the next goes on from the nearest misclassified point; after one that did not, tau rises
/// halfway back to the distance of that point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CarliniWagnerLinf {
    pub steps: usize,
    pub searches: usize,
    pub rate: f32,
}

impl WhiteBox for CarliniWagnerLinf {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let whole_range = search.ball.hi - search.ball.lo;
        let mut x = search.x0.copy()?;
        let mut nearest = Nearest::none(Reduce::Linf, search)?;
        let mut tau = column(search, whole_range)?;
        let mut constants = column(search, CONSTANT)?;
        for _ in 0..self.searches {
            let worked = self.descend(&mut x, &mut nearest, &tau, &constants, search, target)?;
            let smaller = scaled(&nearest.distance, DECREASE)?;
            combine(&mut tau, 0.5, &nearest.distance, 0.5)?;
            let (lo, hi) = (0.0, whole_range);
            map(&mut tau, Map::Clamp { lo, hi })?;
            select(&mut tau, &smaller, &worked)?;
            select(&mut x, &nearest.point, &worked)?;

            let mut larger = scaled(&constants, GROWTH)?;
            let (lo, hi) = (0.0, LARGEST_CONSTANT);
            map(&mut larger, Map::Clamp { lo, hi })?;
            select(&mut larger, &constants, &worked)?;
            constants = larger;
        }
        Ok(())
    }
}

impl CarliniWagnerLinf {
    /// Moves `x` down. Gives the mask of the rows where a point on the way was nearer than all before.
    fn descend(
        &self,
        x: &mut Array,
        nearest: &mut Nearest,
        tau: &Array,
        constants: &Array,
        search: &mut Search<'_>,
        target: &dyn Gradients,
    ) -> Result<Array<u32>, Error> {
        let mut worked = Array::zeros(&search.device(), search.running(), 1)?;
        let mut adam = Adam::new(search, 1.0)?;
        let mut length = scaled(tau, LONGEST)?;
        zip(&mut length, Zip::Lower, &column(search, self.rate)?)?;
        for step in 0..self.steps {
            adam.rate = cosine(1.0, LAST, step, self.steps);
            search.heed_stop()?;
            let seen = target.gradient(x, &search.y, Loss::Margin)?;
            let wrong = search.offer_nearer(x, &seen.predicted)?;
            let nearer = nearest.take(x, &wrong, search)?;
            select(&mut worked, &nearer, &nearer)?;

            let mut gradient = beyond(x, tau, search)?;
            let weight = push(seen.loss, constants)?;
            combine(&mut gradient, 1.0, &seen.gradient, &weight)?;
            adam.descend_by(x, gradient, &length)?;
            clip(x, search)?;
        }
        Ok(worked)
    }
}

/// The gradient of `sum max(0, |x - x0| - tau)`.
fn beyond(x: &Array, tau: &Array, search: &Search<'_>) -> Result<Array, Error> {
    let mut beyond = change(x, search)?;
    zip(&mut beyond, Zip::Keep, tau)?;
    map(&mut beyond, Map::Sign)?;
    Ok(beyond)
}
