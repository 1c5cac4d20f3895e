//! Variance tuning: MI-FGSM and NI-FGSM with gradients corrected by how they vary around the last point.
//!
//! Wang & He 2021, <https://arxiv.org/abs/2103.15571>.

use crate::parts::Transfer;
use crate::registry::{Access, Algorithm, BOTH, LINF, Parameter, Row, WHITE_BOX, real, whole};

use super::mi_fgsm::{DECAY, STEPS};

const PARAMETERS: &[Parameter] = &[
    STEPS,
    DECAY,
    whole(
        "neighbours",
        20.0,
        1e4,
        "random points around at which gradients are compared",
    ),
    real(
        "reach",
        1.5,
        (1e-6, 1e3),
        "how far around those points lie at most, in eps",
    ),
];

pub const VMI_FGSM: Row = Row {
    name: "vmi-fgsm",
    summary: "As mi-fgsm, with gradients corrected by how they vary around the last point",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: BOTH,
    least_classes: 2,
    parameters: PARAMETERS,
    paper: "Wang 2021, arXiv:2103.15571",
    build: |v| {
        let (steps, decay) = (v.whole("steps"), v.real("decay"));
        let (neighbours, reach) = (v.whole("neighbours"), v.real("reach"));
        Algorithm::WhiteBox(Box::new(vmi_fgsm(steps, decay, neighbours, reach, false)))
    },
};

pub const VNI_FGSM: Row = Row {
    name: "vni-fgsm",
    summary: "As ni-fgsm, with gradients corrected by how they vary around the last point",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: LINF,
    least_classes: 2,
    parameters: PARAMETERS,
    paper: "Wang 2021, arXiv:2103.15571",
    build: |v| {
        let (steps, decay) = (v.whole("steps"), v.real("decay"));
        let (neighbours, reach) = (v.whole("neighbours"), v.real("reach"));
        Algorithm::WhiteBox(Box::new(vmi_fgsm(steps, decay, neighbours, reach, true)))
    },
};

/// VMI-FGSM, or VNI-FGSM with `lookahead`: `steps` steps of eps / `steps`, momentum `decay`, and `neighbours` random points
/// within `reach` times eps.
pub fn vmi_fgsm(
    steps: usize,
    decay: f32,
    neighbours: usize,
    reach: f32,
    lookahead: bool,
) -> Transfer {
    Transfer {
        lookahead,
        neighbours,
        reach,
        ..Transfer::new(steps, decay)
    }
}
