//! MatMul as NumPy has it: matrices in the last two axes, the axes before them broadcast, vectors
//! promoted. Integers are multiplied too, exactly where they are known.

use burn_backend::{Backend, FloatDType, Shape, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use crate::Fault;
use crate::ops::broadcast::{broadcast, pad_left, stretched, wrap, wrapped};
use crate::ops::layer::{Inputs, Part, by_output, is_packed};
use crate::ops::samples::{Samples, elementwise};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Elements, Fact, Facts, Values, on_device};

/// Most elements of a product of known integers.
const MAX_KNOWN: usize = 1 << 16;

pub(super) struct MatMul;

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(MatMul))
}

pub(super) fn layer(inputs: &Inputs) -> Option<Part> {
    let &[depth, outputs] = inputs.facts.get(1)?.shape() else {
        return None;
    };
    if !is_packed(depth, outputs) {
        return None;
    }
    let weights = || Some(by_output(&(inputs.constant)(1)?, depth, outputs));
    match inputs.facts.get(0)?.shape() {
        [_, _] => Part::dense(weights()?, Vec::new(), outputs),
        [_, _, _, ..] => Some(Part::pixelwise(weights()?, outputs)),
        _ => None,
    }
}

impl<B: Backend> Operator<B> for MatMul {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (left, right) = (inputs.shape(0)?, inputs.shape(1)?);
        let dtype = inputs.any(0)?.dtype;
        if inputs.any(1)?.dtype != dtype {
            return Err(Fault::shape("the inputs are of two types"));
        }
        let (batch, [m, _, n]) = dimensions(left, right)?;
        let mut shape = batch;
        // A vector's promoted axis is dropped again.
        shape.extend((left.len() > 1).then_some(m));
        shape.extend((right.len() > 1).then_some(n));
        match (inputs.any(0)?.known_ints(), inputs.any(1)?.known_ints()) {
            (Some(l), Some(r)) if count(&shape)? <= MAX_KNOWN => {
                let values = exact(dtype, (l, left), (r, right))?;
                Ok(vec![Fact::known(dtype, shape, Elements::Int(values))])
            }
            _ => Ok(vec![Fact::new(dtype, shape)]),
        }
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let out = outputs.first().map(Fact::shape).unwrap_or_default();
        let dtype = outputs.first().map_or(DType::F32, |fact| fact.dtype);
        if inputs.shape(0)?.contains(&0) {
            let zeros = Shape::from(on_device(out));
            let zeros = B::float_zeros(zeros, inputs.device, FloatDType::F32);
            return Ok(vec![zeros]);
        }
        let product = multiply::<B>(inputs.tensor(0)?, inputs.tensor(1)?)?;
        let product = B::float_reshape(product, Shape::from(on_device(out)));
        Ok(vec![wrapped::<B>(dtype, product)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let rank = outputs.first()?.shape().len();
        let [left, right] = [0, 1].map(|i| inputs.get(i).map_or(0, |fact| fact.shape().len()));
        // The last axis of the left matrix and the one before it of the right are summed over.
        let summed = |i: usize, axis: usize| match i {
            0 => axis + 1 == left,
            _ => axis + 2 == right.max(2),
        };
        let held = samples.iter().enumerate();
        let mut held = held.filter_map(|(i, samples)| Some((i, (*samples)?)));
        let apart = held.all(|(i, samples)| {
            let column = i == 1 && samples.axis + 1 == right;
            !summed(i, samples.axis) && !column
        });
        // Rows of the left matrix meet the whole right one.
        let rows = samples.first()?.is_some_and(|s| s.axis + 2 == left);
        if !apart || left < 2 || right < 2 {
            return None;
        }
        if rows {
            let alone = samples.get(1)?.is_none();
            let place = samples.first().copied().flatten()?;
            let axis = rank.checked_sub(2)?;
            return alone.then(|| vec![Some(Samples { axis, ..place })]);
        }
        Some(vec![Some(elementwise(samples, inputs, rank)?)])
    }
}

/// The product of two tensors of sizes that fit, with promoted axes kept.
pub(super) fn multiply<B: Backend>(
    left: FloatTensor<B>,
    right: FloatTensor<B>,
) -> Result<FloatTensor<B>, Fault> {
    let (batch, [m, k, n]) = dimensions(&left.shape(), &right.shape())?;
    let reshape = |x, shape: Vec<usize>| B::float_reshape(x, Shape::from(shape));
    if right.rank() <= 2 {
        // One matrix for all: the batch becomes rows.
        let rows = count(&batch)?.saturating_mul(m);
        let product = B::float_matmul(reshape(left, vec![rows, k]), reshape(right, vec![k, n]));
        return Ok(reshape(product, [batch.as_slice(), &[m, n]].concat()));
    }
    let rank = batch.len();
    let left_batch = leading(&left.shape(), rank);
    let right_batch = leading(&right.shape(), rank);
    let left = reshape(left, [left_batch.as_slice(), &[m, k]].concat());
    let right = reshape(right, [right_batch.as_slice(), &[k, n]].concat());
    Ok(B::float_matmul(left, right))
}

/// The product of known integers; narrow types wrap around.
fn exact(
    dtype: DType,
    (left, left_shape): (&[i64], &[usize]),
    (right, right_shape): (&[i64], &[usize]),
) -> Result<Vec<i64>, Fault> {
    let (batch, [m, k, n]) = dimensions(left_shape, right_shape)?;
    let stretched_batch = |values, shape, rows, columns| {
        let from = [leading(shape, batch.len()).as_slice(), &[rows, columns]].concat();
        let to = [batch.as_slice(), &[rows, columns]].concat();
        match count(&to)? <= MAX_KNOWN {
            true => stretched(values, &from, &to),
            false => Err(Fault::Unsupported("so large a product of integers".into())),
        }
    };
    let left = stretched_batch(left, left_shape, m, k)?;
    let right = stretched_batch(right, right_shape, k, n)?;
    let element = |i: usize| {
        let (matrix, row, column) = (i / (m * n), i / n % m, i % n);
        let mut sum = 0i64;
        for j in 0..k {
            let l = *left.get((matrix * m + row) * k + j)?;
            let r = *right.get((matrix * k + j) * n + column)?;
            sum = match dtype {
                DType::I64 => sum.checked_add(l.checked_mul(r)?)?,
                _ => wrap(dtype, sum.wrapping_add(l.wrapping_mul(r))),
            };
        }
        Some(sum)
    };
    let values: Option<Vec<i64>> = (0..count(&batch)? * m * n).map(element).collect();
    values.ok_or_else(|| Fault::shape("the integers overflow"))
}

/// The broadcast axes before the matrices, and the matrices' m, k, n.
pub(super) fn dimensions(
    left: &[usize],
    right: &[usize],
) -> Result<(Vec<usize>, [usize; 3]), Fault> {
    let (m, k) = match left {
        [] => return Err(Fault::shape("the first input is a scalar")),
        [k] => (1, *k),
        [.., m, k] => (*m, *k),
    };
    let (inner, n) = match right {
        [] => return Err(Fault::shape("the second input is a scalar")),
        [k] => (*k, 1),
        [.., k, n] => (*k, *n),
    };
    if k != inner {
        return Err(Fault::shape(format!(
            "the inner sizes {k} and {inner} differ"
        )));
    }
    Ok((broadcast(batch(left), batch(right))?, [m, k, n]))
}

fn batch(shape: &[usize]) -> &[usize] {
    shape
        .get(..shape.len().saturating_sub(2))
        .unwrap_or_default()
}

fn leading(shape: &[usize], rank: usize) -> Vec<usize> {
    pad_left(batch(shape), rank)
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, floats, ints};

