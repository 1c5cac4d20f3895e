//! Decision trees as tables, walked by all samples through all trees at once, level by level.
//!
//! Every node asks one question, whether `x[feature] <= threshold` or `x[feature] < threshold`, and
//! names the next node for yes, for no, and for NaN. Leaves name themselves.
//!
//! Thresholds may be of double precision. Features of float32 are compared with them exactly;
//! features of double precision have been rounded to float32, and the thresholds are rounded alike.

use burn_backend::{
    Backend, IntDType, Shape, Slice, TensorMetadata, get_or_init_device_settings,
    tensor::FloatTensor,
};

use scoville_onnx::DType;

use super::leaves::Leaves;
use crate::Fault;
use crate::value::Values;

/// Most places, of a sample in a tree, that are walked at once.
const MAX_PLACES: usize = 1 << 20;

#[derive(Clone, Copy)]
pub(super) struct Node {
    pub feature: usize,
    pub threshold: f64,
    /// `<` rather than `<=`.
    pub strict: bool,
    /// The next node below the threshold, else, and for NaN.
    pub below: usize,
    pub above: usize,
    pub nan: usize,
}

impl Node {
    /// The threshold for features of float32, or for such as have been rounded to it.
    pub fn threshold(&self, rounded: bool) -> f32 {
        let nearest = self.threshold as f32;
        let above = f64::from(nearest) > self.threshold;
        let below = f64::from(nearest) < self.threshold;
        match self.strict {
            false if above && !rounded => nearest.next_down(),
            true if below && !rounded => nearest.next_up(),
            _ => nearest,
        }
    }
}

/// How the weights of the leaves that a sample reaches become its scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

pub(super) struct Forest {
    pub nodes: Vec<Node>,
    pub roots: Vec<usize>,
    /// The target of each tree, in order, where each has one; else `None`.
    pub trees: Vec<Option<usize>>,
    pub depth: usize,
    /// The leaf that each node is; 0 for inner nodes.
    pub leaf_of: Vec<usize>,
    pub leaves: Vec<Vec<(usize, f32)>>,
    pub targets: usize,
    /// How many features it asks for at least.
    pub features: usize,
}

impl Forest {
    /// Refuses inputs of too few features.
    pub fn check_columns(&self, columns: usize) -> Result<(), Fault> {
        match columns >= self.features {
            true => Ok(()),
            false => Err(Fault::shape(format!(
                "the trees ask for feature {} of {columns}",
                self.features - 1
            ))),
        }
    }

    /// The scores of the rows of `x`, \[rows, targets\], and how many leaves gave each a weight;
    /// `None` where there always is one.
    pub fn scores<B: Backend>(
        &self,
        inputs: &Values<B>,
        x: FloatTensor<B>,
        aggregate: Aggregate,
    ) -> Result<(FloatTensor<B>, Option<FloatTensor<B>>), Fault> {
        let x = B::float_detach(x);
        let rows = x.shape().first().copied().unwrap_or(0);
        let rounded = inputs.fact(0).is_some_and(|fact| fact.dtype == DType::F64);
        let table = self.table(inputs, rounded);
        let leaves = Leaves::new(self, inputs, aggregate)?;
        let width = self.roots.len().saturating_mul(leaves.width());
        let step = (MAX_PLACES / width.max(1)).max(1);
        let (mut scores, mut counts) = (Vec::new(), Vec::new());
        for start in (0..rows).step_by(step) {
            let end = rows.min(start.saturating_add(step));
            let chunk = [Slice::new(start as isize, Some(end as isize), 1)];
            let chunk = B::float_slice(x.clone(), &chunk);
            let (score, count) = leaves.scores(self.walk(inputs, chunk, &table));
            scores.push(score);
            counts.extend(count);
        }
        let counts = (!counts.is_empty()).then(|| B::float_cat(counts, 0));
        Ok((B::float_cat(scores, 0), counts))
    }

    /// A row for each node: feature, threshold, strict, below, above, nan, leaf.
    fn table<B: Backend>(&self, inputs: &Values<B>, rounded: bool) -> FloatTensor<B> {
        let row = |(node, &leaf): (&Node, &usize)| {
            let indices = [node.below, node.above, node.nan, leaf].map(|index| index as f32);
            let strict = f32::from(u8::from(node.strict));
            let [below, above, nan, leaf] = indices;
            [
                node.feature as f32,
                node.threshold(rounded),
                strict,
                below,
                above,
                nan,
                leaf,
            ]
        };
        let rows = self.nodes.iter().zip(&self.leaf_of).flat_map(row).collect();
        inputs.upload(&[self.nodes.len(), COLUMNS], rows)
    }

    /// The leaf that each row of `x` reaches in each tree, \[rows, trees\].
    fn walk<B: Backend>(
        &self,
        inputs: &Values<B>,
        x: FloatTensor<B>,
        table: &FloatTensor<B>,
    ) -> FloatTensor<B> {
        let trees = self.roots.len();
        let shape = Shape::from([x.shape().first().copied().unwrap_or(0), trees]);
        let roots = self.roots.iter().map(|&root| root as f32).collect();
        let mut place = B::float_expand(inputs.upload(&[1, trees], roots), shape.clone());
        let bools = get_or_init_device_settings::<B>(&x.device()).bool_dtype;
        let stricts = Stricts::of(&self.nodes);
        let nan_is_above = self.nodes.iter().all(|node| node.nan == node.above);
        let rows_at = |place: FloatTensor<B>| {
            let flat = B::float_reshape(place, Shape::from([shape.num_elements()]));
            B::float_select(table.clone(), 0, B::float_into_int(flat, IntDType::I32))
        };
        let column = |rows: &FloatTensor<B>, i: usize| {
            let column = Slice::new(i as isize, Some(i as isize + 1), 1);
            let column = B::float_slice(rows.clone(), &[Slice::new(0, None, 1), column]);
            B::float_reshape(column, shape.clone())
        };
        for _ in 0..self.depth {
            let rows = rows_at(place);
            let feature = B::float_into_int(column(&rows, 0), IntDType::I32);
            let value = B::float_gather(1, x.clone(), feature);
            let threshold = column(&rows, 1);
            let at_most = || B::float_lower_equal(value.clone(), threshold.clone(), bools);
            let less = || B::float_lower(value.clone(), threshold.clone(), bools);
            let below = match stricts {
                Stricts::None => at_most(),
                Stricts::All => less(),
                Stricts::Some => {
                    let strict = B::float_equal_elem(column(&rows, 2), 1.0f32.into(), bools);
                    B::bool_or(less(), B::bool_and(at_most(), B::bool_not(strict)))
                }
            };
            place = B::float_mask_where(column(&rows, 4), below, column(&rows, 3));
            if !nan_is_above {
                let nan = B::float_is_nan(value.clone(), bools);
                place = B::float_mask_where(place, nan, column(&rows, 5));
            }
        }
        column(&rows_at(place), 6)
    }
}

/// Columns of the table of nodes.
const COLUMNS: usize = 7;

/// Whether the nodes ask `<` or `<=`.
#[derive(Clone, Copy)]
enum Stricts {
    None,
    Some,
    All,
}

impl Stricts {
    fn of(nodes: &[Node]) -> Stricts {
        let inner = nodes
            .iter()
            .enumerate()
            .filter(|(at, node)| node.below != *at);
        let mut strict = inner.map(|(_, node)| node.strict);
        match strict.next() {
            Some(first) if strict.all(|strict| strict == first) => match first {
                true => Stricts::All,
                false => Stricts::None,
            },
            Some(_) => Stricts::Some,
            None => Stricts::None,
        }
    }
}
