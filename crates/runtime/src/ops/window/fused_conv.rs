//! com.microsoft.FusedConv: a convolution, plus a tensor of the output's shape where one is given,
//! through an activation.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::conv::Conv;
use crate::Fault;
use crate::ops::samples::{Samples, along_first};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

enum Activation {
    None,
    Relu,
    Tanh,
    Sigmoid,
    LeakyRelu(f32),
    Clip(f32, f32),
    HardSigmoid(f32, f32),
}

struct FusedConv {
    conv: Conv,
    activation: Activation,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(FusedConv {
        conv: Conv::parse(node)?,
        activation: Activation::parse(node)?,
    }))
}

impl Activation {
    fn parse(node: &Node) -> Result<Activation, Fault> {
        let name = node.attributes.string("activation")?.unwrap_or_default();
        let parameters = node.attributes.floats("activation_params")?;
        let parameters = parameters.unwrap_or_default();
        Ok(match (name, parameters) {
            ("", []) => Activation::None,
            ("Relu", []) => Activation::Relu,
            ("Tanh", []) => Activation::Tanh,
            ("Sigmoid", []) => Activation::Sigmoid,
            ("LeakyRelu", &[alpha]) => Activation::LeakyRelu(alpha),
            ("Clip", &[low, high]) => Activation::Clip(low, high),
            ("HardSigmoid", &[alpha, beta]) => Activation::HardSigmoid(alpha, beta),
            _ => {
                return Err(Fault::Unsupported(format!(
                    "activation {name:?} of {parameters:?}"
                )));
            }
        })
    }

    fn apply<B: Backend>(&self, x: FloatTensor<B>) -> FloatTensor<B> {
        match *self {
            Activation::None => x,
            Activation::Relu => B::relu(x),
            Activation::Tanh => B::float_tanh(x),
            Activation::Sigmoid => B::sigmoid(x),
            Activation::LeakyRelu(alpha) => B::leaky_relu(x, alpha.into()),
            Activation::Clip(low, high) => B::float_clamp(x, low.into(), high.into()),
            Activation::HardSigmoid(alpha, beta) => {
                let line = B::float_add_scalar(B::float_mul_scalar(x, alpha.into()), beta.into());
                B::float_clamp(line, 0.0f32.into(), 1.0f32.into())
            }
        }
    }
}

impl<B: Backend> Operator<B> for FusedConv {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let bias = inputs.optional_float(2)?;
        let shape = self.conv.shape(inputs.float(0)?, inputs.float(1)?, bias)?;
        if inputs.optional_float(3)?.is_some_and(|sum| sum != shape) {
            return Err(Fault::shape(format!("the addend is not {shape:?}")));
        }
        Ok(vec![inputs.any(0)?.with_shape(shape)])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let axes = self.conv.place(&inputs.shape(0)?, &inputs.shape(1)?)?;
        let (x, weights) = (inputs.tensor(0)?, inputs.tensor(1)?);
        let bias = inputs.optional_tensor(2)?;
        let out = self.conv.run::<B>(&axes, x, weights, bias);
        let out = match inputs.optional_tensor(3)? {
            Some(addend) => B::float_add(out, addend),
            None => out,
        };
        Ok(vec![self.activation.apply::<B>(out)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        along_first(samples, &[0, 3], outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    fn plain() -> Case {
        Case::new("FusedConv")
            .domain("com.microsoft")
            .input(floats(&[1, 1, 1, 3], &[1.0, -2.0, 3.0]))
            .constant(floats(&[1, 1, 1, 1], &[0.5]))
    }

    #[test]
    fn values() {
        let with = |name, parameters: &[f32]| {
            let case = plain().string("activation", name);
            match parameters {
                [] => case,
                parameters => case.floats("activation_params", parameters),
            }
        };
        plain().gives(&[1, 1, 1, 3], &[0.5, -1.0, 1.5]);
        with("Relu", &[]).gives(&[1, 1, 1, 3], &[0.5, 0.0, 1.5]);
        with("LeakyRelu", &[0.1]).gives(&[1, 1, 1, 3], &[0.5, -0.1, 1.5]);
        with("Clip", &[0.0, 1.0]).gives(&[1, 1, 1, 3], &[0.5, 0.0, 1.0]);
        with("HardSigmoid", &[0.2, 0.5]).gives(&[1, 1, 1, 3], &[0.6, 0.3, 0.8]);
        with("Tanh", &[]).gradient_agrees();
        with("Sigmoid", &[]).gradient_agrees();
        with("Relu", &[])
            .absent()
            .input(floats(&[1, 1, 1, 3], &[1.0, 2.0, -5.0]))
            .gives(&[1, 1, 1, 3], &[1.5, 1.0, 0.0]);
        with("Gelu", &[]).fails("activation \"Gelu\"");
        plain()
            .absent()
            .input(floats(&[1], &[0.0]))
            .fails("the addend");
    }
}
