//! Fast adaptive boundary attack: takes the decision boundary to a class for a plane, steps a little beyond it by the
//! least move, leaning towards the clean sample, and from beyond goes back: the points found come nearer and nearer.
//!
//! Croce & Hein 2020a, <https://arxiv.org/abs/1907.02044>: each step to the nearest of all boundaries; or towards one
//! class at a time, as in AutoAttack (2020b).

use std::ops::Range;

use scoville_kernels::{Array, Ball, Loss, fab_step, head, retreat, within};
use scoville_targets::Gradients;

use crate::parts::{Boundary, Start, likeliest};
use crate::registry::{Access, Algorithm, CONVEX, Row, WHITE_BOX, whole};
use crate::{Error, Search, WhiteBox, search::gather_in_place};

pub const FAB: Row = Row {
    name: "fab",
    summary: "Steps just beyond the nearest boundary, taken for a plane, and back, ever nearer",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: CONVEX,
    least_classes: Loss::TargetedMargin.least_classes(),
    parameters: &[
        whole(
            "steps",
            100.0,
            1e6,
            "steps of each walk, with a gradient for each class compared",
        ),
        whole(
            "candidates",
            9.0,
            1e4,
            "classes whose boundaries are compared, the likeliest first",
        ),
        whole(
            "restarts",
            1.0,
            1e4,
            "walks, the first from the clean sample, others from random points",
        ),
    ],
    paper: "Croce 2020, arXiv:1907.02044",
    build: |v| {
        Algorithm::WhiteBox(Box::new(Fab {
            steps: v.whole("steps"),
            rivals: Rivals::Nearest(v.whole("candidates")),
            restarts: v.whole("restarts"),
        }))
    },
};

pub const FAB_T: Row = Row {
    name: "fab-t",
    summary: "As fab, towards the boundary of one class after the other, the likeliest first",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: CONVEX,
    least_classes: Loss::TargetedMargin.least_classes(),
    parameters: &[
        whole("steps", 100.0, 1e6, "gradient steps of each walk"),
        whole(
            "targets",
            9.0,
            1e4,
            "classes to aim at, the likeliest first",
        ),
        whole(
            "restarts",
            1.0,
            1e4,
            "walks to each class, the first from the clean sample",
        ),
    ],
    paper: "Croce 2020, arXiv:1907.02044",
    build: |v| {
        Algorithm::WhiteBox(Box::new(Fab {
            steps: v.whole("steps"),
            rivals: Rivals::Each(v.whole("targets")),
            restarts: v.whole("restarts"),
        }))
    },
};

/// What is kept of the way from the clean sample after a misclassified point.
const BACKWARD: f32 = 0.9;

/// The boundaries that a step may go to, of those with the classes that are the likeliest on the clean sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rivals {
    /// The nearest of so many at every step, which costs as many gradient evaluations.
    Nearest(usize),
    /// So many walks, each towards one class.
    Each(usize),
}

/// FAB: walks of `steps` steps, `restarts` times over. The first walk begins at the clean sample, later ones at distance
/// eps/2.
///
/// It seeks the nearest adversarial point, wherever that is; a sample is finished as soon as one lies in the ball. A
/// step costs a gradient evaluation for each boundary that it looks at, and a query; a walk one query more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fab {
    pub steps: usize,
    pub rivals: Rivals,
    pub restarts: usize,
}

impl WhiteBox for Fab {
    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        self.run_some(0..self.restarts(target.classes()), search, target)
    }

    /// Those towards one class come one after the other.
    fn restarts(&self, classes: usize) -> usize {
        self.restarts * self.rivals.groups(classes.saturating_sub(1)).count()
    }

    fn run_some(
        &self,
        some: Range<usize>,
        search: &mut Search<'_>,
        target: &dyn Gradients,
    ) -> Result<(), Error> {
        let others = target.classes().saturating_sub(1);
        for (group, ranks) in self.rivals.groups(others).enumerate() {
            for restart in 0..self.restarts {
                let number = group * self.restarts + restart;
                if !some.contains(&number) {
                    continue;
                }
                if search.is_done() {
                    return Ok(());
                }
                let x = first(restart, number, search)?;
                let pairs = likeliest(ranks.clone(), search, target)?;
                self.walk(x, pairs, search, target)?;
            }
        }
        Ok(())
    }
}

impl Rivals {
    /// The ranks that a walk looks at, for each walk, where there are so many `others`.
    fn groups(self, others: usize) -> impl Iterator<Item = Range<usize>> {
        let (walks, width) = match self {
            Rivals::Nearest(most) => (1, most.min(others)),
            Rivals::Each(most) => (most.min(others), 1),
        };
        (0..walks).map(move |walk| walk * width..(walk + 1) * width)
    }
}

impl Fab {
    fn walk(
        &self,
        mut x: Array,
        mut pairs: Vec<Array<u32>>,
        search: &mut Search<'_>,
        target: &dyn Gradients,
    ) -> Result<(), Error> {
        for _ in 0..self.steps {
            let (margin, gradient) = Boundary::nearest(&x, &pairs, search, target)?;
            fab_step(&mut x, &search.x0, &gradient, &margin, &search.ball)?;
            let predicted = head(&target.scores(&x)?, &search.y, Loss::Margin)?.predicted;
            let inside = within(&predicted, &x, &search.x0, &search.ball)?;
            search.offer(&x, &inside)?;
            retreat(&mut x, &search.x0, &predicted, &search.y, BACKWARD)?;
            if let Some(rows) = search.compact()? {
                if search.is_done() {
                    return Ok(());
                }
                gather_in_place(&mut x, &rows)?;
                pairs
                    .iter_mut()
                    .try_for_each(|pair| gather_in_place(pair, &rows))?;
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
