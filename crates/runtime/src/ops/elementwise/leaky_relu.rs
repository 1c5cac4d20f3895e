//! LeakyRelu: `x` where `x >= 0`, `alpha * x` below. Any shape.

use burn_backend::Backend;
use scoville_convnet::Activation;
use scoville_onnx::Node;

use crate::ops::layer::{Inputs, Part};
use crate::ops::unary::unary;
use crate::ops::{Context, Parsed};

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let alpha = node.attributes.float_or("alpha", 0.01)?;
    unary(move |x| B::leaky_relu(x, alpha.into()))
}

pub(super) fn layer(inputs: &Inputs) -> Option<Part> {
    let alpha = inputs.node.attributes.float_or("alpha", 0.01).ok()?;
    Part::activation(Activation::Leaky(alpha))
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let case = || Case::new("LeakyRelu").input(floats(&[3], &[-2.0, 0.5, 3.0]));
        case().gives(&[3], &[-0.02, 0.5, 3.0]);
        case().float("alpha", 0.25).gives(&[3], &[-0.5, 0.5, 3.0]);
        case().gradient_agrees();
    }
}
