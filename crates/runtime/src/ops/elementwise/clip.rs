//! Clip: `min(max(x, min), max)`. The bounds are attributes up to opset 10, inputs after; known
//! ones pass no gradient where they bite.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Elements, Fact, Facts, Values};

enum Clip {
    Attributes(Option<f32>, Option<f32>),
    Inputs,
}

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    Ok(Box::new(if context.opset < 11 {
        Clip::Attributes(node.attributes.float("min")?, node.attributes.float("max")?)
    } else {
        Clip::Inputs
    }))
}

/// The one element of a known bound.
fn bound(fact: Option<&Fact>, index: usize) -> Result<Option<f32>, Fault> {
    let bound = match fact.map(Fact::elements) {
        None => return Ok(None),
        Some(Some(Elements::Float(values))) => values.first().copied(),
        Some(Some(Elements::Int(values))) => values.first().map(|&value| value as f32),
        Some(_) => None,
    };
    let what = "must be one number that does not depend on the model's input";
    bound.map(Some).ok_or(Fault::Input { index, what })
}

/// Integers are clipped exactly where they are known.
fn clip_ints(inputs: &Facts) -> Option<Fact> {
    let x = inputs.get(0)?;
    let bound = |index: usize| match inputs.get(index) {
        Some(fact) => fact.known_ints()?.first().copied().map(Some),
        None => Some(None),
    };
    let (min, max) = (bound(1)?, bound(2)?);
    let clip = |&value: &i64| {
        let value = min.map_or(value, |min| value.max(min));
        max.map_or(value, |max| value.min(max))
    };
    let values = x.known_ints()?.iter().map(clip).collect();
    Some(Fact::known(
        x.dtype,
        x.shape().to_vec(),
        Elements::Int(values),
    ))
}

impl<B: Backend> Operator<B> for Clip {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        if let Some(known) = clip_ints(inputs) {
            return Ok(vec![known]);
        }
        let x = inputs.any(0)?.with_shape(inputs.shape(0)?.to_vec());
        if matches!(self, Clip::Inputs) {
            bound(inputs.get(1), 1)?;
            bound(inputs.get(2), 2)?;
        }
        Ok(vec![x])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let (min, max) = match *self {
            Clip::Attributes(min, max) => (min, max),
            Clip::Inputs => (bound(inputs.fact(1), 1)?, bound(inputs.fact(2), 2)?),
        };
        let mut x = inputs.tensor(0)?;
        if let Some(min) = min {
            x = B::float_clamp_min(x, min.into());
        }
        if let Some(max) = max {
            x = B::float_clamp_max(x, max.into());
        }
        Ok(vec![x])
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

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let clip = |opset| {
            Case::new("Clip")
                .opset(opset)
                .input(floats(&[3], &[-7.0, 0.5, 9.0]))
        };
        clip(10)
            .float("min", 0.0)
            .float("max", 6.0)
            .gives(&[3], &[0.0, 0.5, 6.0]);
        clip(10).gives(&[3], &[-7.0, 0.5, 9.0]);
        let bounds = || {
            clip(13)
                .constant(floats(&[], &[0.0]))
                .constant(floats(&[], &[6.0]))
        };
        bounds().gives(&[3], &[0.0, 0.5, 6.0]);
        bounds().gradient_agrees();
        clip(13)
            .absent()
            .constant(floats(&[], &[6.0]))
            .gives(&[3], &[-7.0, 0.5, 6.0]);
        clip(13)
            .input(floats(&[], &[0.0]))
            .fails("must be one number");
    }
}
