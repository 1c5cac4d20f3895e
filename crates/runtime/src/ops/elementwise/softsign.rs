//! Softsign: `x / (1 + |x|)`. Any shape.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::ops::unary::unary;
use crate::ops::{Context, Parsed};

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(softsign::<B>)
}

pub(super) fn softsign<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let size = B::float_add_scalar(B::float_abs(x.clone()), 1.0f32.into());
    B::float_div(x, size)
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let case = Case::new("Softsign").input(floats(&[4], &[-3.0, 0.0, 0.25, 1.0]));
        case.gives(&[4], &[-0.75, 0.0, 0.2, 0.5]);
        Case::new("Softsign")
            .input(floats(&[2], &[-3.0, 0.25]))
            .gradient_agrees();
    }
}
