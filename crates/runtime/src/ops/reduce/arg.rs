//! ArgMax and ArgMin: the index of the largest or smallest element along `axis`; of equal ones the
//! first, or the last with `select_last_index`.

use burn_backend::{Backend, FloatDType, IntDType, Shape, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::axes::{lanes, left, left_place};
use crate::Fault;
use crate::ops::samples::{Samples, alone};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Elements, Fact, Facts, Values, on_device};

struct Arg {
    axis: i64,
    keep_axis: bool,
    last: bool,
    largest: bool,
}

pub(super) fn parse_max<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    parse(node, true)
}

pub(super) fn parse_min<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    parse(node, false)
}

fn parse<B: Backend>(node: &Node, largest: bool) -> Parsed<B> {
    Ok(Box::new(Arg {
        axis: node.attributes.int_or("axis", 0)?,
        keep_axis: node.attributes.int_or("keepdims", 1)? != 0,
        last: node.attributes.int_or("select_last_index", 0)? != 0,
        largest,
    }))
}

impl Arg {
    fn index(&self, lane: &[i64]) -> usize {
        let mut best = 0;
        for (i, value) in lane.iter().enumerate() {
            let Some(top) = lane.get(best) else { break };
            let better = match self.largest {
                true => value > top,
                false => value < top,
            };
            if better || self.last && value == top {
                best = i;
            }
        }
        best
    }
}

impl<B: Backend> Operator<B> for Arg {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let shape = inputs.shape(0)?;
        let axis = crate::ops::axis(self.axis, shape.len())?;
        if shape.get(axis) == Some(&0) {
            return Err(Fault::shape(format!("axis {axis} is empty")));
        }
        let out = left(shape, &[axis], self.keep_axis);
        let Some(values) = inputs.any(0)?.known_ints() else {
            return Ok(vec![Fact::new(DType::I64, out)]);
        };
        let lanes = lanes(values, shape, &[axis])?;
        let indices = lanes.iter().map(|lane| self.index(lane) as i64);
        let indices = Elements::Int(indices.collect());
        Ok(vec![Fact::known(DType::I64, out, indices)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let axis = crate::ops::axis(self.axis, shape.len())?;
        let x = inputs.tensor(0)?;
        let x = if self.last {
            B::float_flip(x, &[axis])
        } else {
            x
        };
        let index = match self.largest {
            true => B::float_argmax(x, axis, IntDType::I32),
            false => B::float_argmin(x, axis, IntDType::I32),
        };
        let index = B::int_into_float(index, FloatDType::F32);
        let out = outputs.first().map(Fact::shape).unwrap_or_default();
        let index = B::float_reshape(index, Shape::from(on_device(out)));
        Ok(vec![match self.last {
            true => {
                let last = shape.get(axis).map_or(0, |size| size.saturating_sub(1));
                let index = B::float_neg(index);
                B::float_add_scalar(index, (last as f32).into())
            }
            false => index,
        }])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        _: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let axis = crate::ops::axis(self.axis, inputs.get(0)?.shape().len()).ok()?;
        let place = left_place(alone(samples)?, &[axis], self.keep_axis)?;
        Some(vec![Some(place)])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn values() {
        let data = || floats(&[2, 3], &[1.0, 3.0, 3.0, -1.0, -1.0, -2.0]);
        let case = |op| Case::new(op).input(data());
        case("ArgMax").gives(&[1, 3], &[0.0, 0.0, 0.0]);
        let rows = |op| case(op).int("axis", -1);
        rows("ArgMax").gives(&[2, 1], &[1.0, 0.0]);
        rows("ArgMin").int("keepdims", 0).gives(&[2], &[0.0, 2.0]);
        let last = |op| rows(op).int("select_last_index", 1);
        last("ArgMax").gives(&[2, 1], &[2.0, 1.0]);
        last("ArgMin").gives(&[2, 1], &[0.0, 2.0]);
        for (last, index) in [(0, 1), (1, 2)] {
            Case::new("ArgMax")
                .int("select_last_index", last)
                .constant(ints(&[3], &[i64::MAX - 1, i64::MAX, i64::MAX]))
                .gives_ints(&[1], &[index]);
        }
        case("ArgMax").int("axis", 2).fails("outside");
        Case::new("ArgMin")
            .input(floats(&[0], &[]))
            .fails("axis 0 is empty");
    }

    #[test]
    fn the_first_of_many_equal_ones() {
        let mut row = vec![0.0f32; 1000];
        row[300..700].fill(5.0);
        let case = || {
            Case::new("ArgMax")
                .int("axis", 1)
                .input(floats(&[1, 1000], &row))
        };
        case().gives(&[1, 1], &[300.0]);
        case().int("select_last_index", 1).gives(&[1, 1], &[699.0]);
    }
}
