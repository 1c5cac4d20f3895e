//! Exp, Log, Sqrt, Reciprocal, Erf: of floats of any shape.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_convnet::Function;
use scoville_onnx::Node;

use crate::ops::layer::{Inputs, Part};
use crate::ops::unary::unary;
use crate::ops::{Context, Parsed};

pub(super) fn exp<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(|x| B::float_exp(x))
}

pub(super) fn log<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(|x| B::float_log(x))
}

pub(super) fn sqrt<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(|x| B::float_sqrt(x))
}

pub(super) fn reciprocal<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(|x| B::float_recip(x))
}

pub(super) fn erf<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(|x| B::float_erf(x))
}

pub(super) fn erf_layer(_: &Inputs) -> Option<Part> {
    Part::smooth(Function::Erf, false)
}

/// `exp(x) - 1` without cancellation near 0: `tanh(x / 2) * (exp(x) + 1)`.
pub(super) fn exp_minus_one<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let half = B::float_mul_scalar(x.clone(), 0.5f32.into());
    let sum = B::float_add_scalar(B::float_exp(x), 1.0f32.into());
    B::float_mul(B::float_tanh(half), sum)
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn values() {
        for (op, x, y) in [
            ("Exp", [-2.0, 0.0, 1.5], [0.135_335_28, 1.0, 4.481_689]),
            ("Log", [0.25, 1.0, 7.5], [-1.386_294_4, 0.0, 2.014_903]),
            ("Sqrt", [0.25, 3.0, 81.0], [0.5, 1.732_050_8, 9.0]),
            ("Reciprocal", [-4.0, 0.5, 3.0], [-0.25, 2.0, 0.333_333_34]),
            (
                "Erf",
                [-0.5, 1e-3, 2.0],
                [-0.520_499_9, 0.001_128_378_8, 0.995_322_3],
            ),
        ] {
            let case = Case::new(op).input(floats(&[3], &x));
            case.gives(&[3], &y);
            case.gradient_agrees();
            Case::new(op)
                .input(ints(&[1], &[1]))
                .fails("does not hold floats");
        }
    }

    #[test]
    fn at_the_edge() {
        Case::new("Sqrt")
            .input(floats(&[2], &[0.0, -0.0]))
            .gives(&[2], &[0.0, 0.0]);
        let infinity = f32::INFINITY;
        Case::new("Log")
            .input(floats(&[1], &[0.0]))
            .gives(&[1], &[-infinity]);
        Case::new("Reciprocal")
            .input(floats(&[1], &[0.0]))
            .gives(&[1], &[infinity]);
        Case::new("Erf")
            .input(floats(&[2], &[9.0, -infinity]))
            .gives(&[2], &[1.0, -1.0]);
    }
}
