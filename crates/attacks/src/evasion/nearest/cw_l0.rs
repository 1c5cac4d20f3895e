//! Carlini and Wagner's L0 attack: their L2 attack, Adam on `|x - x0|^2 + c * max(0, margin)`, on fewer and fewer elements;
//! those from which the margin gained least, by its gradient, are taken back first.
//!
//! Carlini & Wagner 2017, <https://arxiv.org/abs/1608.04644>; of their ways to keep to the input range, the projection.

use scoville_kernels::{Array, Loss, Reduce, Zip, combine, keep_largest, reduce_rows, select, zip};
use scoville_targets::Gradients;

use super::{Nearest, change, clip, column, scaled};
use crate::parts::{Adam, push};
use crate::registry::{Access, Algorithm, L0, Row, WHITE_BOX, real, whole};
use crate::{Error, Search, WhiteBox};

pub const ROW: Row = Row {
    name: "cw-l0",
    summary: "As cw, on fewer and fewer elements: those that gain least are taken back first",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: L0,
    least_classes: 2,
    parameters: &[
        whole("steps", 50.0, 1e6, "gradient steps of each descent"),
        whole(
            "searches",
            40.0,
            1e4,
            "descents, each on other elements or with another weight",
        ),
        real(
            "rate",
            0.1,
            (1e-6, 1.0),
            "length of a step of Adam, in pixel units",
        ),
    ],
    paper: "Carlini 2017, arXiv:1608.04644",
    build: |v| {
        Algorithm::WhiteBox(Box::new(CarliniWagnerL0 {
            steps: v.whole("steps"),
            searches: v.whole("searches"),
            rate: v.real("rate"),
        }))
    },
};

/// The first c, and how it grows until a descent works. It is large, for what counts is whether few elements are enough.
const CONSTANT: f32 = 10.0;
const GROWTH: f32 = 10.0;
/// What is left of the elements after a descent that worked, at least.
const KEPT: f32 = 0.7;

/// C&W in L0: `searches` descents of `steps` steps of Adam at `rate`, each from the nearest misclassified point of the last
/// that worked, whose elements are cut by three tenths, or to halfway towards a number at which a descent did not work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CarliniWagnerL0 {
    pub steps: usize,
    pub searches: usize,
    pub rate: f32,
}

impl WhiteBox for CarliniWagnerL0 {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let mut elements = Elements::all(search)?;
        let mut constants = column(search, CONSTANT)?;
        for _ in 0..self.searches {
            let worked = self.descend(&mut elements, &constants, search, target)?;
            elements.cut(&worked, search)?;

            let mut larger = scaled(&constants, GROWTH)?;
            select(&mut larger, &constants, &elements.ever)?;
            constants = larger;
        }
        Ok(())
    }
}

impl CarliniWagnerL0 {
    /// One descent in the elements that may change. Gives the mask of the rows that were misclassified on the way.
    fn descend(
        &self,
        elements: &mut Elements,
        constants: &Array,
        search: &mut Search<'_>,
        target: &dyn Gradients,
    ) -> Result<Array<u32>, Error> {
        let mut worked = Array::zeros(&search.device(), search.running(), 1)?;
        let mut nearest = Nearest::none(Reduce::L2, search)?;
        let mut x = elements.start.copy()?;
        elements.confine(&mut x, search)?;
        let mut adam = Adam::new(search, self.rate)?;
        for _ in 0..self.steps {
            search.heed_stop()?;
            let seen = target.gradient(&x, &search.y, Loss::Margin)?;
            let wrong = search.offer_nearer(&x, &seen.predicted)?;
            let nearer = nearest.take(&x, &wrong, search)?;
            select(&mut elements.start, &x, &nearer)?;
            select(&mut elements.gradient, &seen.gradient, &nearer)?;
            select(&mut worked, &nearer, &nearer)?;

            let mut gradient = scaled(&change(&x, search)?, 2.0)?;
            let weight = push(seen.loss, constants)?;
            combine(&mut gradient, 1.0, &seen.gradient, &weight)?;
            adam.descend(&mut x, gradient)?;
            elements.confine(&mut x, search)?;
        }
        Ok(worked)
    }
}

/// Which elements may change.
struct Elements {
    /// Not 0 where one may.
    allowed: Array,
    /// How many, n x 1, and the most with which a descent did not work.
    number: Array,
    low: Array,
    /// The point to go on from, the nearest of the last descent that worked, and the gradient of the margin there.
    start: Array,
    gradient: Array,
    /// Whether any did.
    ever: Array<u32>,
}

impl Elements {
    fn all(search: &Search<'_>) -> Result<Self, Error> {
        let (device, n, cols) = (search.device(), search.running(), search.x0.cols());
        Ok(Self {
            allowed: Array::filled(&device, n, cols, 1.0)?,
            number: column(search, cols as f32)?,
            low: column(search, 0.0)?,
            start: search.x0.copy()?,
            gradient: Array::zeros(&device, n, cols)?,
            ever: Array::zeros(&device, n, 1)?,
        })
    }

    /// Takes the other elements back, and `x` into the input range.
    fn confine(&self, x: &mut Array, search: &Search<'_>) -> Result<(), Error> {
        combine(x, 1.0, &search.x0, -1.0)?;
        zip(x, Zip::Where, &self.allowed)?;
        combine(x, 1.0, &search.x0, 1.0)?;
        clip(x, search)
    }

    /// Chooses anew: fewer where the last descent `worked`, more where it did not but one before had.
    fn cut(&mut self, worked: &Array<u32>, search: &Search<'_>) -> Result<(), Error> {
        let mut failed = self.number.copy()?;
        select(&mut failed, &self.low, worked)?;
        select(&mut self.ever, worked, worked)?;
        select(&mut self.low, &failed, &self.ever)?;

        let mut gain = change(&self.start, search)?;
        let high = reduce_rows(&gain, Reduce::L0)?;
        let mut number = scaled(&high, 0.5)?;
        combine(&mut number, 1.0, &self.low, 0.5)?;
        zip(&mut number, Zip::Higher, &scaled(&high, KEPT)?)?;
        select(&mut self.number, &number, &self.ever)?;

        zip(&mut gain, Zip::Multiply, &self.gradient)?;
        keep_largest(&mut gain, &self.number)?;
        Ok(select(&mut self.allowed, &gain, &self.ever)?)
    }
}
