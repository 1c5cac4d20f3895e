//! LeakyRelu: `x` where `x >= 0`, `alpha * x` below. Any shape.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::{Context, Operator, Parsed};
use crate::Fault;
use crate::value::{Fact, Facts, Values};

struct LeakyRelu {
    alpha: f32,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(LeakyRelu {
        alpha: node.attributes.float_or("alpha", 0.01)?,
    }))
}

impl<B: Backend> Operator<B> for LeakyRelu {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        Ok(vec![Fact::Float(inputs.float(0)?.to_vec())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        Ok(vec![B::leaky_relu(inputs.float(0)?, self.alpha.into())])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let case = || Case::new("LeakyRelu").input(floats(&[3], &[-2.0, 0.5, 3.0]));
        case().gives(&[3], &[-0.02, 0.5, 3.0]);
        case().float("alpha", 0.25).gives(&[3], &[-0.5, 0.5, 3.0]);
        case().gradient_agrees();
    }
}
