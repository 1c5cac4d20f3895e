//! What every Reduce operator does: a rule over the reduced axes. Integers that are known are
//! reduced exactly; over no elements at all, the rule's neutral element comes out.

use burn_backend::{Backend, FloatDType, Shape, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::axes::{Reduced, lanes, merged};
use crate::Fault;
use crate::ops::broadcast::{wrap, wrapped};
use crate::ops::samples::{Samples, alone};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Elements, Fact, Facts, Values, is_float, on_device};

/// What one Reduce operator computes.
pub(super) struct Rule<B: Backend> {
    /// The opset from which on the axes are an input.
    pub since: i64,
    /// Reduces these axes to size 1.
    pub on_tensor: fn(FloatTensor<B>, &[usize]) -> FloatTensor<B>,
    /// Reduces integers; `None` where the result overflows or is undefined.
    pub on_ints: fn(&[i64], DType) -> Option<i64>,
    /// What comes of no elements; `None` where that is undefined.
    pub neutral: Option<f32>,
    /// Whole numbers may come out as fractions, which are cut off.
    pub fractions: bool,
}

struct Reduce<B: Backend> {
    reduced: Reduced,
    rule: Rule<B>,
}

pub(super) fn reduce<B: Backend>(node: &Node, context: &Context, rule: Rule<B>) -> Parsed<B> {
    Ok(Box::new(Reduce {
        reduced: Reduced::parse(node, context, rule.since)?,
        rule,
    }))
}

impl<B: Backend> Operator<B> for Reduce<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        inputs.shape(0)?;
        let x = inputs.any(0)?;
        let axes = self.reduced.axes(inputs, x.shape().len())?;
        let shape = self.reduced.shape(x.shape(), &axes);
        let empty = axes.iter().find(|&&axis| x.shape().get(axis) == Some(&0));
        if let (Some(axis), None) = (empty, self.rule.neutral) {
            return Err(Fault::shape(format!("axis {axis} is empty")));
        }
        // Of an empty input there may be more lanes than were ever checked to fit.
        let Some(values) = x.known_ints().filter(|_| empty.is_none()) else {
            return Ok(vec![x.with_shape(shape)]);
        };
        let lanes = lanes(values, x.shape(), &axes)?;
        let reduce = |lane: &Vec<i64>| (self.rule.on_ints)(lane, x.dtype);
        let values: Option<Vec<i64>> = lanes.iter().map(reduce).collect();
        let values = values.ok_or_else(|| Fault::shape("the integers overflow"))?;
        let values = values.into_iter().map(|value| wrap(x.dtype, value));
        let elements = Elements::Int(values.collect());
        Ok(vec![Fact::known(x.dtype, shape, elements)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let dtype = inputs.fact(0).map_or(DType::F32, |fact| fact.dtype);
        let out = outputs.first().map(Fact::shape).unwrap_or_default();
        let out = Shape::from(on_device(out));
        if shape.contains(&0) {
            let neutral = neutral(self.rule.neutral, dtype)?;
            let device = inputs.device;
            let filled = B::float_full(out, neutral.into(), device, FloatDType::F32);
            return Ok(vec![filled]);
        }
        let axes = self.reduced.axes_of(&inputs, shape.len())?;
        let (merged, axes) = merged(&shape, &axes);
        count(&merged)?;
        let x = B::float_reshape(inputs.tensor(0)?, Shape::from(on_device(&merged)));
        let y = B::float_reshape((self.rule.on_tensor)(x, &axes), out);
        Ok(vec![match is_float(dtype) {
            true => y,
            false if self.rule.fractions => wrapped::<B>(dtype, B::float_trunc(y)),
            false => wrapped::<B>(dtype, y),
        }])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        _: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let axes = self
            .reduced
            .axes(inputs, inputs.get(0)?.shape().len())
            .ok()?;
        Some(vec![Some(self.reduced.place(alone(samples)?, &axes)?)])
    }
}

/// The neutral element in a type that may have no infinities.
fn neutral(neutral: Option<f32>, dtype: DType) -> Result<f32, Fault> {
    let neutral = neutral.ok_or_else(|| Fault::shape("nothing is reduced"))?;
    let (low, high) = match dtype {
        dtype if is_float(dtype) => return Ok(neutral),
        DType::Bool => (0.0, 1.0),
        DType::I8 => (f32::from(i8::MIN), f32::from(i8::MAX)),
        DType::I16 => (f32::from(i16::MIN), f32::from(i16::MAX)),
        DType::U8 => (0.0, f32::from(u8::MAX)),
        DType::U16 => (0.0, f32::from(u16::MAX)),
        _ if neutral.is_finite() => return Ok(neutral),
        _ => return Err(Fault::Unsupported("no elements of this type".into())),
    };
    Ok(neutral.clamp(low, high))
}
