//! Translation-invariant FGSM: MI-FGSM with blurred gradients, as if they were averaged over shifted samples.
//!
//! Dong et al. 2019, <https://arxiv.org/abs/1904.02884>.

use crate::parts::Transfer;
use crate::registry::{Access, Algorithm, BOTH, Row, WHITE_BOX, whole};

use super::mi_fgsm::{DECAY, STEPS};

pub const ROW: Row = Row {
    name: "ti-fgsm",
    summary: "As mi-fgsm, with gradients blurred as if they were the mean over shifted samples",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: BOTH,
    least_classes: 2,
    parameters: &[
        STEPS,
        DECAY,
        whole(
            "radius",
            7.0,
            100.0,
            "reach of the blur to each side, in pixels",
        ),
    ],
    paper: "Dong 2019, arXiv:1904.02884",
    build: |v| {
        let (steps, decay) = (v.whole("steps"), v.real("decay"));
        Algorithm::WhiteBox(Box::new(ti_fgsm(steps, decay, v.whole("radius"))))
    },
};

/// TI-FGSM with `steps` steps of eps / `steps`, momentum `decay` and a Gaussian that reaches `radius` pixels to each side.
pub fn ti_fgsm(steps: usize, decay: f32, radius: usize) -> Transfer {
    Transfer {
        blur: radius,
        ..Transfer::new(steps, decay)
    }
}
