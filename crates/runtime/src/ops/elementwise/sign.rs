//! Abs, Neg, Sign: of numbers of any type and shape; Sign by a step, which goes as softsign does. The derivative of `|x|` at 0 is taken as 0.

use burn_backend::Backend;
use scoville_onnx::Node;

use super::softsign::softsign;
use crate::ops::unary::{unary_by_steps_with_ints, unary_with_ints};
use crate::ops::{Context, Parsed};

pub(super) fn abs<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary_with_ints(|x| B::float_abs(x), i64::checked_abs)
}

pub(super) fn neg<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary_with_ints(|x| B::float_neg(x), i64::checked_neg)
}

pub(super) fn sign<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary_by_steps_with_ints(
        |x| B::float_sign(x),
        |value| Some(value.signum()),
        softsign::<B>,
    )
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints, texts};

    #[test]
    fn values() {
        for (op, y, whole) in [
            ("Abs", [2.5, 0.0, 7.0], [1 << 40, 3]),
            ("Neg", [2.5, 0.0, -7.0], [1 << 40, -3]),
            ("Sign", [-1.0, 0.0, 1.0], [-1, 1]),
        ] {
            let case = || Case::new(op);
            let x = || floats(&[3], &[-2.5, 0.0, 7.0]);
            case().input(x()).gives(&[3], &y);
            case().input(ints(&[2], &[-9, 9])).gives(
                &[2],
                &match op {
                    "Abs" => [9.0, 9.0],
                    "Neg" => [9.0, -9.0],
                    _ => [-1.0, 1.0],
                },
            );
            case()
                .constant(ints(&[2], &[-(1 << 40), 3]))
                .gives_ints(&[2], &whole);
            case().constant(texts(&[1], &["a"])).fails("holds text");
        }
        Case::new("Abs")
            .input(floats(&[2], &[-2.5, 7.0]))
            .gradient_agrees();
        Case::new("Neg")
            .input(floats(&[2], &[-2.5, 7.0]))
            .gradient_agrees();
        Case::new("Neg")
            .constant(ints(&[1], &[i64::MIN]))
            .fails("overflow");
    }
}
