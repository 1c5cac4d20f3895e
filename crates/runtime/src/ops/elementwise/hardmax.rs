//! Hardmax: 1 at the first largest element along `axis`, 0 elsewhere. Before opset 13 the axes from `axis`
//! (1 unless named) on count as one. By steps, which go as softmax does.

use burn_backend::{Backend, FloatDType, IntDType, Shape, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::Node;

use super::mask::{as_floats, equal};
use crate::Fault;
use crate::ops::samples::{Samples, alone};
use crate::ops::stand_in::moving;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct Hardmax {
    axis: i64,
    /// Whether the axes from `axis` on count as one.
    flattens: bool,
}

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let flattens = context.opset < 13;
    let default = if flattens { 1 } else { -1 };
    Ok(Box::new(Hardmax {
        axis: node.attributes.int_or("axis", default)?,
        flattens,
    }))
}

impl Hardmax {
    /// The axis, which an old opset may put behind the last one.
    fn axis(&self, rank: usize) -> Result<usize, Fault> {
        match self.flattens && self.axis == rank as i64 {
            true => Ok(rank),
            false => crate::ops::axis(self.axis, rank),
        }
    }

    /// The places before the axis, along it, and after it.
    fn parts(&self, shape: &[usize]) -> Result<[usize; 3], Fault> {
        let (before, rest) = shape.split_at(self.axis(shape.len())?);
        let (size, after) = match rest.split_first() {
            Some((&size, after)) if !self.flattens => (size, after.iter().product()),
            _ => (rest.iter().product::<usize>(), 1),
        };
        Ok([before.iter().product(), size, after])
    }
}

impl<B: Backend> Operator<B> for Hardmax {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let shape = inputs.float(0)?.to_vec();
        self.axis(shape.len())?;
        Ok(vec![inputs.any(0)?.with_shape(shape)])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let x = inputs.tensor(0)?;
        let shape = x.shape().to_vec();
        let [before, size, after] = self.parts(&shape)?;
        let x = B::float_reshape(x, Shape::from([before, size, after]));
        let first = B::float_argmax(x.clone(), 1, IntDType::I32);
        let first = B::int_into_float(first, FloatDType::F32);
        let positions = inputs.upload(&[1, size, 1], (0..size).map(|i| i as f32).collect());
        let y = as_floats::<B>(equal::<B>(first, positions));
        let near = inputs.stand_ins.then(|| B::softmax(x, 1));
        let y = moving::<B>(y, near);
        Ok(vec![B::float_reshape(y, Shape::from(shape))])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        _: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let axis = self.axis(inputs.get(0)?.shape().len()).ok()?;
        let place = alone(samples)?;
        let apart = match self.flattens {
            true => place.axis < axis,
            false => place.axis != axis,
        };
        apart.then(|| vec![Some(place)])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let x = || floats(&[2, 2, 2], &[3.0, 1.0, 3.0, 2.0, 0.0, -1.0, 5.0, 5.0]);
        let case = |opset| Case::new("Hardmax").opset(opset).input(x());
        case(13).gives(&[2, 2, 2], &[1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
        case(13)
            .int("axis", 1)
            .gives(&[2, 2, 2], &[1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
        case(13)
            .int("axis", 0)
            .gives(&[2, 2, 2], &[1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
        case(11).gives(&[2, 2, 2], &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        case(11)
            .int("axis", 0)
            .gives(&[2, 2, 2], &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        case(13).int("axis", 3).fails("axis 3 lies outside");
    }
}
