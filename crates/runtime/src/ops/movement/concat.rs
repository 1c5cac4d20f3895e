//! Concat along `axis`. Any type; empty inputs are passed over.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::samples::{Samples, elementwise};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct Concat {
    axis: i64,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    // Before opset 4 there was a default; later the attribute is required.
    match node.attributes.int("axis")? {
        Some(axis) => Ok(Box::new(Concat { axis })),
        None => Err(Fault::shape("attribute axis is missing")),
    }
}

impl<B: Backend> Operator<B> for Concat {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let mut shape = inputs.any(0)?.shape().to_vec();
        let axis = crate::ops::axis(self.axis, shape.len())?;
        for i in 1..inputs.len() {
            if inputs.any(i)?.dtype != inputs.any(0)?.dtype {
                return Err(Fault::shape("the inputs have several types"));
            }
            extend(&mut shape, inputs.any(i)?.shape(), axis)?;
        }
        Ok(vec![inputs.any(0)?.with_shape(shape)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let rank = outputs.first().map_or(0, |fact| fact.shape().len());
        let axis = crate::ops::axis(self.axis, rank)?;
        let mut parts = Vec::with_capacity(inputs.len());
        for i in 0..inputs.len() {
            if !inputs.shape(i)?.contains(&0) {
                parts.push(inputs.tensor(i)?);
            }
        }
        Ok(vec![B::float_cat(parts, axis)])
    }

    fn moves(&self, _: usize) -> bool {
        true
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let rank = outputs.first()?.shape().len();
        let axis = crate::ops::axis(self.axis, rank).ok()?;
        let out = elementwise(samples, inputs, rank)?;
        (out.axis != axis).then(|| vec![Some(out)])
    }
}

fn extend(shape: &mut [usize], other: &[usize], axis: usize) -> Result<(), Fault> {
    let fits = shape.len() == other.len()
        && shape
            .iter()
            .zip(other)
            .enumerate()
            .all(|(i, (a, b))| i == axis || a == b);
    let sizes = shape.get_mut(axis).zip(other.get(axis)).filter(|_| fits);
    let (size, more) =
        sizes.ok_or_else(|| Fault::shape(format!("the inputs differ outside axis {axis}")))?;
    *size = size
        .checked_add(*more)
        .ok_or_else(|| Fault::shape("the axis overflows"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn values() {
        let left = || floats(&[2, 1], &[1.0, 2.0]);
        let right = || floats(&[2, 2], &[3.0, 4.0, 5.0, 6.0]);
        let case = |axis| {
            Case::new("Concat")
                .int("axis", axis)
                .input(left())
                .input(right())
        };
        case(-1).gives(&[2, 3], &[1.0, 3.0, 4.0, 2.0, 5.0, 6.0]);
        case(1).gradient_agrees();
        case(0).fails("differ outside axis 0");
        case(2).fails("axis 2 lies outside");
        Case::new("Concat").input(left()).fails("axis is missing");
        Case::new("Concat")
            .int("axis", 0)
            .constant(ints(&[1], &[7]))
            .constant(ints(&[2], &[8, -1]))
            .gives_ints(&[3], &[7, 8, -1]);
    }
}
