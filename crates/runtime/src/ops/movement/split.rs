//! Split along `axis` into parts of given sizes (an attribute up to opset 12, then an input), or
//! into equal ones; from opset 18 on the last of `num_outputs` parts may be smaller.

use burn_backend::{Backend, Slice, tensor::FloatTensor};
use scoville_convnet::Kind;
use scoville_onnx::Node;

use super::fill::sizes;
use crate::Fault;
use crate::ops::layer::{Inputs, MAX_CHANNELS, Part};
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct Split {
    axis: i64,
    /// Opset 12 and before.
    sizes: Option<Vec<i64>>,
    parts: usize,
    uneven: bool,
}

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let sizes = match context.opset {
        ..13 => node.attributes.ints("split")?.map(<[i64]>::to_vec),
        _ => None,
    };
    let parts = match context.opset {
        18.. => node.attributes.int("num_outputs")?,
        _ => None,
    };
    if parts.is_some_and(|parts| usize::try_from(parts) != Ok(node.outputs.len())) {
        return Err(Fault::shape(format!(
            "num_outputs is not the number of outputs, {}",
            node.outputs.len()
        )));
    }
    Ok(Box::new(Split {
        axis: node.attributes.int_or("axis", 0)?,
        sizes,
        parts: node.outputs.len(),
        uneven: context.opset >= 18,
    }))
}

/// Parts of the channels.
pub(super) fn layer(inputs: &Inputs) -> Option<Part> {
    let rank = inputs.output.shape().len();
    let axis = inputs.node.attributes.int_or("axis", 0).ok()?;
    (crate::ops::axis(axis, rank).ok()? == 1).then_some(())?;
    let mut start = 0;
    let part = |fact: &Fact| {
        let channels = *fact.shape().get(1)?;
        start += channels;
        (start <= MAX_CHANNELS).then_some(())?;
        let places = (start - channels..start).map(|channel| (0, channel));
        Some(Kind::Channels(places.collect()))
    };
    let parts: Option<Vec<_>> = inputs.outputs.iter().map(part).collect();
    Some(Part::Several(parts?))
}

impl Split {
    fn parts(&self, size: usize, given: Option<&[i64]>) -> Result<Vec<usize>, Fault> {
        let Some(given) = given.or(self.sizes.as_deref()) else {
            return self.equal(size);
        };
        let parts = sizes(given)?;
        let total = parts
            .iter()
            .try_fold(0usize, |sum, &part| sum.checked_add(part));
        if parts.len() != self.parts || total != Some(size) {
            return Err(Fault::shape(format!(
                "parts of {given:?} are not {} that make up {size}",
                self.parts
            )));
        }
        Ok(parts)
    }

    fn equal(&self, size: usize) -> Result<Vec<usize>, Fault> {
        let n = self.parts.max(1);
        let part = size.div_ceil(n);
        let last = size.checked_sub(part * (n - 1));
        match last.filter(|&last| last == part || self.uneven) {
            Some(last) => Ok((1..n).map(|_| part).chain([last]).collect()),
            None => Err(Fault::shape(format!(
                "{size} entries do not split into {n} equal parts"
            ))),
        }
    }
}

impl<B: Backend> Operator<B> for Split {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let data = inputs.any(0)?;
        let axis = crate::ops::axis(self.axis, data.shape().len())?;
        let size = data.shape().get(axis).copied().unwrap_or(0);
        let parts = self.parts(size, inputs.optional_ints(1)?)?;
        let part = |part| {
            let mut shape = data.shape().to_vec();
            shape.iter_mut().skip(axis).take(1).for_each(|s| *s = part);
            data.with_shape(shape)
        };
        Ok(parts.into_iter().map(part).collect())
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let axis = crate::ops::axis(self.axis, inputs.shape(0)?.len())?;
        let x = inputs.tensor(0)?;
        if outputs.len() == 1 {
            return Ok(vec![x]);
        }
        let mut start = 0;
        let part = |fact: &Fact| {
            let whole = |&size: &usize| Slice::from(0..size);
            let mut ranges: Vec<Slice> = fact.shape().iter().map(whole).collect();
            let size = fact.shape().get(axis).copied().unwrap_or(0);
            let range = Slice::from(start..start + size);
            ranges
                .iter_mut()
                .skip(axis)
                .take(1)
                .for_each(|r| *r = range);
            start += size;
            // An empty part is never looked at.
            match size {
                0 => x.clone(),
                _ => B::float_slice(x.clone(), &ranges),
            }
        };
        Ok(outputs.iter().map(part).collect())
    }

    fn moves(&self, index: usize) -> bool {
        index == 0
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let rank = inputs.get(0)?.shape().len();
        let axis = crate::ops::axis(self.axis, rank).ok()?;
        let place = samples.first().copied().flatten()?;
        (place.axis != axis).then(|| vec![Some(place); outputs.len()])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, ints};

    #[test]
    fn values() {
        let case = |opset, outputs| {
            Case::new("Split")
                .opset(opset)
                .outputs(outputs)
                .int("axis", -1)
                .input(counting(&[2, 3]))
        };
        case(13, 3).output_gives(1, &[2, 1], &[1.0, 4.0]);
        case(13, 1).gives(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let parts = case(11, 2).ints("split", &[1, 2]);
        parts.output_gives(0, &[2, 1], &[0.0, 3.0]);
        parts.output_gives(1, &[2, 2], &[1.0, 2.0, 4.0, 5.0]);
        parts.gradient_agrees();
        let parts = case(13, 3).constant(ints(&[3], &[0, 3, 0]));
        parts.output_gives(1, &[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let uneven = case(18, 2).int("num_outputs", 2);
        uneven.output_gives(0, &[2, 2], &[0.0, 1.0, 3.0, 4.0]);
        uneven.output_gives(1, &[2, 1], &[2.0, 5.0]);
        Case::new("Split")
            .outputs(2)
            .constant(ints(&[2], &[i64::MAX, 7]))
            .gives_ints(&[1], &[i64::MAX]);
    }

    #[test]
    fn faults() {
        let case = |opset| {
            Case::new("Split")
                .opset(opset)
                .outputs(2)
                .input(counting(&[3]))
        };
        case(13).fails("3 entries do not split into 2 equal parts");
        case(18)
            .int("num_outputs", 3)
            .fails("the number of outputs, 2");
        case(13).constant(ints(&[2], &[1, 1])).fails("make up 3");
        case(13).constant(ints(&[2], &[4, -1])).fails("size -1");
        case(13)
            .constant(ints(&[2], &[i64::MAX, i64::MAX]))
            .fails("make up 3");
        case(13).constant(ints(&[1], &[3])).fails("are not 2");
    }
}
