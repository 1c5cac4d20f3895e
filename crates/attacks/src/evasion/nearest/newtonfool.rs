//! NewtonFool: steps down the gradient of the label's probability, each as long as would bring that to what a guess has, were it
//! linear, but no longer than a share of the clean sample's length.
//!
//! Jang, Wu & Jha 2017, <https://doi.org/10.1145/3134600.3134635>.

use scoville_kernels::{Array, Ball, Loss, Map, Reduce, Zip, combine, head, map, reduce_rows, zip};
use scoville_targets::{Evaluation, Gradients};

use crate::registry::{Access, Algorithm, L2, Row, WHITE_BOX, real, whole};
use crate::{Error, Search, WhiteBox, search::gather_in_place};

pub const ROW: Row = Row {
    name: "newtonfool",
    summary: "Steps that would make the label as likely as a guess, each of bounded length",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: L2,
    least_classes: 2,
    parameters: &[
        whole("steps", 100.0, 1e6, "gradient steps"),
        real(
            "eta",
            0.01,
            (1e-6, 1.0),
            "longest step, as a share of the clean sample's L2 length",
        ),
    ],
    paper: "Jang 2017, doi:10.1145/3134600.3134635",
    build: |v| {
        Algorithm::WhiteBox(Box::new(NewtonFool {
            steps: v.whole("steps"),
            eta: v.real("eta"),
        }))
    },
};

/// NewtonFool with at most `steps` steps, none longer than `eta` times the clean sample's length. It ends where a sample is
/// misclassified.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewtonFool {
    pub steps: usize,
    pub eta: f32,
}

impl WhiteBox for NewtonFool {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let guess = 1.0 / target.classes() as f32;
        let mut x = search.x0.copy()?;
        for _ in 0..self.steps {
            let mut seen = target.gradient(&x, &search.y, Loss::CrossEntropy)?;
            search.offer(&x, &seen.predicted)?;
            if let Some(rows) = search.compact()? {
                if search.is_done() {
                    return Ok(());
                }
                let kept = [&mut x, &mut seen.loss, &mut seen.gradient];
                kept.into_iter()
                    .try_for_each(|array| gather_in_place(array, &rows))?;
            }
            self.step(&mut x, seen, guess, search)?;
        }
        let last = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
        search.offer(&x, &last.predicted)
    }
}

impl NewtonFool {
    /// Along `g`, the gradient of the cross-entropy, which is that of `-ln p`: the probability p falls by `p |g|` for each
    /// unit of length.
    fn step(
        &self,
        x: &mut Array,
        seen: Evaluation,
        guess: f32,
        search: &Search<'_>,
    ) -> Result<(), Error> {
        let affine = |scale, shift| Map::Affine { scale, shift };
        let mut probability = seen.loss;
        map(&mut probability, affine(-1.0, 0.0))?;
        map(&mut probability, Map::Exp)?;
        let mut per_length = reduce_rows(&seen.gradient, Reduce::L2)?;
        map(&mut per_length, Map::Reciprocal)?;

        let mut length = probability.copy()?;
        map(&mut length, affine(1.0, -guess))?;
        map(&mut probability, Map::Reciprocal)?;
        zip(&mut length, Zip::Multiply, &probability)?;
        zip(&mut length, Zip::Multiply, &per_length)?;
        let mut most = reduce_rows(&search.x0, Reduce::L2)?;
        map(&mut most, affine(self.eta, 0.0))?;
        zip(&mut length, Zip::Lower, &most)?;

        zip(&mut length, Zip::Multiply, &per_length)?;
        combine(x, 1.0, &seen.gradient, &length)?;
        let Ball { lo, hi, .. } = search.ball;
        Ok(map(x, Map::Clamp { lo, hi })?)
    }
}
