//! LowProFool: gradient steps towards another class, held back by the length of what was changed, in which each feature
//! weighs as much as it tells of the class: what an expert would look at first is changed least.
//!
//! Ballet et al. 2019, <https://arxiv.org/abs/1911.03274>.

use scoville_kernels::{
    Array, Loss, Map, Reduce, Zip, affine, claim, combine, head, map, reduce_rows, zip,
};
use scoville_targets::{Evaluation, Gradients};

use super::{clip, scaled};
use crate::parts::Constants;
use crate::registry::{Access, Algorithm, CONVEX, Row, WHITE_BOX, real, whole};
use crate::{Error, Search, WhiteBox};

pub const ROW: Row = Row {
    name: "lowprofool",
    summary: "Gradient steps that spare the features that tell most of the class; made for tables",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: CONVEX,
    least_classes: 2,
    parameters: &[
        whole("steps", 100.0, 1e6, "gradient steps for each value of c"),
        whole(
            "searches",
            9.0,
            100.0,
            "values of c, the weight of the loss, that are tried",
        ),
        real(
            "step",
            0.3,
            (1e-6, 1e3),
            "factor of the gradient in the first step",
        ),
    ],
    paper: "Ballet 2019, arXiv:1911.03274",
    build: |v| {
        Algorithm::WhiteBox(Box::new(LowProFool {
            steps: v.whole("steps"),
            searches: v.whole("searches"),
            step: v.real("step"),
        }))
    },
};

/// The step after each step.
const DECAY: f32 = 0.98;

/// LowProFool: for each of `searches` values of c, `steps` steps of the first length `step`, down the weighted L2 length of the
/// change plus c times the cross-entropy at the likeliest other class; the smallest c that works is searched for as C&W's is,
/// where the paper has one weight for all samples. The importance of a feature is the size of its correlation with the
/// class; all are alike where there are no features. Of the points that are misclassified the one nearest in the ball's norm is
/// kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LowProFool {
    pub steps: usize,
    pub searches: usize,
    pub step: f32,
}

impl WhiteBox for LowProFool {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let importance = Importance::new(search)?;
        let mut constants = Constants::new(search)?;
        for _ in 0..self.searches {
            let found = self.descend(&constants.now, &importance, search, target)?;
            constants.update(&found)?;
        }
        Ok(())
    }
}

impl LowProFool {
    /// One descent from the clean sample. Gives the mask of the rows that were misclassified on the way.
    fn descend(
        &self,
        constants: &Array,
        importance: &Importance,
        search: &mut Search<'_>,
        target: &dyn Gradients,
    ) -> Result<Array<u32>, Error> {
        let mut found = Array::zeros(&search.device(), search.running(), 1)?;
        let mut x = search.x0.copy()?;
        let mut step = self.step;
        for _ in 0..self.steps {
            search.heed_stop()?;
            let seen = target.gradient(&x, &search.y, Loss::Margin)?;
            search.offer_nearer(&x, &seen.predicted)?;
            claim(&mut found, &seen.predicted, &search.y)?;
            let back = importance.slope(&x, search)?;
            combine(&mut x, 1.0, &towards(seen)?, &scaled(constants, step)?)?;
            combine(&mut x, 1.0, &back, -step)?;
            clip(&mut x, search)?;
            search.confine(&mut x)?;
            step *= DECAY;
        }
        let last = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
        search.offer_nearer(&x, &last.predicted)?;
        claim(&mut found, &last.predicted, &search.y)?;
        Ok(found)
    }
}

/// Down the cross-entropy of two classes, the label and the likeliest other one: the margin's gradient times the
/// probability of the label.
fn towards(seen: Evaluation) -> Result<Array, Error> {
    let (mut label, mut gradient) = (seen.loss, seen.gradient);
    map(
        &mut label,
        Map::Clamp {
            lo: -60.0,
            hi: 60.0,
        },
    )?;
    map(&mut label, Map::Exp)?;
    let (scale, shift) = (1.0, 1.0);
    map(&mut label, Map::Affine { scale, shift })?;
    map(&mut label, Map::Reciprocal)?;
    zip(&mut gradient, Zip::Multiply, &label)?;
    Ok(gradient)
}

/// How much each element weighs, 1 x d; of L2 length 1.
struct Importance {
    weight: Array,
    none: Array,
}

impl Importance {
    fn new(search: &Search<'_>) -> Result<Self, Error> {
        let (device, d) = (search.device(), search.x0.cols());
        let weight = match search.constraints() {
            Some(constraints) => constraints.importance.clone(),
            None => vec![1.0; d],
        };
        let length = weight.iter().map(|w| w * w).sum::<f32>().sqrt();
        let weight = weight.iter().map(|w| w / length.max(f32::MIN_POSITIVE));
        Ok(Self {
            weight: Array::from_vec(&device, 1, d, weight.collect())?,
            none: Array::zeros(&device, 1, d)?,
        })
    }

    /// The gradient of the weighted length of the change.
    fn slope(&self, x: &Array, search: &Search<'_>) -> Result<Array, Error> {
        let mut change = x.copy()?;
        combine(&mut change, 1.0, &search.x0, -1.0)?;
        let weighed = affine(&change, &self.weight, &self.none)?;
        let mut length = reduce_rows(&weighed, Reduce::L2)?;
        map(&mut length, Map::Reciprocal)?;
        let mut slope = affine(&weighed, &self.weight, &self.none)?;
        zip(&mut slope, Zip::Multiply, &length)?;
        Ok(slope)
    }
}
