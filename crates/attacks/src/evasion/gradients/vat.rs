//! The virtual adversarial direction: along which the answer, as probabilities, changes fastest, whatever the label; found by power
//! iteration on the divergence of the answers.
//!
//! Miyato et al. 2015, <https://arxiv.org/abs/1507.00677>.

use scoville_kernels::{
    Array, Loss, Map, Noise, Reduce, Zip, combine, head, map, noise, reduce_rows, step, zip,
};
use scoville_targets::Gradients;

use crate::registry::{Access, Algorithm, BOTH, Row, WHITE_BOX, real, whole};
use crate::{Error, Search, WhiteBox};

pub const ROW: Row = Row {
    name: "vat",
    summary: "Steps of eps both ways along the line on which the answer changes fastest",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: BOTH,
    least_classes: 2,
    parameters: &[
        whole(
            "steps",
            10.0,
            1e6,
            "rounds of power iteration that find the direction",
        ),
        real(
            "probe",
            0.1,
            (1e-6, 10.0),
            "distance in L2 at which answers are compared, in pixel units",
        ),
    ],
    paper: "Miyato 2015, arXiv:1507.00677",
    build: |v| {
        Algorithm::WhiteBox(Box::new(Vat {
            steps: v.whole("steps"),
            probe: v.real("probe"),
        }))
    },
};

/// The virtual adversarial method: `steps` rounds of power iteration from a random direction, each of which looks at L2 distance
/// `probe`, then eps that way and the opposite way, for the divergence is the same near the sample. A round costs a
/// gradient evaluation and a query; the two points a query each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vat {
    pub steps: usize,
    pub probe: f32,
}

impl WhiteBox for Vat {
    fn has_aim(&self) -> bool {
        false
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let cols = search.x0.cols();
        let mut way = noise(&search.ids, cols, Noise::Normal, search.seed, 0)?;
        for _ in 0..self.steps {
            search.heed_stop()?;
            self.shorten(&mut way)?;
            combine(&mut way, 1.0, &search.x0, 1.0)?;
            way = target.divergence(&way, &search.x0)?;
        }
        for side in [1.0, -1.0] {
            let mut x = search.x0.copy()?;
            step(
                &mut x,
                &search.x0,
                &way,
                side * search.ball.eps,
                &search.ball,
            )?;
            let answer = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
            search.offer(&x, &answer.predicted)?;
        }
        Ok(())
    }
}

impl Vat {
    /// Brings each row to L2 norm `probe`.
    fn shorten(&self, way: &mut Array) -> Result<(), Error> {
        let mut length = reduce_rows(way, Reduce::L2)?;
        map(&mut length, Map::Reciprocal)?;
        let (scale, shift) = (self.probe, 0.0);
        map(&mut length, Map::Affine { scale, shift })?;
        Ok(zip(way, Zip::Multiply, &length)?)
    }
}
