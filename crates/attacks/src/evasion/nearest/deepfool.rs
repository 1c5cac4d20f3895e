//! DeepFool: steps to the nearest of the boundaries between the label and each of the most likely other classes, each
//! boundary taken as linear.
//!
//! Moosavi-Dezfooli, Fawzi & Frossard 2016, <https://arxiv.org/abs/1511.04599>.

use scoville_kernels::{
    Array, Ball, Loss, Map, Norm, Reduce, Zip, combine, head, map, reduce_rows, zip,
};
use scoville_targets::Gradients;

use crate::parts::{Boundary, likeliest};
use crate::registry::{Access, Algorithm, BOTH, Row, WHITE_BOX, real, whole};
use crate::{Error, Search, WhiteBox, search::gather_in_place};

pub const ROW: Row = Row {
    name: "deepfool",
    summary: "Steps across the nearest boundary, taken for a plane, until the class changes",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: BOTH,
    least_classes: 2,
    parameters: &[
        whole(
            "steps",
            50.0,
            1e6,
            "steps, with a gradient for each class compared",
        ),
        whole(
            "candidates",
            9.0,
            1e4,
            "classes whose boundaries are compared, the likeliest first",
        ),
        real(
            "overshoot",
            0.02,
            (0.0, 10.0),
            "what is added to the whole way, as a share of it",
        ),
    ],
    paper: "Moosavi-Dezfooli 2016, arXiv:1511.04599",
    build: |v| {
        Algorithm::WhiteBox(Box::new(DeepFool {
            steps: v.whole("steps"),
            candidates: v.whole("candidates"),
            overshoot: v.real("overshoot"),
        }))
    },
};

/// Added to each distance, so that a boundary is crossed in spite of rounding.
const MARGIN: f32 = 1e-4;

/// DeepFool with at most `steps` steps, each `1 + overshoot` times as long as to the nearest boundary of the label with
/// the `candidates` other classes that are most likely on the clean sample. A step costs a gradient evaluation a class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeepFool {
    pub steps: usize,
    pub candidates: usize,
    pub overshoot: f32,
}

impl WhiteBox for DeepFool {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let mut pairs = likeliest(0..self.candidates, search, target)?;
        let mut x = search.x0.copy()?;
        let mut perturbation = Array::zeros(&search.device(), x.rows(), x.cols())?;
        for _ in 0..self.steps {
            let Some(first) = pairs.first() else { break };
            let mut seen = target.gradient(&x, first, Loss::TargetedMargin)?;
            search.offer(&x, &seen.predicted)?;
            if let Some(rows) = search.compact()? {
                if search.is_done() {
                    return Ok(());
                }
                let kept = [
                    &mut x,
                    &mut perturbation,
                    &mut seen.loss,
                    &mut seen.gradient,
                ];
                kept.into_iter()
                    .try_for_each(|array| gather_in_place(array, &rows))?;
                pairs
                    .iter_mut()
                    .try_for_each(|pair| gather_in_place(pair, &rows))?;
            }
            let mut nearest = Boundary::none(search)?;
            nearest.take(seen, search.ball.norm)?;
            for pair in pairs.iter().skip(1) {
                let seen = target.gradient(&x, pair, Loss::TargetedMargin)?;
                nearest.take(seen, search.ball.norm)?;
            }
            combine(&mut perturbation, 1.0, &across(nearest, search)?, 1.0)?;
            self.place(&mut x, &perturbation, search)?;
        }
        let last = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
        search.offer(&x, &last.predicted)
    }
}

impl DeepFool {
    /// `x = clip(x0 + (1 + overshoot) * perturbation)`.
    fn place(&self, x: &mut Array, perturbation: &Array, search: &Search<'_>) -> Result<(), Error> {
        *x = search.x0.copy()?;
        combine(x, 1.0, perturbation, 1.0 + self.overshoot)?;
        let Ball { lo, hi, .. } = search.ball;
        Ok(map(x, Map::Clamp { lo, hi })?)
    }
}

/// The shortest way across the boundary.
fn across(boundary: Boundary, search: &Search<'_>) -> Result<Array, Error> {
    let Boundary {
        mut distance,
        mut gradient,
        ..
    } = boundary;
    let beyond = Map::Affine {
        scale: 1.0,
        shift: MARGIN,
    };
    map(&mut distance, beyond)?;
    match search.ball.norm {
        Norm::Linf => map(&mut gradient, Map::Sign)?,
        _ => {
            let mut length = reduce_rows(&gradient, Reduce::L2)?;
            map(&mut length, Map::Reciprocal)?;
            zip(&mut distance, Zip::Multiply, &length)?;
        }
    }
    zip(&mut gradient, Zip::Multiply, &distance)?;
    Ok(gradient)
}
