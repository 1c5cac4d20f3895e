//! Conv in two spatial axes: `x` \[n, c, h, w\], weights \[m, c / group, kh, kw\], bias \[m\].

use burn_backend::ops::ConvOptions;
use burn_backend::{Backend, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::Node;

use super::place::{Window, spatial};
use crate::Fault;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct Conv {
    window: Window,
    group: usize,
}

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let weights = node
        .inputs
        .get(1)
        .and_then(|name| context.constants.get(name));
    let kernel = weights.map(|tensor| spatial(&tensor.shape)).transpose()?;
    let group = node.attributes.int_or("group", 1)?;
    let group = usize::try_from(group)
        .ok()
        .filter(|&group| group > 0)
        .ok_or_else(|| Fault::Unsupported(format!("group {group}")))?;
    Ok(Box::new(Conv {
        window: Window::parse(node, kernel)?,
        group,
    }))
}

impl<B: Backend> Operator<B> for Conv {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (x, weights) = (inputs.float(0)?, inputs.float(1)?);
        let size = spatial(x)?;
        let (&[n, channels, ..], &[filters, depth, ..]) = (x, weights) else {
            return Err(Fault::Unsupported("a convolution without channels".into()));
        };
        if spatial(weights)? != self.window.kernel {
            return Err(Fault::shape("the weights differ from kernel_shape"));
        }
        if depth.checked_mul(self.group) != Some(channels) || filters % self.group != 0 {
            return Err(Fault::shape(format!(
                "{filters} filters of depth {depth} in {} groups do not fit {channels} channels",
                self.group
            )));
        }
        if inputs
            .optional_float(2)?
            .is_some_and(|bias| bias != [filters])
        {
            return Err(Fault::shape(format!(
                "the bias does not have {filters} elements"
            )));
        }
        let [height, width] = self.window.place(size)?.output;
        Ok(vec![Fact::float(vec![n, filters, height, width])])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let (x, weights, bias) = (
            inputs.tensor(0)?,
            inputs.tensor(1)?,
            inputs.optional_tensor(2)?,
        );
        let placed = self.window.place(spatial(&x.shape())?)?;
        let Window {
            stride, dilation, ..
        } = self.window;
        let options = ConvOptions::new_with_padding(stride, placed.padding, dilation, self.group);
        Ok(vec![B::conv2d(x, weights, bias, options)])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, floats};

    /// One channel of 0..9 in 3 x 3 and a 2 x 2 kernel.
    fn plain() -> Case {
        let kernel = floats(&[1, 1, 2, 2], &[1.0, 2.0, 3.0, 4.0]);
        Case::new("Conv")
            .input(counting(&[1, 1, 3, 3]))
            .constant(kernel)
    }

    #[test]
    fn values() {
        plain().gives(&[1, 1, 2, 2], &[27.0, 37.0, 57.0, 67.0]);
        plain()
            .constant(floats(&[1], &[0.5]))
            .gives(&[1, 1, 2, 2], &[27.5, 37.5, 57.5, 67.5]);
        plain()
            .ints("strides", &[2, 1])
            .gives(&[1, 1, 1, 2], &[27.0, 37.0]);
        plain()
            .ints("dilations", &[2, 2])
            .gives(&[1, 1, 1, 1], &[54.0]);
        // Padding at the top and the left only.
        plain().ints("pads", &[1, 1, 0, 0]).gives(
            &[1, 1, 3, 3],
            &[0.0, 4.0, 11.0, 12.0, 27.0, 37.0, 30.0, 57.0, 67.0],
        );
        plain().string("auto_pad", "SAME_UPPER").gives(
            &[1, 1, 3, 3],
            &[27.0, 37.0, 17.0, 57.0, 67.0, 29.0, 20.0, 23.0, 8.0],
        );
    }

    #[test]
    fn groups() {
        Case::new("Conv")
            .int("group", 2)
            .input(floats(&[1, 2, 1, 1], &[3.0, 5.0]))
            .constant(floats(&[2, 1, 1, 1], &[10.0, 100.0]))
            .gives(&[1, 2, 1, 1], &[30.0, 500.0]);
    }

    #[test]
    fn gradients() {
        plain().gradient_agrees();
        plain()
            .ints("pads", &[1, 0, 0, 1])
            .ints("strides", &[2, 2])
            .gradient_agrees();
        plain()
            .ints("dilations", &[2, 1])
            .string("auto_pad", "SAME_LOWER")
            .gradient_agrees();
        Case::new("Conv")
            .int("group", 2)
            .ints("pads", &[1, 1, 1, 1])
            .input(counting(&[2, 4, 5, 5]))
            .constant(counting(&[6, 2, 3, 3]))
            .gradient_agrees();
    }

    #[test]
    fn faults() {
        let conv =
            |x: &[usize], w: &[usize]| Case::new("Conv").input(counting(x)).constant(counting(w));
        conv(&[1, 2, 3, 3], &[1, 1, 2, 2]).fails("do not fit 2 channels");
        conv(&[1, 2, 3, 3], &[3, 1, 2, 2])
            .int("group", 2)
            .fails("do not fit 2 channels");
        conv(&[1, 1, 3, 3], &[1, 1, 4, 4]).fails("does not fit into [3, 3]");
        conv(&[1, 1, 3], &[1, 1, 2]).fails("3 axes");
        plain()
            .constant(floats(&[2], &[0.0; 2]))
            .fails("the bias does not have 1 elements");
        plain().ints("strides", &[0, 1]).fails("strides [0, 1]");
        plain()
            .ints("pads", &[0, 0, -1, 0])
            .fails("pads [0, 0, -1, 0]");
        plain()
            .ints("kernel_shape", &[3, 3])
            .fails("kernel_shape is [3, 3]");
        plain().int("group", 0).fails("group 0");
        plain().string("auto_pad", "SAME").fails("auto_pad");
    }
}
