//! Gather: the slices of `axis` that constant integer indices name. Integers are gathered at load.

use burn_backend::{Backend, Shape, TensorData, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::Node;

use super::{Context, Operator, Parsed, count};
use crate::Fault;
use crate::value::{Fact, Facts, Ints, Values};

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
        let (data, indices) = (inputs.any(0)?, inputs.ints(1)?);
        let axis = super::axis(self.axis, data.shape().len())?;
        let (before, rest) = data.shape().split_at(axis);
        let (size, after) = rest
            .split_first()
            .map_or((0, rest), |(&size, after)| (size, after));
        let picks = picks(indices, size)?;
        let shape = [before, &indices.shape, after].concat();
        Ok(vec![match data {
            Fact::Float(_) => Fact::Float(shape),
            Fact::Int(ints) => {
                let inner = count(after)?;
                let values = gather(&ints.values, count(before)?, size, inner, &picks)?;
                Fact::Int(Ints { shape, values })
            }
        }])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let (data, indices) = (inputs.float(0)?, inputs.ints(1)?);
        let shape = data.shape();
        let axis = super::axis(self.axis, shape.len())?;
        let picks = picks(&indices, shape.get(axis).copied().unwrap_or(0))?;
        let picks: Vec<i32> = picks.into_iter().map(|i| i as i32).collect();
        let picks = TensorData::new(picks, [indices.values.len()]);
        let picks = B::int_from_data(picks, &data.device());
        let out = B::float_select(data, axis, picks);
        outputs
            .iter()
            .map(|fact| {
                Ok(B::float_reshape(
                    out.clone(),
                    Shape::from(fact.shape().to_vec()),
                ))
            })
            .collect()
    }
}

/// The indices, counted from either end, as positions below `size`.
fn picks(indices: &Ints, size: usize) -> Result<Vec<usize>, Fault> {
    indices
        .values
        .iter()
        .map(|&index| super::axis(index, size))
        .collect::<Result<_, _>>()
        .map_err(|_| {
            Fault::shape(format!(
                "an index lies outside the {size} entries of the axis"
            ))
        })
}

fn gather(
    data: &[i64],
    outer: usize,
    size: usize,
    inner: usize,
    picks: &[usize],
) -> Result<Vec<i64>, Fault> {
    let mut out = Vec::new();
    for o in 0..outer {
        for &pick in picks {
            let start = (o * size + pick) * inner;
            let slice = data.get(start..start + inner);
            out.extend_from_slice(slice.ok_or_else(|| Fault::shape("integers end early"))?);
        }
    }
    Ok(out)
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
