//! Fast adaptive boundary attack: takes the decision boundary to a class for a plane, steps a little beyond it by the
//! least move, leaning towards the clean sample, and from beyond goes back: the points found come nearer and nearer.
//!
//! Croce & Hein 2020a, <https://arxiv.org/abs/1907.02044>; towards one class at a time as in AutoAttack (2020b).

use scoville_kernels::{Array, Ball, Loss, fab_step, head, retreat, rivals, within};
use scoville_targets::Gradients;

use crate::parts::Start;
use crate::registry::{Access, Algorithm, CONVEX, Row, WHITE_BOX, whole};
use crate::{Error, Search, WhiteBox, search::gather_in_place};

pub const ROW: Row = Row {
    name: "fab-t",
    technique: WHITE_BOX,
    access: Access::Gradients,
    norms: CONVEX,
    least_classes: Loss::TargetedMargin.least_classes(),
    parameters: &[
        whole("steps", 100.0, 1e6),
        whole("targets", 9.0, 1e4),
        whole("restarts", 1.0, 1e4),
    ],
    paper: "Croce 2020, arXiv:1907.02044",
    build: |v| {
        Algorithm::WhiteBox(Box::new(Fab {
            steps: v.whole("steps"),
            targets: v.whole("targets"),
            restarts: v.whole("restarts"),
        }))
    },
};

/// What is kept of the way from the clean sample after a misclassified point.
const BACKWARD: f32 = 0.9;

/// Targeted FAB: `steps` steps towards each of the `targets` most likely classes, `restarts` times over. The first walk
/// begins at the clean sample, later ones at distance eps/2.
///
/// It seeks the nearest adversarial point, wherever that is; a sample is finished as soon as one lies in the ball. A
/// step costs a gradient evaluation and a query, a walk one query more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fab {
    pub steps: usize,
    pub targets: usize,
    pub restarts: usize,
}

impl WhiteBox for Fab {
    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        for rank in 0..self.targets.min(target.classes().saturating_sub(1)) {
            for restart in 0..self.restarts {
                if search.is_done() {
                    return Ok(());
                }
                let stream = rank * self.restarts + restart;
                let x = first(restart, stream, search)?;
                self.walk(x, rank, search, target)?;
            }
        }
        Ok(())
    }
}

impl Fab {
    fn walk(
        &self,
        mut x: Array,
        rank: usize,
        search: &mut Search<'_>,
        target: &dyn Gradients,
    ) -> Result<(), Error> {
        let mut labels = rivals(&target.scores(&search.x0)?, &search.y, rank)?;
        for _ in 0..self.steps {
            let seen = target.gradient(&x, &labels, Loss::TargetedMargin)?;
            fab_step(&mut x, &search.x0, &seen.gradient, &seen.loss, &search.ball)?;
            let predicted = head(&target.scores(&x)?, &search.y, Loss::Margin)?.predicted;
            let inside = within(&predicted, &x, &search.x0, &search.ball)?;
            search.offer(&x, &inside)?;
            retreat(&mut x, &search.x0, &predicted, &search.y, BACKWARD)?;
            if let Some(rows) = search.compact()? {
                if search.is_done() {
                    return Ok(());
                }
                gather_in_place(&mut x, &rows)?;
                gather_in_place(&mut labels, &rows)?;
            }
        }
        search.settle()
    }
}

fn first(restart: usize, stream: usize, search: &mut Search<'_>) -> Result<Array, Error> {
    if restart == 0 {
        return Start::Clean.place(search, stream);
    }
    let near = Ball {
        eps: 0.5 * search.ball.eps,
        ..search.ball
    };
    Start::Surface.place_in(&near, search, stream)
}