    #[test]
    fn values() {
        let case = |left, right| Case::new("MatMul").input(left).input(right);
        let matrix = || floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let vector = || floats(&[2], &[10.0, 20.0]);
        case(matrix(), matrix()).gives(&[2, 2], &[7.0, 10.0, 15.0, 22.0]);
        case(matrix(), vector()).gives(&[2], &[50.0, 110.0]);
        case(vector(), matrix()).gives(&[2], &[70.0, 100.0]);
        case(vector(), vector()).gives(&[], &[500.0]);
        case(counting(&[2, 1, 2]), matrix()).gives(&[2, 1, 2], &[3.0, 4.0, 11.0, 16.0]);
        // Two batches against one, and one against two.
        let batch = || counting(&[2, 1, 2, 1]);
        case(batch(), floats(&[1, 1, 1, 1], &[2.0])).gives(&[2, 1, 2, 1], &[0.0, 2.0, 4.0, 6.0]);
        case(floats(&[1, 1, 1], &[2.0]), counting(&[2, 1, 1])).gives(&[2, 1, 1], &[0.0, 2.0]);
        case(vector(), counting(&[2, 2, 1])).gives(&[2, 1], &[20.0, 80.0]);
        // Batches that broadcast in both directions.
        let left = floats(&[2, 1, 1, 1], &[1.0, 2.0]);
        case(left, counting(&[3, 1, 1])).gives(&[2, 3, 1, 1], &[0.0, 1.0, 2.0, 0.0, 2.0, 4.0]);
        case(floats(&[2, 0], &[]), floats(&[0, 1], &[])).gives(&[2, 1], &[0.0, 0.0]);
    }

    #[test]
    fn integers() {
        let case = || Case::new("MatMul");
        case()
            .constant(ints(&[2, 1, 2], &[1, 2, 3, 4]))
            .constant(ints(&[2, 1], &[i64::MAX / 8, 1]))
            .gives_ints(&[2, 1, 1], &[i64::MAX / 8 + 2, i64::MAX / 8 * 3 + 4]);
        case()
            .constant(ints(&[1], &[2]))
            .constant(ints(&[1], &[i64::MAX]))
            .fails("overflow");
        case()
            .input(ints(&[2], &[3, 4]))
            .constant(ints(&[2], &[5, 6]))
            .gives(&[], &[39.0]);
        case()
            .input(ints(&[1], &[3]))
            .input(floats(&[1], &[3.0]))
            .fails("two types");
    }

    #[test]
    fn gradients() {
        let case = |left: &[usize], right: &[usize]| {
            Case::new("MatMul")
                .input(counting(left))
                .input(counting(right))
        };
        case(&[2, 3], &[3, 2]).gradient_agrees();
        case(&[2, 2, 3], &[3, 2]).gradient_agrees();
        case(&[1, 2, 3], &[2, 3, 2]).gradient_agrees();
        case(&[2, 2, 3], &[1, 3, 2]).gradient_agrees();
        case(&[3], &[2, 3, 2]).gradient_agrees();
        case(&[2, 1, 1, 2], &[3, 2, 1]).gradient_agrees();
        case(&[1, 2, 1, 2, 1, 2], &[2, 1, 1, 1, 2, 1]).gradient_agrees();
    }

    #[test]
    fn faults() {
        let case = |left: &[usize], right: &[usize]| {
            Case::new("MatMul")
                .input(counting(left))
                .input(counting(right))
        };
        case(&[2, 3], &[2, 3]).fails("the inner sizes 3 and 2 differ");
        case(&[2, 2, 3], &[3, 3, 2]).fails("do not broadcast");
        case(&[], &[1]).fails("the first input is a scalar");
    }
}
