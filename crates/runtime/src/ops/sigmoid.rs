//! Sigmoid: `1 / (1 + exp(-x))`. Any shape.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::{Context, Operator, Parsed};
use crate::Fault;
use crate::value::{Fact, Facts, Values};

struct Sigmoid;

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Sigmoid))
}

impl<B: Backend> Operator<B> for Sigmoid {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        Ok(vec![Fact::Float(inputs.float(0)?.to_vec())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        Ok(vec![B::sigmoid(inputs.float(0)?)])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let case = Case::new("Sigmoid").input(floats(&[1, 3], &[-2.0, 0.0, 0.5]));
        case.gives(&[1, 3], &[0.119_202_92, 0.5, 0.622_459_3]);
        case.gradient_agrees();
    }
}
