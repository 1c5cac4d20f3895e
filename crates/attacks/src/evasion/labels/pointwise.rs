//! Pointwise attack: elements of a misclassified point are set back to the clean sample, as long as it stays misclassified;
//! many at once first, then halves of those and so on down to single elements.
//!
//! Schott et al. 2019, <https://arxiv.org/abs/1805.09190>, where elements are set back one by one, from salt and pepper.

use scoville_kernels::{
    Array, Map, Noise, Norm, Reduce, Zip, combine, keep_largest, map, noise, reduce_rows, select,
    zip,
};
use scoville_targets::Labels;

use super::start::mixed;
use super::{Halt, Oracle, choose, clip, column, scaled};
use crate::registry::{Access, Algorithm, BLACK_BOX, Row, whole};
use crate::search::gather_in_place;
use crate::{Budget, Error, LabelsOnly, Search};

pub const ROW: Row = Row {
    name: "pointwise",
    summary: "Sets elements of a misclassified point back, many at once first, then ever fewer",
    technique: BLACK_BOX,
    access: Access::Labels,
    budget: Budget::Ball(&[Norm::L1, Norm::L0]),
    least_classes: 2,
    parameters: &[whole("queries", 1000.0, 1e7, "most queries about a sample")],
    paper: "Schott 2019, arXiv:1805.09190",
    build: |v| {
        Algorithm::LabelsOnly(Box::new(Pointwise {
            queries: v.whole("queries"),
        }))
    },
};

/// Queries for the start.
const TRIES: usize = 40;
/// After a point that worked, as large a share of its elements is salted next; after one that did not, the square root of the
/// last, but never more than [`MOST`].
const LESS: f32 = 0.5;
const MOST: f32 = 0.9;
/// New salt for as many elements as are changed, times this.
const MORE: f32 = 2.0;
/// Keeps these random numbers apart from those of the random images.
const STREAM: u32 = 1 << 30;

/// The pointwise attack with `queries` queries a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pointwise {
    pub queries: usize,
}

impl LabelsOnly for Pointwise {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Labels) -> Result<(), Error> {
        Oracle::spend(self.queries, search, target, walk)
    }
}

/// Sets back part after part; where all parts of a size were tried, those of half the size, down to single elements. What can
/// lose no more is salted anew, and it begins again.
fn walk(oracle: &mut Oracle<'_, '_>) -> Result<(), Halt> {
    let mut change = salted(oracle)?;
    let mut part = Part::all(&change, oracle.search)?;
    for attempt in TRIES + 1.. {
        let resting = part.resting()?;
        let mut other = part.set_back(&change)?;
        let salt = more(&change, &resting, attempt, oracle.search)?;
        combine(&mut other, 1.0, &salt, 1.0)?;
        let wrong = oracle.wrong(&changed(&other, oracle.search)?)?;
        select(&mut change, &other, &wrong)?;
        part.advance(&wrong, &change, &resting)?;
    }
    Ok(())
}

/// New salt for the samples that are `resting`, on elements that are as yet unchanged: twice as many as are changed.
fn more(
    change: &Array,
    resting: &Array,
    attempt: usize,
    search: &Search<'_>,
) -> Result<Array, Error> {
    let mut share = reduce_rows(change, Reduce::L0)?;
    zip(&mut share, Zip::Multiply, resting)?;
    let share = scaled(&share, MORE / change.cols() as f32)?;
    let mut salt = sprinkled(&share, attempt, search)?;
    let mut unchanged = nonzero(change)?;
    flip(&mut unchanged)?;
    zip(&mut salt, Zip::Multiply, &unchanged)?;
    Ok(salt)
}

/// What takes the clean sample to a misclassified point that differs in few elements, each of those at an end of the range (salt
/// and pepper): fewer and fewer, drawn afresh for every query. As long as a sample has none, every other query is about a
/// random image. Samples for which nothing is found leave the batch.
fn salted(oracle: &mut Oracle<'_, '_>) -> Result<Array, Halt> {
    let x0 = &oracle.search.x0;
    let mut change = Array::zeros(&x0.device(), x0.rows(), x0.cols())?;
    let mut found = Array::zeros(&x0.device(), x0.rows(), 1)?;
    let mut share = column(oracle.search, 1.0)?;
    let mut less = column(oracle.search, 1.0)?;
    for attempt in 0..TRIES {
        let mut tried = share.copy()?;
        zip(&mut tried, Zip::Multiply, &less)?;
        let mut fewer = sprinkled(&tried, attempt, oracle.search)?;
        if attempt % 2 == 1 {
            let mut image = mixed(&column(oracle.search, 1.0)?, attempt, oracle.search)?;
            combine(&mut image, 1.0, &oracle.search.x0, -1.0)?;
            fewer = choose(&fewer, &image, &found)?;
        }
        let wrong = oracle.wrong(&changed(&fewer, oracle.search)?)?;
        select(&mut change, &fewer, &wrong)?;
        select(&mut found, &wrong, &wrong)?;
        select(&mut share, &tried, &wrong)?;
        map(&mut less, Map::Sqrt)?;
        map(&mut less, Map::Clamp { lo: 0.0, hi: MOST })?;
        select(&mut less, &column(oracle.search, LESS)?, &wrong)?;
    }
    let rows = oracle.search.give_up(&found)?;
    gather_in_place(&mut change, &rows)?;
    Ok(change)
}

