//! MatMulInteger: the product of `a - a zero` and `b - b zero`, in int32. QLinearMatMul: the same scaled by
//! `a scale * b scale / y scale` and quantised again.
//!
//! Computed in float32, so exact while no partial sum leaves 2^24: at worst 258 products of bytes, in
//! practice some ten thousand.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::inner::{self, OnIntegers};
use super::requantise::Scales;
use super::scale::{quantised, result_type, shaped, shifted};
use crate::Fault;
use crate::ops::broadcast::broadcast;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Value, Values};

struct MatMulInteger<B: Backend>(OnIntegers<B>);

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let parts = OnIntegers::parse("MatMul", node, context)?;
    Ok(Box::new(MatMulInteger(parts)))
}

pub(super) fn parse_linear<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let parts = OnIntegers::parse_linear("MatMul", node, context)?;
    Ok(Box::new(MatMulInteger(parts)))
}

/// Scales or zero points of shape `of` over a matrix of shape `x`: one for all, one for each row (or
/// column), or a tensor that broadcasts to it.
fn aligned(of: &[usize], x: &[usize], rows: bool) -> Result<Vec<usize>, Fault> {
    let shape = match of {
        of if count(of)? == 1 => vec![],
        [n] if rows && x.len() > 1 => vec![*n, 1],
        of => of.to_vec(),
    };
    match broadcast(x, &shape) {
        Ok(joint) if joint == x => Ok(shape),
        _ => Err(Fault::shape(format!(
            "scales or zero points of {of:?} do not fit {x:?}"
        ))),
    }
}

impl<B: Backend> MatMulInteger<B> {
    fn scales(&self, shape: impl Fn(usize) -> Result<Vec<usize>, Fault>) -> Result<Scales, Fault> {
        let (a, b) = (shape(0)?, shape(3)?);
        let y = shape(6)?;
        if count(&y)? != 1 {
            return Err(Fault::Unsupported(format!("a result scale of {y:?}")));
        }
        Ok(Scales {
            left: (1, aligned(&shape(1)?, &a, true)?),
            right: (4, aligned(&shape(4)?, &b, false)?),
            result: Some((6, vec![])),
            factor: 1.0,
        })
    }
}

