//! `scoville.Guard`: input 0 as it is, if the integers of input 1 are the attribute `values`. Unrolled
//! control flow stands behind it: for a batch that would have gone another way it refuses to run.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct Guard {
    values: Vec<i64>,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let values = node.attributes.ints("values")?.unwrap_or(&[]).to_vec();
    Ok(Box::new(Guard { values }))
}

impl<B: Backend> Operator<B> for Guard {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        if inputs.ints(1)? != self.values {
            let what = "control flow that depends on the size of the batch";
            return Err(Fault::Unsupported(what.into()));
        }
        Ok(vec![inputs.any(0)?.clone()])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        Ok(vec![inputs.tensor(0)?])
    }

    fn moves(&self, index: usize) -> bool {
        index == 0
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
        let guard = |probe: i64| {
            Case::new("Guard")
                .domain("scoville")
                .ints("values", &[3])
                .input(floats(&[2], &[1.0, 2.0]))
                .constant(ints(&[1], &[probe]))
        };
        guard(3).gives(&[2], &[1.0, 2.0]);
        guard(4).fails("depends on the size of the batch");
    }
}
