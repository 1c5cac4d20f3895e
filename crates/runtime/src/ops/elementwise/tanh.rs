//! Tanh: the hyperbolic tangent. Any shape.

use burn_backend::Backend;
use scoville_convnet::Function;
use scoville_onnx::Node;

use crate::ops::layer::{Inputs, Part};
use crate::ops::unary::unary;
use crate::ops::{Context, Parsed};

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(|x| B::float_tanh(x))
}

pub(super) fn layer(_: &Inputs) -> Option<Part> {
    Part::smooth(Function::Tanh, false)
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let case = Case::new("Tanh").input(floats(&[1, 3], &[-2.0, 0.0, 0.5]));
        case.gives(&[1, 3], &[-0.964_027_6, 0.0, 0.462_117_16]);
        case.gradient_agrees();
    }
}
