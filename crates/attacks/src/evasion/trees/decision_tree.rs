//! The decision-tree attack: of a single tree the nearest leaf of another class, and the point of it that is nearest to
//! the sample.
//!
//! Papernot et al. 2016, <https://arxiv.org/abs/1605.07277>, who take the leaf that is nearest by its path; here it is
//! the nearest by distance, so that no adversarial point is nearer.

use scoville_targets::Labels;

use super::space::limit_of;
use super::{Sample, each};
use crate::driver::Structure;
use crate::registry::{ALL, Access, Algorithm, Row, WHITE_BOX};
use crate::{Error, Search, TreeAttack};

pub const ROW: Row = Row {
    name: "decision-tree",
    summary: "Of a single tree, the nearest point in a leaf of another class: none is nearer",
    technique: WHITE_BOX,
    access: Access::Trees,
    budget: ALL,
    least_classes: 2,
    parameters: &[],
    paper: "Papernot 2016, arXiv:1605.07277",
    build: |_| Algorithm::Trees(Box::new(DecisionTree)),
};

/// The nearest leaf of another class. Takes a single tree: see [`LeafTuple`](super::leaf_tuple::LeafTuple) for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecisionTree;

impl TreeAttack for DecisionTree {
    fn most_trees(&self) -> usize {
        1
    }

    fn run(
        &self,
        search: &mut Search<'_>,
        target: &dyn Labels,
        structure: &Structure<'_>,
    ) -> Result<(), Error> {
        each(search, target, structure, nearest)
    }
}

fn nearest(sample: &Sample<'_>) -> Option<Vec<f32>> {
    let (forest, space) = (sample.forest, sample.space);
    let leaves = forest.leaves.first()?.iter().enumerate();
    let wrong = leaves.filter(|&(at, _)| forest.is_wrong(&forest.scores(&[at]), sample.label));
    let costs = wrong.filter_map(|(_, leaf)| {
        let limit = |j| limit_of(&leaf.limits, j);
        let costs = (0..space.units.len()).map(|unit| space.cost(unit, sample.clean, limit));
        let costs: Vec<f64> = costs.collect::<Option<_>>()?;
        Some((space.total(costs.into_iter()), leaf))
    });
    let (_, leaf) = costs.min_by(|(a, _), (b, _)| a.total_cmp(b))?;
    space.nearest(sample.clean, |j| limit_of(&leaf.limits, j))
}
