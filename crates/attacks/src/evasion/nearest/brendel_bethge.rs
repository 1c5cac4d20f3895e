//! Brendel and Bethge's attack: from a misclassified point along the decision boundary, each step to the point of the boundary,
//! taken as linear, that is nearest to the clean sample within a radius that shrinks.
//!
//! Brendel et al. 2019, <https://arxiv.org/abs/1907.01003>.

use scoville_kernels::{Array, Loss, Map, boundary_step, combine, head, map};
use scoville_targets::Gradients;

use super::{Nearest, scaled};
use crate::evasion::labels;
use crate::parts::{Boundary, likeliest};
use crate::registry::{ALL, Access, Algorithm, Row, WHITE_BOX, real, whole};
use crate::{Error, Search, WhiteBox};

pub const ROW: Row = Row {
    name: "brendel-bethge",
    summary: "From a misclassified point along the decision boundary to where it is nearest",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: ALL,
    least_classes: 2,
    parameters: &[
        whole("steps", 200.0, 1e6, "gradient steps"),
        real(
            "radius",
            0.05,
            (1e-6, 1.0),
            "first radius of a step, as a share of the input range's diagonal",
        ),
    ],
    paper: "Brendel 2019, arXiv:1907.01003",
    build: |v| {
        Algorithm::WhiteBox(Box::new(BrendelBethge {
            steps: v.whole("steps"),
            radius: v.real("radius"),
        }))
    },
};

/// Queries that each halve the way from a random image on which the boundary is first looked for.
const BISECTIONS: usize = 10;
/// Classes whose boundaries are compared at the clean sample, and the steps to the nearest.
const CANDIDATES: usize = 9;
const LEADING: usize = 5;
/// What a step keeps of the normals before it.
const MOMENTUM: f32 = 0.8;
/// The last radius, of the first.
const LAST: f32 = 1e-4;
/// How much farther than onto the boundary a step goes, in the margin; from beyond, how much less far back.
const OVERSHOOT: f32 = 0.1;

/// Brendel and Bethge's attack with `steps` steps, whose first radius is the share `radius` of the input range's diagonal.
///
/// It begins at the nearer of two points: one that the gradient leads to from the clean sample, by 14 gradient evaluations, and
/// one between it and a random image, by 36 queries. The paper begins far away alone; from there the walk often ends at the
/// boundary of a class that is not the nearest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BrendelBethge {
    pub steps: usize,
    pub radius: f32,
}

impl WhiteBox for BrendelBethge {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let diagonal = (search.ball.hi - search.ball.lo) * (search.x0.cols() as f32).sqrt();
        let mut x = start(diagonal, search, target)?;
        let mut normal = Array::zeros(&x.device(), x.rows(), x.cols())?;
        for step in 0..self.steps {
            search.heed_stop()?;
            let seen = target.gradient(&x, &search.y, Loss::Margin)?;
            search.offer_nearer(&x, &seen.predicted)?;
            let kept = if step == 0 { 0.0 } else { MOMENTUM };
            combine(&mut normal, kept, &seen.gradient, 1.0 - kept)?;

            let done = step as f32 / self.steps as f32;
            let radius = self.radius * diagonal * LAST.powf(done);
            let gap = gap(&seen.loss)?;
            boundary_step(&mut x, &search.x0, &normal, &gap, radius, &search.ball)?;
        }
        let last = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
        search.offer_nearer(&x, &last.predicted)?;
        Ok(())
    }
}

/// A misclassified point of every sample, the clean one where none is found.
fn start(radius: f32, search: &mut Search<'_>, target: &dyn Gradients) -> Result<Array, Error> {
    let mut nearest = Nearest::none(search.ball.norm.try_into()?, search)?;
    if let Some((far, found)) = labels::at_boundary(BISECTIONS, search, target)? {
        nearest.take(&far, &found, search)?;
    }
    let pairs = likeliest(0..CANDIDATES, search, target)?;
    let mut x = search.x0.copy()?;
    let (mut margin, mut normal) = Boundary::nearest(&x, &pairs, search, target)?;
    for _ in 0..LEADING {
        let (here, gap) = (x.copy()?, gap(&margin)?);
        boundary_step(&mut x, &here, &normal, &gap, radius, &search.ball)?;
        let seen = target.gradient(&x, &search.y, Loss::Margin)?;
        let wrong = search.offer_nearer(&x, &seen.predicted)?;
        nearest.take(&x, &wrong, search)?;
        (margin, normal) = (seen.loss, seen.gradient);
    }
    Ok(nearest.point)
}

/// How much the margin, above 0 where a sample is misclassified, has to change.
fn gap(margin: &Array) -> Result<Array, Error> {
    let mut size = margin.copy()?;
    map(&mut size, Map::Abs)?;
    let mut gap = scaled(margin, -1.0)?;
    combine(&mut gap, 1.0, &size, OVERSHOOT)?;
    Ok(gap)
}
