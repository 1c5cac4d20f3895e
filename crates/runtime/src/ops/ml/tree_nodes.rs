//! The trees of TreeEnsembleClassifier and TreeEnsembleRegressor: parallel lists of nodes, each named
//! by its tree and its number, and of weights of leaves.

use std::collections::{BTreeMap, BTreeSet};

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
        let lists = Lists::parse(node)?;
        let places = lists.places()?;
        let mut leaves = leaves(node, stem, &places)?;
        let weighted = leaves.values().flatten().map(|&(target, _)| target);
        let weighted: BTreeSet<usize> = weighted.collect();
        let positive = leaves.values().flatten().all(|&(_, weight)| weight >= 0.0);
        let mut builder = Builder::new(lists.trees.len());
        for (at, mode) in lists.modes.iter().enumerate() {
            match mode.as_str() {
                "LEAF" => builder.leaf(at, leaves.remove(&at).unwrap_or_default()),
                _ => builder.branch(at, lists.branch(at, &places)?),
            }
        }
        Ok(Trees {
            forest: builder.forest(roots(&lists.trees)?, targets)?,
            weighted: weighted.into_iter().collect(),
            positive,
        })
    }
}

/// Where the node of a tree stands, by both numbers.
type Places<'a> = BTreeMap<(&'a usize, &'a usize), usize>;

/// The lists of nodes, all of one length but `nan`, which may be empty.
struct Lists<'a> {
    trees: Vec<usize>,
    numbers: Vec<usize>,
    features: Vec<usize>,
    yes: Vec<usize>,
    no: Vec<usize>,
    thresholds: Vec<f64>,
    modes: &'a [String],
    nan: Vec<usize>,
}

impl<'a> Lists<'a> {
    fn parse(node: &'a Node) -> Result<Lists<'a>, Fault> {
        let list = |name: &str| indices(node, &format!("nodes_{name}"));
        let lists = Lists {
            trees: list("treeids")?,
            numbers: list("nodeids")?,
            features: list("featureids")?,
            yes: list("truenodeids")?,
            no: list("falsenodeids")?,
            thresholds: floats(node, "nodes_values")?,
            modes: node.attributes.strings("nodes_modes")?.unwrap_or_default(),
            nan: list("missing_value_tracks_true")?,
        };
        let n = lists.trees.len();
        let lengths = [
            lists.numbers.len(),
            lists.features.len(),
            lists.yes.len(),
            lists.no.len(),
            lists.thresholds.len(),
            lists.modes.len(),
        ];
        match lengths == [n; 6] && (lists.nan.is_empty() || lists.nan.len() == n) {
            true => Ok(lists),
            false => Err(Fault::shape("the lists nodes_* are not of one length")),
        }
    }

    fn places(&self) -> Result<Places<'_>, Fault> {
        let mut places = BTreeMap::new();
        for (at, name) in self.trees.iter().zip(&self.numbers).enumerate() {
            if places.insert(name, at).is_some() {
                return Err(Fault::shape(format!(
                    "node {} of tree {} is there twice",
                    name.1, name.0
                )));
            }
        }
        Ok(places)
    }

    /// The inner node at a place of the lists.
    fn branch(&self, at: usize, places: &Places<'_>) -> Result<Branch, Fault> {
        let [tree, feature, yes, no] =
            [&self.trees, &self.features, &self.yes, &self.no].map(|list| of(list, at));
        let (tree, yes, no) = (tree?, yes?, no?);
        let child = |number: &usize| {
            let missing = || Fault::shape(format!("node {number} of tree {tree} is missing"));
            places.get(&(tree, number)).copied().ok_or_else(missing)
        };
        Ok(Branch {
            mode: mode(of(self.modes, at)?)?,
            feature: *feature?,
            threshold: *of(&self.thresholds, at)?,
            yes: child(yes)?,
            no: child(no)?,
            nan_is_yes: self.nan.get(at) == Some(&1),
        })
    }
}

fn of<T>(list: &[T], at: usize) -> Result<&T, Fault> {
    let short = || Fault::shape("the lists nodes_* are not of one length");
    list.get(at).ok_or_else(short)
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
    let mut seen = BTreeSet::new();
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
    places: &Places<'_>,
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
