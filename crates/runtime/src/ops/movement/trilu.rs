//! Trilu: the upper or lower triangle of the last two axes, from diagonal `k` on; zeros elsewhere.

use burn_backend::{
    Backend, Shape, get_device_settings,
    tensor::{BoolTensor, FloatTensor},
};
use scoville_onnx::Node;

use super::fill::one;
use super::kept::Kept;
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

struct Trilu<B: Backend> {
    upper: bool,
    /// Where there are zeros.
    mask: Kept<BoolTensor<B>>,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Trilu {
        upper: node.attributes.int_or("upper", 1)? != 0,
        mask: Kept::new(),
    }))
}

impl<B: Backend> Operator<B> for Trilu<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.any(0)?;
        if x.shape().len() < 2 {
            return Err(Fault::shape("the input has no two axes"));
        }
        inputs.optional_ints(1)?.map(one).transpose()?;
        Ok(vec![x.with_shape(x.shape().to_vec())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let matrix = shape.get(shape.len().saturating_sub(2)..);
        let matrix = matrix.unwrap_or_default().to_vec();
        let mask = self.mask.get(inputs.fact(1), &matrix, || {
            let diagonal = inputs.optional_ints(1)?.map(one).transpose()?.unwrap_or(0);
            let columns = matrix.last().copied().unwrap_or(1).max(1);
            let zero = |i: usize| {
                let (row, column) = ((i / columns) as i128, (i % columns) as i128);
                match self.upper {
                    true => column - row < i128::from(diagonal),
                    false => column - row > i128::from(diagonal),
                }
            };
            let zeros = (0..count(&matrix)?).map(|i| f32::from(u8::from(zero(i))));
            let zeros = inputs.upload(&matrix, zeros.collect());
            let dtype = get_device_settings::<B>(inputs.device).bool_dtype;
            Ok(B::float_greater_elem(zeros, 0.5f32.into(), dtype))
        })?;
        let ones = vec![1; shape.len().saturating_sub(2)];
        let mask = B::bool_reshape(mask, Shape::from([ones, matrix].concat()));
        let mask = B::bool_expand(mask, Shape::from(shape));
        Ok(vec![B::float_mask_fill(
            inputs.tensor(0)?,
            mask,
            0.0f32.into(),
        )])
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
        let rank = outputs.first()?.shape().len();
        let place = samples.first().copied().flatten()?;
        (place.axis + 2 < rank).then(|| vec![Some(place)])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, floats, ints};

    #[test]
    fn values() {
        let case = |upper| {
            Case::new("Trilu")
                .opset(14)
                .int("upper", upper)
                .input(counting(&[2, 3]))
        };
        case(1).gives(&[2, 3], &[0.0, 1.0, 2.0, 0.0, 4.0, 5.0]);
        case(0).gives(&[2, 3], &[0.0, 0.0, 0.0, 3.0, 4.0, 0.0]);
        case(1)
            .constant(ints(&[], &[1]))
            .gives(&[2, 3], &[0.0, 1.0, 2.0, 0.0, 0.0, 5.0]);
        case(0)
            .constant(ints(&[], &[i64::MIN]))
            .gives(&[2, 3], &[0.0; 6]);
        case(1).gradient_agrees();
        Case::new("Trilu")
            .input(floats(&[2, 1, 2], &[1.0, 2.0, 3.0, 4.0]))
            .constant(ints(&[1], &[1]))
            .gives(&[2, 1, 2], &[0.0, 2.0, 0.0, 4.0]);
        Case::new("Trilu")
            .int("upper", 0)
            .constant(ints(&[1, 2], &[i64::MAX, i64::MIN]))
            .gives_ints(&[1, 2], &[i64::MAX, 0]);
        // What is dropped may be infinite.
        Case::new("Trilu")
            .input(floats(&[2, 1], &[1.0, f32::INFINITY]))
            .gives(&[2, 1], &[1.0, 0.0]);
        Case::new("Trilu")
            .input(counting(&[2]))
            .fails("no two axes");
    }
}
