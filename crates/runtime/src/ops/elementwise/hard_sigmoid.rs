//! HardSigmoid: `alpha * x + beta` cut to \[0, 1\]. HardSwish: `x` times HardSigmoid with alpha 1/6,
//! beta 1/2 (Howard et al. 2019).

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_convnet::Function;
use scoville_onnx::{Attributes, Node};

use crate::Fault;
use crate::ops::layer::{Inputs, Part};
use crate::ops::unary::unary;
use crate::ops::{Context, Parsed};

/// alpha and beta of HardSwish.
const SWISH: [f32; 2] = [1.0 / 6.0, 0.5];

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let [alpha, beta] = line(&node.attributes)?;
    unary(move |x| hard_sigmoid::<B>(x, alpha, beta))
}

pub(super) fn parse_swish<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    let [alpha, beta] = SWISH;
    unary(move |x: FloatTensor<B>| B::float_mul(x.clone(), hard_sigmoid::<B>(x, alpha, beta)))
}

pub(super) fn layer(inputs: &Inputs) -> Option<Part> {
    let [slope, shift] = line(&inputs.node.attributes).ok()?;
    Part::smooth(Function::HardSigmoid { slope, shift }, false)
}

pub(super) fn swish_layer(_: &Inputs) -> Option<Part> {
    let [slope, shift] = SWISH;
    Part::smooth(Function::HardSigmoid { slope, shift }, true)
}

/// alpha and beta.
fn line(attributes: &Attributes) -> Result<[f32; 2], Fault> {
    Ok([
        attributes.float_or("alpha", 0.2)?,
        attributes.float_or("beta", 0.5)?,
    ])
}

fn hard_sigmoid<B: Backend>(x: FloatTensor<B>, alpha: f32, beta: f32) -> FloatTensor<B> {
    let line = B::float_add_scalar(B::float_mul_scalar(x, alpha.into()), beta.into());
    B::float_clamp_max(B::float_clamp_min(line, 0.0f32.into()), 1.0f32.into())
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let case = |op| Case::new(op).input(floats(&[5], &[-7.0, -1.0, 0.0, 1.0, 7.0]));
        case("HardSigmoid").gives(&[5], &[0.0, 0.3, 0.5, 0.7, 1.0]);
        case("HardSigmoid")
            .float("alpha", 0.5)
            .float("beta", 0.6)
            .gives(&[5], &[0.0, 0.1, 0.6, 1.0, 1.0]);
        case("HardSigmoid").gradient_agrees();
        case("HardSwish").gives(&[5], &[0.0, -0.333_333_34, 0.0, 0.666_666_7, 7.0]);
        case("HardSwish").gradient_agrees();
    }
}
