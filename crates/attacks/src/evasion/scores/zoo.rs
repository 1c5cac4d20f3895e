//! ZOO: Carlini and Wagner's loss without a gradient. A few coordinates at a time are differenced, and moved by Adam.
//!
//! Chen et al. 2017, <https://arxiv.org/abs/1708.03999>.

use scoville_kernels::{Array, Ball, Loss, Map, combine, head, map, one_hot};
use scoville_targets::Scores;

use super::nes::difference;
use crate::parts::Adam;
use crate::registry::{Access, Algorithm, BLACK_BOX, L2, Row, real, whole};
use crate::{BlackBox, Error, Search};

pub const ROW: Row = Row {
    name: "zoo",
    summary: "The loss of cw from scores: differences a few elements at a time, moved by Adam",
    technique: BLACK_BOX,
    access: Access::Scores,
    budget: L2,
    least_classes: 2,
    parameters: &[
        whole("queries", 5000.0, 1e7, "most queries about a sample"),
        whole("coordinates", 128.0, 1e5, "elements that a step moves"),
        real(
            "constant",
            10.0,
            (1e-6, 1e6),
            "weight of the margin against the squared distance",
        ),
        real(
            "rate",
            0.03,
            (1e-6, 10.0),
            "length of a step of Adam, in pixel units",
        ),
    ],
    paper: "Chen 2017, arXiv:1708.03999",
    build: |v| {
        Algorithm::BlackBox(Box::new(Zoo {
            queries: v.whole("queries"),
            coordinates: v.whole("coordinates"),
            constant: v.real("constant"),
            rate: v.real("rate"),
        }))
    },
};

/// How far a coordinate is moved to difference it.
const REACH: f32 = 1e-3;

/// ZOO in L2: Adam at `rate` on `|x - x0|^2 + constant * max(0, margin)`. A step moves `coordinates` random coordinates, none
/// again before all were moved, and costs two queries for each and one where it leads; at least one step, and as many as
/// `queries` queries a sample allow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Zoo {
    pub queries: usize,
    pub coordinates: usize,
    pub constant: f32,
    pub rate: f32,
}

impl BlackBox for Zoo {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Scores) -> Result<(), Error> {
        let mut x = search.x0.copy()?;
        let mut behind = None;
        let coordinates = self.coordinates.min(x.cols());
        let mut adam = Adam::new(search, self.rate)?;
        for turn in 0..(self.queries / (2 * coordinates + 1)).max(1) {
            let steps = turn * coordinates..(turn + 1) * coordinates;
            let (slope, moved) = slope(&x, steps, search, target)?;
            let weight = self.weight(behind.as_ref(), search)?;
            let mut gradient = x.copy()?;
            combine(&mut gradient, 2.0, &search.x0, -2.0)?;
            combine(&mut gradient, 1.0, &slope, &weight)?;
            let time = turn * coordinates / x.cols() + 1;
            adam.descend_at(&mut x, gradient, &moved, time)?;
            let Ball { lo, hi, .. } = search.ball;
            map(&mut x, Map::Clamp { lo, hi })?;
            let answer = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
            search.offer_nearer(&x, &answer.predicted)?;
            behind = Some(answer.loss);
        }
        Ok(())
    }
}

impl Zoo {
    /// What the slope of how far the label is behind counts: -constant where it is ahead, 0 where it is behind.
    fn weight(&self, behind: Option<&Array>, search: &Search<'_>) -> Result<Array, Error> {
        let Some(behind) = behind else {
            return Ok(Array::filled(
                &search.device(),
                search.running(),
                1,
                -self.constant,
            )?);
        };
        let mut weight = behind.copy()?;
        map(&mut weight, Map::Sign)?;
        map(&mut weight, Map::Clamp { lo: -1.0, hi: 0.0 })?;
        let scale = self.constant;
        map(&mut weight, Map::Affine { scale, shift: 0.0 })?;
        Ok(weight)
    }
}

/// The slope of how far the label is behind along some coordinates of each sample, 0 along the others, and a mask of them.
fn slope(
    x: &Array,
    steps: std::ops::Range<usize>,
    search: &Search<'_>,
    target: &dyn Scores,
) -> Result<(Array, Array), Error> {
    let zeros = || Array::zeros(&search.device(), x.rows(), x.cols());
    let (mut slope, mut moved) = (zeros()?, zeros()?);
    for step in steps {
        let e = one_hot(&search.ids, x.cols(), search.seed, step as f32)?;
        let mut change = difference(x, &e, REACH, search, target)?;
        let scale = 0.5 / REACH;
        map(&mut change, Map::Affine { scale, shift: 0.0 })?;
        combine(&mut slope, 1.0, &e, &change)?;
        combine(&mut moved, 1.0, &e, 1.0)?;
    }
    map(&mut moved, Map::Clamp { lo: 0.0, hi: 1.0 })?;
    Ok((slope, moved))
}
