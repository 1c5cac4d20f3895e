//! Mul: `a * b`, with NumPy broadcasting.

use burn_backend::Backend;
use scoville_onnx::Node;

use crate::ops::broadcast::{Rule, binary};
use crate::ops::layer::{Inputs, Part, by_channel};
use crate::ops::{Context, Parsed};

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
    let constants = [(0, 1), (1, 0)].into_iter();
    let mut found = constants.filter_map(|(constant, x)| Some((x, by_channel(inputs, constant)?)));
    let (x, scale) = found.next()?;
    Part::channelwise(x, scale, Vec::new())
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
