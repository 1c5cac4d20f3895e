//! Swish: `x * sigmoid(alpha * x)` (Ramachandran et al. 2017). Any shape.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_convnet::Function;
use scoville_onnx::Node;

use crate::ops::layer::{Inputs, Part};
use crate::ops::unary::unary;
use crate::ops::{Context, Parsed};

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let alpha = node.attributes.float_or("alpha", 1.0)?;
    unary(move |x: FloatTensor<B>| {
        let gate = B::sigmoid(B::float_mul_scalar(x.clone(), alpha.into()));
        B::float_mul(x, gate)
    })
}

pub(super) fn layer(inputs: &Inputs) -> Option<Part> {
    let alpha = inputs.node.attributes.float_or("alpha", 1.0).ok()?;
    Part::smooth(Function::Sigmoid, true).filter(|_| alpha == 1.0)
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let case = || Case::new("Swish").input(floats(&[3], &[-2.0, 0.5, 3.0]));
        case().gives(&[3], &[-0.238_405_84, 0.311_229_67, 2.857_722_5]);
        case()
            .float("alpha", 1.702)
            .gives(&[3], &[-0.064_362_07, 0.350_389_6, 2.981_933]);
        case().gradient_agrees();
    }
}
