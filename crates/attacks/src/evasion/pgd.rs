//! Projected gradient descent: BIM from a random point in the ball, several times.
//!
//! Madry et al. 2018, <https://arxiv.org/abs/1706.06083>.

use scoville_kernels::Loss;

use crate::parts::{Descent, Rule, Start};

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
