//! Gather: the slices of `axis` that integer indices name, counted from either end. Indices that a
//! run computes are not checked: those outside the axis are moved to its nearest end.

use burn_backend::{
    Backend, IntDType, Shape, TensorData,
    tensor::{FloatTensor, IntTensor},
};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct Gather {
    axis: i64,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Gather {
        axis: node.attributes.int_or("axis", 0)?,
    }))
}

impl<B: Backend> Operator<B> for Gather {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (data, indices) = (inputs.any(0)?, inputs.any(1)?);
        let axis = crate::ops::axis(self.axis, data.shape().len())?;
        let (before, rest) = data.shape().split_at(axis);
        let (size, after) = rest
            .split_first()
            .map_or((0, rest), |(&size, after)| (size, after));
        if let Some(indices) = indices.known_ints() {
            picks(indices, size)?;
        }
        let shape = [before, indices.shape(), after].concat();
        Ok(vec![data.with_shape(shape)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let axis = crate::ops::axis(self.axis, shape.len())?;
        let size = shape.get(axis).copied().unwrap_or(0);
        let picks = match inputs.fact(1).and_then(Fact::known_ints) {
            Some(indices) => {
                let picks: Vec<i32> = picks(indices, size)?
                    .into_iter()
                    .map(|i| i as i32)
                    .collect();
                let len = picks.len();
                B::int_from_data(TensorData::new(picks, [len]), inputs.device)
            }
            None => computed::<B>(inputs.tensor(1)?, size),
        };
        let out = B::float_select(inputs.tensor(0)?, axis, picks);
        let shape = outputs.first().map(Fact::shape).unwrap_or_default();
        Ok(vec![B::float_reshape(out, Shape::from(shape.to_vec()))])
    }

    fn moves(&self, index: usize) -> bool {
        index == 0
    }
}

/// Indices that a run computed, as a list of positions below `size`.
pub(super) fn computed<B: Backend>(indices: FloatTensor<B>, size: usize) -> IntTensor<B> {
    use burn_backend::TensorMetadata;
    let len = indices.shape().num_elements();
    let indices = B::float_reshape(indices, Shape::from([len]));
    let last = size.saturating_sub(1) as f32;
    // A negative index counts from the end: only there does the clamped minimum add the size.
    let negative = B::float_clamp(indices.clone(), (-1.0f32).into(), 0.0f32.into());
    let indices = B::float_sub(indices, B::float_mul_scalar(negative, (size as f32).into()));
    let indices = B::float_clamp(indices, 0.0f32.into(), last.into());
    B::float_into_int(indices, IntDType::I32)
}

/// The indices, counted from either end, as positions below `size`.
fn picks(indices: &[i64], size: usize) -> Result<Vec<usize>, Fault> {
    indices
        .iter()
        .map(|&index| crate::ops::axis(index, size))
        .collect::<Result<_, _>>()
        .map_err(|_| {
            Fault::shape(format!(
                "an index lies outside the {size} entries of the axis"
            ))
        })
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn floats_by_constant_index() {
        let matrix = || floats(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let case = |index| Case::new("Gather").input(matrix()).constant(index);
        case(ints(&[], &[1])).gives(&[3], &[4.0, 5.0, 6.0]);
        case(ints(&[2], &[-1, 0])).gives(&[2, 3], &[4.0, 5.0, 6.0, 1.0, 2.0, 3.0]);
        case(ints(&[1, 2], &[2, 2]))
            .int("axis", 1)
            .gives(&[2, 1, 2], &[3.0, 3.0, 6.0, 6.0]);
        case(ints(&[1, 2], &[2, 2]))
            .int("axis", -1)
            .gradient_agrees();
        case(ints(&[], &[2])).fails("outside the 2 entries");
    }

    #[test]
    fn floats_by_computed_index() {
        let table = || floats(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let case = |indices| Case::new("Gather").constant(table()).input(indices);
        case(ints(&[1, 3], &[2, -3, -1])).gives(&[1, 3, 2], &[5.0, 6.0, 1.0, 2.0, 5.0, 6.0]);
        case(ints(&[2], &[9, -9])).gives(&[2, 2], &[5.0, 6.0, 1.0, 2.0]);
    }

    #[test]
    fn integers() {
        let case = |index| {
            Case::new("Gather")
                .constant(ints(&[2, 2], &[1, 2, 3, 4]))
                .constant(index)
        };
        case(ints(&[], &[-1])).gives_ints(&[2], &[3, 4]);
        case(ints(&[1], &[0]))
            .int("axis", 1)
            .gives_ints(&[2, 1], &[1, 3]);
    }
}
