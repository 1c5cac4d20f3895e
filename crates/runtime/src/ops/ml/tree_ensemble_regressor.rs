//! TreeEnsembleRegressor: `post_transform(base + aggregate)` of the weights of the leaves that a
//! sample reaches, one a tree; of a single target onnxruntime transforms by PROBIT only.

use burn_backend::{Backend, Shape, tensor::FloatTensor};
use scoville_onnx::Node;

use super::forest::{Aggregate, Forest};
use super::matrix;
use super::post_transform::PostTransform;
use super::tree_nodes::{Trees, floats};
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

/// Also what TreeEnsemble is.
pub(super) struct Regressor {
    pub forest: Forest,
    /// One a target.
    pub base: Vec<f32>,
    pub aggregate: Aggregate,
    pub transform: PostTransform,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(read(node)?))
}

pub(super) fn read(node: &Node) -> Result<Regressor, Fault> {
    let targets = usize::try_from(node.attributes.int_or("n_targets", 1)?).unwrap_or(0);
    let base: Vec<f32> = floats(node, "base_values")?
        .iter()
        .map(|&v| v as f32)
        .collect();
    if !base.is_empty() && base.len() != targets {
        return Err(Fault::shape(format!(
            "{} base values are not one a target of {targets}",
            base.len()
        )));
    }
    let name = node
        .attributes
        .string("aggregate_function")?
        .unwrap_or("SUM");
    Ok(Regressor {
        forest: Trees::parse(node, "target", targets)?.forest,
        base,
        aggregate: match name {
            "SUM" => Aggregate::Sum,
            "AVERAGE" => Aggregate::Average,
            "MIN" => Aggregate::Min,
            "MAX" => Aggregate::Max,
            other => return Err(Fault::Unsupported(format!("aggregate_function {other}"))),
        },
        transform: PostTransform::parse(node)?,
    })
}

impl<B: Backend> Operator<B> for Regressor {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let [rows, columns] = matrix::rows_and_columns(inputs)?;
        self.forest.check_columns(columns)?;
        Ok(vec![Fact::float(vec![rows, self.forest.targets])])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = Shape::from(matrix::of(&inputs.shape(0)?)?);
        let x = B::float_reshape(inputs.tensor(0)?, shape);
        let (mut scores, _) = self.forest.scores(&inputs, x, self.aggregate)?;
        if !self.base.is_empty() {
            let base = inputs.upload(&[1, self.base.len()], self.base.clone());
            scores = B::float_add(scores, base);
        }
        Ok(vec![match self.forest.targets {
            1 => self.transform.of_one::<B>(scores),
            _ => self.transform.of::<B>(scores),
        }])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        matrix::samples(samples, inputs, outputs)
    }
}

#[cfg(test)]
mod tests {
    use scoville_onnx::{Attribute, Data, Tensor};

    use crate::ops::testing::{Case, floats, ints};

    /// One split on feature 0 at 0.5; the leaves weigh 0.25 and 0.75, for `targets`.
    fn split(mode: &str, targets: [i64; 2]) -> Case {
        Case::new("TreeEnsembleRegressor")
            .domain("ai.onnx.ml")
            .ints("nodes_treeids", &[0, 0, 0])
            .ints("nodes_nodeids", &[0, 1, 2])
            .ints("nodes_featureids", &[0, 0, 0])
            .ints("nodes_truenodeids", &[1, 0, 0])
            .ints("nodes_falsenodeids", &[2, 0, 0])
            .strings("nodes_modes", &[mode, "LEAF", "LEAF"])
            .ints("target_treeids", &[0, 0])
            .ints("target_nodeids", &[1, 2])
            .ints("target_ids", &targets)
            .floats("target_weights", &[0.25, 0.75])
    }

    fn values(mode: &str) -> Case {
        split(mode, [0, 0]).floats("nodes_values", &[0.5, 0.0, 0.0])
    }

