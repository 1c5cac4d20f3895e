//! The shadow attack: climbs the loss with perturbations that are hard to see, because they are smooth, hardly change the colours,
//! and are alike in all channels.
//!
//! Ghiasi, Shafahi & Goldstein 2020, <https://arxiv.org/abs/2003.08937>.

use scoville_kernels::{
    Array, Loss, Map, Reduce, Shadow as Weights, combine, head, map, reduce_rows, shadow_slope,
};
use scoville_targets::Gradients;

use crate::parts::into_balls;
use crate::registry::{Access, Algorithm, BOTH, Row, WHITE_BOX, real, whole};
use crate::{Error, Search, WhiteBox, search::gather_in_place};

pub const ROW: Row = Row {
    name: "shadow",
    summary: "Climbs by changes that are hard to see: smooth, faint in colour, alike in channels",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: BOTH,
    least_classes: 2,
    parameters: &[
        whole("steps", 100.0, 1e6, "gradient steps"),
        real(
            "rate",
            0.1,
            (1e-6, 10.0),
            "length in L2 of a step without penalties, in pixel units",
        ),
        real(
            "variation",
            0.3,
            (0.0, 1e4),
            "weight of the penalty on differences of neighbouring pixels",
        ),
        real(
            "colour",
            1.0,
            (0.0, 1e4),
            "weight of the penalty on the mean change of each channel",
        ),
        real(
            "dissimilarity",
            0.5,
            (0.0, 1e4),
            "weight of the penalty on differences of the channels",
        ),
    ],
    paper: "Ghiasi 2020, arXiv:2003.08937",
    build: |v| {
        Algorithm::WhiteBox(Box::new(Shadow {
            steps: v.whole("steps"),
            rate: v.real("rate"),
            weights: Weights {
                variation: v.real("variation"),
                colour: v.real("colour"),
                dissimilarity: v.real("dissimilarity"),
            },
        }))
    },
};

/// The shadow attack within a ball: `steps` steps of `rate` times the cross-entropy's gradient, at L2 norm 1, less that of the
/// weighted penalties. Against a target that answers at random, take `eot`, as the paper does for smoothed classifiers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shadow {
    pub steps: usize,
    pub rate: f32,
    pub weights: Weights,
}

impl WhiteBox for Shadow {
    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let mut x = search.x0.copy()?;
        for _ in 0..self.steps {
            let mut seen = target.gradient(&x, &search.y, Loss::CrossEntropy)?;
            search.offer(&x, &seen.predicted)?;
            if let Some(rows) = search.compact()? {
                if search.is_done() {
                    return Ok(());
                }
                gather_in_place(&mut x, &rows)?;
                gather_in_place(&mut seen.gradient, &rows)?;
            }
            self.climb(&mut x, &seen.gradient, search)?;
        }
        let last = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
        search.offer(&x, &last.predicted)
    }
}

impl Shadow {
    fn climb(&self, x: &mut Array, gradient: &Array, search: &Search<'_>) -> Result<(), Error> {
        let mut delta = x.copy()?;
        combine(&mut delta, 1.0, &search.x0, -1.0)?;
        let seen = shadow_slope(&delta, search.image, self.weights)?;
        let mut length = reduce_rows(gradient, Reduce::L2)?;
        map(&mut length, Map::Reciprocal)?;
        let (scale, shift) = (self.rate, 0.0);
        map(&mut length, Map::Affine { scale, shift })?;
        combine(x, 1.0, gradient, &length)?;
        combine(x, 1.0, &seen, -self.rate)?;
        let radius = Array::filled(&x.device(), x.rows(), 1, search.ball.eps)?;
        into_balls(x, &radius, search)
    }
}
