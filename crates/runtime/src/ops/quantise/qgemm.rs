//! QGemm of onnxruntime (domain com.microsoft): Gemm of `a - a zero` and `b - b zero` plus a bias in int32,
//! times `alpha * a scale * b scale`; a float, or quantised again where a result scale is given.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{Attributes, DType, Node};

use super::inner;
use super::requantise::Scales;
use super::scale::{one_element, quantised, result_type, rounded_ints, shaped, shifted};
use crate::Fault;
use crate::ops::broadcast::{broadcast, same_rank};
use crate::ops::samples::{Samples, alone};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Value, Values};

struct QGemm<B: Backend> {
    gemm: Box<dyn Operator<B>>,
    alpha: f32,
    /// Whether `b` holds a column in each row.
    transposed: bool,
}

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let kept = node.attributes.iter().filter(|(name, _)| *name != "alpha");
    let kept = kept.map(|(name, value)| (name.to_owned(), value.clone()));
    let plain = Node {
        attributes: Attributes::new(&node.name, kept),
        ..node.clone()
    };
    Ok(Box::new(QGemm {
        gemm: inner::parse("Gemm", &plain, &[0, 3], context)?,
        alpha: node.attributes.float_or("alpha", 1.0)?,
        transposed: node.attributes.int_or("transB", 0)? != 0,
    }))
}

impl<B: Backend> QGemm<B> {
    /// One value for all, or one for each column of the result, lying as in `b`.
    fn columns(&self, of: &[usize], b: &[usize], in_b: bool) -> Result<Vec<usize>, Fault> {
        let columns = if self.transposed { b.first() } else { b.last() };
        match of {
            of if count(of)? == 1 => Ok(vec![]),
            [n] if Some(n) == columns && in_b && self.transposed => Ok(vec![*n, 1]),
            [n] if Some(n) == columns => Ok(vec![*n]),
            _ => Err(Fault::shape(format!(
                "scales or zero points of {of:?} do not fit {b:?}"
            ))),
        }
    }
}

impl<B: Backend> Operator<B> for QGemm<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (a, b) = (quantised(inputs, 0)?, quantised(inputs, 3)?);
        for index in [1, 2, 7, 8] {
            one_element(inputs, index)?;
        }
        inputs.float(1)?;
        self.columns(inputs.float(4)?, b, false)?;
        if let Some(zero) = inputs.get(5) {
            self.columns(zero.shape(), b, true)?;
        }
        let [left, right] = [a, b].map(|shape| Some(Fact::float(shape.to_vec())));
        let shape = inner::shape(self.gemm.as_ref(), vec![left, right])?;
        if let Some(bias) = inputs.get(6)
            && broadcast(bias.shape(), &shape)? != shape
        {
            return Err(Fault::shape("the bias does not broadcast to the result"));
        }
        let dtype = match inputs.get(7) {
            Some(_) => result_type(inputs, 8, inputs.any(0)?.dtype)?,
            None => DType::F32,
        };
        Ok(vec![Fact::new(dtype, shape)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let b = inputs.shape(3)?;
        let mut operands = Vec::with_capacity(2);
        for (at, is_b) in [(0, false), (3, true)] {
            let zero = match inputs.optional_tensor(at + 2)? {
                Some(zero) if is_b => {
                    let shape = self.columns(&inputs.shape(at + 2)?, &b, true)?;
                    Some(shaped::<B>(zero, &shape))
                }
                zero => zero.map(|zero| shaped::<B>(zero, &[])),
            };
            let moved = shifted::<B>(inputs.tensor(at)?, zero);
            operands.push(Value::new(Fact::float(inputs.shape(at)?), moved));
        }
        let mut sums = inner::run(self.gemm.as_ref(), operands, inputs.device)?;
        if let Some(bias) = rounded_ints(&mut inputs, 6)? {
            let (left, right) = same_rank::<B>(sums, bias);
            sums = B::float_add(left, right);
        }
        let scales = Scales {
            left: (1, vec![]),
            right: (4, self.columns(&inputs.shape(4)?, &b, false)?),
            result: inputs.fact(7).map(|_| (7, vec![])),
            factor: self.alpha,
        };
        let dtype = outputs.first().map_or(DType::F32, |fact| fact.dtype);
        if dtype != DType::F32 {
            return Ok(vec![scales.quantised(sums, &mut inputs, 8, dtype)?]);
        }
        let (sums, scale) = same_rank::<B>(sums, scales.combined(&mut inputs)?);
        Ok(vec![B::float_mul(sums, scale)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let place = alone(samples)?;
        let facts = [0, 3].map(|i| inputs.get(i).cloned());
        let bias = inputs.get(6).map(Fact::shape).unwrap_or_default();
        // The scales of the input are one number each, those of `b` belong to columns.
        let shared = bias.len() < 2 || bias.first() == Some(&1);
        let found = self
            .gemm
            .samples(&[Some(place), None], &Facts(facts.into()), outputs);
        found.filter(|_| shared)
    }
}

#[cfg(test)]
mod tests {
    use scoville_onnx::Data;

    use crate::ops::testing::{Case, floats, typed};

    #[test]
    fn values() {
        let case = |transposed: i64, shape: &[usize], b: [i8; 6]| {
            Case::new("QGemm")
                .domain("com.microsoft")
                .int("transB", transposed)
                .input(typed(&[2, 3], Data::U8(vec![1, 100, 200, 255, 0, 7])))
                .constant(floats(&[], &[0.05]))
                .constant(typed(&[], Data::U8(vec![10])))
                .constant(typed(shape, Data::I8(b.to_vec())))
                .constant(floats(&[2], &[0.02, 0.01]))
                .constant(typed(&[2], Data::I8(vec![0, 0])))
                .constant(typed(&[2], Data::I32(vec![100, -2000])))
        };
        let plain = || case(0, &[3, 2], [1, -2, 3, 4, -5, 60]);
        let quantised = |case: Case| {
            case.constant(floats(&[], &[0.2]))
                .constant(typed(&[], Data::U8(vec![100])))
                .gives(&[2, 2], &[97.0, 124.0, 102.0, 93.0]);
        };
        plain().keeps_samples(0, 2);
        quantised(plain());
        quantised(case(1, &[2, 3], [1, 3, -5, -2, 4, 60]));
        plain()
            .float("alpha", 0.5)
            .gives(&[2, 2], &[-0.2945, 2.4445, 0.165, -0.6775]);
        case(1, &[3, 2], [0; 6]).fails("do not fit");
    }
}
