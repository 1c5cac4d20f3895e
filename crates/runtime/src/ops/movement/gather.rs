//! Gather: the slices of `axis` that integer indices name, counted from either end. Indices that a
//! run computes are not checked: those outside the axis are moved to its nearest end.

use std::ops::Range;

use burn_backend::{
    Backend, Shape, Slice,
    tensor::{FloatTensor, IntTensor},
};
use scoville_onnx::Node;

use super::kept::Kept;
use super::rows::{check_below, picks};
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values, on_device};

struct Gather<B: Backend> {
    axis: i64,
    picks: Kept<IntTensor<B>>,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Gather {
        axis: node.attributes.int_or("axis", 0)?,
        picks: Kept::new(),
    }))
}

/// The range that indices are which follow one another: a cut, whose gradient is none of scattered rows.
fn in_a_row(indices: &[i64], size: usize) -> Option<Range<usize>> {
    let place = |&index: &i64| match usize::try_from(index) {
        Ok(index) => Some(index),
        Err(_) => size.checked_add_signed(isize::try_from(index).ok()?),
    };
    let first = place(indices.first()?)?;
    let end = first.checked_add(indices.len())?;
    let follows = indices
        .iter()
        .zip(first..)
        .all(|(i, at)| place(i) == Some(at));
    (follows && end <= size).then_some(first..end)
}

impl<B: Backend> Operator<B> for Gather<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (data, indices) = (inputs.any(0)?, inputs.any(1)?);
        let axis = crate::ops::axis(self.axis, data.shape().len())?;
        let (before, rest) = data.shape().split_at(axis);
        let (size, after) = rest
            .split_first()
            .map_or((0, rest), |(&size, after)| (size, after));
        check_below(indices, size)?;
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
        let known = inputs.fact(1).and_then(Fact::known_ints);
        let out = match known.and_then(|indices| in_a_row(indices, size)) {
            Some(range) => {
                let whole = shape.iter().map(|&size| Slice::from(0..size));
                let mut ranges: Vec<Slice> = whole.collect();
                if let Some(place) = ranges.get_mut(axis) {
                    *place = Slice::from(range);
                }
                B::float_slice(inputs.tensor(0)?, &ranges)
            }
            None => {
                let picks = picks(&mut inputs, &self.picks, size)?;
                B::float_select(inputs.tensor(0)?, axis, picks)
            }
        };
        let shape = outputs.first().map(Fact::shape).unwrap_or_default();
        Ok(vec![B::float_reshape(out, Shape::from(on_device(shape)))])
    }

    fn moves(&self, index: usize) -> bool {
        index == 0
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        _: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let (data, indices) = (inputs.get(0)?.shape(), inputs.get(1)?.shape());
        let axis = crate::ops::axis(self.axis, data.len()).ok()?;
        let place = match (samples.first()?, samples.get(1)?) {
            (Some(data), None) if data.axis < axis => *data,
            (Some(data), None) if data.axis > axis => Samples {
                axis: (data.axis + indices.len()).checked_sub(1)?,
                ..*data
            },
            (None, Some(indices)) => Samples {
                axis: axis + indices.axis,
                ..*indices
            },
            _ => return None,
        };
        Some(vec![Some(place)])
    }
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
