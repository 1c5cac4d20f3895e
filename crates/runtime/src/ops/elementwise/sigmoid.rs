//! Sigmoid: `1 / (1 + exp(-x))`. Any shape.

use burn_backend::Backend;
use scoville_convnet::Function;
use scoville_onnx::Node;

use crate::ops::layer::{Inputs, Part};
use crate::ops::unary::unary;
use crate::ops::{Context, Parsed};

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(|x| B::sigmoid(x))
}

pub(super) fn layer(_: &Inputs) -> Option<Part> {
    Part::smooth(Function::Sigmoid, false)
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let case = Case::new("Sigmoid").input(floats(&[1, 3], &[-2.0, 0.0, 0.5]));
        case.gives(&[1, 3], &[0.119_202_92, 0.5, 0.622_459_3]);
        case.gradient_agrees();
    }
}
