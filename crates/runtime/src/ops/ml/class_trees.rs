//! Trees of an ensemble as they decide the class, for attacks that read them.

use scoville_onnx::Node;

use super::forest::{Aggregate, Forest};
use super::post_transform::PostTransform;
use super::tree_nodes::{Trees as Parsed, floats};
use super::{labels::Labels, tree_ensemble_regressor as regressor};
use crate::Fault;
use crate::trees::{TreeNode, Trees};

/// The trees of a TreeEnsembleClassifier whose scores are those of the classes up to what keeps their order, or of a
/// TreeEnsembleRegressor of several targets; thresholds are those of the file. `None` for any other node.
pub(crate) fn class_trees(node: &Node) -> Result<Option<Trees>, Fault> {
    match node.op.as_str() {
        "TreeEnsembleClassifier" => classifier(node),
        "TreeEnsembleRegressor" => {
            let parsed = regressor::read(node)?;
            let several = parsed.forest.targets > 1 && parsed.aggregate == Aggregate::Sum;
            let mut base = parsed.base;
            base.resize(parsed.forest.targets, 0.0);
            Ok(several.then(|| trees(&parsed.forest, base, |leaf| leaf.to_vec())))
        }
        _ => Ok(None),
    }
}

fn classifier(node: &Node) -> Result<Option<Trees>, Fault> {
    let classes = Labels::parse(node, "classlabels_int64s", "classlabels_strings")?.len();
    let Parsed {
        forest,
        weighted,
        positive,
    } = Parsed::parse(node, "class", classes)?;
    let given = floats(node, "base_values")?;
    let mut base: Vec<f32> = given.iter().map(|&v| v as f32).collect();
    base.resize(classes, 0.0);
    let own = |leaf: &[(usize, f32)]| leaf.to_vec();
    Ok(match (classes, weighted.as_slice(), given.len()) {
        (0 | 1, ..) => None,
        // One score for both classes.
        (2, [0], 0 | 1) => {
            let score = base.first().copied().unwrap_or_default();
            let whole = positive && PostTransform::parse(node)? != PostTransform::Logistic;
            let first = if whole { 1.0 - score } else { -score };
            let both = |leaf: &[(usize, f32)]| {
                let weights = leaf.iter().map(|&(_, weight)| weight);
                weights.flat_map(|w| [(0, -w), (1, w)]).collect()
            };
            Some(trees(&forest, vec![first, score], both))
        }
        (2, [1], 0 | 1) => Some(trees(&forest, vec![0.0; 2], own)),
        _ => Some(trees(&forest, base, own)),
    })
}

fn trees(
    forest: &Forest,
    base: Vec<f32>,
    weights: impl Fn(&[(usize, f32)]) -> Vec<(usize, f32)>,
) -> Trees {
    let nodes = forest.nodes.iter().enumerate().map(|(at, node)| {
        if node.below == at {
            let leaf = forest
                .leaf_of
                .get(at)
                .and_then(|&leaf| forest.leaves.get(leaf));
            return TreeNode::Leaf(leaf.map(|leaf| weights(leaf)).unwrap_or_default());
        }
        TreeNode::Split {
            feature: node.feature,
            threshold: node.threshold(false),
            strict: node.strict,
            below: node.below,
            above: node.above,
        }
    });
    Trees {
        nodes: nodes.collect(),
        roots: forest.roots.clone(),
        base,
    }
}
