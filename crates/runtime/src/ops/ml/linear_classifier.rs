//! LinearClassifier: the scores `post_transform(X W' + b)` and the label of the largest sum. One
//! row of coefficients may tell two classes: above 0 it is the second one.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::labels::Labels;
use super::linear::Linear;
use super::matrix;
use super::post_transform::PostTransform;
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct LinearClassifier {
    linear: Linear,
    labels: Labels,
    transform: PostTransform,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let attributes = &node.attributes;
    let labels = Labels::parse(node, "classlabels_ints", "classlabels_strings")?;
    let coefficients = attributes.floats("coefficients")?.unwrap_or_default();
    let intercepts = match attributes.floats("intercepts")?.unwrap_or_default() {
        [] => vec![0.0; labels.len()],
        intercepts => intercepts.to_vec(),
    };
    let transform = PostTransform::parse(node)?;
    match (intercepts.len(), labels.len()) {
        (1, 2) => transform.for_two()?,
        (targets, labels) if targets == labels && targets > 1 => {}
        (targets, labels) => {
            return Err(Fault::shape(format!(
                "{targets} intercepts do not tell {labels} class labels"
            )));
        }
    }
    Ok(Box::new(LinearClassifier {
        linear: Linear {
            coefficients: coefficients.to_vec(),
            intercepts,
        },
        labels,
        transform,
    }))
}

impl<B: Backend> Operator<B> for LinearClassifier {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let rows = self.linear.rows(inputs)?;
        let scores = Fact::float(vec![rows, self.labels.len()]);
        Ok(vec![self.labels.fact(rows), scores])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let scores = self.linear.scores(&mut inputs)?;
        let device = inputs.device;
        Ok(match self.linear.intercepts.len() {
            1 => vec![
                self.labels.above::<B>(scores.clone(), 0.0, device),
                self.transform.of_two::<B>(scores, true),
            ],
            _ => vec![
                self.labels.top::<B>(scores.clone(), device),
                self.transform.of::<B>(scores),
            ],
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

    fn case(post: &str, labels: &[i64], intercepts: &[f32]) -> Case {
        let coefficients = match intercepts.len() {
            1 => &[0.5f32][..],
            n => &[0.5, -0.5, 0.25][..n],
        };
        Case::new("LinearClassifier")
            .domain("ai.onnx.ml")
            .outputs(2)
            .floats("coefficients", coefficients)
            .floats("intercepts", intercepts)
            .ints("classlabels_ints", labels)
            .string("post_transform", post)
            .input(floats(&[3, 1], &[-1.0, -0.5, 1.0]))
    }

    #[test]
    fn one_score_for_two_classes() {
        let plain = [1.25, -0.25, 1.0, 0.0, 0.25, 0.75];
        let two = |post| case(post, &[5, 7], &[0.25]);
        two("NONE").gives(&[3], &[5.0, 5.0, 7.0]);
        two("NONE").output_gives(1, &[3, 2], &plain);
        two("SOFTMAX").output_gives(1, &[3, 2], &plain);
        let logistic = [0.562_176_5, 0.437_823_5, 0.5, 0.5, 0.320_821_3, 0.679_178_7];
        two("LOGISTIC").output_gives(1, &[3, 2], &logistic);
        two("LOGISTIC").gradient_of_output_agrees(1);
        two("PROBIT").fails("PROBIT");
    }

    #[test]
    fn a_score_for_each_class() {
        let three = |post| case(post, &[5, 7, 9], &[0.25, -0.25, 0.0]);
        three("NONE").gives(&[3], &[7.0, 5.0, 5.0]);
        let plain = [-0.25, 0.25, -0.25, 0.0, 0.0, -0.125, 0.75, -0.75, 0.25];
        three("NONE").output_gives(1, &[3, 3], &plain);
        three("SOFTMAX").output_gives(
            1,
            &[3, 3],
            &[
                0.274_068_62,
                0.451_862_75,
                0.274_068_62,
                0.346_921_44,
                0.346_921_44,
                0.306_157_1,
                0.546_549_4,
                0.121_951_655,
                0.331_498_95,
            ],
        );
        three("SOFTMAX_ZERO").output_gives(
            1,
            &[3, 3],
            &[
                0.274_068_62,
                0.451_862_75,
                0.274_068_62,
                0.0,
                0.0,
                1.0,
                0.546_549_4,
                0.121_951_655,
                0.331_498_95,
            ],
        );
        three("SOFTMAX").gradient_of_output_agrees(1);
    }

    #[test]
    fn faults() {
        case("NONE", &[5], &[0.25]).fails("do not tell 1 class labels");
        case("NONE", &[5, 7, 9], &[0.25, 0.5]).fails("2 intercepts do not tell 3 class labels");
        case("ELSE", &[5, 7], &[0.25]).fails("post_transform ELSE");
        case("NONE", &[5, 1 << 30], &[0.25]).fails("beyond 2^24");
        Case::new("LinearClassifier")
            .domain("ai.onnx.ml")
            .floats("coefficients", &[1.0, 2.0, 3.0])
            .strings("classlabels_strings", &["a", "b"])
            .input(floats(&[1, 1], &[1.0]))
            .fails("3 coefficients are not 2 targets of 1 features");
    }
}
