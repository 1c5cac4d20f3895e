//! LinearRegressor: `post_transform(X W' + b)`; of a single target onnxruntime transforms by PROBIT
//! only.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::linear::Linear;
use super::matrix;
use super::post_transform::PostTransform;
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct LinearRegressor {
    linear: Linear,
    transform: PostTransform,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let attributes = &node.attributes;
    let coefficients = attributes.floats("coefficients")?.unwrap_or_default();
    let targets = usize::try_from(attributes.int_or("targets", 1)?).unwrap_or(0);
    if targets == 0 || targets > coefficients.len() {
        return Err(Fault::shape(format!(
            "{targets} targets do not fit {} coefficients",
            coefficients.len()
        )));
    }
    let intercepts = match attributes.floats("intercepts")?.unwrap_or_default() {
        [] => vec![0.0; targets],
        intercepts if intercepts.len() == targets => intercepts.to_vec(),
        intercepts => {
            return Err(Fault::shape(format!(
                "{} intercepts are not one a target of {targets}",
                intercepts.len()
            )));
        }
    };
    Ok(Box::new(LinearRegressor {
        linear: Linear {
            coefficients: coefficients.to_vec(),
            intercepts,
        },
        transform: PostTransform::parse(node)?,
    }))
}

impl<B: Backend> Operator<B> for LinearRegressor {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let rows = self.linear.rows(inputs)?;
        Ok(vec![Fact::float(vec![rows, self.linear.intercepts.len()])])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let scores = self.linear.scores(&mut inputs)?;
        Ok(vec![match self.linear.intercepts.len() {
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
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn values() {
        let case = |post: &str, targets: usize| {
            Case::new("LinearRegressor")
                .domain("ai.onnx.ml")
                .floats("coefficients", &[0.5, -0.25][..targets])
                .floats("intercepts", &[0.25, 0.5][..targets])
                .int("targets", targets as i64)
                .string("post_transform", post)
                .input(floats(&[2, 1], &[-1.0, 1.0]))
        };
        case("NONE", 1).gives(&[2, 1], &[-0.25, 0.75]);
        case("LOGISTIC", 1).gives(&[2, 1], &[-0.25, 0.75]);
        case("NONE", 2).gives(&[2, 2], &[-0.25, 0.75, 0.75, 0.25]);
        case("NONE", 2).gradient_agrees();
        let logistic = [0.437_823_5, 0.679_178_7, 0.679_178_7, 0.562_176_5];
        case("LOGISTIC", 2).gives(&[2, 2], &logistic);
        case("LOGISTIC", 2).gradient_agrees();
        let probit = |x| {
            Case::new("LinearRegressor")
                .domain("ai.onnx.ml")
                .floats("coefficients", &[1.0])
                .string("post_transform", "PROBIT")
                .input(floats(&[1, 1], &[x]))
        };
        probit(0.75).gives(&[1, 1], &[0.674_574_3]);
        probit(0.25).gives(&[1, 1], &[-0.674_574_3]);
        probit(0.25).gradient_agrees();
        Case::new("LinearRegressor")
            .domain("ai.onnx.ml")
            .floats("coefficients", &[2.0, 3.0])
            .input(ints(&[2], &[5, 7]))
            .gives(&[1, 1], &[31.0]);
        let zero = Case::new("LinearRegressor").domain("ai.onnx.ml");
        zero.int("targets", 0).fails("0 targets do not fit 0");
    }
}
