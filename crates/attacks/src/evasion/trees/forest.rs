//! An ensemble as boxes: each leaf is what its path leaves of every element's range.

use scoville_targets::{TreeNode, Trees};

use crate::driver::Structure;

/// A share of the scores that f32 may add them up apart by.
const ROUNDING: f64 = 1e-6;

pub(super) struct Forest<'a> {
    trees: &'a Trees,
    /// The leaves of each tree.
    pub leaves: Vec<Vec<Leaf>>,
    /// Where the trees split each element, ascending and distinct.
    thresholds: Vec<Vec<f32>>,
    /// The class to reach, if it is one.
    reach: Option<u32>,
}

pub(super) struct Leaf {
    node: usize,
    /// One an element that the path asks for.
    pub limits: Vec<Limit>,
    pub weights: Vec<(usize, f32)>,
}

/// An element lies above `low` and at most at `high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limit {
    pub element: usize,
    pub low: f32,
    pub high: f32,
}

impl<'a> Forest<'a> {
    /// Of samples of so many elements.
    pub fn new(structure: &Structure<'a>, cols: usize) -> Self {
        let trees = structure.trees;
        let leaves = trees.roots.iter().map(|&root| leaves(trees, root));
        Self {
            leaves: leaves.collect(),
            thresholds: thresholds(trees, cols),
            reach: structure.reach,
            trees,
        }
    }

    /// The leaf that `x` reaches in each tree, by its place among the leaves.
    pub fn tuple(&self, x: &[f32]) -> Vec<usize> {
        let roots = self.trees.roots.iter().zip(&self.leaves);
        let leaf = |(&root, leaves): (&usize, &Vec<Leaf>)| {
            let node = self.walk(root, x);
            leaves.partition_point(|leaf| leaf.node < node)
        };
        roots.map(leaf).collect()
    }

    fn walk(&self, root: usize, x: &[f32]) -> usize {
        let mut at = root;
        while let Some(TreeNode::Split {
            feature,
            threshold,
            below,
            above,
            ..
        }) = self.trees.nodes.get(at)
        {
            let value = x.get(*feature).copied().unwrap_or_default();
            at = if value <= *threshold { *below } else { *above };
        }
        at
    }

    /// The scores of a tuple of leaves.
    pub fn scores(&self, tuple: &[usize]) -> Vec<f64> {
        let mut scores: Vec<f64> = self.trees.base.iter().map(|&v| v.into()).collect();
        for (leaves, &at) in self.leaves.iter().zip(tuple) {
            self.add(&mut scores, leaves.get(at), 1.0);
        }
        scores
    }

    pub fn add(&self, scores: &mut [f64], leaf: Option<&Leaf>, sign: f64) {
        for &(class, weight) in leaf.iter().flat_map(|leaf| &leaf.weights) {
            if let Some(score) = scores.get_mut(class) {
                *score += sign * f64::from(weight);
            }
        }
    }

    /// Whether a sample of that label with these scores is where an attack wants it, by more than rounding.
    pub fn is_wrong(&self, scores: &[f64], label: u32) -> bool {
        let lead = match self.reach {
            Some(class) => lead(scores, class),
            None => -lead(scores, label),
        };
        lead > ROUNDING * scores.iter().map(|s| s.abs()).fold(1.0, f64::max)
    }

    /// The ranges between two thresholds, from the one that `from` lies in to the one that `to` lies in, the latter left out.
    pub fn ranges(&self, element: usize, from: f32, to: f32) -> impl Iterator<Item = (f32, f32)> {
        let all = self.thresholds.get(element).map_or(&[][..], Vec::as_slice);
        let place = |v: f32| all.partition_point(|&t| t < v);
        let range = |at: usize| {
            let below = at.checked_sub(1).and_then(|at| all.get(at));
            let above = all.get(at);
            (
                below.copied().unwrap_or(-1.0),
                above.copied().unwrap_or(1.0),
            )
        };
        let (first, last) = (place(from), place(to));
        let up = (first..last).map(range);
        let down = (last + 1..=first).rev().map(range);
        up.chain(down)
    }

    pub fn is_wrong_at(&self, x: &[f32], label: u32) -> bool {
        self.is_wrong(&self.scores(&self.tuple(x)), label)
    }
}

fn thresholds(trees: &Trees, cols: usize) -> Vec<Vec<f32>> {
    let mut all = vec![Vec::new(); cols];
    for node in &trees.nodes {
        if let TreeNode::Split {
            feature, threshold, ..
        } = node
            && let Some(of_element) = all.get_mut(*feature)
        {
            of_element.push(*threshold);
        }
    }
    for of_element in &mut all {
        of_element.sort_by(f32::total_cmp);
        of_element.dedup();
    }
    all
}

/// How far a class is ahead of the best other one.
fn lead(scores: &[f64], class: u32) -> f64 {
    let class = class as usize;
    let others = scores.iter().enumerate().filter(|&(c, _)| c != class);
    let best = others.map(|(_, &s)| s).fold(f64::NEG_INFINITY, f64::max);
    scores.get(class).copied().unwrap_or(f64::NAN) - best
}

/// The leaves below `root`, in the order of their nodes, without those that nothing can reach.
fn leaves(trees: &Trees, root: usize) -> Vec<Leaf> {
    let mut all = Vec::new();
    let mut open = vec![(root, Vec::new())];
    while let Some((at, limits)) = open.pop() {
        match trees.nodes.get(at) {
            Some(TreeNode::Leaf(weights)) => all.push(Leaf {
                node: at,
                limits,
                weights: weights.clone(),
            }),
            Some(&TreeNode::Split {
                feature,
                threshold,
                below,
                above,
                ..
            }) => {
                let (lower, upper) = ((-1.0, threshold), (threshold, 1.0));
                open.extend(narrowed(&limits, feature, lower).map(|limits| (below, limits)));
                open.extend(narrowed(&limits, feature, upper).map(|limits| (above, limits)));
            }
            None => {}
        }
    }
    all.sort_by_key(|leaf| leaf.node);
    all
}

/// `limits` with another of one element; `None` where they leave nothing.
fn narrowed(limits: &[Limit], element: usize, (low, high): (f32, f32)) -> Option<Vec<Limit>> {
    let mut limits = limits.to_vec();
    let known = limits.iter_mut().find(|limit| limit.element == element);
    let limit = match known {
        Some(limit) => {
            (limit.low, limit.high) = (limit.low.max(low), limit.high.min(high));
            *limit
        }
        None => {
            let limit = Limit { element, low, high };
            limits.push(limit);
            limit
        }
    };
    (limit.low < limit.high && limit.low < 1.0 && limit.high >= 0.0).then_some(limits)
}
