//! Boundary attack: a random walk among misclassified points, each step a little round the clean sample and a little
//! towards it, both as long as they succeed often enough.
//!
//! Brendel, Rauber & Bethge 2018, <https://arxiv.org/abs/1712.04248>.

use scoville_kernels::{
    Array, Map, Noise, Reduce, Zip, combine, distance_rows, dot_rows, keep_lower, map, noise,
    reduce_rows, select, zip,
};
use scoville_targets::Labels;

use super::{Halt, Oracle, both, choose, clip, column, normalise, scaled, start, to_boundary};
use crate::registry::{Access, Algorithm, BLACK_BOX, L2, Row, whole};
use crate::{Error, LabelsOnly, Search};

pub const ROW: Row = Row {
    name: "boundary",
    summary: "A random walk among misclassified points, little by little to the clean sample",
    technique: BLACK_BOX,
    access: Access::Labels,
    budget: L2,
    least_classes: 2,
    parameters: &[whole("queries", 1000.0, 1e7, "most queries about a sample")],
    paper: "Brendel 2018, arXiv:1712.04248",
    build: |v| {
        Algorithm::LabelsOnly(Box::new(Boundary {
            queries: v.whole("queries"),
        }))
    },
};

/// Rounds of the bisection before the walk.
const ROUNDS: usize = 10;

/// The first steps, as shares of the distance.
const FIRST: f32 = 0.1;

/// Steps after which their lengths are set anew. At every third the point before the step to the clean sample is asked
/// about, too.
const WINDOW: usize = 15;
const ROUND_EVERY: usize = 3;

/// What lengths are multiplied or divided by, and the success rates beyond which they are: of the step round the clean
/// sample, and of the whole step.
const ADAPTATION: f32 = 1.5;
const ROUND_RATES: (f32, f32) = (0.2, 0.5);
const WHOLE_RATES: (f32, f32) = (0.1, 0.25);

/// The boundary attack in L2 with `queries` queries a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boundary {
    pub queries: usize,
}

impl LabelsOnly for Boundary {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Labels) -> Result<(), Error> {
        Oracle::spend(self.queries, search, target, walk)
    }
}

fn walk(oracle: &mut Oracle<'_, '_>) -> Result<(), Halt> {
    let first = start(oracle)?;
    let mut x = to_boundary(&first, ROUNDS, oracle)?;
    let mut round = Length::new(oracle.search)?;
    let mut inward = Length::new(oracle.search)?;
    for turn in 1usize.. {
        let search = &*oracle.search;
        let distance = distance_rows(&x, &search.x0, Reduce::L2)?;
        let beside = beside(&x, &distance, &round.now, turn, search)?;
        let nearer = nearer(&beside, &distance, &inward.now, search)?;
        if turn.is_multiple_of(ROUND_EVERY) {
            let wrong = oracle.wrong(&beside)?;
            round.note(&wrong, oracle.search)?;
        }
        let wrong = oracle.wrong(&nearer)?;
        inward.note(&wrong, oracle.search)?;
        let mut kept = distance;
        let here = distance_rows(&nearer, &oracle.search.x0, Reduce::L2)?;
        let closer = keep_lower(&mut kept, &here)?;
        select(&mut x, &nearer, &both(&wrong, &closer)?)?;
        if turn.is_multiple_of(WINDOW) {
            let count = (WINDOW / ROUND_EVERY) as f32;
            round.adapt(count, ROUND_RATES, oracle.search)?;
            inward.adapt(WINDOW as f32, WHOLE_RATES, oracle.search)?;
        }
    }
    Ok(())
}

/// A random point at the same distance from the clean sample: a step of the share `length` of it, at right angles.
fn beside(
    x: &Array,
    distance: &Array,
    length: &Array,
    turn: usize,
    search: &Search<'_>,
) -> Result<Array, Error> {
    let mut out = x.copy()?;
    combine(&mut out, 1.0, &search.x0, -1.0)?;
    let mut unit = out.copy()?;
    normalise(&mut unit)?;
    let mut u = noise(
        &search.ids,
        x.cols(),
        Noise::Normal,
        search.seed,
        turn as u32,
    )?;
    let along = scaled(&dot_rows(&u, &unit)?, -1.0)?;
    combine(&mut u, 1.0, &unit, &along)?;
    normalise(&mut u)?;
    let mut step = length.copy()?;
    zip(&mut step, Zip::Multiply, distance)?;
    combine(&mut out, 1.0, &u, &step)?;
    normalise(&mut out)?;
    combine(&mut out, distance, &search.x0, 1.0)?;
    clip(&mut out, search)?;
    Ok(out)
}

/// From `x` towards the clean sample, to the share 1 - `length` of `distance`, or not at all if it is nearer already.
fn nearer(
    x: &Array,
    distance: &Array,
    length: &Array,
    search: &Search<'_>,
) -> Result<Array, Error> {
    let mut out = x.copy()?;
    combine(&mut out, 1.0, &search.x0, -1.0)?;
    let mut share = reduce_rows(&out, Reduce::L2)?;
    map(&mut share, Map::Reciprocal)?;
    let (scale, shift) = (-1.0, 1.0);
    let mut wanted = length.copy()?;
    map(&mut wanted, Map::Affine { scale, shift })?;
    zip(&mut share, Zip::Multiply, &wanted)?;
    zip(&mut share, Zip::Multiply, distance)?;
    map(&mut share, Map::Clamp { lo: 0.0, hi: 1.0 })?;
    combine(&mut out, &share, &search.x0, 1.0)?;
    Ok(out)
}

/// The length of a step, by sample, and how often it has succeeded since it was set.
struct Length {
    now: Array,
    successes: Array,
}

impl Length {
    fn new(search: &Search<'_>) -> Result<Self, Error> {
        Ok(Self {
            now: column(search, FIRST)?,
            successes: column(search, 0.0)?,
        })
    }

    fn note(&mut self, wrong: &Array<u32>, search: &Search<'_>) -> Result<(), Error> {
        let more = choose(&column(search, 1.0)?, &column(search, 0.0)?, wrong)?;
        Ok(combine(&mut self.successes, 1.0, &more, 1.0)?)
    }

    /// Longer where more than `high` of `count` steps succeeded, shorter where fewer than `low` did.
    fn adapt(
        &mut self,
        count: f32,
        (low, high): (f32, f32),
        search: &Search<'_>,
    ) -> Result<(), Error> {
        let few = keep_lower(&mut column(search, low * count)?, &self.successes)?;
        let many = keep_lower(&mut self.successes.copy()?, &column(search, high * count)?)?;
        let (shorter, longer) = (
            scaled(&self.now, 1.0 / ADAPTATION)?,
            scaled(&self.now, ADAPTATION)?,
        );
        select(&mut self.now, &shorter, &few)?;
        select(&mut self.now, &longer, &many)?;
        map(&mut self.now, Map::Clamp { lo: 0.0, hi: 1.0 })?;
        self.successes = column(search, 0.0)?;
        Ok(())
    }
}
