//! Normalizer: each row divided by its maximum, the sum of its absolute values (L1), or the root of
//! the sum of its squares (L2); a row whose norm is zero stays as it is.

use burn_backend::{
    Backend, Shape, TensorMetadata, get_or_init_device_settings, tensor::FloatTensor,
};
use scoville_onnx::Node;

use super::matrix;
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

enum Normalizer {
    Max,
    L1,
    L2,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(
        match node.attributes.string("norm")?.unwrap_or("MAX") {
            "MAX" => Normalizer::Max,
            "L1" => Normalizer::L1,
            "L2" => Normalizer::L2,
            other => return Err(Fault::Unsupported(format!("norm {other}"))),
        },
    ))
}

impl<B: Backend> Operator<B> for Normalizer {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        matrix::rows_and_columns(inputs)?;
        Ok(vec![Fact::float(inputs.shape(0)?.to_vec())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let x = B::float_reshape(inputs.tensor(0)?, Shape::from(matrix::of(&shape)?));
        let norm = match self {
            Normalizer::Max => nonzero::<B>(B::float_max_dim(x.clone(), 1)),
            Normalizer::L1 => nonzero::<B>(B::float_sum_dim(B::float_abs(x.clone()), 1)),
            Normalizer::L2 => {
                let squares = B::float_mul(x.clone(), x.clone());
                B::float_sqrt(nonzero::<B>(B::float_sum_dim(squares, 1)))
            }
        };
        Ok(vec![B::float_reshape(
            B::float_div(x, norm),
            Shape::from(shape),
        )])
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

/// `x`, with 1 where it is 0.
fn nonzero<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let bools = get_or_init_device_settings::<B>(&x.device()).bool_dtype;
    let zero = B::float_equal_elem(x.clone(), 0.0f32.into(), bools);
    B::float_mask_fill(x, zero, 1.0f32.into())
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn values() {
        let case = |norm: &str| {
            Case::new("Normalizer")
                .domain("ai.onnx.ml")
                .string("norm", norm)
                .input(floats(&[3, 2], &[3.0, -4.0, 0.0, 0.0, -1.0, -2.0]))
        };
        case("MAX").gives(&[3, 2], &[1.0, -4.0 / 3.0, 0.0, 0.0, 1.0, 2.0]);
        case("L1").gives(
            &[3, 2],
            &[3.0 / 7.0, -4.0 / 7.0, 0.0, 0.0, -1.0 / 3.0, -2.0 / 3.0],
        );
        case("L2").gives(&[3, 2], &[0.6, -0.8, 0.0, 0.0, -0.447_213_6, -0.894_427_2]);
        case("L3").fails("norm L3");
        for norm in ["MAX", "L1", "L2"] {
            Case::new("Normalizer")
                .domain("ai.onnx.ml")
                .string("norm", norm)
                .input(floats(&[2, 2], &[3.0, -4.0, -1.0, -2.0]))
                .gradient_agrees();
        }
        Case::new("Normalizer")
            .domain("ai.onnx.ml")
            .input(ints(&[2], &[2, 4]))
            .gives(&[2], &[0.5, 1.0]);
    }
}
