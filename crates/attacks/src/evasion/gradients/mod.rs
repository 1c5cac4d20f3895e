//! Attacks that climb a loss inside a ball, with input gradients.

pub mod acg;
pub mod apgd;
pub mod apgd_l1;
pub mod bim;
pub mod di_fgsm;
pub mod feature_adversary;
pub mod fgsm;
pub mod mi_fgsm;
pub mod ni_fgsm;
pub mod patch;
pub mod pgd;
pub mod robust_patch;
pub mod shadow;
pub mod si_ni_fgsm;
pub mod ti_fgsm;
pub mod universal;
pub mod vat;
pub mod vmi_fgsm;
pub mod wasserstein;
