//! Shape: the sizes `start..end` of the input's axes, as integers at inference.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct Shape {
    start: i64,
    end: i64,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let start = node.attributes.int_or("start", 0)?;
    let end = node.attributes.int_or("end", i64::MAX)?;
    Ok(Box::new(Shape { start, end }))
}

impl<B: Backend> Operator<B> for Shape {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let shape = inputs.any(0)?.shape();
        let rank = shape.len() as i64;
        let clamp = |i: i64| {
            if i < 0 {
                i.saturating_add(rank).max(0)
            } else {
                i.min(rank)
            }
        };
        let range = clamp(self.start) as usize..clamp(self.end) as usize;
        let sizes = shape.get(range).unwrap_or_default();
        let sizes = sizes.iter().map(|&size| size as i64);
        Ok(vec![Fact::list(sizes.collect())])
    }

    fn forward(&self, _: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        Err(Fault::Unsupported(
            "running what is known at inference".into(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let case = || {
            Case::new("Shape")
                .opset(15)
                .input(floats(&[2, 3, 1], &[0.0; 6]))
        };
        case().gives_ints(&[3], &[2, 3, 1]);
        case().int("start", 1).gives_ints(&[2], &[3, 1]);
        case()
            .int("start", -3)
            .int("end", -1)
            .gives_ints(&[2], &[2, 3]);
        case().int("start", 2).int("end", 1).gives_ints(&[0], &[]);
        case()
            .int("start", -9)
            .int("end", 9)
            .gives_ints(&[3], &[2, 3, 1]);
    }
}
