//! Unsqueeze: inserts axes of size 1; `axes` count in the output. An attribute up to opset 12, then
//! an input.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::samples::{Samples, reshaped};
use crate::ops::{Axes, Context, Operator, Parsed, reshape_to};
use crate::value::{Fact, Facts, Values};

struct Unsqueeze(Axes);

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    Ok(Box::new(Unsqueeze(Axes::parse(node, context, 13)?)))
}

impl<B: Backend> Operator<B> for Unsqueeze {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let data = inputs.any(0)?;
        let axes = self
            .0
            .get(inputs)?
            .ok_or_else(|| Fault::shape("no axes are given"))?;
        let rank = data.shape().len() + axes.len();
        let axes = crate::ops::axes(&axes, rank)?;
        let mut sizes = data.shape().iter().copied();
        let size = |axis| match axes.binary_search(&axis) {
            Ok(_) => Some(1),
            Err(_) => sizes.next(),
        };
        let shape = (0..rank).map_while(size).collect();
        Ok(vec![data.reshaped(shape)])
    }

    fn forward(&self, inputs: Values<B>, outputs: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        reshape_to(inputs, outputs)
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        reshaped(samples, inputs, outputs)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn values() {
        let case = |opset| {
            Case::new("Unsqueeze")
                .opset(opset)
                .input(floats(&[2], &[5.0, 6.0]))
        };
        case(13)
            .constant(ints(&[2], &[-1, 0]))
            .gives(&[1, 2, 1], &[5.0, 6.0]);
        case(11)
            .ints("axes", &[2, 1])
            .gives(&[2, 1, 1], &[5.0, 6.0]);
        case(11).ints("axes", &[2]).fails("outside");
        case(11).fails("no axes");
        let many: Vec<i64> = (0..64).collect();
        case(13)
            .constant(ints(&[64], &many))
            .fails("a tensor of 65 axes");
    }
}
