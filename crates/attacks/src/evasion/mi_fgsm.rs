//! Momentum iterative FGSM: steps along gradients accumulated with decay, each normalised to L1 norm 1.
//!
//! Dong et al. 2018, <https://arxiv.org/abs/1710.06081>.

use scoville_kernels::Loss;

use crate::parts::{Descent, Rule, Start};

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
