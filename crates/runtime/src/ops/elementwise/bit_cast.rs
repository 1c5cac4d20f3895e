//! BitCast: the bits of known elements read as another type of the same width. What a run computes has no
//! bits of its type, and double precision is held as single, so both are refused.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use crate::Fault;
use crate::ops::broadcast::wrap;
use crate::ops::quantise::dtype_of;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Elements, Fact, Facts, Values};

struct BitCast {
    to: DType,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let code = node
        .attributes
        .int("to")?
        .ok_or_else(|| Fault::shape("attribute to is missing"))?;
    Ok(Box::new(BitCast {
        to: dtype_of(code)?,
    }))
}

/// Bits of an element, where it is held with all of them.
fn width(dtype: DType) -> Option<u32> {
    match dtype {
        DType::Bool | DType::I8 | DType::U8 => Some(8),
        DType::I16 | DType::U16 => Some(16),
        DType::F32 | DType::I32 | DType::U32 => Some(32),
        DType::I64 | DType::U64 => Some(64),
        _ => None,
    }
}

impl<B: Backend> Operator<B> for BitCast {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.any(0)?;
        let refused = || Fault::Unsupported(format!("the bits of {} as {}", x.dtype, self.to));
        if width(x.dtype).is_none() || width(x.dtype) != width(self.to) {
            return Err(refused());
        }
        let elements = match (x.elements(), self.to) {
            (None, _) => {
                let what = "must not depend on the model's input, as its bits are read";
                return Err(Fault::Input { index: 0, what });
            }
            (Some(Elements::Float(values)), DType::F32) => Elements::Float(values.clone()),
            (Some(Elements::Float(values)), to) => {
                let bits = values.iter().map(|value| wrap(to, value.to_bits().into()));
                Elements::Int(bits.collect())
            }
            (Some(Elements::Int(values)), DType::F32) => {
                let floats = values.iter().map(|&value| f32::from_bits(value as u32));
                Elements::Float(floats.collect())
            }
            (Some(Elements::Int(values)), DType::U64) if values.iter().any(|&v| v < 0) => {
                return Err(refused());
            }
            (Some(Elements::Int(values)), to) => {
                Elements::Int(values.iter().map(|&value| wrap(to, value)).collect())
            }
            (Some(Elements::Text(_)), _) => return Err(refused()),
        };
        Ok(vec![Fact::known(self.to, x.shape().to_vec(), elements)])
    }

    fn forward(&self, _: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        Err(Fault::Unsupported("the bits of what a run computes".into()))
    }
}

#[cfg(test)]
mod tests {
    use scoville_onnx::Data;

    use crate::ops::testing::{Case, Operand, floats, ints, typed};

    fn cast(x: Operand, to: i64) -> Case {
        Case::new("BitCast").opset(26).int("to", to).constant(x)
    }

    #[test]
    fn values() {
        let x = || floats(&[2], &[1.0, -2.0]);
        cast(x(), 6).gives_ints(&[2], &[0x3f80_0000, -0x4000_0000]);
        cast(x(), 12).gives_ints(&[2], &[0x3f80_0000, 0xc000_0000]);
        cast(typed(&[2], Data::I32(vec![0x3f80_0000, -0x4000_0000])), 1).gives(&[2], &[1.0, -2.0]);
        cast(typed(&[2], Data::I8(vec![-1, 5])), 2).gives_ints(&[2], &[255, 5]);
        cast(typed(&[1], Data::U16(vec![65_535])), 5).gives_ints(&[1], &[-1]);
        cast(ints(&[1], &[-1]), 13).fails("the bits of int64 as uint64");
        cast(ints(&[1], &[1]), 11).fails("the bits of int64 as float64");
        cast(x(), 7).fails("the bits of float32 as int64");
        Case::new("BitCast")
            .int("to", 6)
            .input(x())
            .fails("must not depend on the model's input");
    }
}
