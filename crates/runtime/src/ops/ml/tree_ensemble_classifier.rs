//! TreeEnsembleClassifier: for each class the sum of the weights of the leaves that a sample
//! reaches, and the label of the largest one.
//!
//! Where all weights are for one of two classes, that one's score decides: above 0, or where no
//! weight is negative above 0.5, the label is the second one; for the first class it then also gives
//! both scores. All this is as in onnxruntime, except where its two-class case leaves ONNX: with
//! weights for both classes the label is that of the larger sum and two base values are added one a
//! class, as with three classes; there, and of the second class alone, onnxruntime drops a sum.

use burn_backend::{
    Backend, Shape, TensorMetadata, get_or_init_device_settings, tensor::FloatTensor,
};
use scoville_onnx::Node;

use super::forest::Aggregate;
use super::labels::Labels;
use super::matrix;
use super::post_transform::PostTransform;
use super::tree_nodes::{Trees, floats};
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct Classifier {
    trees: Trees,
    /// One a class.
    base: Vec<f32>,
    /// How many base values the file has.
    bases: usize,
    labels: Labels,
    transform: PostTransform,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let labels = Labels::parse(node, "classlabels_int64s", "classlabels_strings")?;
    let classes = labels.len();
    let trees = Trees::parse(node, "class", classes)?;
    let mut base: Vec<f32> = floats(node, "base_values")?
        .iter()
        .map(|&v| v as f32)
        .collect();
    let bases = base.len();
    if bases > 1 && bases != classes {
        return Err(Fault::shape(format!(
            "{bases} base values are not one a class of {classes}"
        )));
    }
    base.resize(classes, 0.0);
    let classifier = Classifier {
        trees,
        base,
        bases,
        labels: if classes == 1 { labels.two() } else { labels },
        transform: PostTransform::parse(node)?,
    };
    if classifier.decider() == Some(0) && bases < 2 {
        classifier.transform.for_two()?;
    }
    Ok(Box::new(classifier))
}

impl Classifier {
    /// The only one of two classes that has weights.
    fn decider(&self) -> Option<usize> {
        match (self.trees.forest.targets, self.trees.weighted.as_slice()) {
            (2, &[class]) => Some(class),
            _ => None,
        }
    }

    fn bound(&self) -> f32 {
        if self.trees.positive { 0.5 } else { 0.0 }
    }

    /// The scores, those of classes without a leaf that was reached or a base value as small as can be.
    fn present<B: Backend>(
        &self,
        scores: FloatTensor<B>,
        counts: FloatTensor<B>,
        upload: &dyn Fn(&[f32]) -> FloatTensor<B>,
    ) -> FloatTensor<B> {
        let counts = match self.bases {
            1 => {
                let classes = 0..self.trees.forest.targets;
                let first: Vec<f32> = classes.map(|i| f32::from(u8::from(i == 0))).collect();
                B::float_add(counts, upload(&first))
            }
            _ => counts,
        };
        let bools = get_or_init_device_settings::<B>(&counts.device()).bool_dtype;
        let none = B::float_equal_elem(counts, 0.0f32.into(), bools);
        B::float_mask_fill(scores, none, f32::MIN.into())
    }
}

/// Column `at` of a matrix.
fn column<B: Backend>(of: &FloatTensor<B>, at: isize) -> FloatTensor<B> {
    let rows = burn_backend::Slice::new(0, None, 1);
    let column = burn_backend::Slice::new(at, Some(at + 1), 1);
    B::float_slice(of.clone(), &[rows, column])
}

