//! ALMA, the augmented Lagrangian attack: RMSProp with momentum on the distance and a penalty of the margin, whose multiplier
//! follows the penalty's slope, so that no search for a constant is needed.
//!
//! Rony et al. 2021, <https://arxiv.org/abs/2011.11857>, with the penalty P2. Margins are measured in that of the clean sample;
//! the paper's difference of logits ratio does as well, but not towards a class that is far from the top.

use scoville_kernels::{
    Array, Loss, Map, Norm, Reduce, Zip, claim, combine, head, keep_lower, map, reduce_rows,
    select, zip,
};
use scoville_targets::{Evaluation, Gradients};

use super::{change, clip, column, mapped, scaled};
use crate::registry::{Access, Algorithm, Row, SUMS, WHITE_BOX, real, whole};
use crate::{Error, Search, WhiteBox};

pub const ROW: Row = Row {
    name: "alma",
    summary: "Lowers the distance and a penalty on the margin, whose weight adapts at each step",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: SUMS,
    least_classes: 2,
    parameters: &[
        whole("steps", 100.0, 1e6, "gradient steps"),
        real(
            "alpha",
            0.5,
            (0.0, 0.999),
            "share of the averages so far that a step keeps",
        ),
        real(
            "first",
            0.1,
            (1e-6, 1e3),
            "length of the first step, in pixel units; in L1 five times that",
        ),
    ],
    paper: "Rony 2021, arXiv:2011.11857",
    build: |v| {
        Algorithm::WhiteBox(Box::new(Alma {
            steps: v.whole("steps"),
            alpha: v.real("alpha"),
            first: v.real("first"),
        }))
    },
};

/// Steps between looks at whether the margin fell, below which share of it that counts, and what the penalty's parameter
/// grows by where it did not.
const CHECK: usize = 10;
const FELL: f32 = 0.95;
const GROWTH: f32 = 1.2;
/// The last step's length, of the first's.
const LAST: f32 = 0.01;
/// Added to the margin, so that its sign is that of the verdict in spite of rounding.
const TOLERANCE: f32 = 1e-4;
/// The clean sample's margin, in the unit that margins are measured in.
const UNIT: f32 = 0.5;

/// ALMA with `steps` steps, the first of length `first` in L2, five times that in L1; averages keep the share `alpha` from a step
/// to the next. The paper takes 0.5 for 100 steps and 0.9 for 1000.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alma {
    pub steps: usize,
    pub alpha: f32,
    pub first: f32,
}

impl WhiteBox for Alma {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let mut x = search.x0.copy()?;
        let mut penalty = Penalty::new(search)?;
        let mut walk = None;
        let mut unit = None;
        for step in 0..self.steps {
            search.heed_stop()?;
            let mut seen = target.gradient(&x, &search.y, Loss::Margin)?;
            let unit = match &unit {
                Some(unit) => unit,
                None => unit.insert(over_margin(&seen.loss)?),
            };
            zip(&mut seen.loss, Zip::Multiply, unit)?;
            zip(&mut seen.gradient, Zip::Multiply, unit)?;
            search.offer_nearer(&x, &seen.predicted)?;
            let first = claim(&mut penalty.found, &seen.predicted, &search.y)?;

            let push = scaled(&penalty.update(step, self.alpha, &seen)?, -1.0)?;
            let mut gradient = slope(&x, search)?;
            combine(&mut gradient, 1.0, &seen.gradient, &push)?;
            let walk = match &mut walk {
                Some(walk) => walk,
                None => walk.insert(Walk::new(self.first, &gradient, search)?),
            };
            let left = (self.steps - step) as f32;
            let decay = column(search, LAST.powf(1.0 / left))?;
            select(&mut walk.decay, &decay, &first)?;
            walk.advance(&mut x, gradient, self.alpha)?;
            clip(&mut x, search)?;
        }
        let last = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
        search.offer_nearer(&x, &last.predicted)?;
        Ok(())
    }
}

/// What makes the size of a margin [`UNIT`].
fn over_margin(margin: &Array) -> Result<Array, Error> {
    let mut unit = mapped(margin, Map::Abs)?;
    map(&mut unit, Map::Reciprocal)?;
    scaled(&unit, UNIT)
}

/// The gradient of the distance; 0 at the clean sample.
fn slope(x: &Array, search: &Search<'_>) -> Result<Array, Error> {
    let mut slope = change(x, search)?;
    if search.ball.norm == Norm::L1 {
        map(&mut slope, Map::Sign)?;
        return Ok(slope);
    }
    let mut length = reduce_rows(&slope, Reduce::L2)?;
    map(&mut length, Map::Reciprocal)?;
    zip(&mut slope, Zip::Multiply, &length)?;
    Ok(slope)
}

