//! Variance tuning: MI-FGSM and NI-FGSM with gradients corrected by how they vary around the last point.
//!
//! Wang & He 2021, <https://arxiv.org/abs/2103.15571>.

use crate::parts::Transfer;

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
