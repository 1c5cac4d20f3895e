//! Sign-OPT: how far the boundary is along a direction is lowered by steps against the mean of random directions, each
//! counting by whether the boundary is nearer or farther that way, which one query tells.
//!
//! Cheng et al. 2020, <https://arxiv.org/abs/1909.10773>.

use scoville_kernels::{Array, Noise, Reduce, combine, distance_rows, noise, select};
use scoville_targets::Labels;

use super::{Halt, Oracle, bisect, clip, column, normalise, scaled, sides, start, to_boundary};
use crate::registry::{Access, Algorithm, BLACK_BOX, L2, Row, whole};
use crate::{Error, LabelsOnly, Search};

pub const ROW: Row = Row {
    name: "sign-opt",
    summary: "Turns a direction so that the boundary comes nearer, by one label for each try",
    technique: BLACK_BOX,
    access: Access::Labels,
    budget: L2,
    least_classes: 2,
    parameters: &[
        whole("queries", 1000.0, 1e7, "most queries about a sample"),
        whole(
            "directions",
            100.0,
            1e5,
            "random directions for each estimate",
        ),
    ],
    paper: "Cheng 2020, arXiv:1909.10773",
    build: |v| {
        Algorithm::LabelsOnly(Box::new(SignOpt {
            queries: v.whole("queries"),
            directions: v.whole("directions"),
        }))
    },
};

/// Rounds of the first bisection, of those that compare steps, and of the last after each.
const ROUNDS: usize = 14;
const COARSE_ROUNDS: usize = 4;
const FINE_ROUNDS: usize = 8;

/// How much nearer than before a boundary is looked for: the bisection begins at this share of the distance.
const NEAREST: f32 = 0.5;

/// How far the random directions lead away from the present one. It must tell in spite of the bisection's error, about
/// 1e-4.
const REACH: f32 = 0.02;

/// Step lengths that are tried, as multiples of the last that was best; and what that becomes where none was.
const LENGTHS: [f32; 4] = [4.0, 2.0, 1.0, 0.5];
const SHORTER: f32 = 0.25;
const FIRST_LENGTH: f32 = 0.2;

/// Sign-OPT in L2 with `queries` queries a sample, `directions` of them for each estimate of a gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignOpt {
    pub queries: usize,
    pub directions: usize,
}

impl LabelsOnly for SignOpt {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Labels) -> Result<(), Error> {
        Oracle::spend(self.queries, search, target, |oracle| self.walk(oracle))
    }
}

impl SignOpt {
    fn walk(&self, oracle: &mut Oracle<'_, '_>) -> Result<(), Halt> {
        let mut ray = Ray::first(oracle)?;
        let mut length = column(oracle.search, FIRST_LENGTH)?;
        for turn in 0.. {
            let streams = turn * self.directions..(turn + 1) * self.directions;
            let nearer = ray.nearer(streams, oracle)?;
            length = ray.turn(&nearer, &length, oracle)?;
        }
        Ok(())
    }
}

/// A direction from each clean sample (unit rows), and how far the boundary is that way (n x 1).
struct Ray {
    direction: Array,
    distance: Array,
}

impl Ray {
    fn first(oracle: &mut Oracle<'_, '_>) -> Result<Self, Halt> {
        let first = start(oracle)?;
        let mut direction = to_boundary(&first, ROUNDS, oracle)?;
        let distance = distance_rows(&direction, &oracle.search.x0, Reduce::L2)?;
        combine(&mut direction, 1.0, &oracle.search.x0, -1.0)?;
        normalise(&mut direction)?;
        Ok(Self {
            direction,
            distance,
        })
    }

    /// The direction, of length 1, in which the boundary comes nearer.
    fn nearer(
        &self,
        streams: std::ops::Range<usize>,
        oracle: &mut Oracle<'_, '_>,
    ) -> Result<Array, Halt> {
        let (rows, cols) = (self.direction.rows(), self.direction.cols());
        let mut nearer = Array::zeros(&self.direction.device(), rows, cols)?;
        for stream in streams {
            let search = &*oracle.search;
            let mut u = noise(&search.ids, cols, Noise::Normal, search.seed, stream as u32)?;
            normalise(&mut u)?;
            let turned = turned(&self.direction, &u, &column(search, REACH)?)?;
            let wrong = oracle.wrong(&at(&turned, &self.distance, search)?)?;
            let side = sides(&wrong, oracle.search)?;
            combine(&mut nearer, 1.0, &u, &side)?;
        }
        normalise(&mut nearer)?;
        Ok(nearer)
    }

    /// Turns by the multiple of `length` that brings the boundary nearest, if any does; gives the next length.
    fn turn(
        &mut self,
        nearer: &Array,
        length: &Array,
        oracle: &mut Oracle<'_, '_>,
    ) -> Result<Array, Halt> {
        let from = self.direction.copy()?;
        let mut next = scaled(length, SHORTER)?;
        for multiple in LENGTHS {
            let tried = scaled(length, multiple)?;
            let turned = turned(&from, nearer, &tried)?;
            let wrong = oracle.wrong(&at(&turned, &self.distance, oracle.search)?)?;
            let low = scaled(&self.distance, NEAREST)?;
            let high = self.distance.copy()?;
            let found = bisect(low, high, COARSE_ROUNDS, oracle, |far, search| {
                at(&turned, far, search)
            })?;
            select(&mut self.direction, &turned, &wrong)?;
            select(&mut self.distance, &found, &wrong)?;
            select(&mut next, &tried, &wrong)?;
        }
        let error = (1.0 - NEAREST) * 0.5f32.powi(COARSE_ROUNDS as i32);
        let (low, high) = (
            scaled(&self.distance, 1.0 - 2.0 * error)?,
            self.distance.copy()?,
        );
        let direction = &self.direction;
        self.distance = bisect(low, high, FINE_ROUNDS, oracle, |far, search| {
            at(direction, far, search)
        })?;
        Ok(next)
    }
}

/// `direction + length u`, of length 1.
fn turned(direction: &Array, u: &Array, length: &Array) -> Result<Array, Error> {
    let mut turned = direction.copy()?;
    combine(&mut turned, 1.0, u, length)?;
    normalise(&mut turned)?;
    Ok(turned)
}

/// The point at `distance` along `direction`.
fn at(direction: &Array, distance: &Array, search: &Search<'_>) -> Result<Array, Error> {
    let mut x = search.x0.copy()?;
    combine(&mut x, 1.0, direction, distance)?;
    clip(&mut x, search)?;
    Ok(x)
}
