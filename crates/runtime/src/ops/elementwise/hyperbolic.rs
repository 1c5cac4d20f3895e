//! Sinh, Cosh and the inverses of the hyperbolic functions: of floats of any shape.

use burn_backend::Backend;
use scoville_onnx::Node;

use crate::ops::unary::unary;
use crate::ops::{Context, Parsed};

pub(super) fn sinh<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(|x| B::float_sinh(x))
}

pub(super) fn cosh<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(|x| B::float_cosh(x))
}

pub(super) fn asinh<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(|x| B::float_asinh(x))
}

pub(super) fn acosh<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(|x| B::float_acosh(x))
}

pub(super) fn atanh<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(|x| B::float_atanh(x))
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        for (op, x, y) in [
            ("Sinh", [-0.75, 0.0, 0.5], [-0.822_316_7, 0.0, 0.521_095_3]),
            ("Cosh", [-0.75, 0.0, 0.5], [1.294_683_3, 1.0, 1.127_626]),
            ("Asinh", [-0.8, 0.0, 0.5], [-0.732_668_3, 0.0, 0.481_211_84]),
            (
                "Acosh",
                [1.5, 2.0, 10.0],
                [0.962_423_6, 1.316_958, 2.993_223],
            ),
            ("Atanh", [-0.8, 0.0, 0.5], [-1.098_612_3, 0.0, 0.549_306_15]),
        ] {
            let case = Case::new(op).input(floats(&[3], &x));
            case.gives(&[3], &y);
            case.gradient_agrees();
        }
    }
}
