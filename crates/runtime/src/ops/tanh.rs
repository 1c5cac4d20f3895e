//! Tanh: the hyperbolic tangent. Any shape.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::{Context, Operator, Parsed};
use crate::Fault;
use crate::value::{Fact, Facts, Values};

struct Tanh;

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Tanh))
}

impl<B: Backend> Operator<B> for Tanh {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        Ok(vec![Fact::Float(inputs.float(0)?.to_vec())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        Ok(vec![B::float_tanh(inputs.float(0)?)])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let case = Case::new("Tanh").input(floats(&[1, 3], &[-2.0, 0.0, 0.5]));
        case.gives(&[1, 3], &[-0.964_027_6, 0.0, 0.462_117_16]);
        case.gradient_agrees();
    }
}
