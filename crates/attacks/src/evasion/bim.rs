//! Basic iterative method: FGSM in small steps from the clean sample.
//!
//! Kurakin, Goodfellow & Bengio 2017, <https://arxiv.org/abs/1607.02533>.

use scoville_kernels::Loss;

use crate::parts::{Descent, Rule, Start};

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
