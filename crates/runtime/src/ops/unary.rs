//! Operators of one input that leave its shape as it is.

use burn_backend::{Backend, tensor::FloatTensor};

use super::samples::Samples;
use super::stand_in::moving;
use crate::Fault;
use crate::ops::broadcast::{wrap, wrapped};
use crate::ops::{Operator, Parsed};
use crate::value::{Elements, Fact, Facts, Values};

type OnTensor<B> = Box<dyn Fn(FloatTensor<B>) -> FloatTensor<B> + Send + Sync>;

struct Unary<B: Backend> {
    on_tensor: OnTensor<B>,
    /// What it makes of integers; `None` for an operator of floats alone.
    on_int: Option<fn(i64) -> Option<i64>>,
    stand_in: Option<fn(FloatTensor<B>) -> FloatTensor<B>>,
}

/// An operator of floats of any shape.
pub(crate) fn unary<B: Backend>(
    on_tensor: impl Fn(FloatTensor<B>) -> FloatTensor<B> + Send + Sync + 'static,
) -> Parsed<B> {
    Ok(Box::new(Unary {
        on_tensor: Box::new(on_tensor),
        on_int: None,
        stand_in: None,
    }))
}

/// An operator of floats by steps, which go as `stand_in` does.
pub(crate) fn unary_by_steps<B: Backend>(
    on_tensor: impl Fn(FloatTensor<B>) -> FloatTensor<B> + Send + Sync + 'static,
    stand_in: fn(FloatTensor<B>) -> FloatTensor<B>,
) -> Parsed<B> {
    Ok(Box::new(Unary {
        on_tensor: Box::new(on_tensor),
        on_int: None,
        stand_in: Some(stand_in),
    }))
}

/// An operator of floats or integers; `on_int` is `None` where the result overflows.
pub(crate) fn unary_with_ints<B: Backend>(
    on_tensor: impl Fn(FloatTensor<B>) -> FloatTensor<B> + Send + Sync + 'static,
    on_int: fn(i64) -> Option<i64>,
) -> Parsed<B> {
    Ok(Box::new(Unary {
        on_tensor: Box::new(on_tensor),
        on_int: Some(on_int),
        stand_in: None,
    }))
}

/// The same, of floats by steps, which go as `stand_in` does.
pub(crate) fn unary_by_steps_with_ints<B: Backend>(
    on_tensor: impl Fn(FloatTensor<B>) -> FloatTensor<B> + Send + Sync + 'static,
    on_int: fn(i64) -> Option<i64>,
    stand_in: fn(FloatTensor<B>) -> FloatTensor<B>,
) -> Parsed<B> {
    Ok(Box::new(Unary {
        on_tensor: Box::new(on_tensor),
        on_int: Some(on_int),
        stand_in: Some(stand_in),
    }))
}

impl<B: Backend> Operator<B> for Unary<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let Some(on_int) = self.on_int else {
            inputs.float(0)?;
            return Ok(vec![open(inputs.any(0)?)]);
        };
        inputs.shape(0)?;
        let x = inputs.any(0)?;
        let Some(values) = x.known_ints() else {
            return Ok(vec![open(x)]);
        };
        let values = values.iter().map(|&value| on_int(value));
        let values = values
            .collect::<Option<Vec<i64>>>()
            .ok_or_else(|| Fault::shape("the integers overflow"))?;
        let values = values
            .into_iter()
            .map(|value| wrap(x.dtype, value))
            .collect();
        Ok(vec![Fact::known(
            x.dtype,
            x.shape().to_vec(),
            Elements::Int(values),
        )])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let x = inputs.tensor(0)?;
        let near = self.stand_in.filter(|_| inputs.stand_ins);
        let near = near.map(|near| near(x.clone()));
        let out = (self.on_tensor)(x);
        let out = match outputs.first() {
            Some(fact) => wrapped::<B>(fact.dtype, out),
            None => out,
        };
        Ok(vec![moving::<B>(out, near)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        _: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        samples.first().map(|first| vec![*first])
    }
}

fn open(x: &Fact) -> Fact {
    x.with_shape(x.shape().to_vec())
}
