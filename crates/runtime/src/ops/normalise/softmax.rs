//! Softmax: `exp(x) / sum(exp(x))` over `axis`; up to opset 12 over all axes from `axis` on,
//! together.

use burn_backend::{Backend, Shape, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

/// Over which axes Softmax and LogSoftmax normalise.
pub(crate) struct Normalised {
    axis: i64,
    /// Up to opset 12: all axes from `axis` on are one.
    coerced: bool,
}

impl Normalised {
    pub fn parse(node: &Node, opset: i64) -> Result<Normalised, Fault> {
        let coerced = opset < 13;
        let axis = node
            .attributes
            .int_or("axis", if coerced { 1 } else { -1 })?;
        Ok(Normalised { axis, coerced })
    }

    /// The input's shape as `(shape, axis)` of one plain softmax.
    fn plain(&self, shape: &[usize]) -> Result<(Vec<usize>, usize), Fault> {
        let axis = crate::ops::axis(self.axis, shape.len())?;
        if !self.coerced {
            return Ok((shape.to_vec(), axis));
        }
        let (before, after) = shape.split_at(axis);
        Ok((vec![count(before)?, count(after)?], 1))
    }

    /// Whether each of the `n` samples in `shape` is normalised over all that it has.
    pub fn covers_samples(&self, shape: &[usize], n: usize) -> bool {
        let Ok((shape, axis)) = self.plain(shape) else {
            return false;
        };
        let size = shape.get(axis).copied().unwrap_or(0);
        count(&shape).is_ok_and(|total| total == size * n)
    }

    /// Samples stay apart unless they are normalised together.
    pub(super) fn samples(
        &self,
        samples: &[Option<Samples>],
        rank: usize,
    ) -> Option<Vec<Option<Samples>>> {
        let axis = crate::ops::axis(self.axis, rank).ok()?;
        let place = samples.first().copied().flatten()?;
        let apart = match self.coerced {
            true => place.axis < axis,
            false => place.axis != axis,
        };
        apart.then(|| vec![Some(place)])
    }

    pub(super) fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let shape = inputs.float(0)?;
        self.plain(shape)?;
        Ok(vec![inputs.any(0)?.with_shape(shape.to_vec())])
    }

    pub(super) fn forward<B: Backend>(
        &self,
        mut inputs: Values<B>,
        normalise: fn(FloatTensor<B>, usize) -> FloatTensor<B>,
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let x = inputs.tensor(0)?;
        let shape = x.shape();
        let (plain, axis) = self.plain(&shape)?;
        let out = normalise(B::float_reshape(x, Shape::from(plain)), axis);
        Ok(vec![B::float_reshape(out, shape)])
    }
}

struct Softmax(Normalised);

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    Ok(Box::new(Softmax(Normalised::parse(node, context.opset)?)))
}

impl<B: Backend> Operator<B> for Softmax {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        self.0.infer(inputs)
    }

    fn forward(&self, inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        self.0.forward::<B>(inputs, B::softmax)
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
    use super::Normalised;
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        // exp(ln k) = k: rows of weights 1 and 3, then 1 and 1.
        let (zero, ln3) = (0.0, 3.0f32.ln());
        let case = |opset| {
            Case::new("Softmax")
                .opset(opset)
                .input(floats(&[1, 2, 2], &[zero, ln3, zero, zero]))
        };
        case(13).gives(&[1, 2, 2], &[0.25, 0.75, 0.5, 0.5]);
        case(13)
            .int("axis", 1)
            .gives(&[1, 2, 2], &[0.5, 0.75, 0.5, 0.25]);
        case(11).gives(&[1, 2, 2], &[1.0 / 6.0, 0.5, 1.0 / 6.0, 1.0 / 6.0]);
        case(11)
            .int("axis", 2)
            .gives(&[1, 2, 2], &[0.25, 0.75, 0.5, 0.5]);
        case(13).gradient_agrees();
        case(11).gradient_agrees();
        case(13).int("axis", 3).fails("outside");
        Case::new("Softmax")
            .opset(13)
            .input(floats(&[1, 2], &[1000.0, 1000.0]))
            .gives(&[1, 2], &[0.5, 0.5]);
    }

    #[test]
    fn covers_samples() {
        let covers =
            |axis, coerced, shape: &[usize]| Normalised { axis, coerced }.covers_samples(shape, 3);
        assert!(covers(-1, false, &[3, 10]));
        assert!(covers(1, false, &[3, 10, 1, 1]));
        assert!(covers(1, true, &[3, 10, 1, 1]));
        assert!(!covers(-1, false, &[3, 10, 1, 1]));
        assert!(!covers(0, false, &[3, 10]));
        assert!(!covers(-1, false, &[3, 4, 10]));
    }
}
