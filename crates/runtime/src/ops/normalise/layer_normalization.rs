//! LayerNormalization: `(x - mean) / sqrt(var + epsilon) * scale + bias` over all axes from `axis`
//! on (Ba, Kiros and Hinton 2016), and its forms without the mean: RMSNormalization (Zhang and
//! Sennrich 2019), which onnxruntime calls SimplifiedLayerNormalization.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_convnet::{Kind, Norm};
use scoville_onnx::{DType, Node};

use super::batch_normalization::epsilon;
use super::moments::{affine, broadcasts, not_empty, reshape, rows, scaled, standardised};
use crate::Fault;
use crate::ops::layer::{Inputs, Part};
use crate::ops::samples::{Samples, alone, elementwise};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct LayerNormalization {
    axis: i64,
    epsilon: f32,
    /// Subtract the mean.
    centre: bool,
    /// How many outputs the node names: of the result, the mean if there is one, and the inverse
    /// deviation.
    outputs: usize,
}

fn new<B: Backend>(node: &Node, centre: bool) -> Parsed<B> {
    let most = if centre { 3 } else { 2 };
    Ok(Box::new(LayerNormalization {
        axis: node.attributes.int_or("axis", -1)?,
        epsilon: epsilon(node)?,
        centre,
        outputs: node.outputs.len().clamp(1, most),
    }))
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    new(node, true)
}

pub(super) fn layer(inputs: &Inputs) -> Option<Part> {
    over_last(inputs, true)
}

pub(super) fn simplified_layer(inputs: &Inputs) -> Option<Part> {
    over_last(inputs, false)
}

/// Over the last axis alone.
fn over_last(inputs: &Inputs, centre: bool) -> Option<Part> {
    let x = inputs.facts.get(0)?.shape();
    let axis = inputs.node.attributes.int_or("axis", -1).ok()?;
    let last = crate::ops::axis(axis, x.len()).ok()? + 1 == x.len();
    (last && inputs.one_output()).then_some(())?;
    let channels = *x.last()?;
    let parameter = |index: usize| {
        let (&last, before) = inputs.facts.get(index)?.shape().split_last()?;
        let by_channel = last == channels && before.iter().all(|&size| size == 1);
        (inputs.constant)(index).filter(|_| by_channel)
    };
    let bias = match inputs.facts.get(2) {
        Some(_) => parameter(2)?,
        None => Vec::new(),
    };
    let kind = Kind::Norm(Norm {
        scale: parameter(1)?,
        bias,
        epsilon: epsilon(inputs.node).ok()?,
        centre,
    });
    match x.len() {
        2 => Part::of_first(kind),
        3.. => Some(Part::Last(kind, vec![0])),
        _ => None,
    }
}

pub(super) fn simplified<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    new(node, false)
}

impl<B: Backend> Operator<B> for LayerNormalization {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.float(0)?;
        let axis = crate::ops::axis(self.axis, x.len())?;
        let (before, normalised) = x.split_at(axis);
        not_empty(normalised)?;
        broadcasts("scale", inputs.float(1)?, x)?;
        if let Some(bias) = inputs.optional_float(2)? {
            broadcasts("bias", bias, x)?;
        }
        let ones = vec![1; normalised.len()];
        let statistics = Fact::new(DType::F32, [before, &ones].concat());
        let mut facts = vec![inputs.any(0)?.with_shape(x.to_vec())];
        facts.resize(self.outputs, statistics);
        Ok(facts)
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let axis = crate::ops::axis(self.axis, shape.len())?;
        let x = rows::<B>(inputs.tensor(0)?, &shape, axis)?;
        let normalised = match self.centre {
            true => standardised::<B>(x, self.epsilon),
            false => scaled::<B>(x, self.epsilon),
        };
        let x = reshape::<B>(normalised.rows, &shape);
        let (scale, bias) = (inputs.tensor(1)?, inputs.optional_tensor(2)?);
        let mut out = vec![affine::<B>(x, scale, bias)];
        if self.centre {
            out.push(normalised.mean);
        }
        out.push(normalised.inverse);
        let shaped = out.into_iter().zip(outputs);
        Ok(shaped
            .map(|(tensor, fact)| reshape::<B>(tensor, fact.shape()))
            .collect())
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let rank = inputs.get(0)?.shape().len();
        let axis = crate::ops::axis(self.axis, rank).ok()?;
        alone(samples)?;
        let place = elementwise(samples, inputs, rank)?;
        (place.axis < axis).then(|| vec![Some(place); outputs.len()])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, floats};

    fn norm(op: &'static str) -> Case {
        Case::new(op)
            .opset(23)
            .float("epsilon", 0.75)
            .input(floats(&[2, 2], &[1.0, 2.0, 3.0, 5.0]))
            .constant(floats(&[2], &[1.0, 10.0]))
    }

    #[test]
    fn values() {
        let root = 1.75f32.sqrt();
        let layer = || norm("LayerNormalization").constant(floats(&[2], &[0.0, 5.0]));
        layer().gives(&[2, 2], &[-0.5, 10.0, -1.0 / root, 5.0 + 10.0 / root]);
        layer().outputs(3).output_gives(1, &[2, 1], &[1.5, 4.0]);
        layer()
            .outputs(3)
            .output_gives(2, &[2, 1], &[1.0, 1.0 / root]);
        layer().gradient_agrees();
        let whole = || {
            Case::new("LayerNormalization")
                .int("axis", 0)
                .float("epsilon", 0.0)
                .input(floats(&[2, 2], &[1.0, 1.0, 3.0, 3.0]))
                .constant(floats(&[1], &[2.0]))
        };
        whole().gives(&[2, 2], &[-2.0, -2.0, 2.0, 2.0]);
        whole().outputs(3).output_gives(1, &[1, 1], &[2.0]);
        norm("LayerNormalization")
            .input(floats(&[2], &[0.0, 1.0]))
            .gradient_agrees();
    }

    #[test]
    fn without_the_mean() {
        // Mean squares 2.5 and 17, plus epsilon.
        let roots = [3.25f32.sqrt(), 17.75f32.sqrt()];
        let out = [
            1.0 / roots[0],
            20.0 / roots[0],
            3.0 / roots[1],
            50.0 / roots[1],
        ];
        norm("RMSNormalization").gives(&[2, 2], &out);
        norm("SimplifiedLayerNormalization").gives(&[2, 2], &out);
        norm("SimplifiedLayerNormalization")
            .outputs(2)
            .output_gives(1, &[2, 1], &roots.map(f32::recip));
        norm("RMSNormalization").gradient_agrees();
    }

    #[test]
    fn faults() {
        let norm = |scale: &[usize]| {
            Case::new("LayerNormalization")
                .input(counting(&[2, 3]))
                .constant(counting(scale))
        };
        norm(&[2]).fails("the scale [2] does not broadcast");
        norm(&[2, 2, 3]).fails("does not broadcast");
        norm(&[3]).constant(counting(&[2])).fails("the bias [2]");
        norm(&[3]).int("axis", 2).fails("axis 2 lies outside");
        Case::new("LayerNormalization")
            .input(counting(&[2, 0]))
            .constant(counting(&[1]))
            .fails("empty");
    }
}
