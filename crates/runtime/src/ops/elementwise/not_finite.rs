//! IsNaN, IsInf: booleans. Burn's GPU kernels look at the bits, since WGSL may assume that neither exists.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::mask::{as_floats, is_above, is_below, is_infinite, is_nan};
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

enum NotFinite {
    NaN,
    Infinite { positive: bool, negative: bool },
}

pub(super) fn parse_nan<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(NotFinite::NaN))
}

pub(super) fn parse_infinite<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(NotFinite::Infinite {
        positive: node.attributes.int_or("detect_positive", 1)? != 0,
        negative: node.attributes.int_or("detect_negative", 1)? != 0,
    }))
}

impl<B: Backend> Operator<B> for NotFinite {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        Ok(vec![Fact::new(DType::Bool, inputs.float(0)?.to_vec())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let x = inputs.tensor(0)?;
        let found = match *self {
            NotFinite::NaN => is_nan::<B>(x),
            NotFinite::Infinite { positive, negative } => {
                let infinite = is_infinite::<B>(x.clone());
                match (positive, negative) {
                    (true, true) => infinite,
                    (true, false) => B::bool_and(infinite, is_above::<B>(x, 0.0)),
                    (false, true) => B::bool_and(infinite, is_below::<B>(x, 0.0)),
                    (false, false) => B::bool_and(infinite.clone(), B::bool_not(infinite)),
                }
            }
        };
        Ok(vec![as_floats::<B>(found)])
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
        let infinity = f32::INFINITY;
        let x = || floats(&[4], &[-infinity, f32::NAN, infinity, f32::MAX]);
        Case::new("IsNaN")
            .input(x())
            .gives(&[4], &[0.0, 1.0, 0.0, 0.0]);
        Case::new("IsNaN")
            .constant(x())
            .gives_ints(&[4], &[0, 1, 0, 0]);
        let infinite = |positive, negative| {
            Case::new("IsInf")
                .int("detect_positive", positive)
                .int("detect_negative", negative)
                .input(x())
        };
        infinite(1, 1).gives(&[4], &[1.0, 0.0, 1.0, 0.0]);
        infinite(1, 0).gives(&[4], &[0.0, 0.0, 1.0, 0.0]);
        infinite(0, 1).gives(&[4], &[1.0, 0.0, 0.0, 0.0]);
        infinite(0, 0).gives(&[4], &[0.0; 4]);
        Case::new("IsNaN")
            .input(ints(&[1], &[1]))
            .fails("does not hold floats");
    }
}
