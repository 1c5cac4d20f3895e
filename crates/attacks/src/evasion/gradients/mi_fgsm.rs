//! Momentum iterative FGSM: steps along gradients accumulated with decay, each normalised to L1 norm 1.
//!
//! Dong et al. 2018, <https://arxiv.org/abs/1710.06081>.

use scoville_kernels::Loss;

use crate::parts::{Descent, Rule, Start};
use crate::registry::{Access, Algorithm, BOTH, Parameter, Row, WHITE_BOX, real, whole};

/// What all attacks with momentum take.
pub(super) const STEPS: Parameter =
    whole("steps", 10.0, 1e6, "gradient steps, each of eps / steps");
pub(super) const DECAY: Parameter = real(
    "decay",
    1.0,
    (0.0, 10.0),
    "factor on the direction so far, at each step",
);

pub const ROW: Row = Row {
    name: "mi-fgsm",
    summary: "As bim, along gradients added up over the steps, which carries over to other models",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: BOTH,
    least_classes: 2,
    parameters: &[STEPS, DECAY],
    paper: "Dong 2018, arXiv:1710.06081",
    build: |v| Algorithm::WhiteBox(Box::new(mi_fgsm(v.whole("steps"), v.real("decay")))),
};

/// MI-FGSM with `steps` steps of eps / `steps` and momentum `decay`.
pub fn mi_fgsm(steps: usize, decay: f32) -> Descent {
    Descent {
        loss: Loss::CrossEntropy,
        start: Start::Clean,
        rule: Rule::Momentum {
            step: 1.0 / steps as f32,
            decay,
        },
        steps,
        restarts: 1,
    }
}
