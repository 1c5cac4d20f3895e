//! DequantizeLinear: `(x - zero point) * scale`; per tensor, per axis, or in blocks along an axis. Integers
//! that are known may be of any size, and are rounded once.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::cast::dtype_of;
use super::scale::{Layout, fit, shifted};
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::step::MAX_COMPUTED;
use crate::value::{Elements, Fact, Facts, Values, is_float};

struct DequantizeLinear {
    layout: Layout,
    /// `None` for the type of the scales.
    dtype: Option<DType>,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let dtype = match node.attributes.int_or("output_dtype", 0)? {
        0 => None,
        code => Some(dtype_of(code)?),
    };
    if let Some(dtype) = dtype.filter(|&dtype| !is_float(dtype)) {
        return Err(Fault::Unsupported(format!("output_dtype {dtype}")));
    }
    Ok(Box::new(DequantizeLinear {
        layout: Layout::parse(node)?,
        dtype,
    }))
}

impl DequantizeLinear {
    /// The result for integers, scales and zero points that are all known.
    fn known(&self, inputs: &Facts, dtype: DType) -> Result<Option<Fact>, Fault> {
        let (x, scale, zero) = (inputs.any(0)?, inputs.any(1)?, inputs.get(2));
        let (Some(values), Some(scales)) = (x.known_ints(), scale.known_floats()) else {
            return Ok(None);
        };
        let zeros = zero.map(Fact::known_ints);
        if zeros == Some(None) || values.len() > MAX_COMPUTED {
            return Ok(None);
        }
        let spread = self.layout.over(x.shape(), scale.shape())?;
        let value = |(index, &value): (usize, &i64)| {
            let at = spread.position(index, x.shape(), scale.shape());
            let zero = zeros.flatten().and_then(|zeros| zeros.get(at));
            let steps = value.checked_sub(zero.copied().unwrap_or(0))?;
            Some(steps as f32 * scales.get(at)?)
        };
        let values = values.iter().enumerate().map(value).collect::<Option<_>>();
        let values = values.ok_or_else(|| Fault::shape("the integers overflow"))?;
        let shape = x.shape().to_vec();
        Ok(Some(Fact::known(dtype, shape, Elements::Float(values))))
    }
}

impl<B: Backend> Operator<B> for DequantizeLinear {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (x, scale) = (inputs.shape(0)?, inputs.float(1)?);
        if inputs.any(0)?.is_float() {
            let what = "holds floats, integers are needed";
            return Err(Fault::Input { index: 0, what });
        }
        self.layout.over(x, scale)?;
        if let Some(zero) = inputs.get(2) {
            if !fit(zero.shape(), scale) {
                return Err(Fault::shape(
                    "the zero points differ in shape from the scales",
                ));
            }
            if zero.dtype != inputs.any(0)?.dtype {
                return Err(Fault::shape(
                    "the zero points differ in type from the input",
                ));
            }
        }
        let dtype = self.dtype.unwrap_or(inputs.any(1)?.dtype);
        if let Some(known) = self.known(inputs, dtype)? {
            return Ok(vec![known]);
        }
        Ok(vec![Fact::new(dtype, x.to_vec())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let (scale, zero) = self.layout.spread(&mut inputs)?;
        let moved = shifted::<B>(inputs.tensor(0)?, zero);
        Ok(vec![B::float_mul(moved, scale)])
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

    use crate::ops::testing::{Case, Operand, floats, typed};

    fn bytes(shape: &[usize], values: &[u8]) -> Operand {
        typed(shape, Data::U8(values.to_vec()))
    }

    /// The same computed and known.
    fn both(make: impl Fn(bool) -> Case, shape: &[usize], values: &[f32]) {
        make(false).gives(shape, values);
        make(true).gives(shape, values);
    }

    fn with(case: Case, operand: Operand, known: bool) -> Case {
        match known {
            true => case.constant(operand),
            false => case.input(operand),
        }
    }

    #[test]
    fn values() {
        let case = |known| with(Case::new("DequantizeLinear").opset(21), x(), known);
        fn x() -> Operand {
            bytes(&[2, 3], &[0, 3, 128, 255, 7, 9])
        }
        let per_tensor = |known| {
            case(known)
                .constant(floats(&[], &[2.0]))
                .constant(bytes(&[], &[128]))
        };
        both(
            per_tensor,
            &[2, 3],
            &[-256.0, -250.0, 0.0, 254.0, -242.0, -238.0],
        );
        let per_axis = |known| {
            case(known)
                .int("axis", -1)
                .constant(floats(&[3], &[2.0, 4.0, 0.5]))
                .constant(bytes(&[3], &[1, 2, 0]))
        };
        both(per_axis, &[2, 3], &[-2.0, 4.0, 64.0, 508.0, 20.0, 4.5]);
        let blocks = |known| {
            case(known)
                .int("block_size", 2)
                .constant(floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
                .constant(bytes(&[2, 2], &[0, 1, 2, 3]))
        };
        both(blocks, &[2, 3], &[0.0, 3.0, 254.0, 759.0, 15.0, 24.0]);
        case(false)
            .constant(floats(&[], &[2.0]))
            .gives(&[2, 3], &[0.0, 6.0, 256.0, 510.0, 14.0, 18.0]);
        case(false)
            .input(floats(&[3], &[2.0, 4.0, 0.5]))
            .int("axis", 1)
            .gradient_agrees();
        case(false)
            .constant(floats(&[], &[2.0]))
            .constant(typed(&[], Data::I8(vec![1])))
            .fails("differ in type");
    }

    #[test]
    fn large_biases() {
        Case::new("DequantizeLinear")
            .constant(typed(&[2], Data::I32(vec![123_456_789, -7])))
            .constant(floats(&[], &[0.1]))
            .gives(&[2], &[12_345_679.0, -0.7]);
    }
}
