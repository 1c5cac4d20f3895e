//! QuantizeLinear: `saturate(round(x / scale) + zero point)`, halves to even; per tensor, per axis, or in
//! blocks along an axis. To integers of 4, 8 or 16 bits, by steps, which go as the input does where it is not saturated.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::cast::dtype_of;
use super::scale::{Layout, fit, result_type, saturated};
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct QuantizeLinear {
    layout: Layout,
    /// The type without a zero point.
    dtype: DType,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let dtype = match node.attributes.int_or("output_dtype", 0)? {
        0 => DType::U8,
        code => dtype_of(code)?,
    };
    Ok(Box::new(QuantizeLinear {
        layout: Layout::parse(node)?,
        dtype,
    }))
}

impl<B: Backend> Operator<B> for QuantizeLinear {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (x, scale) = (inputs.shape(0)?, inputs.float(1)?);
        self.layout.over(x, scale)?;
        if inputs.get(2).is_some_and(|zero| !fit(zero.shape(), scale)) {
            return Err(Fault::shape(
                "the zero points differ in shape from the scales",
            ));
        }
        let dtype = result_type(inputs, 2, self.dtype)?;
        Ok(vec![Fact::new(dtype, x.to_vec())])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let dtype = outputs.first().map_or(DType::U8, |fact| fact.dtype);
        let (scale, zero) = self.layout.spread(&mut inputs)?;
        let steps = B::float_div(inputs.tensor(0)?, scale);
        Ok(vec![saturated::<B>(steps, zero, dtype, inputs.stand_ins)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        self.layout.samples(samples, inputs, outputs)
    }
}

#[cfg(test)]
mod tests {
    use scoville_onnx::Data;

    use crate::ops::testing::{Case, Operand, floats, ints, typed};

    fn bytes(values: &[u8]) -> Operand {
        typed(&[values.len()], Data::U8(values.to_vec()))
    }

    #[test]
    fn per_tensor() {
        let x = [0.0, 2.0, 3.0, 1000.0, -254.0, -1000.0, 5.0, 7.0];
        let case = || Case::new("QuantizeLinear").input(floats(&[8], &x));
        let scaled = || case().constant(floats(&[], &[2.0]));
        scaled()
            .constant(typed(&[], Data::U8(vec![128])))
            .gives(&[8], &[128.0, 129.0, 130.0, 255.0, 1.0, 0.0, 130.0, 132.0]);
        scaled()
            .constant(typed(&[], Data::I8(vec![1])))
            .gives(&[8], &[1.0, 2.0, 3.0, 127.0, -126.0, -128.0, 3.0, 5.0]);
        scaled().gives(&[8], &[0.0, 1.0, 2.0, 255.0, 0.0, 0.0, 2.0, 4.0]);
        scaled()
            .opset(21)
            .int("output_dtype", 5)
            .gives(&[8], &[0.0, 1.0, 2.0, 500.0, -127.0, -500.0, 2.0, 4.0]);
        scaled()
            .int("output_dtype", 6)
            .fails("quantisation to int32");
        scaled().constant(bytes(&[1, 1])).fails("differ in shape");
        case()
            .constant(ints(&[], &[1]))
            .fails("does not hold floats");
    }

    #[test]
    fn scalars() {
        let scalar = |value| floats(&[], &[value]);
        let case = || Case::new("QuantizeLinear").input(scalar(5.0));
        case()
            .constant(scalar(2.0))
            .constant(typed(&[], Data::U8(vec![3])))
            .gives(&[], &[5.0]);
        case().constant(floats(&[1], &[2.0])).gives(&[], &[2.0]);
    }

    #[test]
    fn not_finite() {
        let infinity = f32::INFINITY;
        Case::new("QuantizeLinear")
            .input(floats(&[4], &[f32::NAN, infinity, -infinity, 1e30]))
            .constant(floats(&[], &[1.0]))
            .constant(typed(&[], Data::I8(vec![3])))
            .gives(&[4], &[-128.0, 127.0, -128.0, 127.0]);
    }

    #[test]
    fn per_axis_and_in_blocks() {
        let x = || floats(&[2, 2, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        let case = || Case::new("QuantizeLinear").opset(21).input(x());
        let scale = || floats(&[2], &[1.0, 0.5]);
        case()
            .constant(scale())
            .constant(bytes(&[0, 10]))
            .gives(&[2, 2, 2], &[1.0, 2.0, 16.0, 18.0, 5.0, 6.0, 24.0, 26.0]);
        case()
            .int("axis", -3)
            .constant(scale())
            .gives(&[2, 2, 2], &[1.0, 2.0, 3.0, 4.0, 10.0, 12.0, 14.0, 16.0]);
        case()
            .int("axis", 2)
            .int("block_size", 2)
            .constant(floats(&[2, 2, 1], &[1.0, 0.5, 0.25, 0.1]))
            .gives(&[2, 2, 2], &[1.0, 2.0, 6.0, 8.0, 20.0, 24.0, 70.0, 80.0]);
        case()
            .constant(floats(&[3], &[1.0; 3]))
            .fails("do not fit the 2 entries");
        case()
            .int("block_size", -1)
            .constant(scale())
            .fails("block_size -1");
    }
}
