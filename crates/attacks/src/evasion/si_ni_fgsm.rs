//! Scale-invariant Nesterov FGSM: NI-FGSM with gradients added up over ever darker copies.
//!
//! Lin et al. 2020, <https://arxiv.org/abs/1908.06281>.

use crate::parts::Transfer;

/// SI-NI-FGSM with `steps` steps of eps / `steps`, momentum `decay` and `scales` copies, the first as bright as the sample.
pub fn si_ni_fgsm(steps: usize, decay: f32, scales: usize) -> Transfer {
    Transfer {
        lookahead: true,
        scales,
        ..Transfer::new(steps, decay)
    }
}
