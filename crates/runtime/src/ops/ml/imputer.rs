//! Imputer: what equals `replaced_value` (NaN is one such value) becomes the imputed value of its
//! column, or the only one there is.

use burn_backend::{
    Backend, Shape, TensorMetadata, get_or_init_device_settings, tensor::FloatTensor,
};
use scoville_onnx::Node;

use super::matrix;
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, MAX_EXACT, Values};

struct Imputer {
    /// Whether it is of floats, not of integers.
    floats: bool,
    replaced: f32,
    imputed: Vec<f32>,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let attributes = &node.attributes;
    let floats = attributes
        .floats("imputed_value_floats")?
        .unwrap_or_default();
    let ints = attributes.ints("imputed_value_int64s")?.unwrap_or_default();
    Ok(Box::new(match (floats, ints) {
        ([], []) => return Err(Fault::shape("there are no imputed values")),
        (floats, []) => Imputer {
            floats: true,
            replaced: attributes.float_or("replaced_value_float", 0.0)?,
            imputed: floats.to_vec(),
        },
        ([], ints) => Imputer {
            floats: false,
            replaced: exact(attributes.int_or("replaced_value_int64", 0)?)?,
            imputed: ints
                .iter()
                .map(|&value| exact(value))
                .collect::<Result<_, _>>()?,
        },
        _ => return Err(Fault::shape("there are imputed values of two types")),
    }))
}

fn exact(value: i64) -> Result<f32, Fault> {
    match value.unsigned_abs() <= MAX_EXACT as u64 {
        true => Ok(value as f32),
        false => Err(Fault::Unsupported("a value beyond 2^24".into())),
    }
}

impl<B: Backend> Operator<B> for Imputer {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let [_, columns] = matrix::rows_and_columns(inputs)?;
        let x = inputs.any(0)?;
        if x.is_float() != self.floats {
            return Err(Fault::shape(format!(
                "the imputed values are not {}",
                x.dtype
            )));
        }
        if self.imputed.len() > 1 {
            matrix::check_columns(columns, self.imputed.len())?;
        }
        Ok(vec![x.with_shape(x.shape().to_vec())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let matrix = matrix::of(&shape)?;
        let imputed = inputs.upload(&[1, self.imputed.len()], self.imputed.clone());
        let x = B::float_reshape(inputs.tensor(0)?, Shape::from(matrix));
        let bools = get_or_init_device_settings::<B>(&x.device()).bool_dtype;
        let missing = match self.replaced.is_nan() {
            true => B::float_is_nan(x.clone(), bools),
            false => B::float_equal_elem(x.clone(), self.replaced.into(), bools),
        };
        let imputed = B::float_expand(imputed, Shape::from(matrix));
        let out = B::float_mask_where(x, missing, imputed);
        Ok(vec![B::float_reshape(out, Shape::from(shape))])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        matrix::samples(samples, inputs, outputs)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn values() {
        let case = |values: &[f32]| {
            Case::new("Imputer")
                .domain("ai.onnx.ml")
                .floats("imputed_value_floats", values)
        };
        let nan = case(&[7.0, 8.0]).float("replaced_value_float", f32::NAN);
        let x = floats(&[2, 2], &[f32::NAN, 1.0, 0.0, f32::NAN]);
        nan.input(x).gives(&[2, 2], &[7.0, 1.0, 0.0, 8.0]);
        let one = || case(&[5.0]).input(floats(&[2, 2], &[0.0, 1.0, 2.0, 0.0]));
        one().gives(&[2, 2], &[5.0, 1.0, 2.0, 5.0]);
        Case::new("Imputer")
            .domain("ai.onnx.ml")
            .floats("imputed_value_floats", &[5.0])
            .float("replaced_value_float", 9.0)
            .input(floats(&[2], &[1.0, 2.0]))
            .gradient_agrees();
        let whole = || {
            Case::new("Imputer")
                .domain("ai.onnx.ml")
                .ints("imputed_value_int64s", &[4])
                .int("replaced_value_int64", -1)
        };
        whole()
            .constant(ints(&[3], &[-1, 2, 3]))
            .gives_ints(&[3], &[4, 2, 3]);
        whole()
            .input(floats(&[1], &[1.0]))
            .fails("imputed values are not");
        case(&[1.0, 2.0, 3.0])
            .input(floats(&[1, 2], &[0.0; 2]))
            .fails("2 features");
        case(&[]).fails("no imputed values");
    }
}
