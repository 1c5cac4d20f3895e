//! ConstantOfShape: a tensor of a known shape, filled with one value.

use burn_backend::{Backend, FloatDType, Shape, tensor::FloatTensor};
use scoville_onnx::{Data, Node, Tensor};

use super::fill::{ints, one, sizes};
use crate::Fault;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Elements, Fact, Facts, MAX_EXACT, Values, on_device};

struct ConstantOfShape {
    /// Of one element.
    value: Fact,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let zero = Tensor {
        shape: vec![1],
        data: Data::F32(vec![0.0]),
    };
    let value = node.attributes.tensor("value")?.unwrap_or(&zero);
    let value = Fact::of_tensor(value)
        .ok_or_else(|| Fault::Unsupported(format!("a value of type {}", value.dtype())))?;
    if value.len() != 1 {
        return Err(Fault::shape("attribute value is not one element"));
    }
    Ok(Box::new(ConstantOfShape { value }))
}

impl<B: Backend> Operator<B> for ConstantOfShape {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let shape = sizes(inputs.ints(0)?)?;
        match self.value.elements() {
            Some(Elements::Int(values)) => {
                let value = one(values)?;
                Ok(vec![ints(self.value.dtype, shape, |_| value)?])
            }
            Some(Elements::Float(_)) => Ok(vec![Fact::new(self.value.dtype, shape)]),
            _ => Err(Fault::Unsupported("a value of text".into())),
        }
    }

    fn forward(&self, inputs: Values<B>, outputs: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let value = match self.value.elements() {
            Some(Elements::Float(values)) => one(values)?,
            Some(Elements::Int(values)) if one(values)?.unsigned_abs() <= MAX_EXACT as u64 => {
                one(values)? as f32
            }
            _ => return Err(Fault::Unsupported("a large tensor of this value".into())),
        };
        let shape = outputs.first().map(Fact::shape).unwrap_or_default();
        let shape = Shape::from(on_device(shape));
        let filled = B::float_full(shape, value.into(), inputs.device, FloatDType::F32);
        Ok(vec![filled])
    }
}

#[cfg(test)]
mod tests {
    use scoville_onnx::{Attribute, Data, Tensor};

    use crate::ops::testing::{Case, ints};

    #[test]
    fn values() {
        let case =
            |shape: &[i64]| Case::new("ConstantOfShape").constant(ints(&[shape.len()], shape));
        let value = |data| {
            let shape = vec![Data::len(&data)];
            Attribute::Tensor(Box::new(Tensor { shape, data }))
        };
        case(&[2]).gives(&[2], &[0.0, 0.0]);
        case(&[]).gives(&[], &[0.0]);
        case(&[0]).gives(&[0], &[]);
        case(&[1, 2])
            .attribute("value", value(Data::F32(vec![1.5])))
            .gives(&[1, 2], &[1.5, 1.5]);
        case(&[2])
            .attribute("value", value(Data::I64(vec![i64::MIN])))
            .gives_ints(&[2], &[i64::MIN, i64::MIN]);
        case(&[1])
            .attribute("value", value(Data::Bool(vec![true])))
            .gives_ints(&[1], &[1]);
        case(&[1])
            .attribute("value", value(Data::F32(vec![1.5, 2.5])))
            .fails("not one element");
        case(&[-2]).fails("size -2 is no size");
        case(&[1 << 40, 0, 1 << 40]).fails("overflows");
        case(&[i64::MAX, 3])
            .attribute("value", value(Data::I64(vec![1])))
            .fails("overflows");
    }
}
