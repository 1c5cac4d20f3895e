//! LogSoftmax: `x - log(sum(exp(x)))` over the axes that Softmax takes.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::softmax::Normalised;
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct LogSoftmax(Normalised);

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    Ok(Box::new(LogSoftmax(Normalised::parse(
        node,
        context.opset,
    )?)))
}

impl<B: Backend> Operator<B> for LogSoftmax {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        self.0.infer(inputs)
    }

    fn forward(&self, inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        self.0.forward::<B>(inputs, B::log_softmax)
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let rank = outputs.first()?.shape().len();
        self.0.samples(samples, rank)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let ln3 = 3.0f32.ln();
        let case = Case::new("LogSoftmax")
            .opset(13)
            .input(floats(&[1, 2], &[0.0, ln3]));
        case.gives(&[1, 2], &[-(4.0f32.ln()), ln3 - 4.0f32.ln()]);
        case.gradient_agrees();
        Case::new("LogSoftmax")
            .opset(13)
            .input(floats(&[1, 2], &[-1000.0, 0.0]))
            .gives(&[1, 2], &[-1000.0, 0.0]);
    }
}
