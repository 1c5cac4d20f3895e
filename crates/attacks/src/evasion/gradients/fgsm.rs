//! Fast gradient sign method: one step of length eps from the clean sample.
//!
//! Goodfellow, Shlens & Szegedy 2015, <https://arxiv.org/abs/1412.6572>.

use scoville_kernels::Loss;

use crate::parts::{Descent, Rule, Start};
use crate::registry::{Access, Algorithm, BOTH, Row, WHITE_BOX};

pub const ROW: Row = Row {
    name: "fgsm",
    summary: "One step of length eps from the clean sample, up the gradient of the loss",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: BOTH,
    least_classes: 2,
    parameters: &[],
    paper: "Goodfellow 2015, arXiv:1412.6572",
    build: |_| Algorithm::WhiteBox(Box::new(fgsm())),
};

/// FGSM. In L2 the step follows the normalised gradient.
pub fn fgsm() -> Descent {
    Descent {
        loss: Loss::CrossEntropy,
        start: Start::Clean,
        rule: Rule::Steepest { step: 1.0 },
        steps: 1,
        restarts: 1,
    }
}
