//! Moves the mass of images: gradient ascent over flows between neighbouring pixels, whose length is the budget.
//!
//! Wong, Schmidt & Kolter 2019, <https://arxiv.org/abs/1902.07906>, asked for such images, and project by Sinkhorn's
//! iterations; Levine & Feizi 2020, <https://arxiv.org/abs/1910.10783>, saw that balls of flows make the same. Their distance,
//! too, is that of images whose values add up to 1 over all channels, and mass stays in its channel.

use scoville_kernels::Loss;

use crate::parts::{Descent, Rule, Start};
use crate::registry::{Access, Algorithm, Row, WASSERSTEIN, WHITE_BOX, real, whole};

pub const ROW: Row = Row {
    name: "wasserstein",
    summary: "Moves mass between neighbouring pixels, by gradient steps of the flow between them",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: WASSERSTEIN,
    least_classes: 2,
    parameters: &[
        whole("steps", 100.0, 1e6, "gradient steps"),
        real(
            "step",
            2.0,
            (1e-6, 100.0),
            "length of the first step, as a multiple of the longest flow",
        ),
    ],
    paper: "Wong 2019, arXiv:1902.07906",
    build: |v| {
        let attack = wasserstein(Loss::Margin, v.whole("steps"), v.real("step"));
        Algorithm::WhiteBox(Box::new(attack))
    },
};

/// Climbs `loss` in `steps` steps of the flow, the first of `step` times its greatest length, before it is cut to that, the
/// last of almost none.
pub fn wasserstein(loss: Loss, steps: usize, step: f32) -> Descent {
    Descent {
        loss,
        start: Start::Clean,
        rule: Rule::Flow {
            step,
            iterations: steps,
        },
        steps,
        restarts: 1,
    }
}
