//! Scale-invariant Nesterov FGSM: NI-FGSM with gradients added up over ever darker copies.
//!
//! Lin et al. 2020, <https://arxiv.org/abs/1908.06281>.

use crate::parts::Transfer;
use crate::registry::{Access, Algorithm, LINF, Row, WHITE_BOX, whole};

use super::mi_fgsm::{DECAY, STEPS};

pub const ROW: Row = Row {
    name: "si-ni-fgsm",
    summary: "As ni-fgsm, with gradients added up over ever darker copies of the sample",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: LINF,
    least_classes: 2,
    parameters: &[
        STEPS,
        DECAY,
        whole(
            "scales",
            5.0,
            32.0,
            "copies, the first as it is, each next half as bright",
        ),
    ],
    paper: "Lin 2020, arXiv:1908.06281",
    build: |v| {
        let (steps, decay) = (v.whole("steps"), v.real("decay"));
        Algorithm::WhiteBox(Box::new(si_ni_fgsm(steps, decay, v.whole("scales"))))
    },
};

/// SI-NI-FGSM with `steps` steps of eps / `steps`, momentum `decay` and `scales` copies, the first as bright as the sample.
pub fn si_ni_fgsm(steps: usize, decay: f32, scales: usize) -> Transfer {
    Transfer {
        lookahead: true,
        scales,
        ..Transfer::new(steps, decay)
    }
}