impl<B: Backend> Operator<B> for Classifier {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let [rows, columns] = matrix::rows_and_columns(inputs)?;
        let forest = &self.trees.forest;
        forest.check_columns(columns)?;
        let scores = Fact::float(vec![rows, forest.targets]);
        Ok(vec![self.labels.fact(rows), scores])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = Shape::from(matrix::of(&inputs.shape(0)?)?);
        let x = B::float_reshape(inputs.tensor(0)?, shape);
        let forest = &self.trees.forest;
        let (sums, counts) = forest.scores(&inputs, x, Aggregate::Sum)?;
        let device = inputs.device;
        let base = |base: &[f32]| inputs.upload(&[1, base.len()], base.to_vec());
        let label = |score| self.labels.above::<B>(score, self.bound(), device);
        let first = self.base.get(..1).unwrap_or_default();
        Ok(match (forest.targets, self.decider()) {
            (1, _) => {
                let score = B::float_add(sums, base(first));
                let label = self.labels.above::<B>(score.clone(), 0.0, device);
                vec![label, self.transform.of_one::<B>(score)]
            }
            (_, Some(0)) => {
                let score = B::float_add(column::<B>(&sums, 0), base(first));
                let transform = &self.transform;
                let scores = match self.bases {
                    2 => {
                        let both = vec![score.clone(), column::<B>(&sums, 1)];
                        transform.of::<B>(B::float_cat(both, 1))
                    }
                    _ => transform.of_two::<B>(score.clone(), self.trees.positive),
                };
                vec![label(score), scores]
            }
            (_, Some(_)) => {
                let scores = match self.bases {
                    2 => B::float_add(sums, base(&self.base)),
                    _ => sums,
                };
                let second = column::<B>(&scores, 1);
                vec![label(second), self.transform.of::<B>(scores)]
            }
            _ => {
                let scores = B::float_add(sums, base(&self.base));
                let present = match counts.filter(|_| self.bases != forest.targets) {
                    Some(counts) => self.present::<B>(scores.clone(), counts, &base),
                    None => scores.clone(),
                };
                let label = self.labels.top::<B>(present, device);
                vec![label, self.transform.of::<B>(scores)]
            }
        })
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
    use crate::ops::testing::{Case, floats};

    /// One split on feature 0 at 0, and the weights as (leaf, class, weight).
    fn split(labels: &[i64], weights: &[(i64, i64, f32)], post: &str, base: &[f32]) -> Case {
        let nodes: Vec<i64> = weights.iter().map(|&(node, ..)| node).collect();
        let classes: Vec<i64> = weights.iter().map(|&(_, class, _)| class).collect();
        let weights: Vec<f32> = weights.iter().map(|&(.., weight)| weight).collect();
        Case::new("TreeEnsembleClassifier")
            .domain("ai.onnx.ml")
            .outputs(2)
            .ints("nodes_treeids", &[0, 0, 0])
            .ints("nodes_nodeids", &[0, 1, 2])
            .ints("nodes_featureids", &[0, 0, 0])
            .ints("nodes_truenodeids", &[1, 0, 0])
            .ints("nodes_falsenodeids", &[2, 0, 0])
            .strings("nodes_modes", &["BRANCH_LEQ", "LEAF", "LEAF"])
            .floats("nodes_values", &[0.0; 3])
            .ints("class_treeids", &vec![0; nodes.len()])
            .ints("class_nodeids", &nodes)
            .ints("class_ids", &classes)
            .floats("class_weights", &weights)
            .ints("classlabels_int64s", labels)
            .string("post_transform", post)
            .floats("base_values", base)
            .input(floats(&[2, 1], &[-1.0, 1.0]))
    }

    fn check(case: Case, labels: [f32; 2], scores: &[f32]) {
        case.gives(&[2], &labels);
        case.output_gives(1, &[2, scores.len() / 2], scores);
    }

