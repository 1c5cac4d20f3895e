//! com.microsoft.NhwcConv: Conv with the channels last; the weights are \[m, kernel..., c / group\].

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::conv::Conv;
use crate::Fault;
use crate::ops::samples::{Samples, along_first};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct NhwcConv(Conv);

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(NhwcConv(Conv::parse(node)?)))
}

/// The shape with its last axis second.
fn channels_first(shape: &[usize]) -> Vec<usize> {
    let mut shape = shape.to_vec();
    if shape.len() > 1 {
        shape.get_mut(1..).unwrap_or_default().rotate_right(1);
    }
    shape
}

impl<B: Backend> Operator<B> for NhwcConv {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (x, weights) = (inputs.float(0)?, inputs.float(1)?);
        let bias = inputs.optional_float(2)?;
        let mut shape = self
            .0
            .shape(&channels_first(x), &channels_first(weights), bias)?;
        shape.get_mut(1..).unwrap_or_default().rotate_left(1);
        Ok(vec![inputs.any(0)?.with_shape(shape)])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let [x, weights] = [inputs.shape(0)?, inputs.shape(1)?].map(|s| channels_first(&s));
        let axes = self.0.place(&x, &weights)?;
        let first = channels_first(&(0..x.len()).collect::<Vec<_>>());
        let mut last = (0..x.len()).collect::<Vec<_>>();
        last.get_mut(1..).unwrap_or_default().rotate_left(1);
        let x = B::float_permute(inputs.tensor(0)?, &first);
        let weights = B::float_permute(inputs.tensor(1)?, &first);
        let out = self
            .0
            .run::<B>(&axes, x, weights, inputs.optional_tensor(2)?);
        Ok(vec![B::float_permute(out, &last)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        along_first(samples, &[0], outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, floats};

    #[test]
    fn values() {
        let case = || {
            Case::new("NhwcConv")
                .domain("com.microsoft")
                .input(counting(&[1, 2, 2, 2]))
                .constant(floats(&[1, 1, 2, 2], &[1.0, 10.0, 100.0, 1000.0]))
                .constant(floats(&[1], &[0.5]))
        };
        case().gives(&[1, 2, 1, 1], &[3210.5, 7654.5]);
        case().gradient_agrees();
        case().int("group", 2).fails("do not fit 2 channels");
    }
}
