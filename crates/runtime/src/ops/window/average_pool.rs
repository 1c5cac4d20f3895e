//! AveragePool over two spatial axes of \[n, c, h, w\]. Padding counts only with
//! `count_include_pad`; what hangs over the end in ceil mode never does.

use burn_backend::ops::PadMode;
use burn_backend::{Backend, TensorData, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::Node;

use super::place::{Placed, Window, spatial};
use crate::Fault;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct AveragePool {
    window: Window,
    include_pad: bool,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let window = Window::parse(node, None)?;
    if window.dilation != [1, 1] {
        return Err(Fault::Unsupported(format!(
            "dilations {:?}",
            window.dilation
        )));
    }
    let include_pad = node.attributes.int_or("count_include_pad", 0)? != 0;
    Ok(Box::new(AveragePool {
        window,
        include_pad,
    }))
}

impl AveragePool {
    /// How much larger each average is than the sum over the whole window divided by its area.
    fn corrections(&self, placed: &Placed, size: [usize; 2]) -> Vec<f32> {
        let [rows, cols] = [0, 1].map(|axis| self.counted(axis, placed, size[axis]));
        let area = self.window.kernel.iter().product::<usize>() as f32;
        rows.iter()
            .flat_map(|&r| cols.iter().map(move |&c| area / (r * c) as f32))
            .collect()
    }

    /// For each window along `axis`, how many of its places count.
    fn counted(&self, axis: usize, placed: &Placed, size: usize) -> Vec<usize> {
        let (begin, _) = placed.padding[axis];
        let (first, last) = if self.include_pad {
            (0, begin + size + self.window.explicit_end(axis, placed))
        } else {
            (begin, begin + size)
        };
        (0..placed.output[axis])
            .map(|i| i * self.window.stride[axis])
            .map(|at| (at + self.window.kernel[axis]).min(last) - at.max(first))
            .collect()
    }
}

impl<B: Backend> Operator<B> for AveragePool {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.float(0)?;
        let placed = self.window.place(spatial(x)?)?;
        placed.no_window_of_padding_only(&self.window)?;
        Ok(vec![Fact::float(
            [x.get(..2).unwrap_or_default(), &placed.output].concat(),
        )])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let x = inputs.tensor(0)?;
        let size = spatial(&x.shape())?;
        let placed = self.window.place(size)?;
        let Window { kernel, stride, .. } = self.window;
        let corrections = self.corrections(&placed, size);
        let device = x.device();
        let x = if placed.padding == [(0, 0); 2] {
            x
        } else {
            B::float_pad(x, &placed.of_image(), PadMode::Constant(0.0))
        };
        let mean = B::avg_pool2d(x, kernel, stride, [0, 0], true, false);
        if corrections.iter().all(|&correction| correction == 1.0) {
            return Ok(vec![mean]);
        }
        let [height, width] = placed.output;
        let corrections = TensorData::new(corrections, [1, 1, height, width]);
        Ok(vec![B::float_mul(
            mean,
            B::float_from_data(corrections, &device),
        )])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting};

    fn pool() -> Case {
        Case::new("AveragePool")
            .input(counting(&[1, 1, 3, 3]))
            .ints("kernel_shape", &[2, 2])
    }

    #[test]
    fn values() {
        pool().gives(&[1, 1, 2, 2], &[2.0, 3.0, 5.0, 6.0]);
        let padded = || pool().ints("strides", &[2, 2]).ints("pads", &[1, 1, 0, 0]);
        padded().gives(&[1, 1, 2, 2], &[0.0, 1.5, 4.5, 6.0]);
        padded()
            .int("count_include_pad", 1)
            .gives(&[1, 1, 2, 2], &[0.0, 0.75, 2.25, 6.0]);
        let ceil = || pool().ints("strides", &[2, 2]).int("ceil_mode", 1);
        ceil().gives(&[1, 1, 2, 2], &[2.0, 3.5, 6.5, 8.0]);
        ceil()
            .int("count_include_pad", 1)
            .gives(&[1, 1, 2, 2], &[2.0, 3.5, 6.5, 8.0]);
        padded().gradient_agrees();
        ceil().gradient_agrees();
    }

    #[test]
    fn faults() {
        pool().ints("dilations", &[2, 2]).fails("dilations [2, 2]");
        pool().ints("pads", &[0, 2, 0, 0]).fails("padding alone");
    }
}
