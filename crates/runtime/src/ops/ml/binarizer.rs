//! Binarizer: 1 where `x > threshold`, else 0. Any shape.

use burn_backend::{
    Backend, FloatDType, TensorMetadata, get_or_init_device_settings, tensor::FloatTensor,
};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct Binarizer {
    threshold: f32,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Binarizer {
        threshold: node.attributes.float_or("threshold", 0.0)?,
    }))
}

impl<B: Backend> Operator<B> for Binarizer {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        Ok(vec![inputs.any(0)?.with_shape(inputs.shape(0)?.to_vec())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let x = inputs.tensor(0)?;
        let bools = get_or_init_device_settings::<B>(&x.device()).bool_dtype;
        let above = B::float_greater_elem(x, self.threshold.into(), bools);
        Ok(vec![B::bool_into_float(above, FloatDType::F32)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        _: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        samples.first().map(|first| vec![*first])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn values() {
        let case = Case::new("Binarizer")
            .domain("ai.onnx.ml")
            .float("threshold", 1.0);
        let case = case.input(floats(&[1, 4], &[1.0, 1.5, f32::NAN, -2.0]));
        case.gives(&[1, 4], &[0.0, 1.0, 0.0, 0.0]);
        Case::new("Binarizer")
            .domain("ai.onnx.ml")
            .constant(ints(&[2], &[0, 3]))
            .gives_ints(&[2], &[0, 1]);
    }
}
