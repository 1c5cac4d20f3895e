//! Translation-invariant FGSM: MI-FGSM with blurred gradients, as if they were averaged over shifted samples.
//!
//! Dong et al. 2019, <https://arxiv.org/abs/1904.02884>.

use crate::parts::Transfer;

/// TI-FGSM with `steps` steps of eps / `steps`, momentum `decay` and a Gaussian that reaches `radius` pixels to each side.
pub fn ti_fgsm(steps: usize, decay: f32, radius: usize) -> Transfer {
    Transfer {
        blur: radius,
        ..Transfer::new(steps, decay)
    }
}
