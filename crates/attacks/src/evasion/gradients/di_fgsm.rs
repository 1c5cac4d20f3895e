//! Diverse inputs: MI-FGSM with gradients taken at an image that is now and then shrunk and set elsewhere on black.
//!
//! Xie et al. 2019, <https://arxiv.org/abs/1803.06978>.

use scoville_kernels::Diversity;

use crate::parts::Transfer;
use crate::registry::{Access, Algorithm, BOTH, Row, WHITE_BOX, real};

use super::mi_fgsm::{DECAY, STEPS};

pub const ROW: Row = Row {
    name: "di-fgsm",
    summary: "As mi-fgsm, with gradients at an image that now and then is shrunk and set on black",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: BOTH,
    least_classes: 2,
    parameters: &[
        STEPS,
        DECAY,
        real(
            "probability",
            0.5,
            (0.0, 1.0),
            "probability that the image is shrunk",
        ),
        real(
            "smallest",
            0.9,
            (0.1, 1.0),
            "smallest side of the shrunk image, as a share of the full one",
        ),
    ],
    paper: "Xie 2019, arXiv:1803.06978",
    build: |v| {
        let diversity = Diversity {
            probability: v.real("probability"),
            smallest: v.real("smallest"),
        };
        let attack = di_fgsm(v.whole("steps"), v.real("decay"), diversity);
        Algorithm::WhiteBox(Box::new(attack))
    },
};

/// DI-FGSM with `steps` steps of eps / `steps` and momentum `decay`.
pub fn di_fgsm(steps: usize, decay: f32, diversity: Diversity) -> Transfer {
    Transfer {
        diversity: Some(diversity),
        ..Transfer::new(steps, decay)
    }
}
