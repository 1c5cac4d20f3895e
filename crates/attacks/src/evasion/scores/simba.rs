//! SimBA: one direction of an orthonormal basis at a time, in random order; a step along it or, failing that, against it
//! is kept if the margin falls. The basis are the pixels, or cosines of low frequency.
//!
//! Guo et al. 2019, <https://arxiv.org/abs/1905.07121>.

use scoville_kernels::{Array, Map, Waves, combine, keep_lower, map, one_hot, select};
use scoville_targets::Scores;

use super::{ask, compact};
use crate::parts::into_balls;
use crate::registry::{Access, Algorithm, BLACK_BOX, BOTH, Row, real, whole};
use crate::{BlackBox, Error, Search};

pub const PIXELS: Row = Row {
    name: "simba",
    summary: "Steps along one element at a time, in random order, kept if the margin falls",
    technique: BLACK_BOX,
    access: Access::Scores,
    budget: BOTH,
    least_classes: 2,
    parameters: &[
        whole("queries", 1000.0, 1e7, "most queries about a sample"),
        real("step", 0.2, (1e-6, 1e3), "length of a step, in pixel units"),
    ],
    paper: "Guo 2019, arXiv:1905.07121",
    build: |v| {
        Algorithm::BlackBox(Box::new(SimBa {
            queries: v.whole("queries"),
            step: v.real("step"),
            frequencies: None,
        }))
    },
};

pub const COSINES: Row = Row {
    name: "simba-dct",
    summary: "As simba, along cosines of low frequency and not single elements",
    technique: BLACK_BOX,
    access: Access::Scores,
    budget: BOTH,
    least_classes: 2,
    parameters: &[
        whole("queries", 1000.0, 1e7, "most queries about a sample"),
        real("step", 0.2, (1e-6, 1e3), "length of a step, in pixel units"),
        whole(
            "frequencies",
            14.0,
            1e4,
            "most frequencies along each side of the image",
        ),
    ],
    paper: "Guo 2019, arXiv:1905.07121",
    build: |v| {
        Algorithm::BlackBox(Box::new(SimBa {
            queries: v.whole("queries"),
            step: v.real("step"),
            frequencies: Some(v.whole("frequencies")),
        }))
    },
};

/// SimBA with `queries` queries a sample and steps of length `step` in pixel units, each taken back into the ball; along
/// pixels, or along cosines of at most so many `frequencies` a side of the image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SimBa {
    pub queries: usize,
    pub step: f32,
    pub frequencies: Option<usize>,
}

impl BlackBox for SimBa {
    fn run(&self, search: &mut Search<'_>, target: &dyn Scores) -> Result<(), Error> {
        let device = search.device();
        let waves = self
            .frequencies
            .map(|most| Waves::new(&device, search.image, most));
        let waves = waves.transpose()?;
        let mut best = search.x0.copy()?;
        let mut margin = ask(&best, search, target)?;
        let mut turn = Turn::new(search)?;
        for _ in 1..self.queries {
            let Turn { number, side } = &mut turn;
            if compact(search, &mut [&mut best, &mut margin, number, side])? {
                return Ok(());
            }
            let mut candidate = direction(&turn, waves.as_ref(), search)?;
            combine(&mut candidate, &turn.side(self.step)?, &best, 1.0)?;
            let radius = Array::filled(&device, search.running(), 1, search.ball.eps)?;
            into_balls(&mut candidate, &radius, search)?;
            let new = ask(&candidate, search, target)?;
            let better = keep_lower(&mut margin, &new)?;
            select(&mut best, &candidate, &better)?;
            turn.next(&better)?;
        }
        Ok(())
    }
}

fn direction(turn: &Turn, waves: Option<&Waves>, search: &Search<'_>) -> Result<Array, Error> {
    let cols = waves.map_or(search.x0.cols(), Waves::coefficients);
    let hot = one_hot(&search.ids, cols, search.seed, &turn.number)?;
    Ok(match waves {
        Some(waves) => waves.images(&hot)?,
        None => hot,
    })
}

/// Where each sample is: some have a second try at a direction while others go on.
struct Turn {
    /// The number of the direction.
    number: Array,
    /// 1 along it, -1 against it.
    side: Array,
}

impl Turn {
    fn new(search: &Search<'_>) -> Result<Self, Error> {
        let (device, n) = (search.device(), search.running());
        Ok(Self {
            number: Array::zeros(&device, n, 1)?,
            side: Array::filled(&device, n, 1, 1.0)?,
        })
    }

    fn side(&self, scale: f32) -> Result<Array, Error> {
        let mut side = self.side.copy()?;
        map(&mut side, Map::Affine { scale, shift: 0.0 })?;
        Ok(side)
    }

    /// The next direction where a step was kept or both sides were tried; the other side elsewhere.
    fn next(&mut self, better: &Array<u32>) -> Result<(), Error> {
        let (device, n) = (self.side.device(), self.side.rows());
        let second = keep_lower(&mut Array::zeros(&device, n, 1)?, &self.side)?;
        let along = Array::filled(&device, n, 1, 1.0)?;
        let mut following = self.number.copy()?;
        combine(&mut following, 1.0, &along, 1.0)?;
        self.side = Array::filled(&device, n, 1, -1.0)?;
        for done in [better, &second] {
            select(&mut self.number, &following, done)?;
            select(&mut self.side, &along, done)?;
        }
        Ok(())
    }
}
