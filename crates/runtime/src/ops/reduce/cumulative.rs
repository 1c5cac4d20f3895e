//! CumSum and CumProd along a known axis: of all elements up to each, or before it (`exclusive`),
//! from either end (`reverse`).

use burn_backend::{Backend, FloatDType, Shape, Slice, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use crate::Fault;
use crate::ops::broadcast::{wrap, wrapped};
use crate::ops::samples::{Samples, beside};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Elements, Fact, Facts, Values};

struct Cumulative {
    product: bool,
    exclusive: bool,
    reverse: bool,
}

pub(super) fn parse_sum<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    parse(node, false)
}

pub(super) fn parse_product<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    parse(node, true)
}

fn parse<B: Backend>(node: &Node, product: bool) -> Parsed<B> {
    Ok(Box::new(Cumulative {
        product,
        exclusive: node.attributes.int_or("exclusive", 0)? != 0,
        reverse: node.attributes.int_or("reverse", 0)? != 0,
    }))
}

fn axis(values: &[i64], rank: usize) -> Result<usize, Fault> {
    match values {
        [axis] => crate::ops::axis(*axis, rank),
        _ => Err(Fault::shape("axis is not one integer")),
    }
}

impl Cumulative {
    /// Accumulates known integers; narrow types wrap around.
    fn ints(&self, values: &[i64], fact: &Fact, axis: usize) -> Option<Vec<i64>> {
        if values.is_empty() {
            return Some(Vec::new());
        }
        let shape = fact.shape();
        let size = shape.get(axis).copied()?;
        let stride: usize = shape.get(axis + 1..)?.iter().product();
        let mut out = vec![0; values.len()];
        let lanes = values.len().checked_div(size).unwrap_or(0);
        for lane in 0..lanes {
            let start = lane / stride * stride * size + lane % stride;
            let mut total = i64::from(self.product);
            for step in 0..size {
                let step = if self.reverse { size - 1 - step } else { step };
                let place = out.get_mut(start + step * stride)?;
                let value = *values.get(start + step * stride)?;
                let next = match self.product {
                    true => total.checked_mul(value),
                    false => total.checked_add(value),
                };
                let before = total;
                total = wrap(fact.dtype, next?);
                *place = if self.exclusive { before } else { total };
            }
        }
        Some(out)
    }

    fn accumulate<B: Backend>(
        &self,
        x: FloatTensor<B>,
        shape: &[usize],
        axis: usize,
        device: &B::Device,
    ) -> FloatTensor<B> {
        let x = match self.exclusive {
            true => self.shifted::<B>(x, shape, axis, device),
            false => x,
        };
        match self.product {
            true => B::float_cumprod(x, axis),
            false => B::float_cumsum(x, axis),
        }
    }

    /// One place later, after a neutral element.
    fn shifted<B: Backend>(
        &self,
        x: FloatTensor<B>,
        shape: &[usize],
        axis: usize,
        device: &B::Device,
    ) -> FloatTensor<B> {
        let mut first = shape.to_vec();
        first.iter_mut().skip(axis).take(1).for_each(|s| *s = 1);
        let neutral = f32::from(u8::from(self.product));
        let first = B::float_full(Shape::from(first), neutral.into(), device, FloatDType::F32);
        let size = shape.get(axis).copied().unwrap_or(1);
        if size <= 1 {
            return first;
        }
        let mut range: Vec<Slice> = shape.iter().map(|&size| Slice::from(0..size)).collect();
        let rest = Slice::from(0..size - 1);
        range.iter_mut().skip(axis).take(1).for_each(|r| *r = rest);
        B::float_cat(vec![first, B::float_slice(x, &range)], axis)
    }
}

impl<B: Backend> Operator<B> for Cumulative {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let shape = inputs.shape(0)?.to_vec();
        let axis = axis(inputs.ints(1)?, shape.len())?;
        let x = inputs.any(0)?;
        let Some(values) = x.known_ints() else {
            return Ok(vec![x.with_shape(shape)]);
        };
        let values = self.ints(values, x, axis);
        let values = values.ok_or_else(|| Fault::shape("the integers overflow"))?;
        Ok(vec![Fact::known(x.dtype, shape, Elements::Int(values))])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let dtype = inputs.fact(0).map_or(DType::F32, |fact| fact.dtype);
        let axis = axis(inputs.ints(1)?, shape.len())?;
        let turn = |x| match self.reverse {
            true => B::float_flip(x, &[axis]),
            false => x,
        };
        let x = turn(inputs.tensor(0)?);
        let out = turn(self.accumulate::<B>(x, &shape, axis, inputs.device));
        Ok(vec![wrapped::<B>(dtype, out)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let axis = axis(inputs.ints(1).ok()?, inputs.get(0)?.shape().len()).ok()?;
        beside(samples, &[axis], outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints};

    fn case(op: &'static str, axis: i64) -> Case {
        Case::new(op)
            .opset(26)
            .input(floats(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 0.0, -5.0]))
            .constant(ints(&[], &[axis]))
    }

    #[test]
    fn values() {
        case("CumSum", 1).gives(&[2, 3], &[1.0, 3.0, 6.0, 4.0, 4.0, -1.0]);
        case("CumSum", -2).gives(&[2, 3], &[1.0, 2.0, 3.0, 5.0, 2.0, -2.0]);
        let exclusive = |op, axis| case(op, axis).int("exclusive", 1);
        exclusive("CumSum", 1).gives(&[2, 3], &[0.0, 1.0, 3.0, 0.0, 4.0, 4.0]);
        case("CumSum", 1)
            .int("reverse", 1)
            .gives(&[2, 3], &[6.0, 5.0, 3.0, -1.0, -5.0, -5.0]);
        exclusive("CumSum", 1)
            .int("reverse", 1)
            .gives(&[2, 3], &[5.0, 3.0, 0.0, -5.0, -5.0, 0.0]);
        case("CumProd", 1).gives(&[2, 3], &[1.0, 2.0, 6.0, 4.0, 0.0, 0.0]);
        exclusive("CumProd", 0).gives(&[2, 3], &[1.0, 1.0, 1.0, 1.0, 2.0, 3.0]);
        for op in ["CumSum", "CumProd"] {
            case(op, 1).gradient_agrees();
            exclusive(op, 1).int("reverse", 1).gradient_agrees();
        }
    }

    #[test]
    fn integers() {
        let case = |op| {
            Case::new(op)
                .constant(ints(&[2, 2], &[i64::MAX - 1, 2, 1, 3]))
                .constant(ints(&[], &[0]))
        };
        case("CumSum").gives_ints(&[2, 2], &[i64::MAX - 1, 2, i64::MAX, 5]);
        case("CumSum")
            .int("reverse", 1)
            .int("exclusive", 1)
            .gives_ints(&[2, 2], &[1, 3, 0, 0]);
        case("CumProd").gives_ints(&[2, 2], &[i64::MAX - 1, 2, i64::MAX - 1, 6]);
        Case::new("CumSum")
            .constant(ints(&[2], &[i64::MAX, 1]))
            .constant(ints(&[], &[0]))
            .fails("overflow");
        Case::new("CumSum")
            .constant(ints(&[2], &[1, 1]))
            .constant(ints(&[2], &[0, 0]))
            .fails("axis is not one integer");
    }
}
