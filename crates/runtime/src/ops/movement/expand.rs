//! Expand: broadcasts the input with a known shape, in both directions.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::broadcast::{broadcast, stretch};
use crate::ops::samples::{Samples, elementwise};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct Expand;

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Expand))
}

impl<B: Backend> Operator<B> for Expand {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let data = inputs.any(0)?;
        let shape = super::fill::sizes(inputs.ints(1)?)?;
        Ok(vec![data.with_shape(broadcast(data.shape(), &shape)?)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = outputs.first().map(Fact::shape).unwrap_or_default();
        Ok(vec![stretch::<B>(inputs.tensor(0)?, shape)])
    }

    fn moves(&self, index: usize) -> bool {
        index == 0
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let shape = outputs.first()?.shape();
        let out = elementwise(samples, inputs, shape.len())?;
        let data = inputs.get(0)?.shape();
        let own = (out.axis + data.len()).checked_sub(shape.len())?;
        (data.get(own) == shape.get(out.axis)).then(|| vec![Some(out)])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints, texts};

    #[test]
    fn values() {
        let case = |shape: &[i64]| {
            Case::new("Expand")
                .input(floats(&[2, 1], &[1.0, 2.0]))
                .constant(ints(&[shape.len()], shape))
        };
        case(&[3]).gives(&[2, 3], &[1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
        case(&[2, 1, 1]).gives(&[2, 2, 1], &[1.0, 2.0, 1.0, 2.0]);
        case(&[1]).gives(&[2, 1], &[1.0, 2.0]);
        case(&[2, 2, 3]).gradient_agrees();
        case(&[3, 1]).fails("sizes 2 and 3 do not broadcast");
        case(&[-1]).fails("size -1");
        Case::new("Expand")
            .constant(texts(&[1], &["a"]))
            .constant(ints(&[1], &[2]))
            .gives_texts(&[2], &["a", "a"]);
        Case::new("Expand")
            .constant(ints(&[1], &[i64::MAX]))
            .constant(ints(&[1], &[2]))
            .gives_ints(&[2], &[i64::MAX, i64::MAX]);
    }
}
