//! AveragePool over one to three spatial axes. Padding counts only with `count_include_pad`; what
//! hangs over the end in ceil mode never does.

use burn_backend::ops::{ConvOptions, PadMode};
use burn_backend::{Backend, Shape, TensorData, TensorMetadata, tensor::FloatTensor};
use scoville_convnet::Kind;
use scoville_onnx::Node;

use super::place::{Axis, Window, each, layer_window, outputs};
use super::separable::passes;
use crate::Fault;
use crate::ops::layer::{Inputs, Part};
use crate::ops::samples::{Samples, along_first};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct AveragePool {
    window: Window,
    include_pad: bool,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let include_pad = node.attributes.int_or("count_include_pad", 0)? != 0;
    Ok(Box::new(AveragePool {
        window: Window::parse(node)?,
        include_pad,
    }))
}

pub(super) fn layer(inputs: &Inputs) -> Option<Part> {
    let count_padding = inputs.node.attributes.int_or("count_include_pad", 0).ok()? != 0;
    let axes = Window::parse(inputs.node).ok()?;
    let axes = axes.place_pool(inputs.facts.get(0)?.shape()).ok()?;
    // What hangs over in ceil mode does not count, which the layer cannot tell from padding.
    let hangs = axes.iter().any(|axis| axis.end != axis.asked_end);
    let window = layer_window(&axes).filter(|_| !(count_padding && hangs))?;
    Part::of_first(Kind::AveragePool {
        window,
        count_padding,
    })
}

/// The sum over each window, divided by how many places a window has; padding is zero.
pub(super) fn padded_mean<B: Backend>(x: FloatTensor<B>, axes: &[Axis; 2]) -> FloatTensor<B> {
    let [kernel, stride, dilation] = [
        each(axes, |axis| axis.kernel),
        each(axes, |axis| axis.stride),
        each(axes, |axis| axis.dilation),
    ];
    if dilation != [1, 1] {
        return dilated_mean::<B>(x, axes);
    }
    let x = if axes.iter().any(Axis::is_padded) {
        let [rows, columns] = each(axes, Axis::padding);
        let padding = [(0, 0), (0, 0), rows, columns];
        B::float_pad(x, &padding, PadMode::Constant(0.0))
    } else {
        x
    };
    B::avg_pool2d(x, kernel, stride, [0, 0], true, false)
}

/// The same by a convolution with equal weights, for burn's average has no dilation.
fn dilated_mean<B: Backend>(x: FloatTensor<B>, axes: &[Axis; 2]) -> FloatTensor<B> {
    let shape = x.shape().to_vec();
    let [rows, columns]: [Axis; 2] = *axes;
    let planes = shape.iter().take(2).product();
    let places = rows.kernel * columns.kernel;
    let weights = TensorData::new(
        vec![1.0 / places as f32; places],
        [1, 1, rows.kernel, columns.kernel],
    );
    let weights = B::float_from_data(weights, &x.device());
    let options = ConvOptions::new_with_padding(
        each(axes, |axis| axis.stride),
        each(axes, Axis::padding),
        each(axes, |axis| axis.dilation),
        1,
    );
    let x = B::float_reshape(x, Shape::from(vec![planes, 1, rows.size, columns.size]));
    let mean = B::conv2d(x, weights, None, options);
    let kept = shape.into_iter().take(2);
    let shape = kept
        .chain([rows.output, columns.output])
        .collect::<Vec<_>>();
    B::float_reshape(mean, Shape::from(shape))
}

impl AveragePool {
    /// Averages along two axes.
    fn pass<B: Backend>(&self, x: FloatTensor<B>, axes: &[Axis; 2]) -> FloatTensor<B> {
        let [rows, columns] = axes.map(|axis| self.corrections(&axis));
        let device = x.device();
        let mean = padded_mean::<B>(x, axes);
        if rows.iter().chain(&columns).all(|&factor| factor == 1.0) {
            return mean;
        }
        let factors = rows.iter().flat_map(|r| columns.iter().map(move |c| r * c));
        let factors = TensorData::new(
            factors.collect::<Vec<f32>>(),
            [1, 1, rows.len(), columns.len()],
        );
        B::float_mul(mean, B::float_from_data(factors, &device))
    }

    /// For each window along an axis, how much larger the average is than the sum divided by all
    /// places.
    fn corrections(&self, axis: &Axis) -> Vec<f32> {
        let (first, last) = if self.include_pad {
            (0, axis.begin + axis.size + axis.asked_end)
        } else {
            (axis.begin, axis.begin + axis.size)
        };
        // The first place of a window that is at `border` or after it.
        let reaching = |window: usize, border: usize| {
            let before = border.saturating_sub(window * axis.stride);
            before.div_ceil(axis.dilation).min(axis.kernel)
        };
        let counted = |window| reaching(window, last) - reaching(window, first);
        (0..axis.output)
            .map(|window| axis.kernel as f32 / counted(window).max(1) as f32)
            .collect()
    }
}

impl<B: Backend> Operator<B> for AveragePool {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.float(0)?;
        let out = outputs(&self.window.place_pool(x)?);
        let planes = x.get(..2).unwrap_or_default();
        Ok(vec![inputs.any(0)?.with_shape([planes, &out].concat())])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let axes = self.window.place_pool(&inputs.shape(0)?)?;
        let x = inputs.tensor(0)?;
        let pass = |x, axes: &[Axis; 2]| self.pass::<B>(x, axes);
        Ok(vec![passes::<B>(x, &axes, pass)])
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
    fn dilations() {
        let dilated = || pool().ints("dilations", &[2, 2]);
        dilated().gives(&[1, 1, 1, 1], &[4.0]);
        let padded = || dilated().ints("pads", &[1, 1, 1, 1]);
        padded().gives(
            &[1, 1, 3, 3],
            &[4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0],
        );
        padded().gradient_agrees();
    }

    #[test]
    fn one_and_three_axes() {
        let line = || {
            Case::new("AveragePool")
                .input(counting(&[1, 2, 3]))
                .ints("kernel_shape", &[2])
        };
        line().gives(&[1, 2, 2], &[0.5, 1.5, 3.5, 4.5]);
        line().ints("pads", &[0, 1]).gradient_agrees();
        let block = || {
            Case::new("AveragePool")
                .input(counting(&[1, 2, 3, 2, 2]))
                .ints("kernel_shape", &[2, 2, 1])
        };
        block().gives(
            &[1, 2, 2, 1, 2],
            &[3.0, 4.0, 7.0, 8.0, 15.0, 16.0, 19.0, 20.0],
        );
        block()
            .ints("pads", &[1, 0, 0, 0, 1, 0])
            .ints("dilations", &[2, 1, 1])
            .gradient_agrees();
    }

    #[test]
    fn faults() {
        pool().ints("pads", &[0, 2, 0, 0]).fails("padding alone");
        pool().ints("dilations", &[0, 1]).fails("dilations [0, 1]");
    }
}
