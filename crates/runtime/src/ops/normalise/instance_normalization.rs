//! InstanceNormalization: every channel of every sample is brought to mean 0 and variance 1, then
//! scaled and shifted per channel. Ulyanov, Vedaldi and Lempitsky 2016.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::batch_normalization::epsilon;
use super::moments::{affine_by_channel, not_empty, reshape, rows, standardised};
use crate::Fault;
use crate::ops::samples::{Samples, along_first};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

struct InstanceNormalization {
    epsilon: f32,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(InstanceNormalization {
        epsilon: epsilon(node)?,
    }))
}

impl<B: Backend> Operator<B> for InstanceNormalization {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.float(0)?;
        let [_, channels, spatial @ ..] = x else {
            return Err(Fault::shape("the input has no channel axis"));
        };
        not_empty(spatial)?;
        if inputs.float(1)? != [*channels] || inputs.float(2)? != [*channels] {
            return Err(Fault::shape(format!(
                "scale and bias are not {channels} numbers each"
            )));
        }
        Ok(vec![inputs.any(0)?.with_shape(x.to_vec())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let (planes, spatial) = shape.split_at(2);
        let (&[n, channels], size) = (planes, count(spatial)?) else {
            return Err(Fault::shape("the input has no channel axis"));
        };
        let x = rows::<B>(inputs.tensor(0)?, &shape, 2)?;
        let x = standardised::<B>(x, self.epsilon).rows;
        let (scale, bias) = (inputs.tensor(1)?, inputs.tensor(2)?);
        let out = affine_by_channel::<B>(x, [n, channels, size], scale, bias);
        Ok(vec![reshape::<B>(out, &shape)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        along_first(samples, &[0], outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    fn norm(shape: &[usize], values: &[f32]) -> Case {
        Case::new("InstanceNormalization")
            .float("epsilon", 0.75)
            .input(floats(shape, values))
            .constant(floats(&[2], &[1.0, 10.0]))
            .constant(floats(&[2], &[0.0, 5.0]))
    }

    #[test]
    fn values() {
        // Means 1.5 and 4, variances 0.25 and 1 (plus epsilon: 1 and 1.75).
        let root = 1.75f32.sqrt();
        norm(&[1, 2, 2], &[1.0, 2.0, 3.0, 5.0]).gives(
            &[1, 2, 2],
            &[-0.5, 0.5, 5.0 - 10.0 / root, 5.0 + 10.0 / root],
        );
        let image = norm(&[2, 2, 1, 2], &[1.0, 2.0, 3.0, 5.0, 0.0, 0.0, -1.0, 1.0]);
        image.gradient_agrees();
    }

    #[test]
    fn faults() {
        norm(&[1, 3, 1], &[0.0; 3]).fails("3 numbers each");
        norm(&[2], &[0.0; 2]).fails("no channel axis");
        norm(&[1, 2, 0], &[]).fails("empty");
    }
}
