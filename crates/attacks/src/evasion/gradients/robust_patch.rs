//! Robust patch: one patch for all samples, which works wherever and however it lies in front of the camera. It is learnt under
//! random places, turns, scales and light, and tried on other samples under ones that it does not choose.
//!
//! Brown et al. 2017, <https://arxiv.org/abs/1712.09665>, by expectation over transformations (Athalye et al. 2018,
//! <https://arxiv.org/abs/1707.07397>).

use scoville_kernels::{
    Array, Image, Loss, Noise, combine, gather, head, keep_largest, momentum, noise, sum_rows,
};
use scoville_targets::Gradients;

use super::universal::{HALVES, Halves, standing};
use crate::parts::cosine;
use crate::parts::patch::{Poses, climb, elements, in_range, largest};
use crate::registry::{Access, Algorithm, L0, PHYSICAL, Row, real, whole};
use crate::{Error, Search, WhiteBox};

pub const ROW: Row = Row {
    name: "robust-patch",
    summary: "One patch for many samples, learnt from half of a batch in random poses and light",
    technique: PHYSICAL,
    access: Access::Gradients,
    budget: L0,
    least_classes: 2,
    parameters: &[
        whole("steps", 200.0, 1e6, "gradient steps"),
        real(
            "step",
            0.05,
            (1e-6, 1.0),
            "length of the first step, as a share of the input range",
        ),
        real(
            "degrees",
            20.0,
            (0.0, 180.0),
            "most that the patch is turned to either side, in degrees",
        ),
        real(
            "smallest",
            0.8,
            (0.1, 1.0),
            "smallest side of the patch, as a share of the full one",
        ),
        real(
            "darkest",
            0.8,
            (0.0, 1.0),
            "least light on the patch, as a share of the full light",
        ),
    ],
    paper: "Brown 2017, arXiv:1712.09665",
    build: |v| {
        Algorithm::WhiteBox(Box::new(RobustPatch {
            steps: v.whole("steps"),
            step: v.real("step"),
            poses: Poses {
                degrees: v.real("degrees"),
                smallest: v.real("smallest"),
                darkest: v.real("darkest"),
            },
        }))
    },
};

/// What is left of the last direction at each step.
const DECAY: f32 = 0.9;
/// A step is this share of the first at the end.
const LAST_STEP: f32 = 0.1;

/// Two patches, each learnt from a random half of the batch and tried on the other half, as
/// [`Universal`](super::universal::Universal) does: the result depends on the batch.
///
/// Learning takes `steps` steps along the signs of the summed gradient of the margins, with momentum, the first of `step` times
/// the range; at each, every sample has its patch in a random pose of its own. It costs as many gradient evaluations a sample;
/// trying, one query, in one more random pose, the same for a sample whatever was learnt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RobustPatch {
    pub steps: usize,
    pub step: f32,
    pub poses: Poses,
}

impl WhiteBox for RobustPatch {
    fn is_universal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let Some(patch) = largest(search.image, search.ball.eps) else {
            return Ok(());
        };
        let ids = search.ids.to_vec()?;
        let halves = Halves::draw(&ids, search)?;
        let learnt = self.learn(&halves.own, &ids, patch, search, target)?;
        let lies = self.poses.draw(&ids, 0, patch, search)?;
        let mut x = lies.paste(&gather(&learnt, &halves.other)?, patch, search)?;
        // A turned patch may hide a few pixels more than it has.
        combine(&mut x, 1.0, &search.x0, -1.0)?;
        let most = Array::filled(&search.device(), search.running(), 1, search.ball.eps)?;
        keep_largest(&mut x, &most)?;
        combine(&mut x, 1.0, &search.x0, 1.0)?;
        let answer = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
        search.offer(&x, &answer.predicted)
    }
}

impl RobustPatch {
    /// The patch of each half, a row each.
    fn learn(
        &self,
        own: &Array<u32>,
        ids: &[u32],
        patch: Image,
        search: &Search<'_>,
        target: &dyn Gradients,
    ) -> Result<Array, Error> {
        let (device, cols) = (search.device(), elements(patch));
        let halves = Array::from_vec(&device, HALVES, 1, (0..HALVES as u32).collect())?;
        let mut pixels = noise(&halves, cols, Noise::Uniform, search.seed, u32::MAX)?;
        in_range(&mut pixels, search)?;
        let mut velocity = Array::zeros(&device, HALVES, cols)?;
        for iteration in 0..self.steps {
            search.heed_stop()?;
            let lies = self.poses.draw(ids, iteration as u32 + 1, patch, search)?;
            let x = lies.paste(&gather(&pixels, own)?, patch, search)?;
            let seen = target.gradient(&x, &search.y, Loss::Margin)?;
            let gradient = lies.peel(&seen.gradient, patch, search)?;
            let standing = standing(own, &seen.predicted, search)?;
            let sum = sum_rows(&gradient, &standing, HALVES)?;
            momentum(&mut velocity, &sum, DECAY)?;
            let length = cosine(self.step, LAST_STEP * self.step, iteration, self.steps);
            climb(&mut pixels, &velocity, length, search)?;
        }
        Ok(pixels)
    }
}
