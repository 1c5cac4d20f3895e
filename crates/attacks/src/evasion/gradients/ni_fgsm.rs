//! Nesterov iterative FGSM: MI-FGSM with gradients taken where the momentum leads.
//!
//! Lin et al. 2020, <https://arxiv.org/abs/1908.06281>.

use crate::parts::Transfer;
use crate::registry::{Access, Algorithm, LINF, Row, WHITE_BOX};

use super::mi_fgsm::{DECAY, STEPS};

pub const ROW: Row = Row {
    name: "ni-fgsm",
    summary: "As mi-fgsm, with gradients taken where the direction so far would lead",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: LINF,
    least_classes: 2,
    parameters: &[STEPS, DECAY],
    paper: "Lin 2020, arXiv:1908.06281",
    build: |v| {
        let (steps, decay) = (v.whole("steps"), v.real("decay"));
        Algorithm::WhiteBox(Box::new(ni_fgsm(steps, decay)))
    },
};

/// NI-FGSM with `steps` steps of eps / `steps` and momentum `decay`.
pub fn ni_fgsm(steps: usize, decay: f32) -> Transfer {
    Transfer {
        lookahead: true,
        ..Transfer::new(steps, decay)
    }
}
