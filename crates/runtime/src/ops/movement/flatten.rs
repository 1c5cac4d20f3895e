//! Flatten to two axes: the product of those before `axis`, and of the rest.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::samples::{Samples, reshaped};
use crate::ops::{Context, Operator, Parsed, count, reshape_to};
use crate::value::{Fact, Facts, Values};

struct Flatten {
    axis: i64,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Flatten {
        axis: node.attributes.int_or("axis", 1)?,
    }))
}

impl<B: Backend> Operator<B> for Flatten {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let data = inputs.any(0)?;
        let rank = data.shape().len();
        // Counted from the front, `axis` may equal the rank: then all axes come before it.
        let axis = crate::ops::axis(self.axis, if self.axis < 0 { rank } else { rank + 1 })?;
        let (before, after) = data.shape().split_at(axis);
        Ok(vec![data.reshaped(vec![count(before)?, count(after)?])])
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
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let data: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let case = || Case::new("Flatten").input(floats(&[2, 3, 2], &data));
        case().gives(&[2, 6], &data);
        case().int("axis", 0).gives(&[1, 12], &data);
        case().int("axis", -1).gives(&[6, 2], &data);
        case().int("axis", 3).gives(&[12, 1], &data);
        case().int("axis", 4).fails("outside");
        case().int("axis", -4).fails("outside");
    }
}
