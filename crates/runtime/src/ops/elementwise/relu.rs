//! Relu: `max(x, 0)`. Any shape.

use burn_backend::Backend;
use scoville_onnx::Node;

use crate::ops::unary::unary;
use crate::ops::{Context, Parsed};

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(|x| B::relu(x))
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        Case::new("Relu")
            .input(floats(&[2, 2], &[-1.0, 0.0, 0.5, 3.0]))
            .gives(&[2, 2], &[0.0, 0.0, 0.5, 3.0]);
    }
}
