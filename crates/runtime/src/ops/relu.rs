//! Relu: `max(x, 0)`. Any shape.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::{Context, Operator, Parsed};
use crate::Fault;
use crate::value::{Fact, Facts, Values};

struct Relu;

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Relu))
}

impl<B: Backend> Operator<B> for Relu {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        Ok(vec![Fact::Float(inputs.float(0)?.to_vec())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        Ok(vec![B::relu(inputs.float(0)?)])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        Case::new("Relu")
            .input(floats(&[2, 2], &[-1.0, 0.0, 0.5, 3.0]))
            .gives(&[2, 2], &[0.0, 0.0, 0.5, 3.0]);
    }
}
