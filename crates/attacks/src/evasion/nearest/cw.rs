//! Carlini and Wagner's L2 attack: Adam on `|x - x0|^2 + c * max(0, margin)` with x a hyperbolic tangent, which keeps it in
//! the input range, and a binary search for the smallest c that works.
//!
//! Carlini & Wagner 2017, <https://arxiv.org/abs/1608.04644>.

use scoville_kernels::{Array, Ball, Loss, Map, Zip, claim, combine, head, map, zip};
use scoville_targets::Gradients;

use crate::parts::{Adam, Constants, push};
use crate::registry::{Access, Algorithm, L2, Row, WHITE_BOX, real, whole};
use crate::{Error, Search, WhiteBox};

pub const ROW: Row = Row {
    name: "cw",
    summary: "Adam on the squared distance plus c times the margin; a search for the least c",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: L2,
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
            "length of a step of Adam, on the scale before the tanh",
        ),
    ],
    paper: "Carlini 2017, arXiv:1608.04644",
    build: |v| {
        Algorithm::WhiteBox(Box::new(CarliniWagner {
            steps: v.whole("steps"),
            searches: v.whole("searches"),
            rate: v.real("rate"),
        }))
    },
};

/// Keeps the inverse hyperbolic tangent finite at the ends of the input range.
const INSIDE: f32 = 0.999_999;

/// C&W in L2: for each of `searches` values of c, `steps` steps of Adam at `rate`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CarliniWagner {
    pub steps: usize,
    pub searches: usize,
    pub rate: f32,
}

impl WhiteBox for CarliniWagner {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let space = Space::new(&search.ball);
        let mut constants = Constants::new(search)?;
        for _ in 0..self.searches {
            let found = self.descend(&constants.now, &space, search, target)?;
            constants.update(&found)?;
        }
        Ok(())
    }
}

impl CarliniWagner {
    /// One descent from the clean sample. Gives the mask of the rows that were misclassified on the way.
    fn descend(
        &self,
        constants: &Array,
        space: &Space,
        search: &mut Search<'_>,
        target: &dyn Gradients,
    ) -> Result<Array<u32>, Error> {
        let mut found = Array::zeros(&search.device(), search.running(), 1)?;
        let mut w = space.enter(&search.x0)?;
        let mut adam = Adam::new(search, self.rate)?;
        for _ in 0..self.steps {
            search.heed_stop()?;
            let (x, slope) = space.leave(&w)?;
            let seen = target.gradient(&x, &search.y, Loss::Margin)?;
            search.offer_nearer(&x, &seen.predicted)?;
            claim(&mut found, &seen.predicted, &search.y)?;

            let weight = push(seen.loss, constants)?;
            let mut gradient = x;
            combine(&mut gradient, 2.0, &search.x0, -2.0)?;
            combine(&mut gradient, 1.0, &seen.gradient, &weight)?;
            zip(&mut gradient, Zip::Multiply, &slope)?;
            adam.descend(&mut w, gradient)?;
        }
        let (x, _) = space.leave(&w)?;
        let last = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
        search.offer_nearer(&x, &last.predicted)?;
        claim(&mut found, &last.predicted, &search.y)?;
        Ok(found)
    }
}

/// The way between the input range and all numbers: `x = middle + half * tanh(w)`.
struct Space {
    middle: f32,
    half: f32,
}

impl Space {
    fn new(ball: &Ball) -> Self {
        Self {
            middle: 0.5 * (ball.lo + ball.hi),
            half: 0.5 * (ball.hi - ball.lo),
        }
    }

    fn enter(&self, x: &Array) -> Result<Array, Error> {
        let mut w = x.copy()?;
        let scale = INSIDE / self.half;
        let shift = -self.middle * scale;
        map(&mut w, Map::Affine { scale, shift })?;
        map(&mut w, Map::Atanh)?;
        Ok(w)
    }

    /// The point, and the derivative of each of its elements.
    fn leave(&self, w: &Array) -> Result<(Array, Array), Error> {
        let mut x = w.copy()?;
        map(&mut x, Map::Tanh)?;
        let mut slope = x.copy()?;
        map(&mut slope, Map::Square)?;
        let (scale, shift) = (-self.half, self.half);
        map(&mut slope, Map::Affine { scale, shift })?;
        let (scale, shift) = (self.half, self.middle);
        map(&mut x, Map::Affine { scale, shift })?;
        Ok((x, slope))
    }
}