    #[test]
    fn modes() {
        let x = || floats(&[4, 1], &[0.0, 0.5, 1.0, f32::NAN]);
        let (yes, no) = (0.25, 0.75);
        for (mode, expected) in [
            ("BRANCH_LEQ", [yes, yes, no, no]),
            ("BRANCH_LT", [yes, no, no, no]),
            ("BRANCH_GTE", [no, yes, yes, no]),
            ("BRANCH_GT", [no, no, yes, no]),
            ("BRANCH_EQ", [no, yes, no, no]),
            ("BRANCH_NEQ", [yes, no, yes, yes]),
        ] {
            values(mode).input(x()).gives(&[4, 1], &expected);
            let missing = values(mode).ints("nodes_missing_value_tracks_true", &[1, 0, 0]);
            let [a, b, c, _] = expected;
            missing.input(x()).gives(&[4, 1], &[a, b, c, yes]);
        }
        values("BRANCH_LEQ")
            .input(ints(&[1], &[1]))
            .gives(&[1, 1], &[no]);
        let near = floats(&[2, 1], &[0.25, 0.125]);
        values("BRANCH_LT").input(near).keeps_samples(0, 2);
        values("BRANCH_LT")
            .input(floats(&[1], &[0.25]))
            .mixes_samples(0, 1);
        values("BRANCH_LT")
            .input(floats(&[2, 1], &[-0.0, 1e-40]))
            .gives(&[2, 1], &[yes, yes]);
    }

    #[test]
    fn double_thresholds() {
        // 0.1 lies between the two floats.
        let x = || floats(&[2, 1], &[0.1f32.next_down(), 0.1]);
        for (mode, expected) in [
            ("BRANCH_LEQ", [0.25, 0.75]),
            ("BRANCH_LT", [0.25, 0.75]),
            ("BRANCH_GTE", [0.75, 0.25]),
            ("BRANCH_GT", [0.75, 0.25]),
            ("BRANCH_EQ", [0.75, 0.75]),
            ("BRANCH_NEQ", [0.25, 0.25]),
        ] {
            let data = Data::F64(vec![0.1, 0.0, 0.0]);
            let thresholds = Tensor {
                shape: vec![3],
                data,
            };
            let case = split(mode, [0, 0]).attribute(
                "nodes_values_as_tensor",
                Attribute::Tensor(Box::new(thresholds)),
            );
            case.input(x()).gives(&[2, 1], &expected);
        }
    }

    #[test]
    fn targets_and_transforms() {
        let case = |post: &str| {
            split("BRANCH_LEQ", [0, 1])
                .floats("nodes_values", &[0.5, 0.0, 0.0])
                .int("n_targets", 2)
                .floats("base_values", &[0.5, 0.25])
                .string("post_transform", post)
                .input(floats(&[2, 1], &[0.0, 1.0]))
        };
        case("NONE").gives(&[2, 2], &[0.75, 0.25, 0.5, 1.0]);
        let logistic = [0.679_178_7, 0.562_176_5, 0.622_459_3, 0.731_058_6];
        case("LOGISTIC").gives(&[2, 2], &logistic);
        let base = values("BRANCH_LEQ").floats("base_values", &[0.5]);
        base.string("post_transform", "SOFTMAX")
            .input(floats(&[1, 1], &[0.0]))
            .gives(&[1, 1], &[0.75]);
        let probit = values("BRANCH_GT").string("post_transform", "PROBIT");
        probit
            .input(floats(&[1, 1], &[0.0]))
            .gives(&[1, 1], &[0.674_574_3]);
    }

    /// Three trees, the second with two levels: of weights for one target or for several.
    fn three(aggregate: &str, targets: &[i64]) -> Case {
        Case::new("TreeEnsembleRegressor")
            .domain("ai.onnx.ml")
            .string("aggregate_function", aggregate)
            .int("n_targets", 1 + targets.iter().max().expect("a target"))
            .ints("nodes_treeids", &[0, 0, 0, 1, 1, 1, 1, 1, 2])
            .ints("nodes_nodeids", &[0, 1, 2, 0, 1, 2, 3, 4, 0])
            .ints("nodes_featureids", &[0, 0, 0, 1, 0, 0, 0, 0, 0])
            .ints("nodes_truenodeids", &[1, 0, 0, 2, 0, 3, 0, 0, 0])
            .ints("nodes_falsenodeids", &[2, 0, 0, 1, 0, 4, 0, 0, 0])
            .floats(
                "nodes_values",
                &[0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0],
            )
            .strings(
                "nodes_modes",
                &[
                    "BRANCH_LEQ",
                    "LEAF",
                    "LEAF",
                    "BRANCH_LT",
                    "LEAF",
                    "BRANCH_GTE",
                    "LEAF",
                    "LEAF",
                    "LEAF",
                ],
            )
            .ints("target_treeids", &[0, 0, 1, 1, 1, 2])
            .ints("target_nodeids", &[1, 2, 1, 3, 4, 0])
            .ints("target_ids", targets)
            .floats("target_weights", &[1.0, 2.0, -4.0, 8.0, 16.0, 0.5])
            .input(floats(&[3, 2], &[-2.0, 0.0, -0.5, 0.0, 1.0, 1.0]))
    }

