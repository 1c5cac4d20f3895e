//! HopSkipJump: at a point on the boundary the direction away from it is estimated from the labels of random points
//! nearby; a step along it, and a bisection back towards the clean sample, gives the next point.
//!
//! Chen, Jordan & Wainwright 2020, <https://arxiv.org/abs/1904.02144>.

use scoville_kernels::{Array, Norm, combine, distance_rows, select};
use scoville_targets::Labels;

use super::{Halt, Oracle, away, both, clip, column, not, scaled, start, to_boundary};
use crate::registry::{Access, Algorithm, BLACK_BOX, BOTH, Row, whole};
use crate::{Error, LabelsOnly, Search};

pub const ROW: Row = Row {
    name: "hop-skip-jump",
    summary: "Estimates from labels the way across the boundary, leaps, and bisects back to it",
    technique: BLACK_BOX,
    access: Access::Labels,
    budget: BOTH,
    least_classes: 2,
    parameters: &[
        whole("queries", 1000.0, 1e7, "most queries about a sample"),
        whole(
            "directions",
            100.0,
            1e5,
            "random directions for the first estimate, more for later ones",
        ),
    ],
    paper: "Chen 2020, arXiv:1904.02144",
    build: |v| {
        Algorithm::LabelsOnly(Box::new(HopSkipJump {
            queries: v.whole("queries"),
            directions: v.whole("directions"),
        }))
    },
};

/// Tries of a step, each half as long as the one before.
const HALVINGS: usize = 6;

/// HopSkipJump with `queries` queries a sample. The t-th step asks at `directions` times the square root of t points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HopSkipJump {
    pub queries: usize,
    pub directions: usize,
}

impl LabelsOnly for HopSkipJump {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Labels) -> Result<(), Error> {
        Oracle::spend(self.queries, search, target, |oracle| self.walk(oracle))
    }
}

impl HopSkipJump {
    fn walk(&self, oracle: &mut Oracle<'_, '_>) -> Result<(), Halt> {
        let first = start(oracle)?;
        let rounds = rounds(oracle.search);
        let mut x = to_boundary(&first, rounds, oracle)?;
        let mut stream = 0;
        for turn in 1usize.. {
            let search = &*oracle.search;
            let distance = distance_rows(&x, &search.x0, search.ball.norm.try_into()?)?;
            let reach = reach(turn, &distance, search)?;
            let directions = (self.directions as f64 * (turn as f64).sqrt()) as usize;
            let streams = stream..stream + directions;
            stream += directions;
            let away = away(&x, &reach, streams, None, oracle)?;
            let length = scaled(&distance, 1.0 / (turn as f32).sqrt())?;
            let beyond = leap(&x, &away, length, oracle)?;
            x = to_boundary(&beyond, rounds, oracle)?;
        }
        Ok(())
    }
}

/// Queries of a bisection, so that the error is 1 / d^1.5 of the distance in L2 and 1 / d^2 in Linf.
fn rounds(search: &Search<'_>) -> usize {
    let power = if search.ball.norm == Norm::L2 {
        1.5
    } else {
        2.0
    };
    (power * (search.x0.cols() as f64).log2()).ceil() as usize
}

/// How far the random points are from x: a tenth of the input range at first, then the distance over d.
fn reach(turn: usize, distance: &Array, search: &Search<'_>) -> Result<Array, Error> {
    match turn {
        1 => column(search, 0.1 * (search.ball.hi - search.ball.lo)),
        _ => scaled(distance, 1.0 / search.x0.cols() as f32),
    }
}

/// A step of the longest length that is misclassified, among `length` (n x 1) and its halves; `x` where none is.
fn leap(
    x: &Array,
    away: &Array,
    mut length: Array,
    oracle: &mut Oracle<'_, '_>,
) -> Result<Array, Halt> {
    let mut beyond = x.copy()?;
    let mut open = Array::filled(&x.device(), x.rows(), 1, 1)?;
    for _ in 0..HALVINGS {
        let mut point = x.copy()?;
        combine(&mut point, 1.0, away, &length)?;
        clip(&mut point, oracle.search)?;
        let wrong = oracle.wrong(&point)?;
        select(&mut beyond, &point, &both(&wrong, &open)?)?;
        open = both(&open, &not(&wrong)?)?;
        length = scaled(&length, 0.5)?;
    }
    Ok(beyond)
}
