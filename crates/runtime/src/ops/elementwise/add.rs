//! Add: `a + b`, with NumPy broadcasting.

use burn_backend::Backend;
use scoville_convnet::Kind;
use scoville_onnx::Node;

use crate::ops::broadcast::{Rule, binary};
use crate::ops::layer::{Inputs, Part};
use crate::ops::{Context, Parsed};

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    binary(
        node,
        context,
        Rule {
            on_tensors: |left, right, _| B::float_add(left, right),
            on_ints: i64::checked_add,
            result: None,
        },
    )
}

pub(super) fn layer(inputs: &Inputs) -> Option<Part> {
    let shifted = Part::by_constant(inputs, [0, 1], |value| [1.0, value]);
    let same = inputs.facts.get(0)?.shape() == inputs.facts.get(1)?.shape();
    shifted.or(same.then(|| Part::Layer(Kind::Add, vec![0, 1])))
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let case = |left, right| Case::new("Add").input(left).input(right);
        let matrix = || floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let row = || floats(&[2], &[10.0, 20.0]);
        case(matrix(), row()).gives(&[2, 2], &[11.0, 22.0, 13.0, 24.0]);
        case(row(), matrix()).gives(&[2, 2], &[11.0, 22.0, 13.0, 24.0]);
        case(matrix(), row()).gradient_agrees();
        case(row(), matrix()).gradient_agrees();
        case(matrix(), floats(&[3], &[0.0; 3])).fails("do not broadcast");
    }

    #[test]
    fn opset_6_names_the_axis() {
        Case::new("Add")
            .opset(6)
            .int("broadcast", 1)
            .int("axis", 0)
            .input(floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
            .input(floats(&[2], &[10.0, 20.0]))
            .gives(&[2, 2], &[11.0, 12.0, 23.0, 24.0]);
    }
}
