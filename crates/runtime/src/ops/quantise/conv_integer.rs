//! ConvInteger: the convolution of `x - x zero` with `w - w zero`, in int32. QLinearConv: the same plus a
//! bias in int32, scaled by `x scale * w scale / y scale` and quantised again.
//!
//! Computed in float32, so exact while no partial sum leaves 2^24.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::inner::{self, OnIntegers};
use super::requantise::Scales;
use super::scale::{one_element, quantised, result_type, rounded_ints, shaped, shifted};
use crate::Fault;
use crate::ops::broadcast::same_rank;
use crate::ops::samples::{Samples, along_first};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Value, Values};

struct ConvInteger<B: Backend>(OnIntegers<B>);

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let parts = OnIntegers::parse("Conv", node, context)?;
    Ok(Box::new(ConvInteger(parts)))
}

pub(super) fn parse_linear<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let parts = OnIntegers::parse_linear("Conv", node, context)?;
    Ok(Box::new(ConvInteger(parts)))
}

/// One value for all filters, or one for each of them, before `after` more axes.
fn by_filter(of: &[usize], filters: usize, after: usize) -> Result<Vec<usize>, Fault> {
    match of {
        of if count(of)? == 1 => Ok(vec![]),
        [n] if *n == filters => {
            let ones = std::iter::repeat_n(1, after);
            Ok(std::iter::once(filters).chain(ones).collect())
        }
        _ => Err(Fault::shape(format!(
            "scales or zero points of {of:?} do not fit {filters} filters"
        ))),
    }
}

/// How many filters the weights are, and how many axes each has.
fn filters(weights: &[usize]) -> (usize, usize) {
    match weights.split_first() {
        Some((&filters, rest)) => (filters, rest.len()),
        None => (0, 0),
    }
}

impl<B: Backend> ConvInteger<B> {
    fn scales(&self, weights: &[usize], scale: &[usize]) -> Result<Scales, Fault> {
        let (filters, axes) = filters(weights);
        Ok(Scales {
            left: (1, vec![]),
            right: (4, by_filter(scale, filters, axes.saturating_sub(1))?),
            result: Some((6, vec![])),
            factor: 1.0,
        })
    }
}

impl<B: Backend> Operator<B> for ConvInteger<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let [x, x_zero, w, w_zero] = self.0.inputs;
        let (x_shape, w_shape) = (quantised(inputs, x)?, quantised(inputs, w)?);
        let (filters, axes) = filters(w_shape);
        one_element(inputs, x_zero)?;
        if let Some(zero) = inputs.get(w_zero) {
            by_filter(zero.shape(), filters, axes)?;
        }
        let shape = self.0.shape([x_shape, w_shape])?;
        if !self.0.linear {
            return Ok(vec![Fact::new(DType::I32, shape)]);
        }
        for index in [1, 4, 6] {
            inputs.float(index)?;
        }
        for index in [1, 6, 7] {
            one_element(inputs, index)?;
        }
        self.scales(w_shape, inputs.any(4)?.shape())?;
        if inputs.get(8).is_some_and(|bias| bias.shape() != [filters]) {
            return Err(Fault::shape(format!(
                "the bias does not have {filters} elements"
            )));
        }
        let dtype = result_type(inputs, 7, inputs.any(x)?.dtype)?;
        Ok(vec![Fact::new(dtype, shape)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let [x, x_zero, w, w_zero] = self.0.inputs;
        let w_shape = inputs.shape(w)?;
        let (filters, axes) = filters(&w_shape);
        let zero = inputs.optional_tensor(x_zero)?;
        let zero = zero.map(|zero| shaped::<B>(zero, &[]));
        let x_moved = shifted::<B>(inputs.tensor(x)?, zero);
        let w_moved = match inputs.optional_tensor(w_zero)? {
            Some(zero) => {
                let shape = by_filter(&inputs.shape(w_zero)?, filters, axes)?;
                shifted::<B>(inputs.tensor(w)?, Some(shaped::<B>(zero, &shape)))
            }
            None => inputs.tensor(w)?,
        };
        let operands = vec![
            Value::new(Fact::float(inputs.shape(x)?), x_moved),
            Value::new(Fact::float(w_shape.clone()), w_moved),
        ];
        let mut sums = inner::run(self.0.plain.as_ref(), operands, inputs.device)?;
        if !self.0.linear {
            return Ok(vec![sums]);
        }
        if let Some(bias) = rounded_ints(&mut inputs, 8)? {
            let shape = by_filter(&[filters], filters, axes.saturating_sub(1))?;
            let (left, right) = same_rank::<B>(sums, shaped::<B>(bias, &shape));
            sums = B::float_add(left, right);
        }
        let scales = self.scales(&w_shape, &inputs.shape(4)?)?;
        let dtype = outputs.first().map_or(DType::U8, |fact| fact.dtype);
        Ok(vec![scales.quantised(sums, &mut inputs, 7, dtype)?])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        // The scales and zero points of the input are one number each.
        along_first(samples, &[0], outputs.len())
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
        let case = || {
            Case::new("ConvInteger")
                .ints("pads", &[1, 1, 0, 0])
                .input(bytes(&[1, 1, 3, 3], &[2, 3, 4, 5, 6, 7, 8, 9, 10]))
                .constant(bytes(&[2, 1, 2, 2], &[1, 1, 1, 1, 1, 2, 3, 4]))
        };
        let second = [3.0, 8.0, 13.0, 13.0, 25.0, 31.0, 25.0, 43.0, 49.0];
        let y = [[0.0; 9], second].concat();
        case()
            .constant(bytes(&[], &[1]))
            .constant(bytes(&[], &[1]))
            .gives(&[1, 2, 3, 3], &y);
        case()
            .constant(bytes(&[], &[1]))
            .constant(bytes(&[3], &[1; 3]))
            .fails("do not fit 2 filters");
        case()
            .constant(bytes(&[2], &[1, 1]))
            .fails("input 2 must be one number");
    }

    #[test]
    fn quantised() {
        let x = [1, 2, 3, 4, 5, 6, 7, 8, 255, 9, 8, 7, 6, 5, 4, 3, 2, 1];
        let w = [1, 2, 3, 4, 0, 1, 0, -1, 10, 20, -30, 40, 1, 1, 1, 1];
        let case = |zero| {
            Case::new("QLinearConv")
                .ints("pads", &[1, 0, 0, 0])
                .input(bytes(&[1, 2, 3, 3], &x))
                .constant(floats(&[], &[0.5]))
                .constant(bytes(&[], &[5]))
                .constant(signed(&[2, 2, 2, 2], &w))
                .constant(floats(&[2], &[0.1, 0.2]))
                .constant(signed(&[2], &[0, 0]))
                .constant(floats(&[], &[0.3]))
                .constant(zero)
        };
        case(bytes(&[], &[100]))
            .constant(typed(&[2], Data::I32(vec![10, -20])))
            .gives(
                &[1, 2, 3, 2],
                &[
                    97.0, 99.0, 100.0, 102.0, 105.0, 255.0, 96.0, 98.0, 73.0, 85.0, 109.0, 255.0,
                ],
            );
        case(bytes(&[], &[100]))
            .constant(typed(&[1], Data::I32(vec![10])))
            .fails("does not have 2 elements");
        case(typed(&[], Data::I32(vec![0]))).fails("quantisation to int32");
    }
}
