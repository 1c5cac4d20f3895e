//! Evasion: inputs that a model gets wrong (ATLAS AML.T0015, AML.T0043).

pub mod apgd;
pub mod bim;
pub mod cw;
pub mod ddn;
pub mod deepfool;
pub mod fab;
pub mod fgsm;
pub mod fmn;
pub mod mi_fgsm;
pub mod ni_fgsm;
pub mod pgd;
pub mod si_ni_fgsm;
pub mod square;
pub mod ti_fgsm;
pub mod vmi_fgsm;
