//! Shrink: `x + bias` below `-lambd`, `x - bias` above `lambd`, 0 between. Any shape; integers are
//! truncated.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::mask::{choose, is_above, is_below};
use crate::Fault;
use crate::ops::broadcast::wrapped;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values, is_float};

struct Shrink {
    bias: f32,
    lambd: f32,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Shrink {
        bias: node.attributes.float_or("bias", 0.0)?,
        lambd: node.attributes.float_or("lambd", 0.5)?,
    }))
}

impl<B: Backend> Operator<B> for Shrink {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let shape = inputs.shape(0)?.to_vec();
        Ok(vec![inputs.any(0)?.with_shape(shape)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let x = inputs.tensor(0)?;
        let below = is_below::<B>(x.clone(), -self.lambd);
        let not_above = B::bool_not(is_above::<B>(x.clone(), self.lambd));
        let less = B::float_sub_scalar(x.clone(), self.bias.into());
        let less = B::float_mask_fill(less, not_above, 0.0f32.into());
        let more = B::float_add_scalar(x, self.bias.into());
        let y = choose::<B>(below, more, less);
        Ok(vec![match outputs.first() {
            Some(fact) if !is_float(fact.dtype) => wrapped::<B>(fact.dtype, B::float_trunc(y)),
            _ => y,
        }])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        _: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        samples.first().map(|first| vec![*first])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn values() {
        let case = || {
            Case::new("Shrink")
                .float("lambd", 1.5)
                .input(floats(&[5], &[-2.0, -1.0, 0.0, 1.0, 2.0]))
        };
        case().gives(&[5], &[-2.0, 0.0, 0.0, 0.0, 2.0]);
        case()
            .float("bias", 1.5)
            .gives(&[5], &[-0.5, 0.0, 0.0, 0.0, 0.5]);
        case().float("bias", 1.5).gradient_agrees();
        let whole = || Case::new("Shrink").float("bias", 1.5);
        whole()
            .input(ints(&[3], &[-4, 0, 4]))
            .gives(&[3], &[-2.0, 0.0, 2.0]);
        whole()
            .constant(ints(&[3], &[-4, 0, 4]))
            .gives_ints(&[3], &[-2, 0, 2]);
    }
}
