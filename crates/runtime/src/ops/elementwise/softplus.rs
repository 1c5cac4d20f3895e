//! Softplus: `log(1 + exp(x))`. Mish: `x * tanh(softplus(x))` (Misra 2019).
//!
//! Computed as `(x + |x|) / 2 + log1p(exp(-|x|))`, which neither overflows nor loses small results, and
//! whose derivative is right at 0 too.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::ops::unary::unary;
use crate::ops::{Context, Parsed};

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(softplus::<B>)
}

pub(super) fn parse_mish<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(|x: FloatTensor<B>| B::float_mul(x.clone(), B::float_tanh(softplus::<B>(x))))
}

pub(super) fn softplus<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let size = B::float_abs(x.clone());
    let above = B::float_mul_scalar(B::float_add(x, size.clone()), 0.5f32.into());
    B::float_add(above, B::float_log1p(B::float_exp(B::float_neg(size))))
}

#[cfg(test)]
mod tests {
    use std::f32::consts::LN_2;

    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let case = |op| Case::new(op).input(floats(&[5], &[-200.0, -1.0, 0.0, 2.0, 200.0]));
        case("Softplus").gives(&[5], &[0.0, 0.313_261_7, LN_2, 2.126_928, 200.0]);
        case("Softplus").gradient_agrees();
        case("Mish").gives(&[5], &[0.0, -0.303_401_47, 0.0, 1.943_959, 200.0]);
        case("Mish").gradient_agrees();
    }
}
