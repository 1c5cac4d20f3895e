//! Clip: `min(max(x, min), max)`. The bounds are attributes up to opset 10, constant inputs after.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{Data, Node};

use super::{Context, Operator, Parsed};
use crate::Fault;
use crate::value::{Fact, Facts, Values};

struct Clip {
    min: Option<f32>,
    max: Option<f32>,
}

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let clip = if context.opset < 11 {
        Clip {
            min: node.attributes.float("min")?,
            max: node.attributes.float("max")?,
        }
    } else {
        Clip {
            min: bound(node, 1, context)?,
            max: bound(node, 2, context)?,
        }
    };
    Ok(Box::new(clip))
}

fn bound(node: &Node, index: usize, context: &Context) -> Result<Option<f32>, Fault> {
    let Some(name) = node.inputs.get(index).filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    match context.constants.get(name).map(|tensor| &tensor.data) {
        Some(Data::F32(values)) if values.len() == 1 => Ok(values.first().copied()),
        _ => Err(Fault::Input {
            index,
            what: "must be one constant float",
        }),
    }
}

impl<B: Backend> Operator<B> for Clip {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        Ok(vec![Fact::Float(inputs.float(0)?.to_vec())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let mut x = inputs.float(0)?;
        if let Some(min) = self.min {
            x = B::float_clamp_min(x, min.into());
        }
        if let Some(max) = self.max {
            x = B::float_clamp_max(x, max.into());
        }
        Ok(vec![x])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let clip = |opset| {
            Case::new("Clip")
                .opset(opset)
                .input(floats(&[3], &[-7.0, 0.5, 9.0]))
        };
        clip(10)
            .float("min", 0.0)
            .float("max", 6.0)
            .gives(&[3], &[0.0, 0.5, 6.0]);
        clip(10).gives(&[3], &[-7.0, 0.5, 9.0]);
        let bounds = || {
            clip(13)
                .constant(floats(&[], &[0.0]))
                .constant(floats(&[], &[6.0]))
        };
        bounds().gives(&[3], &[0.0, 0.5, 6.0]);
        bounds().gradient_agrees();
        clip(13)
            .absent()
            .constant(floats(&[], &[6.0]))
            .gives(&[3], &[-7.0, 0.5, 6.0]);
        clip(13)
            .input(floats(&[], &[0.0]))
            .fails("must be one constant float");
    }
}
