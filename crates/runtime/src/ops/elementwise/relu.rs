//! Relu: `max(x, 0)`. Any shape; integers from opset 14 on.

use burn_backend::Backend;
use scoville_convnet::Activation;
use scoville_onnx::Node;

use crate::ops::layer::{Inputs, Part};
use crate::ops::unary::unary_with_ints;
use crate::ops::{Context, Parsed};

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary_with_ints(|x| B::relu(x), |value| Some(value.max(0)))
}

pub(super) fn layer(_: &Inputs) -> Option<Part> {
    Part::activation(Activation::Relu)
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn values() {
        Case::new("Relu")
            .input(floats(&[2, 2], &[-1.0, 0.0, 0.5, 3.0]))
            .gives(&[2, 2], &[0.0, 0.0, 0.5, 3.0]);
        Case::new("Relu")
            .constant(ints(&[2], &[-5, 1 << 40]))
            .gives_ints(&[2], &[0, 1 << 40]);
    }
}
