//! Feature adversary: the features of an inner layer are brought near those of another sample, the guide.
//!
//! Sabour et al. 2016, <https://arxiv.org/abs/1511.05122>.

use rayon::prelude::*;
use scoville_kernels::{Array, Loss, combine, gather, head, momentum, step};
use scoville_targets::{Error as TargetError, Features, Gradients};

use crate::parts::cosine;
use crate::registry::{Access, Algorithm, BOTH, Row, WHITE_BOX, real, whole};
use crate::search::gather_in_place;
use crate::{Error, Search, WhiteBox};

pub const ROW: Row = Row {
    name: "feature-adversary",
    summary: "Brings the features of an inner layer near those of a sample with another label",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: BOTH,
    least_classes: 2,
    parameters: &[
        whole("steps", 50.0, 1e6, "gradient steps of each walk"),
        real(
            "step",
            0.1,
            (1e-6, 10.0),
            "length of the first step, in eps",
        ),
        whole(
            "guides",
            3.0,
            1e4,
            "samples whose features are approached, one walk each",
        ),
    ],
    paper: "Sabour 2016, arXiv:1511.05122",
    build: |v| {
        Algorithm::WhiteBox(Box::new(FeatureAdversary {
            steps: v.whole("steps"),
            step: v.real("step"),
            guides: v.whole("guides"),
        }))
    },
};

/// What is left of the last direction at each step.
const DECAY: f32 = 0.9;
/// A step is this share of the first at the end.
const LAST_STEP: f32 = 0.1;

/// Walks from the clean sample towards the features of each of `guides` guides, in `steps` steps with momentum, the first of
/// `step` times eps.
///
/// Guides are samples of the batch with another label, those of the nearest features first; where the batch has one label
/// only, as towards a class, the samples that are nearest to being taken for another. So the result depends on the batch. The
/// layer is the model's: by default what its last layer of weights reads. A step costs a gradient evaluation and a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureAdversary {
    pub steps: usize,
    pub step: f32,
    pub guides: usize,
}

impl WhiteBox for FeatureAdversary {
    fn is_universal(&self) -> bool {
        true
    }

    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let inside = target.inside().ok_or(TargetError::Closed)?;
        let ids = search.ids.to_vec()?;
        let features = inside.features(&search.x0)?;
        let ranked = ranked(self.guides, &features, search, target)?;
        for guide in 0..self.guides {
            if search.is_done() {
                break;
            }
            let running = search.ids.to_vec()?;
            let place = |id| ids.iter().position(|other| *other == id);
            let guides = running.into_iter().map(|id| {
                let place = place(id).unwrap_or_default();
                let guides = ranked.get(place).map(Vec::as_slice).unwrap_or_default();
                guides.get(guide).copied().unwrap_or(place as u32)
            });
            let guides = guides.collect();
            let guides = Array::from_vec(&search.device(), search.running(), 1, guides)?;
            self.walk(gather(&features, &guides)?, inside, search, target)?;
        }
        Ok(())
    }
}

impl FeatureAdversary {
    fn walk(
        &self,
        mut wanted: Array,
        inside: &dyn Features,
        search: &mut Search<'_>,
        target: &dyn Gradients,
    ) -> Result<(), Error> {
        let mut x = search.x0.copy()?;
        let mut velocity = Array::zeros(&search.device(), x.rows(), x.cols())?;
        for iteration in 0..self.steps {
            let gradient = inside.features_gradient(&x, &mut |features| {
                let mut way = wanted.copy()?;
                combine(&mut way, 1.0, features, -1.0)?;
                Ok(way)
            })?;
            momentum(&mut velocity, &gradient, DECAY)?;
            let length = cosine(self.step, LAST_STEP * self.step, iteration, self.steps);
            let length = length * search.ball.eps;
            step(&mut x, &search.x0, &velocity, length, &search.ball)?;
            let answer = head(&target.scores(&x)?, &search.y, Loss::Margin)?;
            search.offer(&x, &answer.predicted)?;
            if let Some(rows) = search.compact()? {
                if search.is_done() {
                    return Ok(());
                }
                for array in [&mut x, &mut velocity, &mut wanted] {
                    gather_in_place(array, &rows)?;
                }
            }
        }
        search.settle()
    }
}

/// The rows of the `most` best guides of each sample.
fn ranked(
    most: usize,
    features: &Array,
    search: &Search<'_>,
    target: &dyn Gradients,
) -> Result<Vec<Vec<u32>>, Error> {
    let y = search.y.to_vec()?;
    let behind = head(&target.scores(&search.x0)?, &search.y, Loss::Margin)?.loss;
    let (behind, cols) = (behind.to_vec()?, features.cols());
    let features = features.to_vec()?;
    let row = |i: usize| features.chunks_exact(cols).nth(i).unwrap_or_default();
    let distance = |i: usize, j: usize| -> f32 {
        let pairs = row(i).iter().zip(row(j));
        pairs.map(|(a, b)| (a - b) * (a - b)).sum()
    };
    let guides = |i: usize| {
        let others = || (0..y.len()).filter(move |&j| j != i);
        let mut guides: Vec<(f32, u32)> = others()
            .filter(|&j| y.get(j) != y.get(i))
            .map(|j| (distance(i, j), j as u32))
            .collect();
        if guides.is_empty() {
            let behind = |j: usize| behind.get(j).copied().unwrap_or(f32::MIN);
            guides = others().map(|j| (-behind(j), j as u32)).collect();
        }
        guides.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        guides.into_iter().take(most).map(|(_, j)| j).collect()
    };
    Ok((0..y.len()).into_par_iter().map(guides).collect())
}