/// The penalty's multiplier mu and parameter rho, n x 1 each.
struct Penalty {
    mu: Array,
    rho: Array,
    /// The margin when it was last checked.
    before: Array,
    /// Which samples were misclassified before.
    found: Array<u32>,
}

impl Penalty {
    fn new(search: &Search<'_>) -> Result<Self, Error> {
        Ok(Self {
            mu: column(search, 1.0)?,
            rho: column(search, 1.0)?,
            before: column(search, 0.0)?,
            found: Array::zeros(&search.device(), search.running(), 1)?,
        })
    }

    /// Takes in the margin, and gives the penalty's derivative with respect to it.
    fn update(&mut self, step: usize, alpha: f32, seen: &Evaluation) -> Result<Array, Error> {
        let (scale, shift) = (-1.0, TOLERANCE);
        let mut margin = mapped(&seen.loss, Map::Affine { scale, shift })?;
        let (lo, hi) = (-1e6, 1e6);
        map(&mut margin, Map::Clamp { lo, hi })?;
        if step == 0 {
            self.before = margin.copy()?;
            return self.slope(&margin);
        }
        if (step + 1).is_multiple_of(CHECK) {
            let fell = keep_lower(&mut scaled(&self.before, FELL)?, &margin)?;
            let mut rho = scaled(&self.rho, GROWTH)?;
            select(&mut rho, &self.rho, &fell)?;
            select(&mut rho, &self.rho, &self.found)?;
            self.rho = rho;
            self.before = margin.copy()?;
        }
        let slope = self.slope(&margin)?;
        combine(&mut self.mu, alpha, &slope, 1.0 - alpha)?;
        let (lo, hi) = (1e-6, 1e12);
        map(&mut self.mu, Map::Clamp { lo, hi })?;
        self.slope(&margin)
    }

    /// `mu + 2 mu rho y + rho^2 y^2 / 2` for a margin y from 0, `mu / (1 - rho y)^2` below.
    fn slope(&self, margin: &Array) -> Result<Array, Error> {
        let (mut above, mut below) = (margin.copy()?, margin.copy()?);
        zip(&mut above, Zip::Multiply, &self.rho)?;
        zip(&mut below, Zip::Multiply, &self.rho)?;
        let (lo, hi) = (0.0, f32::MAX);
        map(&mut above, Map::Clamp { lo, hi })?;
        let (lo, hi) = (f32::MIN, 0.0);
        map(&mut below, Map::Clamp { lo, hi })?;

        let (scale, shift) = (-1.0, 1.0);
        map(&mut below, Map::Affine { scale, shift })?;
        map(&mut below, Map::Square)?;
        map(&mut below, Map::Reciprocal)?;
        combine(&mut below, 1.0, &above, 2.0)?;
        zip(&mut below, Zip::Multiply, &self.mu)?;
        map(&mut above, Map::Square)?;
        combine(&mut below, 1.0, &above, 0.5)?;
        Ok(below)
    }
}

/// RMSProp with momentum.
struct Walk {
    square: Array,
    velocity: Array,
    /// The length of a step, n x 1, and what is left of it for the next.
    length: Array,
    decay: Array,
}

impl Walk {
    /// Its first step goes along `gradient`.
    fn new(first: f32, gradient: &Array, search: &Search<'_>) -> Result<Self, Error> {
        let (device, n, cols) = (search.device(), search.running(), search.x0.cols());
        let mut length = reduce_rows(gradient, search.ball.norm.try_into()?)?;
        map(&mut length, Map::Reciprocal)?;
        let unit = if search.ball.norm == Norm::L1 {
            5.0
        } else {
            1.0
        };
        Ok(Self {
            square: Array::filled(&device, n, cols, 1.0)?,
            velocity: Array::zeros(&device, n, cols)?,
            length: scaled(&length, first * unit)?,
            decay: column(search, 1.0)?,
        })
    }

    /// Moves `x` down `gradient`.
    fn advance(&mut self, x: &mut Array, gradient: Array, alpha: f32) -> Result<(), Error> {
        let mut scale = mapped(&gradient, Map::Square)?;
        combine(&mut self.square, alpha, &scale, 1.0 - alpha)?;
        combine(&mut scale, 0.0, &self.square, 1.0)?;
        map(&mut scale, Map::Sqrt)?;
        let (factor, shift) = (1.0, 1e-8);
        map(
            &mut scale,
            Map::Affine {
                scale: factor,
                shift,
            },
        )?;
        map(&mut scale, Map::Reciprocal)?;
        zip(&mut scale, Zip::Multiply, &gradient)?;
        combine(&mut self.velocity, alpha, &scale, 1.0)?;
        combine(x, 1.0, &self.velocity, &scaled(&self.length, -1.0)?)?;
        zip(&mut self.length, Zip::Multiply, &self.decay)?;
        Ok(())
    }
}
