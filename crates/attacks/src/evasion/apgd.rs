//! Auto-PGD: momentum steps whose length halves where progress stalls, from the best point so far. No step size to tune.
//!
//! Croce & Hein 2020b, <https://arxiv.org/abs/2003.01690>.

use scoville_kernels::Loss;

use crate::parts::{Descent, Rule, Start};

/// APGD on `loss` with `steps` iterations and `restarts` random starts on the ball's surface, each towards another class
/// if the loss is targeted.
pub fn apgd(loss: Loss, steps: usize, restarts: usize) -> Descent {
    Descent {
        loss,
        start: Start::Surface,
        rule: Rule::Auto { iterations: steps },
        steps,
        restarts,
    }
}
