//! Concat along `axis`. Integers are concatenated at load.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::{Context, Operator, Parsed};
use crate::Fault;
use crate::value::{Fact, Facts, Ints, Values};

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
        let axis = super::axis(self.axis, shape.len())?;
        for i in 1..inputs.0.len() {
            extend(&mut shape, inputs.any(i)?.shape(), axis)?;
        }
        if matches!(inputs.any(0)?, Fact::Float(_)) {
            for i in 0..inputs.0.len() {
                inputs.float(i)?;
            }
            return Ok(vec![Fact::Float(shape)]);
        }
        if shape.len() != 1 {
            return Err(Fault::Unsupported(
                "Concat of integers of more than one axis".into(),
            ));
        }
        let mut values = Vec::new();
        for i in 0..inputs.0.len() {
            values.extend_from_slice(&inputs.ints(i)?.values);
        }
        Ok(vec![Fact::Int(Ints { shape, values })])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let rank = outputs.first().map_or(0, |fact| fact.shape().len());
        let axis = super::axis(self.axis, rank)?;
        let parts = (0..inputs.0.len())
            .map(|i| inputs.float(i))
            .collect::<Result<_, _>>()?;
        Ok(vec![B::float_cat(parts, axis)])
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
