//! The trees of TreeEnsembleClassifier and TreeEnsembleRegressor: parallel lists of nodes, each named
//! by its tree and its number, and of weights of leaves.

use std::collections::BTreeMap;

use scoville_onnx::{Node, Tensor};

use super::forest::Forest;
use super::forest_builder::{Branch, Builder, Mode};
use crate::Fault;
use crate::value::{Elements, Fact};

/// The list `name`, of numbers that are not negative.
pub(super) fn indices(node: &Node, name: &str) -> Result<Vec<usize>, Fault> {
    let values = node.attributes.ints(name)?.unwrap_or_default();
    let values = values.iter().map(|&value| usize::try_from(value).ok());
    let values = values.collect::<Option<_>>();
    values.ok_or_else(|| Fault::shape(format!("{name} has a negative entry")))
}

/// The floats of `name`, or of the tensor `name_as_tensor`.
pub(super) fn floats(node: &Node, name: &str) -> Result<Vec<f64>, Fault> {
    if let Some(values) = node.attributes.floats(name)?
        && !values.is_empty()
    {
        return Ok(values.iter().map(|&value| value.into()).collect());
    }
    match node.attributes.tensor(&format!("{name}_as_tensor"))? {
        Some(tensor) => of_tensor(tensor),
        None => Ok(Vec::new()),
    }
}

/// The floats of a tensor, in its own precision.
pub(super) fn of_tensor(tensor: &Tensor) -> Result<Vec<f64>, Fault> {
    if let scoville_onnx::Data::F64(values) = &tensor.data {
        return Ok(values.clone());
    }
    let fact = Fact::of_tensor(tensor);
    match fact.as_ref().and_then(Fact::elements) {
        Some(Elements::Float(values)) => Ok(values.iter().map(|&value| value.into()).collect()),
        _ => Err(Fault::shape("a tensor attribute does not hold floats")),
    }
}

pub(super) struct Trees {
    pub forest: Forest,
    /// The targets that leaves have weights for, each once.
    pub weighted: Vec<usize>,
    /// Whether no weight is below zero.
    pub positive: bool,
}

impl Trees {
    /// The trees whose leaves' weights are in lists that start with `stem`, for so many targets.
    pub fn parse(node: &Node, stem: &str, targets: usize) -> Result<Trees, Fault> {
        let list = |name: &str| indices(node, &format!("nodes_{name}"));
        let (trees, numbers) = (list("treeids")?, list("nodeids")?);
        let (features, yes, no) = (
            list("featureids")?,
            list("truenodeids")?,
            list("falsenodeids")?,
        );
        let thresholds = floats(node, "nodes_values")?;
        let modes = node.attributes.strings("nodes_modes")?.unwrap_or_default();
        let nan = list("missing_value_tracks_true")?;
        let n = trees.len();
        let lengths = [
            numbers.len(),
            features.len(),
            yes.len(),
            no.len(),
            thresholds.len(),
            modes.len(),
        ];
        if lengths != [n; 6] || !(nan.is_empty() || nan.len() == n) {
            return Err(Fault::shape("the lists nodes_* are not of one length"));
        }
        let mut places = BTreeMap::new();
        for (at, name) in trees.iter().zip(&numbers).enumerate() {
            if places.insert(name, at).is_some() {
                return Err(Fault::shape(format!(
                    "node {} of tree {} is there twice",
                    name.1, name.0
                )));
            }
        }
        let mut leaves = leaves(node, stem, &places)?;
        let weighted = leaves.values().flatten().map(|&(target, _)| target);
        let weighted: std::collections::BTreeSet<usize> = weighted.collect();
        let positive = leaves.values().flatten().all(|&(_, weight)| weight >= 0.0);
        let mut builder = Builder::new(n);
        let nodes = trees
            .iter()
            .zip(&features)
            .zip(&yes)
            .zip(&no)
            .zip(&thresholds)
            .zip(modes);
        for (at, (((((tree, feature), yes), no), threshold), mode)) in nodes.enumerate() {
            if mode == "LEAF" {
                builder.leaf(at, leaves.remove(&at).unwrap_or_default());
                continue;
            }
            let child = |number: &usize| {
                let missing = || Fault::shape(format!("node {number} of tree {tree} is missing"));
                places.get(&(tree, number)).copied().ok_or_else(missing)
            };
            builder.branch(
                at,
                Branch {
                    mode: self::mode(mode)?,
                    feature: *feature,
                    threshold: *threshold,
                    yes: child(yes)?,
                    no: child(no)?,
                    nan_is_yes: nan.get(at) == Some(&1),
                },
            );
        }
        Ok(Trees {
            forest: builder.forest(roots(&trees)?, targets)?,
            weighted: weighted.into_iter().collect(),
            positive,
        })
    }
}

fn mode(name: &str) -> Result<Mode, Fault> {
    Ok(match name {
        "BRANCH_LEQ" => Mode::Leq,
        "BRANCH_LT" => Mode::Lt,
        "BRANCH_GTE" => Mode::Gte,
        "BRANCH_GT" => Mode::Gt,
        "BRANCH_EQ" => Mode::Eq,
        "BRANCH_NEQ" => Mode::Neq,
        other => return Err(Fault::Unsupported(format!("node mode {other}"))),
    })
}

/// The first node of each tree, whose nodes stand together.
fn roots(trees: &[usize]) -> Result<Vec<usize>, Fault> {
    let mut seen = std::collections::BTreeSet::new();
    let mut roots = Vec::new();
    let mut last = None;
    for (at, tree) in trees.iter().enumerate() {
        if last != Some(tree) {
            roots.push(at);
            if !seen.insert(tree) {
                return Err(Fault::shape(format!(
                    "the nodes of tree {tree} stand apart"
                )));
            }
        }
        last = Some(tree);
    }
    Ok(roots)
}

/// The weights of each leaf, by its place.
fn leaves(
    node: &Node,
    stem: &str,
    places: &BTreeMap<(&usize, &usize), usize>,
) -> Result<BTreeMap<usize, Vec<(usize, f32)>>, Fault> {
    let list = |name: &str| indices(node, &format!("{stem}_{name}"));
    let (trees, numbers, targets) = (list("treeids")?, list("nodeids")?, list("ids")?);
    let weights = floats(node, &format!("{stem}_weights"))?;
    if [numbers.len(), targets.len(), weights.len()] != [trees.len(); 3] {
        return Err(Fault::shape(format!(
            "the lists {stem}_* are not of one length"
        )));
    }
    let mut leaves: BTreeMap<usize, Vec<(usize, f32)>> = BTreeMap::new();
    for (((tree, number), target), weight) in trees.iter().zip(&numbers).zip(targets).zip(weights) {
        let missing = || {
            Fault::shape(format!(
                "node {number} of tree {tree} has a weight, but is missing"
            ))
        };
        let at = places.get(&(tree, number)).copied().ok_or_else(missing)?;
        leaves.entry(at).or_default().push((target, weight as f32));
    }
    Ok(leaves)
}
