//! Div: `a / b`, with NumPy broadcasting. Integers are divided towards zero.

use burn_backend::Backend;
use scoville_onnx::Node;

use crate::ops::broadcast::{Rule, binary};
use crate::ops::{Context, Parsed};
use crate::value::is_float;

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    binary(
        node,
        context,
        Rule {
            on_tensors: |left, right, dtype| match B::float_div(left, right) {
                quotient if is_float(dtype) => quotient,
                quotient => B::float_trunc(quotient),
            },
            on_ints: i64::checked_div,
            result: None,
        },
    )
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let case = |left, right| Case::new("Div").input(left).input(right);
        let matrix = || floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let row = || floats(&[2], &[10.0, 20.0]);
        case(matrix(), row()).gives(&[2, 2], &[0.1, 0.1, 0.3, 0.2]);
        case(row(), matrix()).gives(&[2, 2], &[10.0, 10.0, 10.0 / 3.0, 5.0]);
        case(matrix(), row()).gradient_agrees();
        case(row(), matrix()).gradient_agrees();
        case(matrix(), floats(&[3], &[0.0; 3])).fails("do not broadcast");
    }
}
