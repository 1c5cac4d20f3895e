//! Auto-PGD: momentum steps whose length halves where progress stalls, from the best point so far. No step size to tune.
//!
//! Croce & Hein 2020b, <https://arxiv.org/abs/2003.01690>.

use std::ops::Range;

use scoville_kernels::{Loss, Norm};
use scoville_targets::Gradients;

use super::apgd_l1::ApgdL1;
use crate::parts::{Descent, Rule, Start, restarts};
use crate::registry::{Access, Algorithm, CONVEX, Row, WHITE_BOX, whole};
use crate::{Error, Search, WhiteBox};

pub const APGD_CE: Row = Row {
    name: "apgd-ce",
    summary: "Steps up the cross-entropy whose length adapts by itself: there is none to tune",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: CONVEX,
    least_classes: 2,
    parameters: &[
        whole("steps", 100.0, 1e6, "gradient steps of each walk"),
        whole("restarts", 1.0, 1e4, "walks from new random points"),
    ],
    paper: "Croce 2020, arXiv:2003.01690",
    build: |v| {
        let attack = apgd(Loss::CrossEntropy, v.whole("steps"), v.whole("restarts"));
        Algorithm::WhiteBox(Box::new(attack))
    },
};

pub const APGD_DLR: Row = Row {
    name: "apgd-dlr",
    summary: "As apgd-ce, up the difference of logits ratio, which no scaling of logits changes",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: CONVEX,
    least_classes: Loss::Dlr.least_classes(),
    parameters: &[
        whole("steps", 100.0, 1e6, "gradient steps of each walk"),
        whole("restarts", 1.0, 1e4, "walks from new random points"),
    ],
    paper: "Croce 2020, arXiv:2003.01690",
    build: |v| {
        let attack = apgd(Loss::Dlr, v.whole("steps"), v.whole("restarts"));
        Algorithm::WhiteBox(Box::new(attack))
    },
};

pub const APGD_T: Row = Row {
    name: "apgd-t",
    summary: "As apgd-dlr, towards one class after the other, the likeliest first",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: CONVEX,
    least_classes: Loss::TargetedDlr.least_classes(),
    parameters: &[
        whole("steps", 100.0, 1e6, "gradient steps of each walk"),
        whole(
            "targets",
            9.0,
            1e4,
            "classes to aim at, the likeliest first",
        ),
    ],
    paper: "Croce 2020, arXiv:2003.01690",
    build: |v| {
        let attack = apgd(Loss::TargetedDlr, v.whole("steps"), v.whole("targets"));
        Algorithm::WhiteBox(Box::new(attack))
    },
};

/// APGD on `loss` with `steps` iterations and `restarts` random starts on the ball's surface, each towards another class
/// if the loss is targeted. In L1 it is [`ApgdL1`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Apgd {
    pub loss: Loss,
    pub steps: usize,
    pub restarts: usize,
}

impl WhiteBox for Apgd {
    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        self.run_some(0..self.restarts(target.classes()), search, target)
    }

    fn restarts(&self, classes: usize) -> usize {
        restarts(self.loss, self.restarts, classes)
    }

    fn run_some(
        &self,
        some: Range<usize>,
        search: &mut Search<'_>,
        target: &dyn Gradients,
    ) -> Result<(), Error> {
        let Apgd {
            loss,
            steps,
            restarts,
        } = *self;
        if search.ball.norm == Norm::L1 {
            let sparse = ApgdL1 {
                loss,
                steps,
                restarts,
            };
            return sparse.run_some(some, search, target);
        }
        let descent = Descent {
            loss,
            start: Start::Surface,
            rule: Rule::Auto { iterations: steps },
            steps,
            restarts,
        };
        descent.run_some(some, search, target)
    }
}

/// [`Apgd`] of these.
pub fn apgd(loss: Loss, steps: usize, restarts: usize) -> Apgd {
    Apgd {
        loss,
        steps,
        restarts,
    }
}
