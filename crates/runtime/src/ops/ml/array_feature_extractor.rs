//! ArrayFeatureExtractor: the entries of the last axis that the indices name; a vector gives one
//! row. Any type. Indices that a run computes are moved into the axis; of text they stay numbers.

use burn_backend::{Backend, IntDType, Shape, TensorData, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use crate::Fault;
use crate::ops::samples::{Samples, beside};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct ArrayFeatureExtractor;

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(ArrayFeatureExtractor))
}

/// The indices as positions below `size`.
fn picks(indices: &[i64], size: usize) -> Result<Vec<i32>, Fault> {
    let outside = || Fault::shape(format!("an index lies outside the {size} features"));
    let pick = |&index: &i64| {
        let inside = usize::try_from(index).is_ok_and(|index| index < size);
        i32::try_from(index).ok().filter(|_| inside)
    };
    indices
        .iter()
        .map(pick)
        .collect::<Option<_>>()
        .ok_or_else(outside)
}

impl<B: Backend> Operator<B> for ArrayFeatureExtractor {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (data, indices) = (inputs.any(0)?, inputs.any(1)?);
        let Some((&size, before)) = data.shape().split_last() else {
            return Err(Fault::shape("the data has no axes"));
        };
        if let Some(indices) = indices.known_ints() {
            picks(indices, size)?;
        }
        let n = crate::ops::count(indices.shape())?;
        if n == 0 || size == 0 || indices.is_float() || indices.dtype == DType::String {
            return Err(Fault::shape(
                "features and integers that name them are needed",
            ));
        }
        let shape = match before {
            [] => vec![1, n],
            before => [before, &[n]].concat(),
        };
        Ok(vec![data.with_shape(shape)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = Shape::from(outputs.first().map_or(vec![], |fact| fact.shape().to_vec()));
        let data = inputs.shape(0)?;
        let axis = data.len().saturating_sub(1);
        let size = data.get(axis).copied().unwrap_or(0);
        let text = inputs
            .fact(0)
            .is_some_and(|fact| fact.dtype == DType::String);
        let picks = match inputs.fact(1).and_then(Fact::known_ints) {
            Some(indices) => {
                let picks = picks(indices, size)?;
                let len = picks.len();
                B::int_from_data(TensorData::new(picks, [len]), inputs.device)
            }
            None => {
                let indices = inputs.tensor(1)?;
                if text {
                    return Ok(vec![B::float_expand(
                        B::float_reshape(
                            indices.clone(),
                            Shape::from([indices.shape().num_elements()]),
                        ),
                        shape,
                    )]);
                }
                let n = indices.shape().num_elements();
                let indices = B::float_reshape(indices, Shape::from([n]));
                let last = size.saturating_sub(1) as f32;
                let indices = B::float_clamp(indices, 0.0f32.into(), last.into());
                B::float_into_int(indices, IntDType::I32)
            }
        };
        let out = B::float_select(inputs.tensor(0)?, axis, picks);
        Ok(vec![B::float_reshape(out, shape)])
    }

    fn moves(&self, index: usize) -> bool {
        index == 0
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let (data, indices) = (inputs.get(0)?.shape(), inputs.get(1)?.shape());
        let [of_data, of_indices] = [samples.first()?, samples.get(1)?];
        if of_data.is_some() {
            let last = data.len().checked_sub(1)?;
            return beside(samples, &[last], outputs.len());
        }
        // The indices, as a row, are the last axis.
        let row = (*of_indices)?.reshaped(indices, &[crate::ops::count(indices).ok()?])?;
        let axis = outputs.first()?.shape().len().checked_sub(1)?;
        Some(vec![Some(Samples { axis, ..row })])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints, texts};

    #[test]
    fn values() {
        let case = || Case::new("ArrayFeatureExtractor").domain("ai.onnx.ml");
        let matrix = || floats(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let known = case().input(matrix()).constant(ints(&[1, 2], &[2, 0]));
        known.gives(&[2, 2], &[3.0, 1.0, 6.0, 4.0]);
        known.gradient_agrees();
        let computed = case().constant(matrix()).input(ints(&[2], &[1, 9]));
        computed.gives(&[2, 2], &[2.0, 3.0, 5.0, 6.0]);
        case()
            .constant(ints(&[3], &[1 << 40, 8, 9]))
            .constant(ints(&[2], &[2, 0]))
            .gives_ints(&[1, 2], &[9, 1 << 40]);
        case()
            .constant(texts(&[2], &["no", "yes"]))
            .constant(ints(&[3], &[1, 0, 1]))
            .gives_texts(&[1, 3], &["yes", "no", "yes"]);
        case()
            .constant(texts(&[2], &["no", "yes"]))
            .input(ints(&[3], &[1, 0, 1]))
            .gives(&[1, 3], &[1.0, 0.0, 1.0]);
        case()
            .input(matrix())
            .constant(ints(&[1], &[3]))
            .fails("outside the 3 features");
        case()
            .input(matrix())
            .constant(ints(&[1], &[-1]))
            .fails("outside the 3 features");
        case()
            .input(matrix())
            .input(matrix())
            .fails("integers that name them");
    }
}
