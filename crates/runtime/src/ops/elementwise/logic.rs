//! And, Or, Xor, Not: of booleans, with NumPy broadcasting.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::typed::typed;
use crate::ops::broadcast::{Rule, binary};
use crate::ops::unary::unary_with_ints;
use crate::ops::{Context, Parsed};

const NEEDED: &str = "does not hold booleans, which are needed";

fn is_bool(dtype: DType) -> bool {
    dtype == DType::Bool
}

fn pair<B: Backend>(
    node: &Node,
    context: &Context,
    on_tensors: fn(FloatTensor<B>, FloatTensor<B>, DType) -> FloatTensor<B>,
    on_ints: fn(i64, i64) -> Option<i64>,
) -> Parsed<B> {
    let rule = Rule {
        on_tensors,
        on_ints,
        result: None,
    };
    typed(binary(node, context, rule), is_bool, NEEDED)
}

pub(super) fn and<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let on_tensors = |left, right, _| B::float_mul(left, right);
    pair(node, context, on_tensors, |left, right| Some(left & right))
}

pub(super) fn or<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let on_tensors = |left, right, _| B::float_sign(B::float_add(left, right));
    pair(node, context, on_tensors, |left, right| Some(left | right))
}

pub(super) fn xor<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let on_tensors = |left, right, _| B::float_abs(B::float_sub(left, right));
    pair(node, context, on_tensors, |left, right| Some(left ^ right))
}

pub(super) fn not<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    let operator = unary_with_ints(
        |x| B::float_add_scalar(B::float_neg(x), 1.0f32.into()),
        |value| Some(1 - value),
    );
    typed(operator, is_bool, NEEDED)
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, bools, ints};

    #[test]
    fn values() {
        let left = || bools(&[2, 1], &[true, false]);
        let right = || bools(&[2], &[true, false]);
        for (op, y) in [
            ("And", [1, 0, 0, 0]),
            ("Or", [1, 1, 1, 0]),
            ("Xor", [0, 1, 1, 0]),
        ] {
            Case::new(op)
                .input(left())
                .input(right())
                .gives(&[2, 2], &y.map(|v| v as f32));
            Case::new(op)
                .constant(left())
                .constant(right())
                .gives_ints(&[2, 2], &y);
            Case::new(op)
                .input(left())
                .input(ints(&[1], &[1]))
                .fails("input 1 does not hold booleans");
        }
        Case::new("Not").input(right()).gives(&[2], &[0.0, 1.0]);
        Case::new("Not").constant(right()).gives_ints(&[2], &[0, 1]);
        Case::new("Not").input(ints(&[1], &[1])).fails("booleans");
    }
}
