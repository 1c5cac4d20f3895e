//! The attacks, in the order in which they are listed.

use super::Row;
use crate::evasion::{gradients, nearest, scores};

pub(super) const ROWS: &[Row] = &[
    gradients::fgsm::ROW,
    gradients::bim::ROW,
    gradients::pgd::ROW,
    gradients::mi_fgsm::ROW,
    gradients::ni_fgsm::ROW,
    gradients::si_ni_fgsm::ROW,
    gradients::vmi_fgsm::VMI_FGSM,
    gradients::vmi_fgsm::VNI_FGSM,
    gradients::ti_fgsm::ROW,
    gradients::apgd::APGD_CE,
    gradients::apgd::APGD_DLR,
    gradients::apgd::APGD_T,
    nearest::fab::FAB,
    nearest::fab::FAB_T,
    nearest::deepfool::ROW,
    nearest::cw::ROW,
    nearest::ddn::ROW,
    nearest::fmn::ROW,
    nearest::newtonfool::ROW,
    nearest::ead::ROW,
    nearest::sigma_zero::ROW,
    nearest::jsma::ROW,
    nearest::sparsefool::ROW,
    scores::square::ROW,
];
