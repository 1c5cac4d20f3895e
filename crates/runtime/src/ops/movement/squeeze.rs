//! Squeeze: drops the named axes of size 1, or all of them. Axes are an attribute up to opset 12,
//! then an input.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::samples::{Samples, reshaped};
use crate::ops::{Axes, Context, Operator, Parsed, reshape_to};
use crate::value::{Fact, Facts, Values};

struct Squeeze(Axes);

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    Ok(Box::new(Squeeze(Axes::parse(node, context, 13)?)))
}

impl<B: Backend> Operator<B> for Squeeze {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let data = inputs.any(0)?;
        let named = self.0.get(inputs)?;
        let named = named
            .map(|axes| crate::ops::axes(&axes, data.shape().len()))
            .transpose()?;
        let drops = |i: usize, size: usize| match &named {
            Some(axes) => axes.contains(&i),
            None => size == 1,
        };
        let mut shape = Vec::new();
        for (i, &size) in data.shape().iter().enumerate() {
            if !drops(i, size) {
                shape.push(size);
            } else if size != 1 {
                return Err(Fault::shape(format!("axis {i} has size {size}, not 1")));
            }
        }
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
            Case::new("Squeeze")
                .opset(opset)
                .input(floats(&[1, 2, 1], &[5.0, 6.0]))
        };
        case(13).gives(&[2], &[5.0, 6.0]);
        case(13)
            .constant(ints(&[1], &[-1]))
            .gives(&[1, 2], &[5.0, 6.0]);
        case(11).ints("axes", &[0]).gives(&[2, 1], &[5.0, 6.0]);
        case(13)
            .constant(ints(&[1], &[1]))
            .fails("axis 1 has size 2, not 1");
        case(11).ints("axes", &[0, -3]).fails("name one axis twice");
    }
}
