//! Upsample, which Resize replaced: scales are attributes before opset 9, then an input.

use burn_backend::Backend;
use scoville_onnx::Node;

use super::resize::Resize;
use crate::Fault;
use crate::ops::{Context, Parsed};

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let mut resize = Resize::early(node)?;
    if context.opset < 9 {
        resize.scales = Some(scales(node, context)?);
    }
    Ok(Box::new(resize))
}

fn scales(node: &Node, context: &Context) -> Result<Vec<f32>, Fault> {
    let missing = |name: &str| Fault::shape(format!("attribute {name} is missing"));
    if context.opset >= 7 {
        let scales = node.attributes.floats("scales")?;
        return Ok(scales.ok_or_else(|| missing("scales"))?.to_vec());
    }
    let scale = |name: &str| {
        let scale = node.attributes.float(name)?;
        scale.ok_or_else(|| missing(name))
    };
    Ok(vec![
        1.0,
        1.0,
        scale("height_scale")?,
        scale("width_scale")?,
    ])
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, floats};

    #[test]
    fn values() {
        let image = |opset| {
            Case::new("Upsample")
                .opset(opset)
                .input(counting(&[1, 1, 1, 2]))
        };
        let out = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0];
        let scales = [1.0, 1.0, 2.0, 2.0];
        image(9)
            .constant(floats(&[4], &scales))
            .gives(&[1, 1, 2, 4], &out);
        image(7)
            .floats("scales", &scales)
            .gives(&[1, 1, 2, 4], &out);
        image(6)
            .float("height_scale", 2.0)
            .float("width_scale", 2.0)
            .gives(&[1, 1, 2, 4], &out);
        let linear = image(9)
            .string("mode", "linear")
            .constant(floats(&[4], &scales));
        linear.gives(&[1, 1, 2, 4], &[0.0, 0.5, 1.0, 1.0, 0.0, 0.5, 1.0, 1.0]);
        linear.gradient_agrees();
        image(7).fails("scales is missing");
    }
}
