//! Basic iterative method: FGSM in small steps from the clean sample.
//!
//! Kurakin, Goodfellow & Bengio 2017, <https://arxiv.org/abs/1607.02533>.

use scoville_kernels::Loss;

use crate::parts::{Descent, Rule, Start};
use crate::registry::{Access, Algorithm, BOTH, Row, WHITE_BOX, real, whole};

pub const ROW: Row = Row {
    name: "bim",
    summary: "Small steps up the gradient from the clean sample, each taken back into the ball",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: BOTH,
    least_classes: 2,
    parameters: &[
        whole("steps", 10.0, 1e6, "gradient steps"),
        real("step", 0.2, (1e-6, 10.0), "length of a step, in eps"),
    ],
    paper: "Kurakin 2017, arXiv:1607.02533",
    build: |v| Algorithm::WhiteBox(Box::new(bim(v.whole("steps"), v.real("step")))),
};

/// BIM with `steps` steps of `step` times eps.
pub fn bim(steps: usize, step: f32) -> Descent {
    Descent {
        loss: Loss::CrossEntropy,
        start: Start::Clean,
        rule: Rule::Steepest { step },
        steps,
        restarts: 1,
    }
}
