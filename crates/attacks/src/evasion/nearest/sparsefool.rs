//! SparseFool: takes the decision boundary for the plane at the point where DeepFool crosses it, and goes beyond that plane
//! by the least L1 move within the input range, which changes few elements; again, until the sample is misclassified.
//!
//! Modas, Moosavi-Dezfooli & Frossard 2019, <https://arxiv.org/abs/1811.02248>.

use scoville_kernels::{
    Array, Ball, Loss, Map, Norm, Reduce, Zip, combine, dot_rows, fab_step, head, map, reduce_rows,
    zip,
};
use scoville_targets::Gradients;

use crate::registry::{Access, Algorithm, L0, Row, WHITE_BOX, real, whole};
use crate::{Error, Search, WhiteBox, search::gather_in_place};

pub const ROW: Row = Row {
    name: "sparsefool",
    summary: "Crosses the boundary, taken for a plane, by the move that changes few elements",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: L0,
    least_classes: 2,
    parameters: &[
        whole("steps", 50.0, 1e6, "steps across the boundary"),
        whole("inner", 5.0, 1e4, "steps of deepfool within each step"),
        real(
            "lambda",
            1.0,
            (1.0, 100.0),
            "distance of the plane, as a multiple of that of the boundary",
        ),
    ],
    paper: "Modas 2019, arXiv:1811.02248",
    build: |v| {
        Algorithm::WhiteBox(Box::new(SparseFool {
            steps: v.whole("steps"),
            inner: v.whole("inner"),
            lambda: v.real("lambda"),
        }))
    },
};

/// Keeps a step from ending on the boundary.
const OVERSHOOT: f32 = 1.02;

/// Changes below this are rounding: such elements stay as they are.
const ROUNDING: f32 = 1e-5;

/// SparseFool with at most `steps` steps, each along `inner` steps of DeepFool in L2; the plane lies `lambda` times as far as
/// the boundary. A step costs `inner + 1` gradient evaluations and a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SparseFool {
    pub steps: usize,
    pub inner: usize,
    pub lambda: f32,
}

impl WhiteBox for SparseFool {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let mut x = search.x0.copy()?;
        for _ in 0..self.steps {
            let answer = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
            search.offer(&x, &answer.predicted)?;
            if let Some(rows) = search.compact()? {
                if search.is_done() {
                    return Ok(());
                }
                gather_in_place(&mut x, &rows)?;
            }
            self.step(&mut x, search, target)?;
        }
        let last = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
        search.offer(&x, &last.predicted)
    }
}

impl SparseFool {
    fn step(
        &self,
        x: &mut Array,
        search: &Search<'_>,
        target: &dyn Gradients,
    ) -> Result<(), Error> {
        let mut crossing = x.copy()?;
        for _ in 0..self.inner {
            to_boundary(&mut crossing, search, target)?;
        }
        let normal = target
            .gradient(&crossing, &search.y, Loss::Margin)?
            .gradient;
        // The plane's margin at x: how far x is from the plane's point, along the normal.
        let mut away = x.copy()?;
        combine(&mut away, self.lambda, &crossing, -self.lambda)?;
        let margin = dot_rows(&away, &normal)?;
        let ball = Ball {
            norm: Norm::L1,
            ..search.ball
        };
        let mut way = x.copy()?;
        fab_step(&mut way, x, &normal, &margin, &ball)?;
        combine(&mut way, 1.0, x, -1.0)?;
        zip(
            &mut way,
            Zip::Keep,
            &Array::filled(&x.device(), x.rows(), 1, ROUNDING)?,
        )?;
        combine(x, 1.0, &way, 1.0)?;
        let Ball { lo, hi, .. } = ball;
        Ok(map(x, Map::Clamp { lo, hi })?)
    }
}

/// One step of DeepFool towards the nearest class, only as long as the sample is on this side of the boundary.
fn to_boundary(x: &mut Array, search: &Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
    let seen = target.gradient(x, &search.y, Loss::Margin)?;
    let mut per_length = reduce_rows(&seen.gradient, Reduce::L2)?;
    map(&mut per_length, Map::Square)?;
    map(&mut per_length, Map::Reciprocal)?;
    let mut length = seen.loss;
    let (lo, hi) = (f32::MIN, 0.0);
    map(&mut length, Map::Clamp { lo, hi })?;
    zip(&mut length, Zip::Multiply, &per_length)?;
    let (scale, shift) = (-OVERSHOOT, 0.0);
    map(&mut length, Map::Affine { scale, shift })?;
    Ok(combine(x, 1.0, &seen.gradient, &length)?)
}
