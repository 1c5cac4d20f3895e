//! Projected gradient descent: BIM from a random point in the ball, several times.
//!
//! Madry et al. 2018, <https://arxiv.org/abs/1706.06083>.

use scoville_kernels::Loss;

use crate::parts::{Descent, Rule, Start};
use crate::registry::{Access, Algorithm, CONVEX, Row, WHITE_BOX, real, whole};

pub const ROW: Row = Row {
    name: "pgd",
    summary: "Steps up the gradient from a random point in the ball, each taken back into it",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: CONVEX,
    least_classes: 2,
    parameters: &[
        whole("steps", 40.0, 1e6, "gradient steps of each walk"),
        real("step", 0.25, (1e-6, 10.0), "length of a step, in eps"),
        whole("restarts", 1.0, 1e4, "walks from new random points"),
    ],
    paper: "Madry 2018, arXiv:1706.06083",
    build: |v| {
        let attack = pgd(v.whole("steps"), v.real("step"), v.whole("restarts"));
        Algorithm::WhiteBox(Box::new(attack))
    },
};

/// PGD with `steps` steps of `step` times eps and `restarts` random starts.
pub fn pgd(steps: usize, step: f32, restarts: usize) -> Descent {
    Descent {
        loss: Loss::CrossEntropy,
        start: Start::Uniform,
        rule: Rule::Steepest { step },
        steps,
        restarts,
    }
}
