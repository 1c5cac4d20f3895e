//! Spatial attacks: every rotation and shift of a grid, or random ones, until one is misclassified. There is no ball: the
//! budget is a severity.
//!
//! Engstrom et al. 2019, <https://arxiv.org/abs/1712.02779>.

use scoville_kernels::philox::{key, philox4x32, unit};
use scoville_kernels::{Pose, warp};
use scoville_targets::Labels;

use crate::registry::{Access, Algorithm, MANUAL, Row, whole};
use crate::{Budget, Error, LabelsOnly, Search};

pub const GRID: Row = Row {
    name: "spatial",
    summary: "Rotates and shifts by a grid of 775 poses, until one is misclassified",
    technique: MANUAL,
    access: Access::Labels,
    budget: Budget::Severity,
    least_classes: 2,
    parameters: &[],
    paper: "Engstrom 2019, arXiv:1712.02779",
    build: |_| Algorithm::LabelsOnly(Box::new(Spatial { random: None })),
};

pub const RANDOM: Row = Row {
    name: "spatial-random",
    summary: "Rotates and shifts at random, until one pose is misclassified",
    parameters: &[whole("queries", 10.0, 1e6, "most queries about a sample")],
    build: |v| {
        let random = Some(v.whole("queries"));
        Algorithm::LabelsOnly(Box::new(Spatial { random }))
    },
    ..GRID
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

/// Tells the numbers of a pose from those of other uses of the seed.
const PURPOSE: u32 = 6;

/// The spatial attack: the grid, at most 775 queries a sample, or so many `random` poses, the same for all samples (the paper's
/// worst of k).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spatial {
    pub random: Option<usize>,
}

impl LabelsOnly for Spatial {
    fn run(&self, search: &mut Search<'_>, target: &dyn Labels) -> Result<(), Error> {
        for turn in 0..self.random.unwrap_or(POSES) {
            let place = match self.random {
                Some(_) => drawn(turn, search.seed),
                None => on_grid(turn * STRIDE % POSES),
            };
            let x = warp(&search.x0, search.image, pose(place, search))?;
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

/// A pose of the grid: rotation, and shifts down and to the right, each in [-1, 1].
fn on_grid(number: usize) -> [f32; 3] {
    let place = |number: usize, of: usize| 2.0 * number as f32 / (of - 1) as f32 - 1.0;
    [
        place(number % ROTATIONS, ROTATIONS),
        place(number / ROTATIONS % SHIFTS, SHIFTS),
        place(number / ROTATIONS / SHIFTS, SHIFTS),
    ]
}

/// A pose of any rotation and shifts.
fn drawn(turn: usize, seed: u64) -> [f32; 3] {
    let [turned, down, right, _] = philox4x32([turn as u32, 0, 0, PURPOSE], key(seed));
    [turned, down, right].map(|word| 2.0 * unit(word) - 1.0)
}

/// That pose, at the severity that stands for the ball's radius.
fn pose([turned, down, right]: [f32; 3], search: &Search<'_>) -> Pose {
    let severity = search.ball.eps;
    let side = search.image.height.min(search.image.width) as f32;
    let shift = severity * SHARE_OF_SIDE * side;
    Pose {
        degrees: severity * DEGREES * turned,
        down: shift * down,
        right: shift * right,
    }
}
