//! Fast minimum norm: steps along the normalised gradient of the margin, each projected into a ball whose radius falls
//! while the sample is misclassified and grows while it is not; until it first is, the radius is where the margin, taken as
//! linear, ends.
//!
//! Pintor et al. 2021, <https://arxiv.org/abs/2102.12827>.

use scoville_kernels::{
    Array, Loss, Map, Norm, Reduce, Zip, claim, combine, distance_rows, head, map, reduce_rows,
    select, zip,
};
use scoville_targets::{Evaluation, Gradients};

use crate::parts::{cosine, dual, into_balls, widest};
use crate::registry::{ALL, Access, Algorithm, Row, WHITE_BOX, real, whole};
use crate::{Error, Search, WhiteBox};

pub const ROW: Row = Row {
    name: "fmn",
    summary: "Gradient steps in a ball that shrinks while misclassified and grows while not",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: ALL,
    least_classes: 2,
    parameters: &[
        whole("steps", 100.0, 1e6, "gradient steps"),
        real(
            "gamma",
            0.05,
            (1e-4, 0.9),
            "change of the radius at first, as a share of it; in L0 at least 1",
        ),
    ],
    paper: "Pintor 2021, arXiv:2102.12827",
    build: |v| {
        Algorithm::WhiteBox(Box::new(Fmn {
            steps: v.whole("steps"),
            gamma: v.real("gamma"),
        }))
    },
};

/// The lengths of the first and last step in L2, and the last change of the radius.
const STEP: (f32, f32) = (1.0, 0.01);
const LAST_GAMMA: f32 = 1e-3;

/// How much farther than the linear margin ends the first ball reaches: a margin that curves would be approached for ever.
const BEYOND: f32 = 0.05;

/// FMN with `steps` steps; a ball's radius first changes by the share `gamma`, in L0, where it begins with 1, by at least 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fmn {
    pub steps: usize,
    pub gamma: f32,
}

impl WhiteBox for Fmn {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let mut x = search.x0.copy()?;
        let mut radii = Radii::new(search)?;
        for step in 0..self.steps {
            search.heed_stop()?;
            let seen = target.gradient(&x, &search.y, Loss::Margin)?;
            let wrong = search.offer_nearer(&x, &seen.predicted)?;
            let gamma = cosine(self.gamma, LAST_GAMMA, step, self.steps);
            radii.update(&x, &seen, &wrong, gamma, search)?;

            let mut length = reduce_rows(&seen.gradient, Reduce::L2)?;
            map(&mut length, Map::Reciprocal)?;
            map(
                &mut length,
                scaled(cosine(STEP.0, STEP.1, step, self.steps)),
            )?;
            combine(&mut x, 1.0, &seen.gradient, &length)?;
            into_balls(&mut x, &radii.radius, search)?;
        }
        let last = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
        search.offer_nearer(&x, &last.predicted)?;
        Ok(())
    }
}

/// The radius of each sample's ball.
struct Radii {
    radius: Array,
    /// Which samples were misclassified before.
    found: Array<u32>,
    /// The least distance at which they were.
    nearest: Array,
}

impl Radii {
    fn new(search: &Search<'_>) -> Result<Self, Error> {
        let (device, n) = (search.device(), search.running());
        let first = match search.ball.norm {
            Norm::L0 => 1.0,
            _ => f32::MAX,
        };
        Ok(Self {
            radius: Array::filled(&device, n, 1, first)?,
            found: Array::zeros(&device, n, 1)?,
            nearest: Array::filled(&device, n, 1, f32::MAX)?,
        })
    }

    fn update(
        &mut self,
        x: &Array,
        seen: &Evaluation,
        wrong: &Array<u32>,
        gamma: f32,
        search: &Search<'_>,
    ) -> Result<(), Error> {
        let distance = distance_rows(x, &search.x0, search.ball.norm.try_into()?)?;
        claim(&mut self.found, &seen.predicted, &search.y)?;
        let mut here = self.nearest.copy()?;
        select(&mut here, &distance, wrong)?;
        zip(&mut self.nearest, Zip::Lower, &here)?;

        let mut smaller = mapped(&self.radius, scaled(1.0 - gamma))?;
        let mut larger = mapped(&self.radius, scaled(1.0 + gamma))?;
        let counts = search.ball.norm == Norm::L0;
        if counts {
            zip(
                &mut smaller,
                Zip::Lower,
                &mapped(&self.radius, moved(-1.0))?,
            )?;
            zip(&mut larger, Zip::Higher, &mapped(&self.radius, moved(1.0))?)?;
            self.radius = larger;
        } else {
            self.radius = to_boundary(seen, search)?;
            combine(&mut self.radius, 1.0, &distance, 1.0)?;
            map(&mut self.radius, scaled(1.0 + BEYOND))?;
            select(&mut self.radius, &larger, &self.found)?;
        }
        zip(&mut smaller, Zip::Lower, &self.nearest)?;
        select(&mut self.radius, &smaller, wrong)?;
        let (lo, hi) = (if counts { 1.0 } else { 0.0 }, widest(search));
        Ok(map(&mut self.radius, Map::Clamp { lo, hi })?)
    }
}

/// How far the margin, taken as linear, is from 0: its size over the dual norm of its gradient.
fn to_boundary(seen: &Evaluation, search: &Search<'_>) -> Result<Array, Error> {
    let mut far = reduce_rows(&seen.gradient, dual(search.ball.norm))?;
    map(&mut far, Map::Reciprocal)?;
    zip(&mut far, Zip::Multiply, &seen.loss)?;
    map(&mut far, Map::Abs)?;
    Ok(far)
}

fn scaled(scale: f32) -> Map {
    Map::Affine { scale, shift: 0.0 }
}

fn moved(shift: f32) -> Map {
    Map::Affine { scale: 1.0, shift }
}

fn mapped(array: &Array, f: Map) -> Result<Array, Error> {
    let mut mapped = array.copy()?;
    map(&mut mapped, f)?;
    Ok(mapped)
}
