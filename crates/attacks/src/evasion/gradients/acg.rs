//! Auto-conjugate gradient: APGD's schedule with conjugate directions, which search more widely than steepest ascent.
//!
//! Yamamura et al. 2022, <https://arxiv.org/abs/2206.09628>.

use scoville_kernels::Loss;

use crate::parts::{Descent, Rule, Start};
use crate::registry::{Access, Algorithm, BOTH, Row, WHITE_BOX, whole};

pub const ROW: Row = Row {
    name: "acg",
    summary: "As apgd-ce, up the margin and along conjugate gradients, which search more widely",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: BOTH,
    least_classes: 2,
    parameters: &[
        whole("steps", 100.0, 1e6, "gradient steps of each walk"),
        whole("restarts", 1.0, 1e4, "walks from new random points"),
    ],
    paper: "Yamamura 2022, arXiv:2206.09628",
    build: |v| Algorithm::WhiteBox(Box::new(acg(v.whole("steps"), v.whole("restarts")))),
};

/// ACG on the margin, as in the paper, with `steps` iterations and `restarts` random starts on the ball's surface.
pub fn acg(steps: usize, restarts: usize) -> Descent {
    Descent {
        loss: Loss::Margin,
        start: Start::Surface,
        rule: Rule::Conjugate { iterations: steps },
        steps,
        restarts,
    }
}