    #[test]
    fn the_first_of_two_classes_decides() {
        let positive =
            |post, base: &[f32]| split(&[5, 7], &[(1, 0, 0.25), (2, 0, 0.75)], post, base);
        let plain = [0.75, 0.25, 0.25, 0.75];
        check(positive("NONE", &[]), [5.0, 7.0], &plain);
        check(positive("SOFTMAX", &[]), [5.0, 7.0], &plain);
        let logistic = [0.437_823, 0.562_177, 0.320_821, 0.679_179];
        check(positive("LOGISTIC", &[]), [5.0, 7.0], &logistic);
        check(
            positive("NONE", &[0.5]),
            [7.0, 7.0],
            &[0.25, 0.75, -0.25, 1.25],
        );
        check(
            positive("NONE", &[0.5, -0.25]),
            [7.0, 7.0],
            &[0.75, 0.0, 1.25, 0.0],
        );
        let softmax = [0.679_178_7, 0.320_821_3, 0.777_299_9, 0.222_700_1];
        check(positive("SOFTMAX", &[0.5, -0.25]), [7.0, 7.0], &softmax);
        positive("PROBIT", &[]).fails("PROBIT");
        let mixed = |post| split(&[5, 7], &[(1, 0, -0.25), (2, 0, 0.75)], post, &[]);
        check(mixed("NONE"), [5.0, 7.0], &[0.25, -0.25, -0.75, 0.75]);
        let logistic = [0.562_176_5, 0.437_823_5, 0.320_821_3, 0.679_178_7];
        check(mixed("LOGISTIC"), [5.0, 7.0], &logistic);
    }

    #[test]
    fn the_second_of_two_classes_decides() {
        let positive =
            |post, base: &[f32]| split(&[5, 7], &[(1, 1, 0.25), (2, 1, 0.75)], post, base);
        check(positive("NONE", &[]), [5.0, 7.0], &[0.0, 0.25, 0.0, 0.75]);
        check(
            positive("NONE", &[0.5]),
            [5.0, 7.0],
            &[0.0, 0.25, 0.0, 0.75],
        );
        let logistic = [0.5, 0.562_176_5, 0.5, 0.679_178_7];
        check(positive("LOGISTIC", &[]), [5.0, 7.0], &logistic);
        check(
            positive("NONE", &[0.5, 0.5]),
            [7.0, 7.0],
            &[0.5, 0.75, 0.5, 1.25],
        );
        let mixed = split(&[5, 7], &[(1, 1, -0.25), (2, 1, 0.75)], "SOFTMAX_ZERO", &[]);
        check(mixed, [5.0, 7.0], &[0.0, 1.0, 0.0, 1.0]);
    }

    #[test]
    fn both_of_two_classes() {
        let weights = [(1, 0, 0.75), (1, 1, 0.25), (2, 0, 0.125), (2, 1, 0.875)];
        let both = |post, base: &[f32]| split(&[5, 7], &weights, post, base);
        check(both("NONE", &[]), [5.0, 7.0], &[0.75, 0.25, 0.125, 0.875]);
        check(
            both("NONE", &[0.5]),
            [5.0, 7.0],
            &[1.25, 0.25, 0.625, 0.875],
        );
        check(
            both("NONE", &[0.0, 1.0]),
            [7.0, 7.0],
            &[0.75, 1.25, 0.125, 1.875],
        );
        let votes = split(&[5, 7], &[(1, 0, 1.0), (2, 1, 1.0)], "NONE", &[]);
        check(votes, [5.0, 7.0], &[1.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn other_numbers_of_classes() {
        let three = |base: &[f32]| split(&[5, 7, 9], &[(1, 0, -0.5), (2, 2, -0.25)], "NONE", base);
        // A class without a weight has no score, and does not win.
        check(three(&[]), [5.0, 9.0], &[-0.5, 0.0, 0.0, 0.0, 0.0, -0.25]);
        let based = [-0.5, 1.0, 0.5, 0.0, 1.0, 0.25];
        check(three(&[0.0, 1.0, 0.5]), [7.0, 7.0], &based);
        let one = split(&[5], &[(1, 0, -0.5), (2, 0, 0.25)], "LOGISTIC", &[]);
        check(one, [0.0, 1.0], &[-0.5, 0.25]);
    }

    #[test]
    fn faults() {
        split(&[5, 7, 9], &[(1, 0, 1.0)], "NONE", &[1.0, 2.0]).fails("2 base values");
        split(&[5, 7], &[(1, 2, 1.0)], "NONE", &[]).fails("a target beyond the 2");
        split(&[5, 7], &[(3, 1, 1.0)], "NONE", &[]).fails("node 3 of tree 0 has a weight");
        split(&[], &[(1, 0, 1.0)], "NONE", &[]).fails("no targets");
    }
}
