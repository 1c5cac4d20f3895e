//! Gelu: `x / 2 * (1 + erf(x / sqrt 2))`, or with `approximate = "tanh"`
//! `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))` (Hendrycks and Gimpel 2016).
//!
//! Burn's own Gelu passes an approximate gradient on some backends, so it is built from `erf`.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_convnet::Function;
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::layer::{Inputs, Part};
use crate::ops::unary::unary;
use crate::ops::{Context, Parsed};

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    match node.attributes.string("approximate")? {
        None | Some("none") => unary(exact::<B>),
        Some("tanh") => unary(by_tanh::<B>),
        Some(other) => Err(Fault::Unsupported(format!("approximate {other:?}"))),
    }
}

pub(super) fn layer(inputs: &Inputs) -> Option<Part> {
    match inputs.node.attributes.string("approximate") {
        Ok(None | Some("none")) => Part::smooth(Function::Normal, true),
        _ => None,
    }
}

fn exact<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let scaled = B::float_mul_scalar(x.clone(), FRAC_1_SQRT_2.into());
    let gate = B::float_add_scalar(B::float_erf(scaled), 1.0f32.into());
    B::float_mul(B::float_mul_scalar(x, 0.5f32.into()), gate)
}

/// As `x * sigmoid(2 u)`, which is the same as `x / 2 * (1 + tanh(u))` without its cancellation.
fn by_tanh<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let square = B::float_mul(x.clone(), x.clone());
    let factor = B::float_mul_scalar(square, 0.044_715f32.into());
    let inner = B::float_mul(x.clone(), B::float_add_scalar(factor, 1.0f32.into()));
    let twice = B::float_mul_scalar(inner, (2.0 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2).into());
    B::float_mul(x, B::sigmoid(twice))
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let case = || Case::new("Gelu").input(floats(&[4], &[-9.0, -1.0, 0.5, 2.0]));
        case().gives(&[4], &[0.0, -0.158_655_25, 0.345_731_23, 1.954_499_7]);
        case().gradient_agrees();
        let by_tanh = || case().string("approximate", "tanh");
        by_tanh().gives(&[4], &[0.0, -0.158_808_01, 0.345_714_03, 1.954_597_7]);
        by_tanh().gradient_agrees();
        case()
            .string("approximate", "erf")
            .fails("approximate \"erf\"");
    }
}
