//! Reshape to a shape that is known at load: 0 copies the input's size (unless `allowzero`), one -1
//! is inferred.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::samples::{Samples, reshaped};
use crate::ops::{Context, Operator, Parsed, count, reshape_to};
use crate::value::{Fact, Facts, Values};

struct Reshape {
    allow_zero: bool,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Reshape {
        allow_zero: node.attributes.int_or("allowzero", 0)? != 0,
    }))
}

impl<B: Backend> Operator<B> for Reshape {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let data = inputs.any(0)?;
        let shape = resolve(data.shape(), inputs.ints(1)?, self.allow_zero)?;
        Ok(vec![data.reshaped(shape)])
    }

    fn forward(&self, inputs: Values<B>, outputs: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        reshape_to(inputs, outputs)
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        reshaped(samples, inputs, outputs)
    }
}

fn resolve(from: &[usize], target: &[i64], allow_zero: bool) -> Result<Vec<usize>, Fault> {
    let impossible = || Fault::shape(format!("{from:?} cannot be reshaped to {target:?}"));
    let mut shape = Vec::with_capacity(target.len());
    let mut inferred = None;
    for (i, &size) in target.iter().enumerate() {
        shape.push(match size {
            0 if !allow_zero => *from.get(i).ok_or_else(impossible)?,
            -1 if inferred.replace(i).is_none() => 1,
            size => usize::try_from(size).map_err(|_| impossible())?,
        });
    }
    let (total, known) = (count(from)?, count(&shape)?);
    if let Some(slot) = inferred.and_then(|i| shape.get_mut(i)) {
        *slot = total.checked_div(known).ok_or_else(impossible)?;
    }
    if count(&shape)? == total {
        Ok(shape)
    } else {
        Err(impossible())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Case, floats, ints};

    #[test]
    fn shapes() {
        for (from, target, allow_zero, out) in [
            (vec![2, 6], vec![3, 4], false, Some(vec![3, 4])),
            (vec![2, 6], vec![0, -1, 2], false, Some(vec![2, 3, 2])),
            (vec![2, 6], vec![-1], false, Some(vec![12])),
            (vec![1], vec![], false, Some(vec![])),
            (vec![0, 3], vec![3, 0], true, Some(vec![3, 0])),
            (vec![0, 3], vec![0, -1], true, None),
            (vec![2, 6], vec![5, -1], false, None),
            (vec![2, 6], vec![-1, -1], false, None),
            (vec![2, 6], vec![2, -6], false, None),
            (vec![2], vec![2, 0], false, None),
            (vec![2], vec![i64::MAX, i64::MAX, 4], false, None),
        ] {
            assert_eq!(
                resolve(&from, &target, allow_zero).ok(),
                out,
                "{from:?} {target:?}"
            );
        }
    }

    #[test]
    fn values() {
        let case = Case::new("Reshape")
            .input(floats(&[1, 4], &[1.0, 2.0, 3.0, 4.0]))
            .constant(ints(&[2], &[2, -1]));
        case.gives(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        case.gradient_agrees();
    }
}
