//! Natural evolution strategies: the gradient of the margin is estimated from differences along random directions, each
//! taken both ways, and followed with momentum.
//!
//! Ilyas et al. 2018, <https://arxiv.org/abs/1804.08598>.

use scoville_kernels::{Array, Noise, combine, noise, step};
use scoville_targets::Scores;

use super::{ask, behind, compact};
use crate::registry::{Access, Algorithm, BLACK_BOX, BOTH, Row, real, whole};
use crate::{BlackBox, Error, Search};

pub const ROW: Row = Row {
    name: "nes",
    summary: "Follows a gradient estimated from scores along random directions, with momentum",
    technique: BLACK_BOX,
    access: Access::Scores,
    budget: BOTH,
    least_classes: 2,
    parameters: &[
        whole("queries", 1000.0, 1e7, "most queries about a sample"),
        whole(
            "directions",
            10.0,
            1e5,
            "random directions for each estimate, asked about both ways",
        ),
        real(
            "sigma",
            0.01,
            (1e-6, 1.0),
            "standard deviation of those directions, in pixel units",
        ),
        real("step", 0.2, (1e-6, 10.0), "length of a step, in eps"),
        real(
            "decay",
            0.9,
            (0.0, 1.0),
            "share of the direction so far that a step keeps",
        ),
    ],
    paper: "Ilyas 2018, arXiv:1804.08598",
    build: |v| {
        Algorithm::BlackBox(Box::new(Nes {
            queries: v.whole("queries"),
            directions: v.whole("directions"),
            sigma: v.real("sigma"),
            step: v.real("step"),
            decay: v.real("decay"),
        }))
    },
};

/// NES: each step asks at `directions` normal directions of standard deviation `sigma`, both ways, and where it leads; at
/// least one step, and as many as `queries` queries a sample allow. A step is the share `step` of eps, along the estimates
/// so far, each counting `decay` of the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nes {
    pub queries: usize,
    pub directions: usize,
    pub sigma: f32,
    pub step: f32,
    pub decay: f32,
}

impl BlackBox for Nes {
    fn run(&self, search: &mut Search<'_>, target: &dyn Scores) -> Result<(), Error> {
        let mut x = search.x0.copy()?;
        let mut velocity = Array::zeros(&search.device(), x.rows(), x.cols())?;
        for turn in 0..(self.queries / (2 * self.directions + 1)).max(1) {
            if compact(search, &mut [&mut x, &mut velocity])? {
                return Ok(());
            }
            let streams = turn * self.directions..(turn + 1) * self.directions;
            let gradient = estimate(&x, Noise::Normal, self.sigma, streams, search, target)?;
            combine(&mut velocity, self.decay, &gradient, 1.0 - self.decay)?;
            let length = self.step * search.ball.eps;
            step(&mut x, &search.x0, &velocity, length, &search.ball)?;
            ask(&x, search, target)?;
        }
        Ok(())
    }
}

/// The gradient of how far the label is behind, up to a factor: the sum over random directions u, one a stream, of u times
/// the difference between `x + reach u` and `x - reach u`.
pub(super) fn estimate(
    x: &Array,
    kind: Noise,
    reach: f32,
    streams: std::ops::Range<usize>,
    search: &Search<'_>,
    target: &dyn Scores,
) -> Result<Array, Error> {
    let mut gradient = Array::zeros(&search.device(), x.rows(), x.cols())?;
    for stream in streams {
        let u = noise(&search.ids, x.cols(), kind, search.seed, stream as u32)?;
        let difference = difference(x, &u, reach, search, target)?;
        combine(&mut gradient, 1.0, &u, &difference)?;
    }
    Ok(gradient)
}

/// How much further the label is behind at `x + reach u` than at `x - reach u`, by sample. Two queries.
pub(super) fn difference(
    x: &Array,
    u: &Array,
    reach: f32,
    search: &Search<'_>,
    target: &dyn Scores,
) -> Result<Array, Error> {
    let at = |reach| {
        let mut probe = x.copy()?;
        combine(&mut probe, 1.0, u, reach)?;
        behind(&probe, search, target)
    };
    let mut difference = at(reach)?;
    combine(&mut difference, 1.0, &at(-reach)?, -1.0)?;
    Ok(difference)
}
