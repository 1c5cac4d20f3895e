//! Decoupled direction and norm: steps along the normalised gradient, each taken back to a sphere that shrinks while the
//! sample is misclassified and grows while it is not.
//!
//! Rony et al. 2019, <https://arxiv.org/abs/1811.09600>.

use scoville_kernels::{Array, Loss, Map, Reduce, combine, head, map, reduce_rows, select};
use scoville_targets::Gradients;

use crate::parts::{cosine, onto_spheres, widest};
use crate::registry::{Access, Algorithm, L2, Row, WHITE_BOX, real, whole};
use crate::{Error, Search, WhiteBox};

pub const ROW: Row = Row {
    name: "ddn",
    summary: "Gradient steps on a sphere that shrinks while misclassified and grows while not",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: L2,
    least_classes: 2,
    parameters: &[
        whole("steps", 100.0, 1e6, "gradient steps"),
        real(
            "gamma",
            0.05,
            (1e-4, 0.9),
            "change of the radius at a step, as a share of it",
        ),
    ],
    paper: "Rony 2019, arXiv:1811.09600",
    build: |v| {
        Algorithm::WhiteBox(Box::new(Ddn {
            steps: v.whole("steps"),
            gamma: v.real("gamma"),
        }))
    },
};

/// The radius of the first sphere, and the lengths of the first and last step.
const FIRST_RADIUS: f32 = 1.0;
const STEP: (f32, f32) = (1.0, 0.01);

/// DDN in L2 with `steps` steps; a sphere's radius changes by the share `gamma`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ddn {
    pub steps: usize,
    pub gamma: f32,
}

impl WhiteBox for Ddn {
    fn is_minimal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let mut x = search.x0.copy()?;
        let mut radius = Array::filled(&search.device(), search.running(), 1, FIRST_RADIUS)?;
        for step in 0..self.steps {
            search.heed_stop()?;
            let seen = target.gradient(&x, &search.y, Loss::CrossEntropy)?;
            let wrong = search.offer_nearer(&x, &seen.predicted)?;
            self.resize(&mut radius, &wrong, search)?;

            let mut length = reduce_rows(&seen.gradient, Reduce::L2)?;
            map(&mut length, Map::Reciprocal)?;
            let scale = cosine(STEP.0, STEP.1, step, self.steps);
            map(&mut length, Map::Affine { scale, shift: 0.0 })?;
            combine(&mut x, 1.0, &seen.gradient, &length)?;
            onto_spheres(&mut x, &radius, search)?;
        }
        let last = head(&target.scores(&x)?, &search.y, Loss::CrossEntropy)?;
        search.offer_nearer(&x, &last.predicted)?;
        Ok(())
    }
}

impl Ddn {
    fn resize(
        &self,
        radius: &mut Array,
        wrong: &Array<u32>,
        search: &Search<'_>,
    ) -> Result<(), Error> {
        let mut smaller = radius.copy()?;
        let shares = |scale| Map::Affine { scale, shift: 0.0 };
        map(&mut smaller, shares(1.0 - self.gamma))?;
        map(radius, shares(1.0 + self.gamma))?;
        select(radius, &smaller, wrong)?;
        let hi = widest(search);
        Ok(map(radius, Map::Clamp { lo: 0.0, hi })?)
    }
}
