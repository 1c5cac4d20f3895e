//! DynamicQuantizeLinear: to uint8 by the range of the input, 0 included; gives also the scale and the
//! zero point. `scale = (max - min) / 255`, or 1 for an input of zeros, as in onnxruntime. It goes as its input does, by the
//! scale that it has.

use burn_backend::{Backend, Shape, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::scale::saturated;
use crate::Fault;
use crate::ops::elementwise::mask::is;
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values, on_device};

struct DynamicQuantizeLinear;

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(DynamicQuantizeLinear))
}

impl<B: Backend> Operator<B> for DynamicQuantizeLinear {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let shape = inputs.float(0)?;
        if count(shape)? == 0 {
            return Err(Fault::shape("an empty input has no range"));
        }
        Ok(vec![
            Fact::new(DType::U8, shape.to_vec()),
            Fact::float(Vec::new()),
            Fact::new(DType::U8, Vec::new()),
        ])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let x = inputs.tensor(0)?;
        let moving = B::float_reshape(x, Shape::from([1, count(&shape)?]));
        let row = B::float_detach(moving.clone());
        let max = B::float_clamp_min(B::float_max_dim(row.clone(), 1), 0.0f32.into());
        let min = B::float_clamp_max(B::float_min_dim(row, 1), 0.0f32.into());
        let scale = B::float_div_scalar(B::float_sub(max, min.clone()), 255.0f32.into());
        let scale = B::float_mask_fill(scale.clone(), is::<B>(scale, 0.0), 1.0f32.into());
        let zero = B::float_neg(B::float_div(min, scale.clone()));
        let zero = saturated::<B>(zero, None, DType::U8, false);
        let steps = B::float_div(moving, scale.clone());
        let y = saturated::<B>(steps, Some(zero.clone()), DType::U8, inputs.stand_ins);
        let scalar = |x| B::float_reshape(x, Shape::from([1]));
        Ok(vec![
            B::float_reshape(y, Shape::from(on_device(&shape))),
            scalar(scale),
            scalar(zero),
        ])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let case = |x: &[f32]| {
            Case::new("DynamicQuantizeLinear")
                .outputs(3)
                .input(floats(&[x.len()], x))
        };
        let mixed = case(&[0.0, 2.0, -3.0, -2.5, 1.34, 0.5]);
        mixed.output_gives(0, &[6], &[153.0, 255.0, 0.0, 26.0, 221.0, 179.0]);
        mixed.output_gives(1, &[], &[0.019_607_84]);
        mixed.output_gives(2, &[], &[153.0]);
        let above = case(&[1.0, 2.1, 1.3, 2.5, 3.34, 4.0]);
        above.output_gives(0, &[6], &[64.0, 134.0, 83.0, 159.0, 213.0, 255.0]);
        above.output_gives(2, &[], &[0.0]);
        let zeros = case(&[0.0; 3]);
        zeros.output_gives(0, &[3], &[0.0; 3]);
        zeros.output_gives(1, &[], &[1.0]);
        case(&[]).fails("an empty input");
    }
}
