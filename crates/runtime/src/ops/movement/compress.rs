//! Compress: the slices of `axis`, or without it the elements, for which a known condition is true.

use burn_backend::{
    Backend, Shape,
    tensor::{FloatTensor, IntTensor},
};
use scoville_onnx::Node;

use super::kept::Kept;
use super::rows::upload;
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

struct Compress<B: Backend> {
    axis: Option<i64>,
    picks: Kept<IntTensor<B>>,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Compress {
        axis: node.attributes.int("axis")?,
        picks: Kept::new(),
    }))
}

impl<B: Backend> Compress<B> {
    /// The data's shape as it is compressed, and the axis.
    fn axis(&self, shape: &[usize]) -> Result<(Vec<usize>, usize), Fault> {
        match self.axis {
            Some(axis) => Ok((shape.to_vec(), crate::ops::axis(axis, shape.len())?)),
            None => Ok((vec![count(shape)?], 0)),
        }
    }
}

fn picks(condition: &[i64]) -> Vec<usize> {
    let flags = condition.iter().enumerate();
    flags
        .filter(|(_, flag)| **flag != 0)
        .map(|(i, _)| i)
        .collect()
}

impl<B: Backend> Operator<B> for Compress<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let data = inputs.any(0)?;
        let (mut shape, axis) = self.axis(data.shape())?;
        let picks = picks(inputs.ints(1)?);
        if let Some(size) = shape.get_mut(axis) {
            if picks.last().is_some_and(|last| last >= size) {
                return Err(Fault::shape(format!(
                    "the condition is true beyond the {size} entries"
                )));
            }
            *size = picks.len();
        }
        Ok(vec![data.with_shape(shape)])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let (shape, axis) = self.axis(&inputs.shape(0)?)?;
        let picks = self.picks.get(inputs.fact(1), &[], || {
            upload::<B>(picks(inputs.ints(1)?), inputs.device)
        })?;
        let x = B::float_reshape(inputs.tensor(0)?, Shape::from(shape));
        Ok(vec![B::float_select(x, axis, picks)])
    }

    fn moves(&self, index: usize) -> bool {
        index == 0
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let axis = crate::ops::axis(self.axis?, outputs.first()?.shape().len()).ok()?;
        let place = samples.first().copied().flatten()?;
        (place.axis != axis).then(|| vec![Some(place)])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, bools, counting, texts};

    #[test]
    fn values() {
        let case = |condition: &[bool]| {
            Case::new("Compress")
                .input(counting(&[3, 2]))
                .constant(bools(&[condition.len()], condition))
        };
        case(&[false, true])
            .int("axis", 0)
            .gives(&[1, 2], &[2.0, 3.0]);
        case(&[false, true])
            .int("axis", -1)
            .gives(&[3, 1], &[1.0, 3.0, 5.0]);
        case(&[true, false, true]).gives(&[2], &[0.0, 2.0]);
        case(&[true, false, true]).int("axis", 0).gradient_agrees();
        case(&[false]).gives(&[0], &[]);
        case(&[false, false, true])
            .int("axis", 1)
            .fails("beyond the 2");
        Case::new("Compress")
            .constant(texts(&[2], &["a", "b"]))
            .constant(bools(&[2], &[false, true]))
            .gives_texts(&[1], &["b"]);
        Case::new("Compress")
            .input(counting(&[1]))
            .input(bools(&[1], &[true]))
            .fails("do not depend on the model's input");
    }
}
