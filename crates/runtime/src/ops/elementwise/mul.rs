//! Mul: `a * b`, with NumPy broadcasting.

use burn_backend::Backend;
use scoville_convnet::Kind;
use scoville_onnx::Node;

use crate::ops::broadcast::{Rule, binary};
use crate::ops::layer::{Inputs, Part};
use crate::ops::{Context, Parsed};
use crate::value::Fact;

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    binary(
        node,
        context,
        Rule {
            on_tensors: |left, right, _| B::float_mul(left, right),
            on_ints: i64::checked_mul,
            result: None,
        },
    )
}

pub(super) fn layer(inputs: &Inputs) -> Option<Part> {
    Part::by_constant(inputs, [0, 1], |value| [value, 0.0]).or_else(|| product(inputs))
}

/// Two values of one shape, or one of them with a single pixel.
fn product(inputs: &Inputs) -> Option<Part> {
    let [a, b] = [0, 1].map(|index| inputs.facts.get(index).map(Fact::shape));
    let (a, b) = (a?, b?);
    let reads = match (a == inputs.output.shape(), b == inputs.output.shape()) {
        (true, _) => vec![0, 1],
        (false, true) => vec![1, 0],
        _ => return None,
    };
    let (a, b) = if reads == [0, 1] { (a, b) } else { (b, a) };
    let ones = |shape: &[usize]| shape.iter().all(|&size| size == 1);
    let by_channel = b.len() == a.len() && b.get(..2) == a.get(..2) && b.get(2..).is_some_and(ones);
    (a == b || by_channel).then_some(Part::Layer(Kind::Multiply, reads))
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let case = |left, right| Case::new("Mul").input(left).input(right);
        let matrix = || floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let row = || floats(&[2], &[10.0, 20.0]);
        case(matrix(), row()).gives(&[2, 2], &[10.0, 40.0, 30.0, 80.0]);
        case(row(), matrix()).gives(&[2, 2], &[10.0, 40.0, 30.0, 80.0]);
        case(matrix(), row()).gradient_agrees();
        case(row(), matrix()).gradient_agrees();
        case(matrix(), floats(&[3], &[0.0; 3])).fails("do not broadcast");
    }
}
