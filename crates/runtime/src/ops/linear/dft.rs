//! DFT along one axis of a signal whose last axis holds real, or real and imaginary, parts. The axis
//! is an attribute up to opset 19, then an input; one-sided transforms read or make half a spectrum.

use burn_backend::{Backend, Shape, tensor::FloatTensor};
use scoville_onnx::Node;

use super::fourier::{Matrices, Transform};
use crate::Fault;
use crate::ops::movement::fill::one;
use crate::ops::movement::kept::Kept;
use crate::ops::samples::{Samples, beside};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

struct Dft<B: Backend> {
    inverse: bool,
    onesided: bool,
    /// Opset 19 and before.
    axis: Option<i64>,
    matrices: Matrices<B>,
}

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let axis = match context.opset {
        ..20 => Some(node.attributes.int_or("axis", 1)?),
        _ => None,
    };
    Ok(Box::new(Dft {
        inverse: node.attributes.int_or("inverse", 0)? != 0,
        onesided: node.attributes.int_or("onesided", 0)? != 0,
        axis,
        matrices: Kept::new(),
    }))
}

impl<B: Backend> Dft<B> {
    /// The axis, and its transform.
    fn transform(
        &self,
        shape: &[usize],
        length: Option<&[i64]>,
        axis: Option<&[i64]>,
    ) -> Result<(usize, Transform), Fault> {
        let axis = match (self.axis, axis) {
            (Some(axis), _) => axis,
            (None, Some(axis)) => one(axis)?,
            (None, None) => -2,
        };
        let axis = crate::ops::axis(axis, shape.len())?;
        let parts = shape.last().copied().unwrap_or(0);
        if axis + 1 == shape.len() || !(1..=2).contains(&parts) {
            return Err(Fault::shape(
                "the last axis does not hold the one or two parts of the signal's numbers",
            ));
        }
        if self.onesided && (parts == 2) != self.inverse {
            return Err(Fault::shape(
                "a one-sided transform goes between a real signal and half a complex spectrum",
            ));
        }
        let points = shape.get(axis).copied().unwrap_or(0);
        let length = match length.map(one).transpose()? {
            Some(length) => usize::try_from(length)
                .map_err(|_| Fault::shape(format!("dft_length {length} is negative")))?,
            None if self.onesided && self.inverse => points.saturating_sub(1).saturating_mul(2),
            None => points,
        };
        let transform = Transform {
            length,
            inverse: self.inverse,
            onesided: self.onesided,
        };
        transform.check()?;
        Ok((axis, transform))
    }
}

impl<B: Backend> Operator<B> for Dft<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let mut shape = inputs.float(0)?.to_vec();
        let (length, axis) = (inputs.optional_ints(1)?, inputs.optional_ints(2)?);
        let (axis, transform) = self.transform(&shape, length, axis)?;
        if shape.contains(&0) {
            return Err(Fault::shape("the signal is empty"));
        }
        let (made, parts) = (transform.points().1, transform.parts());
        shape.iter_mut().skip(axis).take(1).for_each(|s| *s = made);
        shape
            .iter_mut()
            .next_back()
            .into_iter()
            .for_each(|s| *s = parts);
        Ok(vec![Fact::float(shape)])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let (length, axis) = (inputs.optional_ints(1)?, inputs.optional_ints(2)?);
        let (axis, transform) = self.transform(&shape, length, axis)?;
        // The axis next to the parts.
        let last = shape.len().saturating_sub(1);
        let others = (0..last).filter(|&i| i != axis);
        let order: Vec<usize> = others.chain([axis, last]).collect();
        let x = B::float_permute(inputs.tensor(0)?, &order);
        let mut sizes: Vec<usize> = order
            .iter()
            .filter_map(|&i| shape.get(i))
            .copied()
            .collect();
        let rows = sizes.get(..last.saturating_sub(1)).map(count);
        let rows = rows.transpose()?.unwrap_or(1);
        let points = shape.get(axis).copied().unwrap_or(1);
        let parts = shape.last().copied().unwrap_or(1);
        let x = B::float_reshape(x, Shape::from([rows, points, parts]));
        let y = transform.apply::<B>(x, &self.matrices, inputs.device)?;
        let made = [transform.points().1, transform.parts()];
        sizes.truncate(last.saturating_sub(1));
        sizes.extend(made);
        let mut back = vec![0; order.len()];
        for (to, &from) in order.iter().enumerate() {
            back.iter_mut()
                .skip(from)
                .take(1)
                .for_each(|slot| *slot = to);
        }
        let y = B::float_reshape(y, Shape::from(sizes));
        Ok(vec![B::float_permute(y, &back)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let shape = inputs.get(0)?.shape();
        let length = inputs.optional_ints(1).ok()?;
        let axis = inputs.optional_ints(2).ok()?;
        let (axis, _) = self.transform(shape, length, axis).ok()?;
        let parts = shape.len().checked_sub(1)?;
        beside(samples, &[axis, parts], outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, floats, ints};

    fn case(shape: &[usize], values: &[f32]) -> Case {
        Case::new("DFT").opset(20).input(floats(shape, values))
    }

    #[test]
    fn values() {
        let real = || case(&[1, 3, 1], &[1.0, 2.0, 4.0]);
        let (re, im) = (-2.0, 3.0f32.sqrt());
        real().gives(&[1, 3, 2], &[7.0, 0.0, re, im, re, -im]);
        real()
            .int("onesided", 1)
            .gives(&[1, 2, 2], &[7.0, 0.0, re, im]);
        let spectrum = || case(&[1, 3, 2], &[7.0, 0.0, re, im, re, -im]).int("inverse", 1);
        spectrum().gives(&[1, 3, 2], &[1.0, 0.0, 2.0, 0.0, 4.0, 0.0]);
        case(&[1, 2, 2], &[7.0, 0.0, re, im])
            .int("inverse", 1)
            .int("onesided", 1)
            .constant(ints(&[], &[3]))
            .gives(&[1, 3, 1], &[1.0, 2.0, 4.0]);
        // A shorter and a longer transform, and another axis.
        real()
            .constant(ints(&[], &[2]))
            .gives(&[1, 2, 2], &[3.0, 0.0, -1.0, 0.0]);
        case(&[1, 1, 1], &[3.0])
            .constant(ints(&[], &[2]))
            .gives(&[1, 2, 2], &[3.0, 0.0, 3.0, 0.0]);
        case(&[2, 1, 1], &[1.0, 2.0])
            .absent()
            .constant(ints(&[], &[0]))
            .gives(&[2, 1, 2], &[3.0, 0.0, -1.0, 0.0]);
        real().gradient_agrees();
        spectrum().gradient_agrees();
    }

    #[test]
    fn faults() {
        Case::new("DFT")
            .opset(17)
            .int("axis", 2)
            .input(counting(&[1, 2, 1]))
            .fails("the last axis does not hold");
        case(&[1, 1, 3], &[0.0; 3]).fails("the last axis does not hold");
        case(&[1, 1, 2], &[0.0; 2])
            .int("onesided", 1)
            .fails("goes between");
        case(&[1, 1, 1], &[0.0])
            .constant(ints(&[], &[-1]))
            .fails("is negative");
        case(&[1, 1, 1], &[0.0])
            .constant(ints(&[], &[1 << 40]))
            .fails("points is not supported");
    }
}
