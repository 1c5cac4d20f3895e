//! LpNormalization: `x` divided by its Lp norm along `axis`, p being 1 or 2. Where the norm is zero
//! so is the result.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::lp;
use crate::Fault;
use crate::ops::samples::{Samples, beside};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct LpNormalization {
    axis: i64,
    p: i32,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let p = lp::order(node)?;
    if p > 2 {
        return Err(Fault::Unsupported(format!("p {p} (1 or 2 is needed)")));
    }
    Ok(Box::new(LpNormalization {
        axis: node.attributes.int_or("axis", -1)?,
        p,
    }))
}

impl<B: Backend> Operator<B> for LpNormalization {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.float(0)?;
        crate::ops::axis(self.axis, x.len())?;
        Ok(vec![inputs.any(0)?.with_shape(x.to_vec())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let axis = crate::ops::axis(self.axis, inputs.shape(0)?.len())?;
        let x = inputs.tensor(0)?;
        let sum = B::float_sum_dim(lp::power::<B>(x.clone(), self.p), axis);
        let norm = lp::root::<B>(sum, self.p);
        let zero = lp::is_zero::<B>(norm.clone());
        let norm = B::float_mask_fill(norm, zero, 1.0f32.into());
        Ok(vec![B::float_div(x, norm)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let axis = crate::ops::axis(self.axis, inputs.get(0)?.shape().len()).ok()?;
        beside(samples, &[axis], outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let norm = || Case::new("LpNormalization").input(floats(&[2, 2], &[3.0, -4.0, 0.0, 12.0]));
        norm().gives(&[2, 2], &[0.6, -0.8, 0.0, 1.0]);
        norm()
            .int("p", 1)
            .gives(&[2, 2], &[3.0 / 7.0, -4.0 / 7.0, 0.0, 1.0]);
        norm().int("axis", 0).gives(
            &[2, 2],
            &[1.0, -4.0 / 160.0f32.sqrt(), 0.0, 12.0 / 160.0f32.sqrt()],
        );
        norm().int("axis", 0).gradient_agrees();
        norm().int("p", 3).fails("p 3");
        norm().int("axis", 2).fails("outside");
        Case::new("LpNormalization")
            .input(floats(&[2], &[0.0, 0.0]))
            .gives(&[2], &[0.0, 0.0]);
    }
}
