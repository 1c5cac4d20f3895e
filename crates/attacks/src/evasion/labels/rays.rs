//! RayS: a corner of the cube round each clean sample, found by turning blocks of its signs over, halves first, then
//! quarters and so on; a turn is kept if the boundary is nearer that way, which one query tells.
//!
//! Chen & Gu 2020, <https://arxiv.org/abs/2006.12792>.

use scoville_kernels::{Array, combine, flip_block, keep_lower, select};
use scoville_targets::Labels;

use super::{Halt, Oracle, both, choose, clip, column, not, scaled};
use crate::registry::{Access, Algorithm, BLACK_BOX, LINF, Row, whole};
use crate::{Error, LabelsOnly, Search};

pub const ROW: Row = Row {
    name: "rays",
    summary: "Turns over the signs of ever smaller blocks, to a corner where the boundary is near",
    technique: BLACK_BOX,
    access: Access::Labels,
    budget: LINF,
    least_classes: 2,
    parameters: &[whole("queries", 1000.0, 1e7, "most queries about a sample")],
    paper: "Chen 2020, arXiv:2006.12792",
    build: |v| {
        Algorithm::LabelsOnly(Box::new(RayS {
            queries: v.whole("queries"),
        }))
    },
};

/// How exactly a radius is bisected, as a share of the input range.
const TOLERANCE: f32 = 2.5e-4;

/// RayS in Linf with `queries` queries a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RayS {
    pub queries: usize,
}

impl LabelsOnly for RayS {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Labels) -> Result<(), Error> {
        Oracle::spend(self.queries, search, target, |oracle| {
            let mut corner = Corner::new(oracle.search)?;
            loop {
                corner.ask(oracle)?;
            }
        })
    }
}

/// Where each sample is: while one tries blocks, another bisects its radius, so that no query is idle.
struct Corner {
    signs: Array,
    /// The number of the block that is tried next.
    block: Array,
    /// The least radius that was misclassified, or the whole range, and the largest below it that was not.
    high: Array,
    low: Array,
    /// Who is bisecting.
    bisects: Array<u32>,
}

impl Corner {
    fn new(search: &Search<'_>) -> Result<Self, Error> {
        let (device, n) = (search.device(), search.running());
        Ok(Self {
            signs: Array::filled(&device, n, search.x0.cols(), 1.0)?,
            block: column(search, 0.0)?,
            high: column(search, search.ball.hi - search.ball.lo)?,
            low: column(search, 0.0)?,
            bisects: Array::zeros(&device, n, 1)?,
        })
    }

    /// One query a sample.
    fn ask(&mut self, oracle: &mut Oracle<'_, '_>) -> Result<(), Halt> {
        let flipped = flip_block(&self.signs, &self.block)?;
        let signs = choose(&self.signs, &flipped, &self.bisects)?;
        let mut middle = scaled(&self.low, 0.5)?;
        combine(&mut middle, 1.0, &self.high, 0.5)?;
        let radius = choose(&middle, &self.high, &self.bisects)?;
        let mut x = oracle.search.x0.copy()?;
        combine(&mut x, 1.0, &signs, &radius)?;
        clip(&mut x, oracle.search)?;
        let wrong = oracle.wrong(&x)?;
        self.learn(&signs, &radius, &wrong, oracle.search)?;
        Ok(())
    }

    fn learn(
        &mut self,
        signs: &Array,
        radius: &Array,
        wrong: &Array<u32>,
        search: &Search<'_>,
    ) -> Result<(), Error> {
        let tries = not(&self.bisects)?;
        let kept = both(&tries, wrong)?;
        select(&mut self.signs, signs, &kept)?;
        let mut next = self.block.copy()?;
        combine(&mut next, 1.0, &column(search, 1.0)?, 1.0)?;
        select(&mut self.block, &next, &tries)?;

        let short = both(&self.bisects, &not(wrong)?)?;
        select(&mut self.low, radius, &short)?;
        select(&mut self.low, &column(search, 0.0)?, &kept)?;
        select(&mut self.high, radius, wrong)?;
        let mut open = self.high.copy()?;
        combine(&mut open, 1.0, &self.low, -1.0)?;
        let tolerance = TOLERANCE * (search.ball.hi - search.ball.lo);
        let wide = keep_lower(&mut open, &column(search, tolerance)?)?;
        let mut goes_on = self.bisects.copy()?;
        select(&mut goes_on, &kept, &kept)?;
        self.bisects = both(&goes_on, &wide)?;
        Ok(())
    }
}
