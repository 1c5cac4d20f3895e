//! PRelu: `x` where `x >= 0`, `slope * x` below. The slope broadcasts to `x`; in opset 6 one of more than
//! one element belongs to the channels in axis 1.

use burn_backend::{Backend, Shape, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::Node;

use super::mask::{choose, is_below};
use crate::Fault;
use crate::ops::broadcast::{broadcast, stretch, wrapped};
use crate::ops::samples::{Samples, broadcast_samples};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

struct PRelu {
    by_channel: bool,
}

pub(super) fn parse<B: Backend>(_: &Node, context: &Context) -> Parsed<B> {
    Ok(Box::new(PRelu {
        by_channel: context.opset < 7,
    }))
}

impl PRelu {
    /// The slope's shape, ready to broadcast.
    fn aligned(&self, x: &[usize], slope: &[usize]) -> Result<Vec<usize>, Fault> {
        if !self.by_channel || count(slope)? == 1 || x.len() < 2 {
            return Ok(slope.to_vec());
        }
        let after = std::iter::repeat_n(1, x.len().saturating_sub(2));
        Ok(std::iter::once(count(slope)?).chain(after).collect())
    }
}

impl<B: Backend> Operator<B> for PRelu {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (x, slope) = (inputs.shape(0)?, inputs.shape(1)?);
        if inputs.any(0)?.dtype != inputs.any(1)?.dtype {
            return Err(Fault::shape("x and slope differ in type"));
        }
        if broadcast(x, &self.aligned(x, slope)?)? != x {
            return Err(Fault::shape(format!(
                "the slope of {slope:?} does not broadcast to {x:?}"
            )));
        }
        Ok(vec![inputs.any(0)?.with_shape(x.to_vec())])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let (x, slope) = (inputs.tensor(0)?, inputs.tensor(1)?);
        let shape = x.shape().to_vec();
        let aligned = self.aligned(&shape, &slope.shape())?;
        let slope = stretch::<B>(B::float_reshape(slope, Shape::from(aligned)), &shape);
        let below = is_below::<B>(x.clone(), 0.0);
        let y = choose::<B>(below, B::float_mul(x.clone(), slope), x);
        Ok(vec![match outputs.first() {
            Some(fact) => wrapped::<B>(fact.dtype, y),
            None => y,
        }])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let (left, right) = (inputs.get(0)?, inputs.get(1)?);
        let aligned = self.aligned(left.shape(), right.shape()).ok()?;
        if aligned != right.shape() && samples.get(1)?.is_some() {
            return None;
        }
        let inputs = Facts(vec![Some(left.clone()), Some(right.with_shape(aligned))]);
        broadcast_samples(samples, &inputs, outputs)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn values() {
        let x = || floats(&[1, 2, 2], &[-1.0, 2.0, -3.0, -4.0]);
        let case = |opset, slope| Case::new("PRelu").opset(opset).input(x()).input(slope);
        case(9, floats(&[2], &[0.5, 0.25])).gives(&[1, 2, 2], &[-0.5, 2.0, -1.5, -1.0]);
        case(9, floats(&[2, 1], &[0.5, 0.25])).gives(&[1, 2, 2], &[-0.5, 2.0, -0.75, -1.0]);
        case(6, floats(&[2], &[0.5, 0.25])).gives(&[1, 2, 2], &[-0.5, 2.0, -0.75, -1.0]);
        case(6, floats(&[1], &[0.5])).gives(&[1, 2, 2], &[-0.5, 2.0, -1.5, -2.0]);
        case(9, floats(&[2, 1], &[0.5, 0.25])).gradient_agrees();
        case(9, floats(&[], &[0.5])).gradient_agrees();
        case(9, floats(&[3, 2, 2], &[0.5; 12])).fails("does not broadcast to");
        case(9, ints(&[1], &[2])).fails("differ in type");
        Case::new("PRelu")
            .constant(ints(&[2], &[-3, 3]))
            .constant(ints(&[1], &[2]))
            .gives_ints(&[2], &[-6, 3]);
    }
}
