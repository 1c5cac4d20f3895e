//! GlobalAveragePool: the mean over all axes after batch and channels, kept as size 1.

use burn_backend::{Backend, Shape, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

struct GlobalAveragePool;

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(GlobalAveragePool))
}

impl<B: Backend> Operator<B> for GlobalAveragePool {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        match inputs.float(0)? {
            [n, channels, spatial @ ..] if !spatial.contains(&0) => Ok(vec![Fact::float(
                [&[*n, *channels], vec![1; spatial.len()].as_slice()].concat(),
            )]),
            _ => Err(Fault::shape(
                "batch, channels and spatial axes that are not empty are needed",
            )),
        }
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let x = inputs.tensor(0)?;
        let shape = x.shape();
        let (kept, spatial) = shape.split_at(2);
        let flat = Shape::from([kept, &[count(spatial)?]].concat());
        let mean = B::float_mean_dim(B::float_reshape(x, flat), 2);
        let out = outputs.first().map(Fact::shape).unwrap_or_default();
        Ok(vec![B::float_reshape(mean, Shape::from(out.to_vec()))])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting};

    #[test]
    fn values() {
        let pool = |shape: &[usize]| Case::new("GlobalAveragePool").input(counting(shape));
        pool(&[1, 2, 2, 2]).gives(&[1, 2, 1, 1], &[1.5, 5.5]);
        pool(&[2, 1, 4]).gives(&[2, 1, 1], &[1.5, 5.5]);
        pool(&[1, 2, 2, 2]).gradient_agrees();
        pool(&[2, 2, 0]).fails("not empty");
        pool(&[2]).fails("spatial axes");
    }
}
