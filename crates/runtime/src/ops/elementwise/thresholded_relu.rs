//! ThresholdedRelu: `x` above `alpha`, 0 elsewhere. Any shape.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::mask::is_above;
use crate::ops::unary::unary;
use crate::ops::{Context, Parsed};

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let alpha = node.attributes.float_or("alpha", 1.0)?;
    unary(move |x: FloatTensor<B>| {
        let below = B::bool_not(is_above::<B>(x.clone(), alpha));
        B::float_mask_fill(x, below, 0.0f32.into())
    })
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let case = || Case::new("ThresholdedRelu").input(floats(&[4], &[-2.0, 1.0, 1.5, 3.0]));
        case().gives(&[4], &[0.0, 0.0, 1.5, 3.0]);
        case()
            .float("alpha", 2.0)
            .gives(&[4], &[0.0, 0.0, 0.0, 3.0]);
        case().float("alpha", 1.2).gradient_agrees();
    }
}
