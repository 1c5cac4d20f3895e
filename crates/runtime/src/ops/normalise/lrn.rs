//! LRN: `x / (bias + alpha / size * sum of squares)^beta`, the sum running over `size` channels
//! around each one. Krizhevsky, Sutskever and Hinton 2012, section 3.3.

use burn_backend::ops::PadMode;
use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::moments::reshape;
use crate::Fault;
use crate::ops::elementwise::pow::raised;
use crate::ops::samples::{Samples, beside};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

struct Lrn {
    size: usize,
    alpha: f32,
    beta: f32,
    bias: f32,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let size = node.attributes.int("size")?;
    let size = size.ok_or_else(|| Fault::shape("attribute size is missing"))?;
    Ok(Box::new(Lrn {
        size: usize::try_from(size)
            .ok()
            .filter(|&size| size > 0)
            .ok_or_else(|| Fault::Unsupported(format!("size {size}")))?,
        alpha: node.attributes.float_or("alpha", 1e-4)?,
        beta: node.attributes.float_or("beta", 0.75)?,
        bias: node.attributes.float_or("bias", 1.0)?,
    }))
}

impl<B: Backend> Operator<B> for Lrn {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.float(0)?;
        if x.len() < 2 {
            return Err(Fault::shape("the input has no channel axis"));
        }
        Ok(vec![inputs.any(0)?.with_shape(x.to_vec())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let (planes, spatial) = shape.split_at(2);
        let (&[n, channels], spatial) = (planes, count(spatial)?) else {
            return Err(Fault::shape("the input has no channel axis"));
        };
        let x = inputs.tensor(0)?;
        let squares = B::float_mul(x.clone(), x.clone());
        // Of an even size, the larger half lies after the channel; none reaches beyond all.
        let before = ((self.size - 1) / 2).min(channels - 1);
        let after = (self.size / 2).min(channels - 1);
        let kernel = before + after + 1;
        let squares = B::float_pad(
            reshape::<B>(squares, &[n, 1, channels, spatial]),
            &[(0, 0), (0, 0), (before, after), (0, 0)],
            PadMode::Constant(0.0),
        );
        let mean = B::avg_pool2d(squares, [kernel, 1], [1, 1], [0, 0], true, false);
        let factor = self.alpha * kernel as f32 / self.size as f32;
        let base = B::float_mul_scalar(reshape::<B>(mean, &shape), factor.into());
        let base = B::float_add_scalar(base, self.bias.into());
        let power = raised::<B>(base, -self.beta);
        Ok(vec![B::float_mul(x, power)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        beside(samples, &[1], outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    fn norm(size: i64) -> Case {
        Case::new("LRN")
            .int("size", size)
            .float("alpha", size as f32)
            .float("beta", 0.5)
            .float("bias", 2.0)
            .input(floats(&[1, 4, 1, 1], &[1.0, 2.0, 3.0, 4.0]))
    }

    #[test]
    fn values() {
        let out = |squares: [f32; 4]| {
            let x = [1.0, 2.0, 3.0, 4.0];
            std::array::from_fn::<f32, 4, _>(|i| x[i] / (2.0 + squares[i]).sqrt())
        };
        norm(3).gives(&[1, 4, 1, 1], &out([5.0, 14.0, 29.0, 25.0]));
        norm(2).gives(&[1, 4, 1, 1], &out([5.0, 13.0, 25.0, 16.0]));
        norm(1).gives(&[1, 4, 1, 1], &out([1.0, 4.0, 9.0, 16.0]));
        norm(1 << 20).gives(&[1, 4, 1, 1], &out([30.0; 4]));
        norm(3).gradient_agrees();
        norm(4).gradient_agrees();
        norm(0).fails("size 0");
        for beta in [3e38, f32::INFINITY] {
            Case::new("LRN")
                .int("size", 1)
                .float("bias", 2.0)
                .float("beta", beta)
                .input(floats(&[1, 2], &[1.0, 2.0]))
                .gives(&[1, 2], &[0.0, 0.0]);
        }
        Case::new("LRN")
            .input(floats(&[1, 1], &[1.0]))
            .fails("size is missing");
    }
}