impl<B: Backend> Operator<B> for MatMulInteger<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let [a, a_zero, b, b_zero] = self.0.inputs;
        let (a_shape, b_shape) = (quantised(inputs, a)?, quantised(inputs, b)?);
        for (zero, of, rows) in [(a_zero, a, true), (b_zero, b, false)] {
            if let Some(fact) = inputs.get(zero) {
                aligned(fact.shape(), quantised(inputs, of)?, rows)?;
            }
        }
        let shape = self.0.shape([a_shape, b_shape])?;
        if !self.0.linear {
            return Ok(vec![Fact::new(DType::I32, shape)]);
        }
        for index in [1, 4, 6] {
            inputs.float(index)?;
        }
        self.scales(|index| Ok(inputs.any(index)?.shape().to_vec()))?;
        if inputs.get(7).is_some_and(|zero| zero.len() != 1) {
            return Err(Fault::Unsupported(
                "several zero points of the result".into(),
            ));
        }
        let dtype = result_type(inputs, 7, inputs.any(a)?.dtype)?;
        Ok(vec![Fact::new(dtype, shape)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let [a, a_zero, b, b_zero] = self.0.inputs;
        let mut operands = Vec::with_capacity(2);
        for (x, zero, rows) in [(a, a_zero, true), (b, b_zero, false)] {
            let shape = inputs.shape(x)?;
            let zero = match inputs.optional_tensor(zero)? {
                Some(tensor) => {
                    let aligned = aligned(&inputs.shape(zero)?, &shape, rows)?;
                    Some(shaped::<B>(tensor, &aligned))
                }
                None => None,
            };
            let moved = shifted::<B>(inputs.tensor(x)?, zero);
            operands.push(Value::new(Fact::float(shape), moved));
        }
        let sums = inner::run(self.0.plain.as_ref(), operands, inputs.device)?;
        if !self.0.linear {
            return Ok(vec![sums]);
        }
        let scales = self.scales(|index| inputs.shape(index))?;
        let dtype = outputs.first().map_or(DType::U8, |fact| fact.dtype);
        let y = scales.quantised(sums, &mut inputs, 7, dtype)?;
        let shape = outputs.first().map(Fact::shape).unwrap_or_default();
        Ok(vec![shaped::<B>(y, shape)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let [a, a_zero, b, b_zero] = self.0.inputs;
        let held = [*samples.get(a)?, *samples.get(b)?];
        let others = samples.iter().enumerate();
        let mut others = others.filter(|&(i, _)| i != a && i != b);
        let shared = others.all(|(_, samples)| samples.is_none());
        // Those of the rows of `a` may differ by sample; those of columns cannot.
        let scale = |i: usize| inputs.get(i).filter(|_| self.0.linear);
        let of_a = [inputs.get(a_zero), scale(1)];
        let of_b = [inputs.get(b_zero), scale(4)];
        let one = of_a.into_iter().flatten().all(|fact| fact.len() == 1);
        let columns = of_b.into_iter().flatten();
        let columns = columns
            .filter(|fact| fact.len() != 1)
            .all(|fact| fact.shape().len() == 1);
        let facts = [a, b].map(|i| inputs.get(i).cloned());
        let found = self.0.plain.samples(&held, &Facts(facts.into()), outputs);
        found.filter(|_| shared && one && columns)
    }
}

#[cfg(test)]
mod tests {
    use scoville_onnx::Data;

    use crate::ops::testing::{Case, Operand, floats, typed};

    fn bytes(shape: &[usize], values: &[u8]) -> Operand {
        typed(shape, Data::U8(values.to_vec()))
    }

    fn signed(shape: &[usize], values: &[i8]) -> Operand {
        typed(shape, Data::I8(values.to_vec()))
    }

    #[test]
    fn sums() {
        let a = || bytes(&[2, 3], &[11, 7, 3, 10, 6, 2]);
        let case = |b| Case::new("MatMulInteger").input(a()).input(b);
        let b = || bytes(&[3, 2], &[1, 4, 2, 5, 3, 6]);
        case(b())
            .constant(bytes(&[], &[12]))
            .constant(bytes(&[], &[0]))
            .gives(&[2, 2], &[-38.0, -83.0, -44.0, -98.0]);
        case(signed(&[3, 2], &[1, -4, 2, 5, 3, 6]))
            .constant(bytes(&[], &[12]))
            .constant(signed(&[2], &[1, -2]))
            .gives(&[2, 2], &[-23.0, -105.0, -26.0, -118.0]);
        case(b())
            .constant(bytes(&[2], &[12, 10]))
            .gives(&[2, 2], &[-38.0, -83.0, -32.0, -68.0]);
        case(b()).gives(&[2, 2], &[34.0, 97.0, 28.0, 82.0]);
        case(b())
            .constant(bytes(&[3], &[1; 3]))
            .fails("do not fit [2, 3]");
        case(floats(&[3, 2], &[0.0; 6])).fails("input 1 does not hold integers");
        case(bytes(&[2, 2], &[0; 4])).fails("inner sizes 3 and 2 differ");
    }

    #[test]
    fn quantised() {
        let case = || {
            Case::new("QLinearMatMul")
                .input(bytes(&[2, 2], &[208, 236, 3, 214]))
                .constant(floats(&[], &[0.0066]))
                .constant(bytes(&[], &[113]))
                .constant(signed(&[2, 2], &[52, 51, -60, 26]))
        };
        let columns = |scale| {
            case()
                .constant(scale)
                .constant(signed(&[], &[0]))
                .constant(floats(&[], &[0.0107]))
        };
        let y = [107.0, 168.0, 67.0, 100.0];
        columns(floats(&[2], &[0.007_05, 0.01]))
            .constant(bytes(&[], &[118]))
            .gives(&[2, 2], &y);
        // Scales that a run computes.
        case()
            .input(floats(&[2], &[0.007_05, 0.01]))
            .constant(signed(&[2], &[0, 0]))
            .input(floats(&[], &[0.0107]))
            .constant(bytes(&[], &[118]))
            .gives(&[2, 2], &y);
        columns(floats(&[3], &[0.01; 3])).fails("do not fit [2, 2]");
        columns(floats(&[], &[0.01]))
            .constant(bytes(&[2], &[1, 2]))
            .fails("several zero points");
    }
}
