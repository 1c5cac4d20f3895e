//! JSMA, the saliency map attack: in each step the few elements from which the margin gains most, by its gradient, go to the
//! end of the input range.
//!
//! Papernot et al. 2016, <https://arxiv.org/abs/1511.07528>; towards whatever class is nearest and either end of the range
//! (Wiyatno & Xu 2018, <https://arxiv.org/abs/1808.07945>).

use scoville_kernels::{Array, Ball, Loss, Map, Zip, combine, head, keep_largest, map, zip};
use scoville_targets::Gradients;

use crate::registry::{Access, Algorithm, L0, Row, WHITE_BOX, whole};
use crate::{Error, Search, WhiteBox, search::gather_in_place};

pub const ROW: Row = Row {
    name: "jsma",
    summary: "At each step takes the few elements that gain most to an end of the input range",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: L0,
    least_classes: 2,
    parameters: &[
        whole("steps", 200.0, 1e6, "gradient steps"),
        whole("elements", 1.0, 1e6, "elements that a step changes"),
    ],
    paper: "Papernot 2016, arXiv:1511.07528",
    build: |v| {
        Algorithm::WhiteBox(Box::new(Jsma {
            steps: v.whole("steps"),
            elements: v.whole("elements"),
        }))
    },
};

/// JSMA with at most `steps` steps, each of which takes `elements` elements, that were not changed before, to the end of the
/// range. It ends where a sample is misclassified.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jsma {
    pub steps: usize,
    pub elements: usize,
}

impl WhiteBox for Jsma {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let mut x = search.x0.copy()?;
        for _ in 0..self.steps {
            let mut seen = target.gradient(&x, &search.y, Loss::Margin)?;
            search.offer(&x, &seen.predicted)?;
            if let Some(rows) = search.compact()? {
                if search.is_done() {
                    return Ok(());
                }
                gather_in_place(&mut x, &rows)?;
                gather_in_place(&mut seen.gradient, &rows)?;
            }
            self.step(&mut x, seen.gradient, search)?;
        }
        let last = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
        search.offer(&x, &last.predicted)
    }
}

impl Jsma {
    fn step(&self, x: &mut Array, mut gradient: Array, search: &Search<'_>) -> Result<(), Error> {
        let Ball { lo, hi, .. } = search.ball;
        // The way up the gradient to the end of the range.
        let mut way = gradient.copy()?;
        map(&mut way, Map::Sign)?;
        combine(&mut way, hi - lo, x, 1.0)?;
        map(&mut way, Map::Clamp { lo, hi })?;
        combine(&mut way, 1.0, x, -1.0)?;

        zip(&mut gradient, Zip::Multiply, &way)?;
        zip(&mut gradient, Zip::Multiply, &unchanged(x, search)?)?;
        let elements = Array::filled(&x.device(), x.rows(), 1, self.elements as f32)?;
        keep_largest(&mut gradient, &elements)?;
        zip(&mut way, Zip::Where, &gradient)?;
        combine(x, 1.0, &way, 1.0)?;
        Ok(map(x, Map::Clamp { lo, hi })?)
    }
}

/// 1 where an element is the clean sample's, else 0.
fn unchanged(x: &Array, search: &Search<'_>) -> Result<Array, Error> {
    let mut unchanged = x.copy()?;
    combine(&mut unchanged, 1.0, &search.x0, -1.0)?;
    map(&mut unchanged, Map::Sign)?;
    map(&mut unchanged, Map::Abs)?;
    let (scale, shift) = (-1.0, 1.0);
    map(&mut unchanged, Map::Affine { scale, shift })?;
    Ok(unchanged)
}
