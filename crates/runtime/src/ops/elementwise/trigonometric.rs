//! Sin, Cos, Tan and their inverses: of floats of any shape.

use burn_backend::Backend;
use scoville_onnx::Node;

use crate::ops::unary::unary;
use crate::ops::{Context, Parsed};

pub(super) fn sin<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(|x| B::float_sin(x))
}

pub(super) fn cos<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(|x| B::float_cos(x))
}

pub(super) fn tan<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(|x| B::float_tan(x))
}

pub(super) fn asin<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(|x| B::float_asin(x))
}

pub(super) fn acos<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(|x| B::float_acos(x))
}

pub(super) fn atan<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(|x| B::float_atan(x))
}

#[cfg(test)]
mod tests {
    use std::f32::consts::FRAC_PI_2;

    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let x = [-0.75, 0.0, 0.6];
        for (op, y) in [
            ("Sin", [-0.681_638_8, 0.0, 0.564_642_5]),
            ("Cos", [0.731_688_9, 1.0, 0.825_335_6]),
            ("Tan", [-0.931_596_46, 0.0, 0.684_136_8]),
            ("Asin", [-0.848_062_1, 0.0, 0.643_501_1]),
            ("Acos", [2.418_858_5, FRAC_PI_2, 0.927_295_2]),
            ("Atan", [-0.643_501_1, 0.0, 0.540_419_5]),
        ] {
            let case = Case::new(op).input(floats(&[3, 1], &x));
            case.gives(&[3, 1], &y);
            case.gradient_agrees();
        }
    }
}
