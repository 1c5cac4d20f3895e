//! Spatial attack: every rotation and shift of a grid, until one is misclassified. There is no ball: the budget is a
//! severity.
//!
//! Engstrom et al. 2019, <https://arxiv.org/abs/1712.02779>.

use scoville_kernels::{Pose, warp};
use scoville_targets::Labels;

use crate::registry::{Access, Algorithm, MANUAL, Row};
use crate::{Budget, Error, LabelsOnly, Search};

pub const ROW: Row = Row {
    name: "spatial",
    technique: MANUAL,
    access: Access::Labels,
    budget: Budget::Severity,
    least_classes: 2,
    parameters: &[],
    paper: "Engstrom 2019, arXiv:1712.02779",
    build: |_| Algorithm::LabelsOnly(Box::new(Spatial)),
};

/// The paper's grid: rotations, and shifts down and to the right.
const ROTATIONS: usize = 31;
const SHIFTS: usize = 5;
const POSES: usize = ROTATIONS * SHIFTS * SHIFTS;

/// The grid is gone through in steps of so many poses, which has no factor in common with their number, so that the first
/// queries are spread over it.
const STRIDE: usize = 337;

/// How far a severity of 1 goes; 5 reaches the paper's 30 degrees and 3 pixels of 32.
const DEGREES: f32 = 6.0;
const SHARE_OF_SIDE: f32 = 0.6 / 32.0;

/// The spatial attack, at most 775 queries a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spatial;

impl LabelsOnly for Spatial {
    fn run(&self, search: &mut Search<'_>, target: &dyn Labels) -> Result<(), Error> {
        for turn in 0..POSES {
            let x = warp(
                &search.x0,
                search.image,
                pose(turn * STRIDE % POSES, search),
            )?;
            let predicted = target.labels(&x)?;
            search.offer(&x, &predicted)?;
            search.compact()?;
            if search.is_done() {
                break;
            }
        }
        Ok(())
    }
}

/// One pose of the grid, at the severity that stands for the ball's radius.
fn pose(number: usize, search: &Search<'_>) -> Pose {
    let severity = search.ball.eps;
    let side = search.image.height.min(search.image.width) as f32;
    let place = |number: usize, of: usize| 2.0 * number as f32 / (of - 1) as f32 - 1.0;
    let shift = severity * SHARE_OF_SIDE * side;
    Pose {
        degrees: severity * DEGREES * place(number % ROTATIONS, ROTATIONS),
        down: shift * place(number / ROTATIONS % SHIFTS, SHIFTS),
        right: shift * place(number / ROTATIONS / SHIFTS, SHIFTS),
    }
}
