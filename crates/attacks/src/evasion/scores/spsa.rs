//! SPSA: the gradient of the margin is estimated from differences along random signs, each taken both ways, and followed
//! by Adam.
//!
//! Uesato et al. 2018, <https://arxiv.org/abs/1802.05666>.

use scoville_kernels::{Array, Map, Noise, map};
use scoville_targets::Scores;

use super::nes::estimate;
use super::{ask, compact};
use crate::parts::{Adam, into_balls};
use crate::registry::{Access, Algorithm, BLACK_BOX, LINF, Row, real, whole};
use crate::{BlackBox, Error, Search};

pub const ROW: Row = Row {
    name: "spsa",
    summary: "Follows a gradient estimated from scores along random signs, by Adam",
    technique: BLACK_BOX,
    access: Access::Scores,
    budget: LINF,
    least_classes: 2,
    parameters: &[
        whole("queries", 1000.0, 1e7, "most queries about a sample"),
        whole(
            "directions",
            16.0,
            1e5,
            "random directions for each estimate, asked about both ways",
        ),
        real(
            "reach",
            0.01,
            (1e-6, 1.0),
            "how far each element is moved for that, in pixel units",
        ),
        real(
            "rate",
            0.3,
            (1e-6, 10.0),
            "length of a step of Adam, in eps",
        ),
    ],
    paper: "Uesato 2018, arXiv:1802.05666",
    build: |v| {
        Algorithm::BlackBox(Box::new(Spsa {
            queries: v.whole("queries"),
            directions: v.whole("directions"),
            reach: v.real("reach"),
            rate: v.real("rate"),
        }))
    },
};

/// SPSA: each step asks at `directions` corners of a cube of half side `reach` and at their opposites, and where it leads;
/// at least one step, and as many as `queries` queries a sample allow. Adam's rate is the share `rate` of eps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spsa {
    pub queries: usize,
    pub directions: usize,
    pub reach: f32,
    pub rate: f32,
}

impl BlackBox for Spsa {
    fn run(&self, search: &mut Search<'_>, target: &dyn Scores) -> Result<(), Error> {
        let mut x = search.x0.copy()?;
        let mut adam = Adam::new(search, self.rate * search.ball.eps)?;
        for turn in 0..(self.queries / (2 * self.directions + 1)).max(1) {
            let [mean, square] = adam.moments();
            if compact(search, &mut [&mut x, mean, square])? {
                return Ok(());
            }
            let streams = turn * self.directions..(turn + 1) * self.directions;
            let mut gradient = estimate(&x, Noise::Sign, self.reach, streams, search, target)?;
            let scale = -1.0 / (2.0 * self.directions as f32 * self.reach);
            map(&mut gradient, Map::Affine { scale, shift: 0.0 })?;
            adam.descend(&mut x, gradient)?;
            let radius = Array::filled(&search.device(), x.rows(), 1, search.ball.eps)?;
            into_balls(&mut x, &radius, search)?;
            ask(&x, search, target)?;
        }
        Ok(())
    }
}
