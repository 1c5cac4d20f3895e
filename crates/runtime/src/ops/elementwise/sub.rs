//! Sub: `a - b`, with NumPy broadcasting.

use burn_backend::Backend;
use scoville_onnx::Node;

use crate::ops::broadcast::{Rule, binary};
use crate::ops::layer::{Inputs, Part};
use crate::ops::{Context, Parsed};

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    binary(
        node,
        context,
        Rule {
            on_tensors: |left, right, _| B::float_sub(left, right),
            on_ints: i64::checked_sub,
            result: None,
        },
    )
}

pub(super) fn layer(inputs: &Inputs) -> Option<Part> {
    Part::by_constant(inputs, [1], |value| [1.0, -value])
}

#[cfg(test)]
mod tests {
    use scoville_onnx::Data;

    use crate::ops::testing::{Case, floats, typed};

    #[test]
    fn values() {
        let case = |left, right| Case::new("Sub").input(left).input(right);
        let matrix = || floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let row = || floats(&[2], &[10.0, 20.0]);
        case(matrix(), row()).gives(&[2, 2], &[-9.0, -18.0, -7.0, -16.0]);
        case(row(), matrix()).gives(&[2, 2], &[9.0, 18.0, 7.0, 16.0]);
        case(matrix(), row()).gradient_agrees();
        case(row(), matrix()).gradient_agrees();
        case(matrix(), floats(&[3], &[0.0; 3])).fails("do not broadcast");
    }

    #[test]
    fn unsigned() {
        let one = |value| typed(&[1], Data::U32(vec![value]));
        let case = |left, right| Case::new("Sub").input(one(left)).input(one(right));
        case(5, 3).gives(&[1], &[2.0]);
        case(3, 5).fails_in_a_run("-2, which a run computes, as uint32");
    }
}
