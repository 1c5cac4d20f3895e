//! Universal perturbation: one change for all samples, learnt from some and tried on the others.
//!
//! Moosavi-Dezfooli et al. 2017, <https://arxiv.org/abs/1610.08401>, by steps along the summed gradient (Shafahi et al. 2020,
//! <https://arxiv.org/abs/1811.11304>).

use scoville_kernels::philox::{key, philox4x32};
use scoville_kernels::{
    Array, Ball, Loss, Map, claim, combine, gather, head, keep_lower, map, select, step, sum_rows,
};
use scoville_targets::Gradients;

use crate::registry::{Access, Algorithm, BOTH, Row, WHITE_BOX, real, whole};
use crate::{Error, Search, WhiteBox};

pub const ROW: Row = Row {
    name: "universal",
    summary: "One change for many samples, learnt from half of a batch and tried on the other half",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: BOTH,
    least_classes: 2,
    parameters: &[
        whole("steps", 50.0, 1e6, "gradient steps"),
        real("step", 0.1, (1e-6, 10.0), "length of a step, in eps"),
    ],
    paper: "Moosavi-Dezfooli 2017, arXiv:1610.08401",
    build: |v| {
        let (steps, step) = (v.whole("steps"), v.real("step"));
        Algorithm::WhiteBox(Box::new(Universal { steps, step }))
    },
};

/// Two perturbations, each learnt from a random half of the batch, and each tried on those of the other half:
/// none is tried on a sample that it was learnt from. The larger the batch, the better they carry over, so the
/// result depends on the batch. Towards a class, it is learnt from the samples that must reach it.
///
/// Learning takes `steps` steps of `step` times eps up the margins of the samples that still stand, and costs as many
/// gradient evaluations a sample; trying, one query.
pub struct Universal {
    pub steps: usize,
    pub step: f32,
}

/// Perturbations, and the halves that they are learnt from.
pub(super) const HALVES: usize = 2;

/// A random half of the batch for each sample, n x 1, and the other one.
pub(super) struct Halves {
    pub own: Array<u32>,
    pub other: Array<u32>,
}

impl Halves {
    /// Drawn, for data are often in the order of their classes.
    pub fn draw(ids: &[u32], search: &Search<'_>) -> Result<Self, Error> {
        let draw = |&id: &u32| philox4x32([0, id, 0, 3], key(search.seed))[0];
        let half = |shift: u32| {
            let halves = ids.iter().map(|id| (draw(id) ^ shift) % HALVES as u32);
            Array::from_vec(&search.device(), ids.len(), 1, halves.collect())
        };
        Ok(Self {
            own: half(0)?,
            other: half(1)?,
        })
    }
}

impl WhiteBox for Universal {
    fn is_universal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let Halves { own, other } = Halves::draw(&search.ids.to_vec()?, search)?;
        let learnt = self.learn(&own, search, target)?;
        let x = perturbed(&learnt, &other, search)?;
        let answer = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
        search.offer(&x, &answer.predicted)
    }
}

impl Universal {
    /// The perturbation of each half, a row each.
    fn learn(
        &self,
        own: &Array<u32>,
        search: &Search<'_>,
        target: &dyn Gradients,
    ) -> Result<Array, Error> {
        let (device, cols) = (search.device(), search.x0.cols());
        let nothing = Array::zeros(&device, HALVES, cols)?;
        let (mut delta, mut best) = (nothing.copy()?, nothing.copy()?);
        let mut fewest = Array::filled(&device, HALVES, 1, f32::MAX)?;
        let one = Array::filled(&device, search.running(), 1, 1.0)?;
        let ball = Ball {
            lo: -f32::MAX,
            hi: f32::MAX,
            ..search.ball
        };
        for _ in 0..self.steps {
            search.heed_stop()?;
            let x = perturbed(&delta, own, search)?;
            let seen = target.gradient(&x, &search.y, Loss::Margin)?;
            let standing = standing(own, &seen.predicted, search)?;
            let left = sum_rows(&one, &standing, HALVES)?;
            select(&mut best, &delta, &keep_lower(&mut fewest, &left)?)?;
            let sum = sum_rows(&seen.gradient, &standing, HALVES)?;
            step(&mut delta, &nothing, &sum, self.step * ball.eps, &ball)?;
        }
        Ok(best)
    }
}

/// The half of each sample that the target still gets right; a number beyond the halves for the others.
pub(super) fn standing(
    own: &Array<u32>,
    predicted: &Array<u32>,
    search: &Search<'_>,
) -> Result<Array<u32>, Error> {
    let (device, n) = (search.device(), search.running());
    let wrong = claim(&mut Array::zeros(&device, n, 1)?, predicted, &search.y)?;
    let mut standing = own.copy()?;
    select(
        &mut standing,
        &Array::filled(&device, n, 1, u32::MAX)?,
        &wrong,
    )?;
    Ok(standing)
}

/// Each clean sample with the perturbation of `which`.
fn perturbed(delta: &Array, which: &Array<u32>, search: &Search<'_>) -> Result<Array, Error> {
    let mut x = gather(delta, which)?;
    combine(&mut x, 1.0, &search.x0, 1.0)?;
    let Ball { lo, hi, .. } = search.ball;
    map(&mut x, Map::Clamp { lo, hi })?;
    Ok(x)
}
