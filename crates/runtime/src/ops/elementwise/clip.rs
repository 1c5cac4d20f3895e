//! Clip: `min(max(x, min), max)`. The bounds are attributes up to opset 10, then inputs of one element,
//! which a run may compute; where a bound bites, the gradient passes to it instead of `x`.

use burn_backend::{Backend, Shape, TensorMetadata, tensor::FloatTensor};
use scoville_convnet::Activation;
use scoville_onnx::Node;

use super::mask::extreme;
use crate::Fault;
use crate::ops::layer::{Inputs, Part};
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed, count};
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

pub(super) fn layer(inputs: &Inputs) -> Option<Part> {
    let attributes = &inputs.node.attributes;
    let bound = |index: usize, name: &str, open: f32| match inputs.opset < 11 {
        true => Some(attributes.float(name).ok()?.unwrap_or(open)),
        false => match inputs.facts.get(index) {
            Some(fact) => known(fact),
            None => Some(open),
        },
    };
    let lo = bound(1, "min", f32::NEG_INFINITY)?;
    let hi = bound(2, "max", f32::INFINITY)?;
    (lo <= hi)
        .then_some(Activation::Clip(lo, hi))
        .and_then(Part::activation)
}

/// The one element of a bound, if it is known.
fn known(fact: &Fact) -> Option<f32> {
    match fact.elements()? {
        Elements::Float(values) => values.first().copied(),
        Elements::Int(values) => values.first().map(|&value| value as f32),
        Elements::Text(_) => None,
    }
}

fn check_bound(inputs: &Facts, index: usize) -> Result<(), Fault> {
    let Some(bound) = inputs.get(index) else {
        return Ok(());
    };
    if count(inputs.shape(index)?)? != 1 {
        let what = "must be one number";
        return Err(Fault::Input { index, what });
    }
    if bound.dtype != inputs.any(0)?.dtype {
        let what = "differs in type from the first input";
        return Err(Fault::Input { index, what });
    }
    Ok(())
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

/// Clips `x` at one number.
fn clip_at<B: Backend>(x: FloatTensor<B>, bound: f32, at_most: bool) -> FloatTensor<B> {
    match at_most {
        true => B::float_clamp_max(x, bound.into()),
        false => B::float_clamp_min(x, bound.into()),
    }
}

impl<B: Backend> Operator<B> for Clip {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.any(0)?.with_shape(inputs.shape(0)?.to_vec());
        if matches!(self, Clip::Inputs) {
            check_bound(inputs, 1)?;
            check_bound(inputs, 2)?;
            if let Some(known) = clip_ints(inputs) {
                return Ok(vec![known]);
            }
        }
        Ok(vec![x])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let mut x = inputs.tensor(0)?;
        for (index, at_most) in [(1, false), (2, true)] {
            x = match (self, inputs.fact(index)) {
                (Clip::Attributes(min, max), _) => match if at_most { max } else { min } {
                    Some(bound) => clip_at::<B>(x, *bound, at_most),
                    None => x,
                },
                (Clip::Inputs, None) => x,
                (Clip::Inputs, Some(fact)) => match known(fact) {
                    Some(bound) => clip_at::<B>(x, bound, at_most),
                    None => {
                        let shape = x.shape().to_vec();
                        let ones = Shape::from(vec![1; shape.len()]);
                        let bound = B::float_reshape(inputs.tensor(index)?, ones);
                        extreme::<B>(!at_most, x, bound, &shape)
                    }
                },
            };
        }
        Ok(vec![x])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        _: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let alone = samples.iter().skip(1).all(Option::is_none);
        samples.first().filter(|_| alone).map(|first| vec![*first])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints};

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
    }

    #[test]
    fn computed_bounds() {
        let clip = |min, max| {
            Case::new("Clip")
                .input(floats(&[3], &[-7.0, 0.5, 9.0]))
                .input(min)
                .input(max)
        };
        let case = || clip(floats(&[], &[-1.0]), floats(&[1], &[6.0]));
        case().gives(&[3], &[-1.0, 0.5, 6.0]);
        case().gradient_agrees();
        // The upper bound wins.
        clip(floats(&[], &[3.0]), floats(&[], &[2.0])).gives(&[3], &[2.0; 3]);
        clip(floats(&[2], &[0.0; 2]), floats(&[], &[6.0])).fails("input 1 must be one number");
        clip(floats(&[], &[0.0]), ints(&[], &[6])).fails("input 2 differs in type");
    }

    #[test]
    fn integers() {
        Case::new("Clip")
            .constant(ints(&[3], &[-7, 3, i64::MAX]))
            .constant(ints(&[], &[0]))
            .constant(ints(&[], &[1 << 40]))
            .gives_ints(&[3], &[0, 3, 1 << 40]);
        Case::new("Clip")
            .input(ints(&[2], &[-7, 3]))
            .constant(ints(&[], &[0]))
            .constant(ints(&[], &[i64::MAX]))
            .gives(&[2], &[0.0, 3.0]);
    }
}
