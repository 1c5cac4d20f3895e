//! Sub: `a - b`, with NumPy broadcasting. Integers (shape arithmetic) are computed at load.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::broadcast::Broadcast;
use super::{Context, Operator, Parsed};
use crate::Fault;
use crate::value::{Fact, Facts, Values};

struct Sub(Broadcast);

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    Ok(Box::new(Sub(Broadcast::parse(node, context)?)))
}

impl<B: Backend> Operator<B> for Sub {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        self.0.infer(inputs, i64::checked_sub)
    }

    fn forward(&self, inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let (left, right) = self.0.operands(inputs)?;
        Ok(vec![B::float_sub(left, right)])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

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
}
