//! TreeEnsemble, version 5 of the domain: inner nodes and leaves in separate lists, thresholds and
//! weights in tensors. BRANCH_MEMBER asks for equality with each member of a set, one after another.

use burn_backend::Backend;
use scoville_onnx::{Node, Tensor};

use super::forest::Aggregate;
use super::forest_builder::{Branch, Builder, Mode};
use super::post_transform::PostTransform;
use super::tree_ensemble_regressor::Regressor;
use super::tree_nodes::{indices, of_tensor};
use crate::Fault;
use crate::ops::{Context, Parsed};
use crate::value::{Elements, Fact};

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let attributes = &node.attributes;
    let lists = Lists::parse(node)?;
    let targets = usize::try_from(attributes.int_or("n_targets", 1)?).unwrap_or(0);
    let roots = indices(node, "tree_roots")?;
    let inner = lists.modes.len();
    if roots.iter().any(|&root| root >= inner) {
        return Err(Fault::shape("tree_roots names a node that is not there"));
    }
    Ok(Box::new(Regressor {
        forest: lists.builder()?.forest(roots, targets)?,
        base: Vec::new(),
        aggregate: match attributes.int_or("aggregate_function", 1)? {
            0 => Aggregate::Average,
            1 => Aggregate::Sum,
            2 => Aggregate::Min,
            3 => Aggregate::Max,
            other => return Err(Fault::Unsupported(format!("aggregate_function {other}"))),
        },
        transform: match attributes.int_or("post_transform", 0)? {
            0 => PostTransform::None,
            1 => PostTransform::Softmax,
            2 => PostTransform::Logistic,
            3 => PostTransform::SoftmaxZero,
            4 => PostTransform::Probit,
            other => return Err(Fault::Unsupported(format!("post_transform {other}"))),
        },
    }))
}

struct Lists {
    modes: Vec<i64>,
    features: Vec<usize>,
    thresholds: Vec<f64>,
    /// With each whether it is a leaf.
    yes: Vec<(usize, bool)>,
    no: Vec<(usize, bool)>,
    nan: Vec<usize>,
    leaves: Vec<(usize, f32)>,
    /// The sets of the nodes that ask for membership, in order.
    members: Vec<Vec<f64>>,
}

impl Lists {
    fn parse(node: &Node) -> Result<Lists, Fault> {
        let missing = |name: &str| Fault::shape(format!("attribute {name} is missing"));
        let tensor = |name: &str| -> Result<&Tensor, Fault> {
            node.attributes.tensor(name)?.ok_or_else(|| missing(name))
        };
        let modes = match Fact::of_tensor(tensor("nodes_modes")?)
            .as_ref()
            .and_then(Fact::elements)
        {
            Some(Elements::Int(modes)) => modes.clone(),
            _ => return Err(Fault::shape("nodes_modes does not hold integers")),
        };
        let children = |name: &str| {
            let ids = indices(node, &format!("nodes_{name}nodeids"))?;
            let leaf = indices(node, &format!("nodes_{name}leafs"))?;
            match ids.len() == leaf.len() {
                true => Ok(ids
                    .into_iter()
                    .zip(leaf.into_iter().map(|leaf| leaf != 0))
                    .collect()),
                false => Err(Fault::shape("the lists nodes_* are not of one length")),
            }
        };
        let weights = of_tensor(tensor("leaf_weights")?)?;
        let targets = indices(node, "leaf_targetids")?;
        if weights.len() != targets.len() {
            return Err(Fault::shape("the lists leaf_* are not of one length"));
        }
        let members = match node.attributes.tensor("membership_values")? {
            Some(values) => sets(&of_tensor(values)?),
            None => Vec::new(),
        };
        let lists = Lists {
            features: indices(node, "nodes_featureids")?,
            thresholds: of_tensor(tensor("nodes_splits")?)?,
            yes: children("true")?,
            no: children("false")?,
            nan: indices(node, "nodes_missing_value_tracks_true")?,
            leaves: targets
                .into_iter()
                .zip(weights.iter().map(|&w| w as f32))
                .collect(),
            members,
            modes,
        };
        let n = lists.modes.len();
        let lengths = [
            lists.features.len(),
            lists.thresholds.len(),
            lists.yes.len(),
            lists.no.len(),
        ];
        if lengths != [n; 4] || !(lists.nan.is_empty() || lists.nan.len() == n) {
            return Err(Fault::shape("the lists nodes_* are not of one length"));
        }
        Ok(lists)
    }

