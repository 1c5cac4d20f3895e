//! GroupNormalization: every group of channels of every sample is brought to mean 0 and variance 1,
//! then scaled and shifted: per group in opset 18, per channel from opset 21 on. Wu and He 2018.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::batch_normalization::epsilon;
use super::moments::{affine_by_channel, not_empty, reshape, standardised};
use crate::Fault;
use crate::ops::samples::{Samples, along_first};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

struct GroupNormalization {
    epsilon: f32,
    groups: usize,
    /// Scale and bias are one number a channel, not one a group.
    per_channel: bool,
}

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let groups = node.attributes.int("num_groups")?;
    let groups = groups.ok_or_else(|| Fault::shape("attribute num_groups is missing"))?;
    Ok(Box::new(GroupNormalization {
        epsilon: epsilon(node)?,
        groups: usize::try_from(groups)
            .ok()
            .filter(|&groups| groups > 0)
            .ok_or_else(|| Fault::Unsupported(format!("num_groups {groups}")))?,
        per_channel: context.opset >= 21,
    }))
}

impl<B: Backend> Operator<B> for GroupNormalization {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.float(0)?;
        let [_, channels, spatial @ ..] = x else {
            return Err(Fault::shape("the input has no channel axis"));
        };
        not_empty(spatial)?;
        if *channels == 0 || channels % self.groups != 0 {
            return Err(Fault::shape(format!(
                "{channels} channels do not fall into {} groups",
                self.groups
            )));
        }
        let numbers = if self.per_channel {
            *channels
        } else {
            self.groups
        };
        if inputs.float(1)? != [numbers] || inputs.float(2)? != [numbers] {
            return Err(Fault::shape(format!(
                "scale and bias are not {numbers} numbers each"
            )));
        }
        Ok(vec![inputs.any(0)?.with_shape(x.to_vec())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let n = shape.first().copied().unwrap_or(0);
        let sample = count(shape.get(1..).unwrap_or_default())?;
        let group = sample / self.groups;
        let x = reshape::<B>(inputs.tensor(0)?, &[n * self.groups, group]);
        let x = standardised::<B>(x, self.epsilon).rows;
        let (scale, bias) = (inputs.tensor(1)?, inputs.tensor(2)?);
        let blocks = match self.per_channel {
            true => shape.get(1).copied().unwrap_or(1),
            false => self.groups,
        };
        let view = [n, blocks, sample / blocks];
        let out = affine_by_channel::<B>(x, view, scale, bias);
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

    fn norm(opset: i64, scale: &[f32], bias: &[f32]) -> Case {
        grouped(2, opset, scale, bias)
    }

    fn grouped(groups: i64, opset: i64, scale: &[f32], bias: &[f32]) -> Case {
        Case::new("GroupNormalization")
            .opset(opset)
            .int("num_groups", groups)
            .float("epsilon", 0.75)
            .input(floats(&[1, 4, 1], &[1.0, 2.0, 3.0, 5.0]))
            .constant(floats(&[scale.len()], scale))
            .constant(floats(&[bias.len()], bias))
    }

    #[test]
    fn values() {
        let root = 1.75f32.sqrt();
        let by_group = norm(18, &[1.0, 10.0], &[0.0, 5.0]);
        by_group.gives(
            &[1, 4, 1],
            &[-0.5, 0.5, 5.0 - 10.0 / root, 5.0 + 10.0 / root],
        );
        by_group.gradient_agrees();
        let by_channel = norm(21, &[1.0, 2.0, 10.0, 20.0], &[0.0, 1.0, 5.0, 7.0]);
        by_channel.gives(
            &[1, 4, 1],
            &[-0.5, 2.0, 5.0 - 10.0 / root, 7.0 + 20.0 / root],
        );
        by_channel.gradient_agrees();
    }

    #[test]
    fn faults() {
        norm(21, &[1.0, 1.0], &[0.0, 0.0]).fails("4 numbers each");
        norm(18, &[1.0; 4], &[0.0; 4]).fails("2 numbers each");
        grouped(3, 18, &[1.0], &[0.0]).fails("do not fall into 3 groups");
        grouped(0, 18, &[1.0], &[0.0]).fails("num_groups 0");
    }
}
