//! GeoDA: the boundary is taken for a plane, whose normal is estimated from the labels of points of low frequency nearby;
//! where the normal through the clean sample crosses the boundary is the next point.
//!
//! Rahmati et al. 2020, <https://arxiv.org/abs/2003.06468>.

use scoville_kernels::{Array, Waves, combine, distance_rows, keep_lower, select};
use scoville_targets::Labels;

use super::{Halt, Oracle, away, bisect, both, clip, column, not, scaled, start, to_boundary};
use crate::registry::{Access, Algorithm, BLACK_BOX, BOTH, Row, whole};
use crate::{Error, LabelsOnly, Search};

pub const ROW: Row = Row {
    name: "geoda",
    summary: "Takes the boundary for a plane; labels at low frequencies estimate its normal",
    technique: BLACK_BOX,
    access: Access::Labels,
    budget: BOTH,
    least_classes: 2,
    parameters: &[
        whole("queries", 1000.0, 1e7, "most queries about a sample"),
        whole(
            "directions",
            40.0,
            1e5,
            "random directions for the first estimate, more for later ones",
        ),
        whole(
            "frequencies",
            10.0,
            1e4,
            "most frequencies along each side of the image",
        ),
    ],
    paper: "Rahmati 2020, arXiv:2003.06468",
    build: |v| {
        Algorithm::LabelsOnly(Box::new(GeoDa {
            queries: v.whole("queries"),
            directions: v.whole("directions"),
            frequencies: v.whole("frequencies"),
        }))
    },
};

/// Rounds of a bisection.
const ROUNDS: usize = 14;

/// How far the random points are from the boundary, as a share of the distance. It must tell in spite of the bisection's
/// error.
const REACH: f32 = 0.02;

/// Each estimate asks at so many more points than the one before: the paper's 0.6^(-2/3).
const GROWTH: f64 = 1.4;

/// Where a point beyond the boundary is looked for along a normal, as multiples of the distance.
const BEYOND: [f32; 3] = [1.0, 1.5, 2.5];

/// GeoDA with `queries` queries a sample, `directions` of them for the first estimate, of at most so many `frequencies` a
/// side of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GeoDa {
    pub queries: usize,
    pub directions: usize,
    pub frequencies: usize,
}

impl LabelsOnly for GeoDa {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Labels) -> Result<(), Error> {
        let waves = Waves::new(&search.device(), search.image, self.frequencies)?;
        Oracle::spend(self.queries, search, target, |oracle| {
            self.walk(&waves, oracle)
        })
    }
}

impl GeoDa {
    fn walk(&self, waves: &Waves, oracle: &mut Oracle<'_, '_>) -> Result<(), Halt> {
        let first = start(oracle)?;
        let mut x = to_boundary(&first, ROUNDS, oracle)?;
        let (mut stream, mut directions) = (0, self.directions as f64);
        loop {
            let norm = oracle.search.ball.norm.try_into()?;
            let mut distance = distance_rows(&x, &oracle.search.x0, norm)?;
            let length = distance_rows(&x, &oracle.search.x0, scoville_kernels::Reduce::L2)?;
            let streams = stream..stream + directions as usize;
            stream = streams.end;
            directions *= GROWTH;
            let normal = away(&x, &scaled(&length, REACH)?, streams, Some(waves), oracle)?;
            let there = along(&normal, &distance, oracle)?;
            let far = distance_rows(&there, &oracle.search.x0, norm)?;
            let nearer = keep_lower(&mut distance, &far)?;
            select(&mut x, &there, &nearer)?;
        }
    }
}

/// Where the way from the clean sample along `normal` crosses the boundary, for `distance` and a little beyond; far away
/// where it does not.
fn along(normal: &Array, distance: &Array, oracle: &mut Oracle<'_, '_>) -> Result<Array, Halt> {
    let at = |far: &Array, search: &Search<'_>| -> Result<Array, Error> {
        let mut x = search.x0.copy()?;
        combine(&mut x, 1.0, normal, far)?;
        clip(&mut x, search)?;
        Ok(x)
    };
    let mut high = column(oracle.search, f32::MAX)?;
    let mut open = Array::filled(&normal.device(), normal.rows(), 1, 1)?;
    for multiple in BEYOND {
        let far = scaled(distance, multiple)?;
        let wrong = oracle.wrong(&at(&far, oracle.search)?)?;
        select(&mut high, &far, &both(&wrong, &open)?)?;
        open = both(&open, &not(&wrong)?)?;
    }
    let crossing = bisect(column(oracle.search, 0.0)?, high, ROUNDS, oracle, at)?;
    Ok(at(&crossing, oracle.search)?)
}
