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
use crate::ops::count;
use crate::value::{MAX_EXACT, Values};

/// Most levels of a tree.
const MAX_DEPTH: usize = 1000;
/// Most elements of a table of nodes or leaves.
const MAX_TABLE: usize = 1 << 26;
/// Most targets that the trees are grouped by.
const MAX_GROUPS: usize = 1024;
/// Most places, of a sample in a tree, that are walked at once.
const MAX_PLACES: usize = 1 << 20;

/// When a node's condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Leq,
    Lt,
    Gte,
    Gt,
    Eq,
    Neq,
}

/// An inner node as the file has it.
pub(super) struct Branch {
    pub mode: Mode,
    pub feature: usize,
    pub threshold: f64,
    /// Where the condition holds, and where not.
    pub yes: usize,
    pub no: usize,
    pub nan_is_yes: bool,
}

#[derive(Clone, Copy)]
struct Node {
    feature: usize,
    threshold: f64,
    /// `<` rather than `<=`.
    strict: bool,
    /// The next node below the threshold, else, and for NaN.
    below: usize,
    above: usize,
    nan: usize,
}

impl Node {
    /// The threshold for features of float32, or for such as have been rounded to it.
    fn threshold(&self, rounded: bool) -> f32 {
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

/// Trees under construction: first nodes and leaves in any order, then [`Builder::forest`].
#[derive(Default)]
pub(super) struct Builder {
    nodes: Vec<Option<Node>>,
    /// By node; `None` for inner nodes.
    leaves: Vec<Option<Vec<(usize, f32)>>>,
}

impl Builder {
    /// Room for `len` nodes, which may then be set.
    pub fn new(len: usize) -> Builder {
        Builder {
            nodes: vec![None; len],
            leaves: vec![None; len],
        }
    }

    /// One more node, to be set.
    pub fn add(&mut self) -> usize {
        self.nodes.push(None);
        self.leaves.push(None);
        self.nodes.len() - 1
    }

    /// Makes node `at` a leaf, with a weight for some of the targets.
    pub fn leaf(&mut self, at: usize, weights: Vec<(usize, f32)>) {
        self.set(at, at, at, at, None);
        if let Some(place) = self.leaves.get_mut(at) {
            *place = Some(weights);
        }
    }

    /// Makes node `at` an inner one; one that asks for equality takes two.
    pub fn branch(&mut self, at: usize, branch: Branch) {
        let Branch {
            mode,
            threshold,
            yes,
            no,
            ..
        } = branch;
        let nan = match branch.nan_is_yes || mode == Mode::Neq {
            true => yes,
            false => no,
        };
        let feature = branch.feature;
        let at_most = Some((feature, threshold, false));
        let less = Some((feature, threshold, true));
        match mode {
            Mode::Leq => self.set(at, yes, no, nan, at_most),
            Mode::Gt => self.set(at, no, yes, nan, at_most),
            Mode::Lt => self.set(at, yes, no, nan, less),
            Mode::Gte => self.set(at, no, yes, nan, less),
            Mode::Eq | Mode::Neq => {
                let (same, other) = match mode {
                    Mode::Eq => (yes, no),
                    _ => (no, yes),
                };
                let second = self.add();
                self.set(at, second, other, nan, at_most);
                self.set(second, other, same, nan, less);
            }
        }
    }

    fn set(
        &mut self,
        at: usize,
        below: usize,
        above: usize,
        nan: usize,
        question: Option<(usize, f64, bool)>,
    ) {
        let (feature, threshold, strict) = question.unwrap_or((0, 0.0, false));
        if let Some(place) = self.nodes.get_mut(at) {
            *place = Some(Node {
                feature,
                threshold,
                strict,
                below,
                above,
                nan,
            });
        }
    }

    /// The trees with these roots, for so many targets.
    pub fn forest(self, roots: Vec<usize>, targets: usize) -> Result<Forest, Fault> {
        if roots.is_empty() || targets == 0 {
            return Err(Fault::shape("there are no trees, or no targets"));
        }
        let unset = || Fault::shape("a node is missing");
        let nodes: Vec<Node> = self
            .nodes
            .into_iter()
            .collect::<Option<_>>()
            .ok_or_else(unset)?;
        if nodes.len() as i64 > MAX_EXACT {
            return Err(Fault::Unsupported(
                "a forest of more than 2^24 nodes".into(),
            ));
        }
        let below = Below::of(&nodes, &self.leaves, &roots)?;
        let mut leaves = Vec::new();
        let mut leaf_of = vec![0; nodes.len()];
        for (leaf, weights) in leaf_of.iter_mut().zip(self.leaves) {
            if let Some(weights) = weights {
                *leaf = leaves.len();
                leaves.push(weights);
            }
        }
        if leaves
            .iter()
            .flatten()
            .any(|&(target, _)| target >= targets)
        {
            return Err(Fault::shape(format!(
                "a leaf has a weight for a target beyond the {targets}"
            )));
        }
        if count(&[leaves.len(), targets])? > MAX_TABLE {
            let what = format!("{} leaves of {targets} targets", leaves.len());
            return Err(Fault::Unsupported(what));
        }
        let features = nodes.iter().map(|node| node.feature).max().unwrap_or(0);
        let depth = below.iter().map(|below| below.depth).max().unwrap_or(0);
        if depth > MAX_DEPTH {
            return Err(Fault::Unsupported(format!("a tree of {depth} levels")));
        }
        let one: Option<Vec<usize>> = below.iter().map(|below| below.target).collect();
        let of_one_target = one.filter(|_| targets <= MAX_GROUPS).map(|one| {
            let mut trees: Vec<(usize, usize)> =
                one.into_iter().zip(roots.iter().copied()).collect();
            trees.sort_by_key(|&(target, _)| target);
            trees
        });
        let (trees, roots) = match of_one_target {
            Some(trees) => trees
                .into_iter()
                .map(|(target, root)| (Some(target), root))
                .unzip(),
            None => (vec![None; roots.len()], roots),
        };
        Ok(Forest {
            features: features.saturating_add(1),
            nodes,
            roots,
            trees,
            depth,
            leaf_of,
            leaves,
            targets,
        })
    }
}

/// What lies below a node.
#[derive(Clone, Copy)]
struct Below {
    depth: usize,
    /// The target that each leaf has its one weight for.
    target: Option<usize>,
}

/// How far the search below a node is.
#[derive(Clone, Copy)]
enum Search {
    Open,
    Within,
    Done(Below),
}

impl Below {
    /// What lies below each root; an error where nodes lead in a circle or out of the forest.
    fn of(
        nodes: &[Node],
        leaves: &[Option<Vec<(usize, f32)>>],
        roots: &[usize],
    ) -> Result<Vec<Below>, Fault> {
        let outside = || Fault::shape("a node leads to one that is not there");
        let circle = || Fault::shape("the nodes of a tree form a circle");
        let mut all = vec![Search::Open; nodes.len()];
        let mut stack = roots.to_vec();
        while let Some(&at) = stack.last() {
            let node = nodes.get(at).ok_or_else(outside)?;
            let next = [node.below, node.above, node.nan];
            let found = match (all.get(at), leaves.get(at)) {
                (Some(Search::Done(below)), _) => Search::Done(*below),
                (_, Some(Some(weights))) => Search::Done(Below::leaf(weights)),
                (Some(Search::Open), _) => {
                    for child in next {
                        match all.get(child).ok_or_else(outside)? {
                            Search::Open => stack.push(child),
                            Search::Within => return Err(circle()),
                            Search::Done(_) => {}
                        }
                    }
                    Search::Within
                }
                _ => {
                    Search::Done(Below::join(next.map(|child| all.get(child))).ok_or_else(circle)?)
                }
            };
            if let Search::Done(_) = found {
                stack.pop();
            }
            if let Some(place) = all.get_mut(at) {
                *place = found;
            }
        }
        let below = roots.iter().map(|&root| match all.get(root) {
            Some(Search::Done(below)) => Ok(*below),
            _ => Err(circle()),
        });
        below.collect()
    }

    fn leaf(weights: &[(usize, f32)]) -> Below {
        let target = match weights {
            &[(target, _)] => Some(target),
            _ => None,
        };
        Below { depth: 0, target }
    }

    fn join(next: [Option<&Search>; 3]) -> Option<Below> {
        let next = next.map(|search| match search {
            Some(Search::Done(below)) => Some(*below),
            _ => None,
        });
        let [left, right, nan] = [next[0]?, next[1]?, next[2]?];
        let target = left.target.filter(|_| left.target == right.target);
        Some(Below {
            depth: 1 + left.depth.max(right.depth).max(nan.depth),
            target,
        })
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
    nodes: Vec<Node>,
    roots: Vec<usize>,
    /// The target of each tree, in order, where each has one; else `None`.
    pub trees: Vec<Option<usize>>,
    depth: usize,
    /// The leaf that each node is; 0 for inner nodes.
    leaf_of: Vec<usize>,
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
