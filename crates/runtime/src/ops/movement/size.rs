//! Size: how many elements the input has, as an integer at inference.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

struct Size;

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Size))
}

impl<B: Backend> Operator<B> for Size {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let len = count(inputs.any(0)?.shape())?;
        Ok(vec![Fact::ints(Vec::new(), vec![len as i64])])
    }

    fn forward(&self, _: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        Err(Fault::Unsupported(
            "running what is known at inference".into(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting};

    #[test]
    fn values() {
        let case = |shape: &[usize]| Case::new("Size").input(counting(shape));
        case(&[2, 3]).gives_ints(&[], &[6]);
        case(&[]).gives_ints(&[], &[1]);
        case(&[2, 0]).gives_ints(&[], &[0]);
    }
}
