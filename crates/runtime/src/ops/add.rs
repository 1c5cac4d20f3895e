//! Add: `a + b`, with NumPy broadcasting. Integers (shape arithmetic) are computed at load.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::broadcast::Broadcast;
use super::{Context, Operator, Parsed};
use crate::Fault;
use crate::value::{Fact, Facts, Values};

struct Add(Broadcast);

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    Ok(Box::new(Add(Broadcast::parse(node, context)?)))
}

impl<B: Backend> Operator<B> for Add {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        self.0.infer(inputs, i64::checked_add)
    }

    fn forward(&self, inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let (left, right) = self.0.operands(inputs)?;
        Ok(vec![B::float_add(left, right)])
    }
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
