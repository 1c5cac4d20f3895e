//! From the leaves that a sample reaches to its scores.

use std::ops::Range;

use burn_backend::{
    Backend, FloatDType, IntDType, Shape, Slice, TensorMetadata, get_or_init_device_settings,
    tensor::FloatTensor,
};

use super::forest::{Aggregate, Forest};
use crate::Fault;
use crate::ops::count;
use crate::value::Values;

pub(super) struct Leaves<B: Backend> {
    aggregate: Aggregate,
    targets: usize,
    trees: usize,
    table: Table<B>,
}

enum Table<B: Backend> {
    /// Each tree has one target: a weight a leaf, and the trees of each target.
    Grouped(FloatTensor<B>, Vec<Range<usize>>),
    /// A weight for every target a leaf, \[leaves, targets\], and 1 where it is one of the file;
    /// `None` where all are.
    Dense(FloatTensor<B>, Option<FloatTensor<B>>),
}

impl<B: Backend> Leaves<B> {
    pub fn new(forest: &Forest, inputs: &Values<B>, aggregate: Aggregate) -> Result<Self, Fault> {
        let targets = forest.targets;
        let trees: Option<Vec<usize>> = forest.trees.iter().copied().collect();
        let table = match trees {
            Some(trees) => {
                let weight = |leaf: &Vec<(usize, f32)>| leaf.first().map_or(0.0, |&(_, w)| w);
                let weights: Vec<f32> = forest.leaves.iter().map(weight).collect();
                let start = |target| trees.partition_point(|&tree| tree < target);
                let groups = (0..targets).map(|target| start(target)..start(target + 1));
                Table::Grouped(inputs.upload(&[weights.len()], weights), groups.collect())
            }
            None => dense(forest, inputs, aggregate)?,
        };
        Ok(Leaves {
            aggregate,
            targets,
            trees: forest.trees.len(),
            table,
        })
    }

    /// Numbers that a sample takes in each tree.
    pub fn width(&self) -> usize {
        match &self.table {
            Table::Grouped(..) => 1,
            Table::Dense(..) => self.targets,
        }
    }

    /// The scores, \[rows, targets\], of samples that reach these leaves, \[rows, trees\]; and how
    /// many leaves gave each a weight.
    pub fn scores(&self, reached: FloatTensor<B>) -> (FloatTensor<B>, Option<FloatTensor<B>>) {
        let rows = reached.shape().first().copied().unwrap_or(0);
        let flat = B::float_reshape(reached, Shape::from([rows * self.trees]));
        let flat = B::float_into_int(flat, IntDType::I32);
        match &self.table {
            Table::Grouped(weights, groups) => {
                let weights = B::float_select(weights.clone(), 0, flat);
                let weights = B::float_reshape(weights, Shape::from([rows, self.trees]));
                self.grouped(weights, groups, rows)
            }
            Table::Dense(weights, present) => {
                let of_trees = |table: &FloatTensor<B>| {
                    let picked = B::float_select(table.clone(), 0, flat.clone());
                    B::float_reshape(picked, Shape::from([rows, self.trees, self.targets]))
                };
                let flat_again = |x| B::float_reshape(x, Shape::from([rows, self.targets]));
                let scores = flat_again(self.joined(of_trees(weights)));
                let Some(present) = present else {
                    return (scores, None);
                };
                let counts = flat_again(B::float_sum_dim(of_trees(present), 1));
                let bools = get_or_init_device_settings::<B>(&counts.device()).bool_dtype;
                let none = B::float_equal_elem(counts.clone(), 0.0f32.into(), bools);
                let scores = B::float_mask_fill(scores, none, 0.0f32.into());
                (scores, Some(counts))
            }
        }
    }

    fn grouped(
        &self,
        weights: FloatTensor<B>,
        groups: &[Range<usize>],
        rows: usize,
    ) -> (FloatTensor<B>, Option<FloatTensor<B>>) {
        let device = weights.device();
        let constant = |value: f32| {
            B::float_full(
                Shape::from([rows, 1]),
                value.into(),
                &device,
                FloatDType::F32,
            )
        };
        let score = |group: &Range<usize>| {
            if group.is_empty() {
                return constant(0.0);
            }
            let trees = Slice::new(group.start as isize, Some(group.end as isize), 1);
            self.joined(B::float_slice(
                weights.clone(),
                &[Slice::new(0, None, 1), trees],
            ))
        };
        let scores = B::float_cat(groups.iter().map(score).collect(), 1);
        let counts = groups.iter().any(Range::is_empty).then(|| {
            let counts = groups.iter().map(|group| constant(group.len() as f32));
            B::float_cat(counts.collect(), 1)
        });
        (scores, counts)
    }

    /// Over the trees, which are axis 1.
    fn joined(&self, weights: FloatTensor<B>) -> FloatTensor<B> {
        match self.aggregate {
            Aggregate::Sum => B::float_sum_dim(weights, 1),
            Aggregate::Average => {
                let trees = self.trees as f32;
                B::float_div_scalar(B::float_sum_dim(weights, 1), trees.into())
            }
            Aggregate::Min => B::float_min_dim(weights, 1),
            Aggregate::Max => B::float_max_dim(weights, 1),
        }
    }
}

fn dense<B: Backend>(
    forest: &Forest,
    inputs: &Values<B>,
    aggregate: Aggregate,
) -> Result<Table<B>, Fault> {
    let shape = [forest.leaves.len(), forest.targets];
    let absent = match aggregate {
        Aggregate::Sum | Aggregate::Average => 0.0,
        Aggregate::Min => f32::MAX,
        Aggregate::Max => f32::MIN,
    };
    let mut weights = vec![absent; count(&shape)?];
    let mut present = vec![0.0; weights.len()];
    let rows = weights.chunks_exact_mut(forest.targets);
    let rows = rows.zip(present.chunks_exact_mut(forest.targets));
    for ((weights, present), leaf) in rows.zip(&forest.leaves) {
        for &(target, weight) in leaf {
            let place = weights.get_mut(target).zip(present.get_mut(target));
            if let Some((place, present)) = place {
                *place = match aggregate {
                    Aggregate::Sum | Aggregate::Average => *place + weight,
                    Aggregate::Min => place.min(weight),
                    Aggregate::Max => place.max(weight),
                };
                *present = 1.0;
            }
        }
    }
    let all = present.iter().all(|&present| present == 1.0);
    let present = (!all).then(|| inputs.upload(&shape, present));
    Ok(Table::Dense(inputs.upload(&shape, weights), present))
}
