//! Nesterov iterative FGSM: MI-FGSM with gradients taken where the momentum leads.
//!
//! Lin et al. 2020, <https://arxiv.org/abs/1908.06281>.

use crate::parts::Transfer;

/// NI-FGSM with `steps` steps of eps / `steps` and momentum `decay`.
pub fn ni_fgsm(steps: usize, decay: f32) -> Transfer {
    Transfer {
        lookahead: true,
        ..Transfer::new(steps, decay)
    }
}
