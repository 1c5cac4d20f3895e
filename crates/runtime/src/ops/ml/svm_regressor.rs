//! SVMRegressor: `sum(a_i K(v_i, x)) + rho`, linear where there are no support vectors; `one_class`
//! gives 1 where that is above 0, else -1.

use burn_backend::{
    Backend, FloatDType, TensorMetadata, get_or_init_device_settings, tensor::FloatTensor,
};
use scoville_onnx::Node;

use super::linear::Linear;
use super::matrix;
use super::svm::Support;
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct SvmRegressor {
    support: Option<Support>,
    /// Of the kernels, or of the features.
    linear: Linear,
    one_class: bool,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let attributes = &node.attributes;
    let coefficients = attributes.floats("coefficients")?.unwrap_or_default();
    let rho = attributes.floats("rho")?.unwrap_or_default().first();
    let rho = rho.ok_or_else(|| Fault::shape("attribute rho is missing"))?;
    let support = match usize::try_from(attributes.int_or("n_supports", 0)?) {
        Ok(0) | Err(_) => None,
        Ok(count) => Some(Support::parse(node, count)?),
    };
    if let Some(support) = &support
        && support.count != coefficients.len()
    {
        return Err(Fault::shape(format!(
            "{} coefficients do not fit {} support vectors",
            coefficients.len(),
            support.count
        )));
    }
    match attributes.string("post_transform")?.unwrap_or("NONE") {
        "NONE" => {}
        other => return Err(Fault::Unsupported(format!("post_transform {other}"))),
    }
    Ok(Box::new(SvmRegressor {
        support,
        linear: Linear {
            coefficients: coefficients.to_vec(),
            intercepts: vec![*rho],
        },
        one_class: attributes.int_or("one_class", 0)? != 0,
    }))
}

impl<B: Backend> Operator<B> for SvmRegressor {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let [rows, columns] = matrix::rows_and_columns(inputs)?;
        match &self.support {
            Some(support) => matrix::check_columns(columns, support.features)?,
            None => matrix::check_columns(columns, self.linear.coefficients.len())?,
        }
        Ok(vec![Fact::float(vec![rows, 1])])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let [rows, _] = matrix::of(&inputs.shape(0)?)?;
        let score = match &self.support {
            None => self.linear.scores(&mut inputs)?,
            Some(support) => {
                let kernel = support.kernel(&mut inputs, rows)?;
                self.linear.of(&inputs, kernel, [rows, support.count])
            }
        };
        if !self.one_class {
            return Ok(vec![score]);
        }
        let bools = get_or_init_device_settings::<B>(&score.device()).bool_dtype;
        let inside = B::float_greater_elem(score, 0.0f32.into(), bools);
        let inside = B::bool_into_float(inside, FloatDType::F32);
        let sign = B::float_mul_scalar(inside, 2.0f32.into());
        Ok(vec![B::float_sub_scalar(sign, 1.0f32.into())])
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

    fn case(kernel: &str) -> Case {
        Case::new("SVMRegressor")
            .domain("ai.onnx.ml")
            .string("kernel_type", kernel)
            .floats("rho", &[0.25])
            .input(floats(&[2, 2], &[0.5, -1.0, 1.5, 0.25]))
    }

    fn supported(kernel: &str, degree: f32) -> Case {
        case(kernel)
            .int("n_supports", 3)
            .floats("coefficients", &[0.5, -1.0, 0.75])
            .floats("kernel_params", &[0.5, 0.25, degree])
            .floats("support_vectors", &[1.0, 0.0, -0.5, 1.0, 0.25, 0.5])
    }

    #[test]
    fn kernels() {
        for (kernel, degree, expected) in VALUES {
            let case = supported(kernel, *degree);
            case.gives(&[2, 1], expected);
            case.gradient_agrees();
            case.keeps_samples(0, 2);
        }
        let linear = || case("RBF").floats("coefficients", &[2.0, -1.0]);
        linear().gives(&[2, 1], &[2.25, 3.0]);
        linear().gradient_agrees();
        let one_class = |rho: f32| {
            Case::new("SVMRegressor")
                .domain("ai.onnx.ml")
                .floats("coefficients", &[1.0])
                .floats("rho", &[rho])
                .int("one_class", 1)
                .input(floats(&[3, 1], &[-1.0, 0.5, 1.0]))
        };
        one_class(-0.5).gives(&[3, 1], &[-1.0, -1.0, 1.0]);
    }

    #[test]
    fn huge_degrees() {
        for degree in [1e19, f32::INFINITY] {
            supported("POLY", degree).gives(&[2, 1], &[0.25, 0.75]);
        }
    }

    #[test]
    fn faults() {
        let case = || case("RBF");
        case().int("n_supports", 4).fails("which are not 4 vectors");
        case()
            .floats("coefficients", &[1.0])
            .fails("2 features, the operator 1");
        let other = case()
            .int("n_supports", 1)
            .floats("support_vectors", &[1.0, 2.0]);
        other.fails("0 coefficients do not fit 1 support vectors");
    }

    const VALUES: &[(&str, f32, &[f32])] = &[
        ("LINEAR", 0.0, &[1.468_75, 1.875]),
        ("POLY", 1.0, &[0.921_875, 1.125]),
        ("POLY", 2.0, &[0.237_304_69, 0.937_5]),
        ("POLY", 3.0, &[0.365_417_48, 0.843_75]),
        ("RBF", 0.0, &[0.671_543_7, 0.908_326_7]),
        ("SIGMOID", 0.0, &[0.886_230_05, 0.977_385]),
    ];
}
