//! MaxPool over two spatial axes of \[n, c, h, w\]. Padding never wins.

use burn_backend::ops::PadMode;
use burn_backend::{Backend, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::Node;

use super::place::{Window, spatial};
use crate::Fault;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct MaxPool(Window);

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(MaxPool(Window::parse(node, None)?)))
}

impl<B: Backend> Operator<B> for MaxPool {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.float(0)?;
        let placed = self.0.place(spatial(x)?)?;
        placed.no_window_of_padding_only(&self.0)?;
        Ok(vec![Fact::float(
            [x.get(..2).unwrap_or_default(), &placed.output].concat(),
        )])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let x = inputs.tensor(0)?;
        let placed = self.0.place(spatial(&x.shape())?)?;
        let Window {
            kernel,
            stride,
            dilation,
            ..
        } = self.0;
        let (x, padding) = if placed.is_symmetric() {
            (x, placed.padding.map(|(begin, _)| begin))
        } else {
            // The lowest finite number: WGSL may assume that there is no infinity.
            (
                B::float_pad(x, &placed.of_image(), PadMode::Constant(f32::MIN)),
                [0, 0],
            )
        };
        Ok(vec![B::max_pool2d(
            x, kernel, stride, padding, dilation, false,
        )])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, floats};

    #[test]
    fn values() {
        let pool = || {
            Case::new("MaxPool")
                .input(counting(&[1, 1, 3, 3]))
                .ints("kernel_shape", &[2, 2])
        };
        pool().gives(&[1, 1, 2, 2], &[4.0, 5.0, 7.0, 8.0]);
        pool().ints("strides", &[2, 2]).gives(&[1, 1, 1, 1], &[4.0]);
        pool()
            .ints("strides", &[2, 2])
            .int("ceil_mode", 1)
            .gives(&[1, 1, 2, 2], &[4.0, 5.0, 7.0, 8.0]);
        pool()
            .ints("dilations", &[2, 2])
            .gives(&[1, 1, 1, 1], &[8.0]);
        pool()
            .ints("pads", &[1, 1, 1, 1])
            .ints("strides", &[2, 2])
            .gives(&[1, 1, 2, 2], &[0.0, 2.0, 6.0, 8.0]);
        pool().ints("pads", &[0, 0, 1, 1]).gives(
            &[1, 1, 3, 3],
            &[4.0, 5.0, 5.0, 7.0, 8.0, 8.0, 7.0, 8.0, 8.0],
        );
        pool().ints("pads", &[0, 0, 1, 1]).gradient_agrees();
        pool()
            .ints("pads", &[1, 1, 1, 1])
            .ints("strides", &[2, 2])
            .gradient_agrees();
        pool()
            .ints("strides", &[2, 2])
            .int("ceil_mode", 1)
            .gradient_agrees();
    }

    #[test]
    fn padding_never_wins() {
        Case::new("MaxPool")
            .input(floats(&[1, 1, 1, 2], &[-3.0, -5.0]))
            .ints("kernel_shape", &[1, 2])
            .ints("pads", &[0, 0, 0, 1])
            .gives(&[1, 1, 1, 2], &[-3.0, -5.0]);
    }

    #[test]
    fn faults() {
        let pool = || Case::new("MaxPool").input(counting(&[1, 1, 3, 3]));
        pool().fails("kernel_shape is missing");
        pool()
            .ints("kernel_shape", &[4, 4])
            .fails("does not fit into [3, 3]");
        pool()
            .ints("kernel_shape", &[2, 2])
            .ints("pads", &[2, 0, 0, 0])
            .fails("padding alone");
        pool().ints("kernel_shape", &[2]).fails("kernel_shape [2]");
    }
}
