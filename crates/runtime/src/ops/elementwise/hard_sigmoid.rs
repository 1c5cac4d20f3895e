//! HardSigmoid: `alpha * x + beta` cut to \[0, 1\]. HardSwish: `x` times HardSigmoid with alpha 1/6,
//! beta 1/2 (Howard et al. 2019).

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::ops::unary::unary;
use crate::ops::{Context, Parsed};

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let alpha = node.attributes.float_or("alpha", 0.2)?;
    let beta = node.attributes.float_or("beta", 0.5)?;
    unary(move |x| hard_sigmoid::<B>(x, alpha, beta))
}

pub(super) fn parse_swish<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(|x: FloatTensor<B>| B::float_mul(x.clone(), hard_sigmoid::<B>(x, 1.0 / 6.0, 0.5)))
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
