//! MeanVarianceNormalization: `(x - mean) / (deviation + 1e-9)` over `axes`, by default those of
//! batch, height and width.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::lp;
use super::moments::not_empty;
use crate::Fault;
use crate::ops::samples::{Samples, beside};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct MeanVarianceNormalization {
    axes: Vec<i64>,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let axes = node.attributes.ints("axes")?.unwrap_or(&[0, 2, 3]);
    Ok(Box::new(MeanVarianceNormalization {
        axes: axes.to_vec(),
    }))
}

impl<B: Backend> Operator<B> for MeanVarianceNormalization {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.float(0)?;
        crate::ops::axes(&self.axes, x.len())?;
        not_empty(x)?;
        Ok(vec![inputs.any(0)?.with_shape(x.to_vec())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let axes = crate::ops::axes(&self.axes, inputs.shape(0)?.len())?;
        let x = inputs.tensor(0)?;
        let mean = |x| axes.iter().fold(x, |x, &axis| B::float_mean_dim(x, axis));
        let centred = B::float_sub(x.clone(), mean(x));
        let variance = mean(B::float_mul(centred.clone(), centred.clone()));
        let deviation = B::float_add_scalar(lp::root::<B>(variance, 2), 1e-9f32.into());
        Ok(vec![B::float_div(centred, deviation)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let axes = crate::ops::axes(&self.axes, inputs.get(0)?.shape().len()).ok()?;
        beside(samples, &axes, outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let norm = || {
            Case::new("MeanVarianceNormalization")
                .input(floats(&[2, 2, 1, 1], &[1.0, 2.0, 3.0, 8.0]))
        };
        norm().gives(&[2, 2, 1, 1], &[-1.0, -1.0, 1.0, 1.0]);
        norm()
            .ints("axes", &[1])
            .gives(&[2, 2, 1, 1], &[-1.0, 1.0, -1.0, 1.0]);
        let wide = Case::new("MeanVarianceNormalization")
            .ints("axes", &[-1])
            .input(floats(&[1, 3], &[1.0, 2.0, 6.0]));
        wide.gradient_agrees();
        norm().ints("axes", &[4]).fails("outside");
        Case::new("MeanVarianceNormalization")
            .ints("axes", &[0])
            .input(floats(&[2], &[1.0, 1.0]))
            .gives(&[2], &[0.0, 0.0]);
    }
}