    /// Nodes come first, leaves after them.
    fn builder(&self) -> Result<Builder, Fault> {
        let inner = self.modes.len();
        let mut builder = Builder::new(inner + self.leaves.len());
        for (at, &leaf) in self.leaves.iter().enumerate() {
            builder.leaf(inner + at, vec![leaf]);
        }
        let place = |&(at, leaf): &(usize, bool)| {
            let (first, all) = if leaf {
                (inner, self.leaves.len())
            } else {
                (0, inner)
            };
            let outside = || Fault::shape("a node leads to one that is not there");
            (at < all).then(|| first + at).ok_or_else(outside)
        };
        let mut sets = self.members.iter();
        let nodes = self.modes.iter().zip(&self.features).zip(&self.thresholds);
        for (at, (((&mode, &feature), &threshold), (yes, no))) in
            nodes.zip(self.yes.iter().zip(&self.no)).enumerate()
        {
            let branch = |mode, threshold, no| {
                Ok::<_, Fault>(Branch {
                    mode,
                    feature,
                    threshold,
                    yes: place(yes)?,
                    no,
                    nan_is_yes: self.nan.get(at) == Some(&1),
                })
            };
            let mode = match mode {
                0 => Mode::Leq,
                1 => Mode::Lt,
                2 => Mode::Gte,
                3 => Mode::Gt,
                4 => Mode::Eq,
                5 => Mode::Neq,
                6 => {
                    let set = sets.next().filter(|set| !set.is_empty());
                    let set = set.ok_or_else(|| Fault::shape("a set of members is missing"))?;
                    // Each member's node but the last leads on to one more.
                    let mut from = at;
                    for (i, &member) in set.iter().enumerate() {
                        let next = match i + 1 == set.len() {
                            true => place(no)?,
                            false => builder.add(),
                        };
                        builder.branch(from, branch(Mode::Eq, member, next)?);
                        from = next;
                    }
                    continue;
                }
                other => return Err(Fault::Unsupported(format!("node mode {other}"))),
            };
            builder.branch(at, branch(mode, threshold, place(no)?)?);
        }
        Ok(builder)
    }
}

/// Sets that end with NaN each.
fn sets(values: &[f64]) -> Vec<Vec<f64>> {
    let mut sets = vec![Vec::new()];
    for &value in values {
        match (value.is_nan(), sets.last_mut()) {
            (false, Some(set)) => set.push(value),
            _ => sets.push(Vec::new()),
        }
    }
    sets
}

#[cfg(test)]
mod tests {
    use scoville_onnx::{Attribute, Data, Tensor};

    use crate::ops::testing::{Case, floats};

    fn tensor(data: Data) -> Attribute {
        let shape = vec![data.len()];
        Attribute::Tensor(Box::new(Tensor { shape, data }))
    }

    /// Node 0 asks in `mode`, nodes 1 and 2 whether feature 0 is at most 1 and 4.
    fn tree(mode: u8) -> Case {
        Case::new("TreeEnsemble")
            .domain("ai.onnx.ml")
            .int("n_targets", 2)
            .ints("tree_roots", &[0])
            .attribute("nodes_modes", tensor(Data::U8(vec![mode, 0, 0])))
            .ints("nodes_featureids", &[0, 0, 0])
            .attribute("nodes_splits", tensor(Data::F32(vec![3.0, 1.0, 4.0])))
            .ints("nodes_truenodeids", &[1, 0, 1])
            .ints("nodes_trueleafs", &[0, 1, 1])
            .ints("nodes_falsenodeids", &[2, 2, 3])
            .ints("nodes_falseleafs", &[0, 1, 1])
            .ints("leaf_targetids", &[0, 1, 0, 1])
            .attribute(
                "leaf_weights",
                tensor(Data::F32(vec![5.0, 12.0, -12.0, 7.0])),
            )
            .input(floats(&[4, 1], &[0.5, 2.0, 3.5, 5.0]))
    }

    #[test]
    fn a_tree() {
        let expected = [5.0, 0.0, -12.0, 0.0, 0.0, 12.0, 0.0, 7.0];
        tree(0).gives(&[4, 2], &expected);
        tree(0)
            .int("aggregate_function", 2)
            .gives(&[4, 2], &expected);
        let softmax = tree(0).int("post_transform", 3);
        softmax.gives(&[4, 2], &[1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
    }

    #[test]
    fn membership() {
        let members = Data::F32(vec![5.0, 0.5, f32::NAN]);
        let case = tree(6).attribute("membership_values", tensor(members));
        case.gives(&[4, 2], &[5.0, 0.0, 0.0, 12.0, 0.0, 12.0, -12.0, 0.0]);
        tree(6).fails("a set of members is missing");
    }

    #[test]
    fn a_leaf_for_a_tree() {
        Case::new("TreeEnsemble")
            .domain("ai.onnx.ml")
            .ints("tree_roots", &[0, 0])
            .attribute("nodes_modes", tensor(Data::U8(vec![0])))
            .ints("nodes_featureids", &[0])
            .attribute("nodes_splits", tensor(Data::F32(vec![0.0])))
            .ints("nodes_truenodeids", &[0])
            .ints("nodes_trueleafs", &[1])
            .ints("nodes_falsenodeids", &[0])
            .ints("nodes_falseleafs", &[1])
            .ints("leaf_targetids", &[0])
            .attribute("leaf_weights", tensor(Data::F32(vec![1.5])))
            .input(floats(&[2, 1], &[0.5, f32::NAN]))
            .gives(&[2, 1], &[3.0, 3.0]);
    }

    #[test]
    fn faults() {
        tree(9).fails("node mode 9");
        tree(0)
            .int("aggregate_function", 7)
            .fails("aggregate_function 7");
        tree(0).int("post_transform", 7).fails("post_transform 7");
        Case::new("TreeEnsemble")
            .domain("ai.onnx.ml")
            .fails("nodes_modes is missing");
    }
}