/// What sets a share (n x 1) of the clean sample's elements to either end of the range.
fn sprinkled(share: &Array, attempt: usize, search: &Search<'_>) -> Result<Array, Error> {
    let (lo, hi) = (search.ball.lo, search.ball.hi);
    let mut change = drawn(Noise::Sign, 2 * attempt, search)?;
    let (scale, shift) = (0.5 * (hi - lo), 0.5 * (hi + lo));
    map(&mut change, Map::Affine { scale, shift })?;
    combine(&mut change, 1.0, &search.x0, -1.0)?;
    let mut salted = drawn(Noise::Uniform, 2 * attempt + 1, search)?;
    keep_largest(&mut salted, &scaled(share, change.cols() as f32)?)?;
    map(&mut salted, Map::Sign)?;
    zip(&mut change, Zip::Multiply, &salted)?;
    Ok(change)
}

fn drawn(kind: Noise, stream: usize, search: &Search<'_>) -> Result<Array, Error> {
    let stream = STREAM + stream as u32;
    Ok(noise(
        &search.ids,
        search.x0.cols(),
        kind,
        search.seed,
        stream,
    )?)
}

/// The clean sample with a change.
fn changed(change: &Array, search: &Search<'_>) -> Result<Array, Error> {
    let mut x = change.copy()?;
    combine(&mut x, 1.0, &search.x0, 1.0)?;
    clip(&mut x, search)?;
    Ok(x)
}

/// Which of the changed elements are set back next: counted by `order`, the largest first, those from the `first` on, `size` of
/// them (n x 1 each). Where `size` is 0, all were tried.
struct Part {
    order: Array,
    first: Array,
    size: Array,
}

impl Part {
    fn all(change: &Array, search: &Search<'_>) -> Result<Self, Error> {
        Ok(Self {
            order: drawn(Noise::Uniform, 2 * TRIES, search)?,
            first: column(search, 0.0)?,
            size: reduce_rows(change, Reduce::L0)?,
        })
    }

    /// 1 where all were tried, else 0.
    fn resting(&self) -> Result<Array, Error> {
        let mut resting = self.size.copy()?;
        map(&mut resting, Map::Sign)?;
        flip(&mut resting)?;
        Ok(resting)
    }

    /// The change without this part.
    fn set_back(&self, change: &Array) -> Result<Array, Error> {
        let mut until = self.first.copy()?;
        combine(&mut until, 1.0, &self.size, 1.0)?;
        let mut part = nonzero(change)?;
        zip(&mut part, Zip::Multiply, &self.order)?;
        let mut before = part.copy()?;
        keep_largest(&mut before, &self.first)?;
        keep_largest(&mut part, &until)?;
        combine(&mut part, 1.0, &before, -1.0)?;
        map(&mut part, Map::Sign)?;
        flip(&mut part)?;
        zip(&mut part, Zip::Multiply, change)?;
        Ok(part)
    }

    /// To the next part: it begins where this one did if that was set back, else behind it; behind the last of this size, the
    /// first of half the size follows. Where all were tried and new salt works, all.
    fn advance(
        &mut self,
        wrong: &Array<u32>,
        change: &Array,
        resting: &Array,
    ) -> Result<(), Error> {
        let changed = reduce_rows(change, Reduce::L0)?;
        let mut behind = self.first.copy()?;
        combine(&mut behind, 1.0, &self.size, 1.0)?;
        self.first = choose(&self.first, &behind, wrong)?;
        let mut left = changed.copy()?;
        combine(&mut left, 1.0, &self.first, -1.0)?;
        // 1 where elements are left behind the part, else 0.
        map(&mut left, Map::Sign)?;
        map(&mut left, Map::Clamp { lo: 0.0, hi: 1.0 })?;
        zip(&mut self.first, Zip::Multiply, &left)?;
        let (scale, shift) = (0.5, 0.5);
        map(&mut left, Map::Affine { scale, shift })?;
        zip(&mut self.size, Zip::Multiply, &left)?;
        map(&mut self.size, Map::Round)?;
        let mut all = changed;
        zip(&mut all, Zip::Multiply, resting)?;
        combine(&mut all, 1.0, &self.size, 1.0)?;
        Ok(select(&mut self.size, &all, wrong)?)
    }
}

/// 1 where an element is not 0, else 0.
fn nonzero(x: &Array) -> Result<Array, Error> {
    let mut x = x.copy()?;
    map(&mut x, Map::Sign)?;
    map(&mut x, Map::Abs)?;
    Ok(x)
}

/// `1 - x`.
fn flip(x: &mut Array) -> Result<(), Error> {
    let (scale, shift) = (-1.0, 1.0);
    Ok(map(x, Map::Affine { scale, shift })?)
}
