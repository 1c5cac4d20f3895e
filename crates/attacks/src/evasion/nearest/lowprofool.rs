//! LowProFool: gradient steps towards another class, held back by the length of what was changed, in which each feature
//! weighs as much as it tells of the class: what an expert would look at first is changed least.
//!
//! Ballet et al. 2019, <https://arxiv.org/abs/1911.03274>.

use scoville_kernels::{
    Array, Loss, Map, Reduce, Zip, affine, combine, head, map, reduce_rows, zip,
};
use scoville_targets::{Evaluation, Gradients};

use crate::registry::{Access, Algorithm, CONVEX, Row, WHITE_BOX, real, whole};
use crate::{Error, Search, WhiteBox};

pub const ROW: Row = Row {
    name: "lowprofool",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: CONVEX,
    least_classes: 2,
    parameters: &[
        whole("steps", 100.0, 1e6),
        real("step", 0.2, (1e-6, 1e3)),
        real("weight", 1.5, (0.0, 1e3)),
    ],
    paper: "Ballet 2019, arXiv:1911.03274",
    build: |v| {
        Algorithm::WhiteBox(Box::new(LowProFool {
            steps: v.whole("steps"),
            step: v.real("step"),
            weight: v.real("weight"),
        }))
    },
};

/// The step after each step.
const DECAY: f32 = 0.98;

/// LowProFool with `steps` steps of the first length `step`, along the gradient of the cross-entropy at the likeliest other
/// class plus `weight` times the weighted L2 length of the change. The importance of a feature is the size of its
/// correlation with the class; all are alike where there are no features. Of the points that are misclassified the one
/// nearest in the ball's norm is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LowProFool {
    pub steps: usize,
    pub step: f32,
    pub weight: f32,
}

impl WhiteBox for LowProFool {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let importance = Importance::new(search)?;
        let mut x = search.x0.copy()?;
        let mut step = self.step;
        for _ in 0..self.steps {
            search.heed_stop()?;
            let seen = target.gradient(&x, &search.y, Loss::Margin)?;
            search.offer_nearer(&x, &seen.predicted)?;
            let back = importance.slope(&x, search)?;
            combine(&mut x, 1.0, &towards(seen)?, step)?;
            combine(&mut x, 1.0, &back, -step * self.weight)?;
            let (lo, hi) = (search.ball.lo, search.ball.hi);
            map(&mut x, Map::Clamp { lo, hi })?;
            search.confine(&mut x)?;
            step *= DECAY;
        }
        let last = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
        search.offer_nearer(&x, &last.predicted)?;
        Ok(())
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
