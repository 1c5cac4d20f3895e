//! BatchNormalization at inference: `(x - mean) / sqrt(var + epsilon) * scale + bias`, per channel
//! (axis 1). Ioffe and Szegedy 2015. Most of them are folded into the convolution before them and
//! never come here.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::layer::{Inputs, Part};
use crate::ops::samples::{Samples, along_first};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct BatchNormalization {
    epsilon: f32,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    inference_only(node)?;
    Ok(Box::new(BatchNormalization {
        epsilon: epsilon(node)?,
    }))
}

/// The attribute with its default.
pub(crate) fn epsilon(node: &Node) -> Result<f32, Fault> {
    Ok(node.attributes.float_or("epsilon", 1e-5)?)
}

/// Refuses what would use the statistics of the batch.
pub(crate) fn inference_only(node: &Node) -> Result<(), Fault> {
    if node.attributes.int_or("training_mode", 0)? != 0 {
        return Err(Fault::Unsupported(
            "training_mode; export in evaluation mode: it".into(),
        ));
    }
    // Before opset 14, further outputs ask for the statistics of the batch.
    if node.outputs.iter().skip(1).any(|name| !name.is_empty()) {
        return Err(Fault::Unsupported(
            "an output of batch statistics; export in evaluation mode: it".into(),
        ));
    }
    if node.attributes.int_or("spatial", 1)? != 1 {
        return Err(Fault::Unsupported("spatial=0".into()));
    }
    Ok(())
}

pub(super) fn layer(inputs: &Inputs) -> Option<Part> {
    let epsilon = f64::from(epsilon(inputs.node).ok()?);
    let parameter = |index: usize| (inputs.constant)(index);
    let (scale, bias) = (parameter(1)?, parameter(2)?);
    let (mean, variance) = (parameter(3)?, parameter(4)?);
    let scale: Vec<f64> = (scale.iter().zip(&variance))
        .map(|(&scale, &variance)| f64::from(scale) / (f64::from(variance) + epsilon).sqrt())
        .collect();
    let shift = (bias.iter().zip(&mean).zip(&scale))
        .map(|((&bias, &mean), scale)| (f64::from(bias) - f64::from(mean) * scale) as f32)
        .collect();
    Part::channelwise(
        0,
        scale.into_iter().map(|scale| scale as f32).collect(),
        shift,
    )
}

impl<B: Backend> Operator<B> for BatchNormalization {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.float(0)?;
        let &[_, channels, ..] = x else {
            return Err(Fault::shape("the input has no channel axis"));
        };
        for i in 1..5 {
            if inputs.float(i)? != [channels] {
                return Err(Fault::shape(format!(
                    "input {i} is not one number a channel"
                )));
            }
        }
        Ok(vec![inputs.any(0)?.with_shape(x.to_vec())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let x = inputs.tensor(0)?;
        let (scale, bias) = (inputs.tensor(1)?, inputs.tensor(2)?);
        let (mean, variance) = (inputs.tensor(3)?, inputs.tensor(4)?);
        Ok(vec![B::batch_norm(
            x,
            scale,
            bias,
            mean,
            variance,
            self.epsilon.into(),
        )])
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

    fn norm(x: crate::ops::testing::Operand) -> Case {
        Case::new("BatchNormalization")
            .float("epsilon", 0.25)
            .input(x)
            .constant(floats(&[2], &[2.0, 3.0]))
            .constant(floats(&[2], &[10.0, 20.0]))
            .constant(floats(&[2], &[1.0, -1.0]))
            .constant(floats(&[2], &[0.0, 3.75]))
    }

    #[test]
    fn values() {
        // Channel 0: (x - 1) / 0.5 * 2 + 10; channel 1: (x + 1) / 2 * 3 + 20.
        let x = || floats(&[1, 2, 1, 2], &[1.0, 2.0, -1.0, 1.0]);
        norm(x()).gives(&[1, 2, 1, 2], &[10.0, 14.0, 20.0, 23.0]);
        norm(floats(&[2, 2], &[1.0, -1.0, 2.0, 1.0])).gives(&[2, 2], &[10.0, 20.0, 14.0, 23.0]);
        norm(x()).gradient_agrees();
    }

    #[test]
    fn faults() {
        norm(floats(&[1, 3], &[0.0; 3])).fails("input 1 is not one number a channel");
        norm(floats(&[2], &[0.0; 2])).fails("no channel axis");
        norm(floats(&[1, 2], &[0.0; 2]))
            .int("training_mode", 1)
            .fails("training_mode");
        norm(floats(&[1, 2], &[0.0; 2]))
            .outputs(5)
            .fails("batch statistics");
        norm(floats(&[1, 2], &[0.0; 2]))
            .int("spatial", 0)
            .fails("spatial=0");
    }
}
