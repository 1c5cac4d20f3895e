//! An operator that takes only some types.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::DType;

use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct Typed<B: Backend> {
    operator: Box<dyn Operator<B>>,
    takes: fn(DType) -> bool,
    what: &'static str,
}

/// `operator` for inputs of types that `takes` allows; others are refused, since they are `what`.
pub(super) fn typed<B: Backend>(
    operator: Parsed<B>,
    takes: fn(DType) -> bool,
    what: &'static str,
) -> Parsed<B> {
    Ok(Box::new(Typed {
        operator: operator?,
        takes,
        what,
    }))
}

impl<B: Backend> Operator<B> for Typed<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        for index in 0..inputs.len() {
            if !(self.takes)(inputs.any(index)?.dtype) {
                let what = self.what;
                return Err(Fault::Input { index, what });
            }
        }
        self.operator.infer(inputs)
    }

    fn forward(&self, inputs: Values<B>, outputs: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        self.operator.forward(inputs, outputs)
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        self.operator.samples(samples, inputs, outputs)
    }
}