    #[test]
    fn aggregates() {
        for (aggregate, one, two) in [
            ("SUM", [17.5, 9.5, -1.5], [1.5, 16.0, 1.5, 8.0, 2.5, -4.0]),
            (
                "AVERAGE",
                [17.5 / 3.0, 9.5 / 3.0, -0.5],
                [0.5, 16.0 / 3.0, 0.5, 8.0 / 3.0, 2.5 / 3.0, -4.0 / 3.0],
            ),
            ("MIN", [0.5, 0.5, -4.0], [0.5, 16.0, 0.5, 8.0, 0.5, -4.0]),
            ("MAX", [16.0, 8.0, 2.0], [1.0, 16.0, 1.0, 8.0, 2.0, -4.0]),
        ] {
            three(aggregate, &[0; 6]).gives(&[3, 1], &one);
            three(aggregate, &[0, 0, 1, 1, 1, 0]).gives(&[3, 2], &two);
            // No tree has weights for target 0.
            let three = three(aggregate, &[1, 1, 2, 2, 2, 1]);
            let padded: Vec<f32> = two
                .chunks(2)
                .flat_map(|row| [0.0, row[0], row[1]])
                .collect();
            three.gives(&[3, 3], &padded);
        }
        // A tree whose leaves weigh for several targets.
        let mixed = |aggregate| three(aggregate, &[0, 1, 1, 0, 1, 0]);
        mixed("SUM").gives(&[3, 2], &[1.5, 16.0, 9.5, 0.0, 0.5, -2.0]);
        mixed("MIN").gives(&[3, 2], &[0.5, 16.0, 0.5, 0.0, 0.5, -4.0]);
        mixed("MAX").gives(&[3, 2], &[1.0, 16.0, 8.0, 0.0, 0.5, 2.0]);
    }

    #[test]
    fn faults() {
        let x = || floats(&[1, 1], &[0.0]);
        values("BRANCH_X").fails("node mode BRANCH_X");
        split("BRANCH_LEQ", [0, 0]).fails("nodes_* are not of one length");
        split("BRANCH_LEQ", [0, 0])
            .floats("nodes_values", &[0.0; 2])
            .fails("not of one length");
        values("BRANCH_LEQ").int("n_targets", 0).fails("no targets");
        let far = split("BRANCH_LEQ", [0, 1]).floats("nodes_values", &[0.0; 3]);
        far.fails("a target beyond the 1");
        split("BRANCH_LEQ", [0, -1])
            .floats("nodes_values", &[0.0; 3])
            .fails("negative entry");
        values("BRANCH_LEQ")
            .floats("base_values", &[0.0; 2])
            .fails("2 base values");
        values("BRANCH_LEQ")
            .string("aggregate_function", "X")
            .fails("aggregate_function X");
        values("BRANCH_LEQ")
            .input(floats(&[1, 0], &[]))
            .fails("feature 0 of 0");
        let nodes = |ids: &[i64], yes: &[i64], no: &[i64], modes: &[&str]| {
            Case::new("TreeEnsembleRegressor")
                .domain("ai.onnx.ml")
                .ints("nodes_treeids", &vec![0; ids.len()])
                .ints("nodes_nodeids", ids)
                .ints("nodes_featureids", &vec![0; ids.len()])
                .floats("nodes_values", &vec![0.0; ids.len()])
                .ints("nodes_truenodeids", yes)
                .ints("nodes_falsenodeids", no)
                .strings("nodes_modes", modes)
        };
        let (branch, leaf) = ("BRANCH_LEQ", "LEAF");
        let feature = nodes(&[0, 1], &[1, 0], &[1, 0], &[branch, leaf]);
        feature.input(x()).gives(&[1, 1], &[0.0]);
        nodes(&[], &[], &[], &[]).fails("no trees");
        nodes(&[0], &[0], &[0], &[branch]).fails("form a circle");
        nodes(&[0, 1], &[1, 0], &[1, 0], &[branch, branch]).fails("form a circle");
        nodes(&[0, 1], &[1, 0], &[7, 0], &[branch, leaf]).fails("node 7 of tree 0 is missing");
        nodes(&[0, 0], &[0, 0], &[0, 0], &[leaf, leaf]).fails("is there twice");
        let chain: Vec<i64> = (0..1003).collect();
        let next: Vec<i64> = (0..1003).map(|i| (i + 1).min(1002)).collect();
        let mut modes = vec![branch; 1003];
        modes[1002] = leaf;
        nodes(&chain, &next, &next, &modes).fails("a tree of 1002 levels");
    }
}
