//! Conv in one to three spatial axes: `x` \[n, c, ...\], weights \[m, c / group, kernel...\], bias
//! \[m\].

use burn_backend::ops::{ConvOptions, PadMode};
use burn_backend::{Backend, Shape, TensorMetadata, tensor::FloatTensor};
use scoville_convnet::{Convolution, Kind};
use scoville_onnx::Node;

use super::place::{Axis, Window, each, layer_window, outputs, spatial};
use crate::Fault;
use crate::ops::layer::{Inputs, Part};
use crate::ops::samples::{Samples, along_first};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

pub(super) struct Conv {
    window: Window,
    group: usize,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Conv::parse(node)?))
}

pub(super) fn layer(inputs: &Inputs) -> Option<Part> {
    let conv = Conv::parse(inputs.node).ok()?;
    let (x, weights) = (inputs.facts.get(0)?, inputs.facts.get(1)?);
    let axes = conv.place(x.shape(), weights.shape()).ok()?;
    let convolution = Convolution {
        window: layer_window(&axes)?,
        filters: *weights.shape().first()?,
        groups: conv.group,
        bias: inputs.optional(2)?,
        weights: (inputs.constant)(1)?,
    };
    let channels = *x.shape().get(1)?;
    Part::of_first(Kind::Convolution(convolution.in_whole_blocks(channels)))
}

/// The attribute `group`.
pub(super) fn group(node: &Node) -> Result<usize, Fault> {
    let group = node.attributes.int_or("group", 1)?;
    usize::try_from(group)
        .ok()
        .filter(|&group| group > 0)
        .ok_or_else(|| Fault::Unsupported(format!("group {group}")))
}

impl Conv {
    pub fn parse(node: &Node) -> Result<Conv, Fault> {
        Ok(Conv {
            window: Window::parse(node)?,
            group: group(node)?,
        })
    }

    /// The output's shape.
    pub fn shape(
        &self,
        x: &[usize],
        weights: &[usize],
        bias: Option<&[usize]>,
    ) -> Result<Vec<usize>, Fault> {
        spatial(x)?;
        let (&[n, channels, ..], &[filters, depth, ref kernel @ ..]) = (x, weights) else {
            return Err(Fault::shape("the weights have no filters and channels"));
        };
        if kernel.len() + 2 != x.len() {
            return Err(Fault::shape(format!(
                "weights of {} axes do not fit an input of {}",
                weights.len(),
                x.len()
            )));
        }
        if depth.checked_mul(self.group) != Some(channels) || filters % self.group != 0 {
            return Err(Fault::shape(format!(
                "{filters} filters of depth {depth} in {} groups do not fit {channels} channels",
                self.group
            )));
        }
        if bias.is_some_and(|bias| bias != [filters]) {
            return Err(Fault::shape(format!(
                "the bias does not have {filters} elements"
            )));
        }
        let axes = self.window.place(kernel, x)?;
        Ok([[n, filters].as_slice(), &outputs(&axes)].concat())
    }

    /// Lays the window over `x`.
    pub fn place(&self, x: &[usize], weights: &[usize]) -> Result<Vec<Axis>, Fault> {
        self.window.place(weights.get(2..).unwrap_or_default(), x)
    }

    pub fn run<B: Backend>(
        &self,
        axes: &[Axis],
        x: FloatTensor<B>,
        weights: FloatTensor<B>,
        bias: Option<FloatTensor<B>>,
    ) -> FloatTensor<B> {
        match axes.len() {
            1 if self.group > 1 => self.in_two_axes::<B>(axes, x, weights, bias),
            1 => B::conv1d(x, weights, bias, options(axes, self.group)),
            2 => B::conv2d(x, weights, bias, options(axes, self.group)),
            _ => {
                let (x, axes) = padded::<B>(x, axes);
                B::conv3d(x, weights, bias, options(&axes, self.group))
            }
        }
    }

    /// One axis as the second of two: burn's gradient by the weights of groups in one axis forgets
    /// to cut what the stride leaves over.
    fn in_two_axes<B: Backend>(
        &self,
        axes: &[Axis],
        x: FloatTensor<B>,
        weights: FloatTensor<B>,
        bias: Option<FloatTensor<B>>,
    ) -> FloatTensor<B> {
        let wide = |x: FloatTensor<B>| {
            let shape = widened(&x.shape());
            B::float_reshape(x, shape)
        };
        let axes = [&[Axis::ONE], axes].concat();
        let options = options(&axes, self.group);
        let out = B::conv2d(wide(x), wide(weights), bias, options);
        let mut shape = out.shape().to_vec();
        shape.remove(2);
        B::float_reshape(out, Shape::from(shape))
    }
}

/// The shape with an axis of one place before its last.
fn widened(shape: &[usize]) -> Shape {
    let (before, last) = shape.split_at(shape.len().saturating_sub(1));
    Shape::from([before, &[1], last].concat())
}

/// Burn's gradient of a convolution in three axes takes the padding to be the same at both ends:
/// any other is laid on before.
fn padded<B: Backend>(x: FloatTensor<B>, axes: &[Axis]) -> (FloatTensor<B>, Vec<Axis>) {
    let mut axes = axes.to_vec();
    if axes.iter().all(|axis| axis.begin == axis.end) {
        return (x, axes);
    }
    let mut padding = vec![(0, 0); 2];
    padding.extend(axes.iter().map(Axis::padding));
    for axis in &mut axes {
        (axis.begin, axis.end) = (0, 0);
    }
    (B::float_pad(x, &padding, PadMode::Constant(0.0)), axes)
}

/// What burn calls the window.
fn options<const N: usize>(axes: &[Axis], group: usize) -> ConvOptions<N> {
    ConvOptions::new_with_padding(
        each(axes, |axis| axis.stride),
        each(axes, Axis::padding),
        each(axes, |axis| axis.dilation),
        group,
    )
}

impl<B: Backend> Operator<B> for Conv {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let bias = inputs.optional_float(2)?;
        let shape = self.shape(inputs.float(0)?, inputs.float(1)?, bias)?;
        Ok(vec![inputs.any(0)?.with_shape(shape)])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let axes = self.place(&inputs.shape(0)?, &inputs.shape(1)?)?;
        let (x, weights) = (inputs.tensor(0)?, inputs.tensor(1)?);
        let bias = inputs.optional_tensor(2)?;
        Ok(vec![self.run::<B>(&axes, x, weights, bias)])
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
    fn one_and_three_axes() {
        let line = || {
            Case::new("Conv")
                .input(counting(&[1, 1, 4]))
                .constant(floats(&[1, 1, 2], &[1.0, 2.0]))
        };
        line().gives(&[1, 1, 3], &[2.0, 5.0, 8.0]);
        line()
            .ints("pads", &[1, 0])
            .ints("strides", &[3])
            .gives(&[1, 1, 2], &[0.0, 8.0]);
        line().ints("pads", &[1, 0]).gradient_agrees();
        let block = || {
            Case::new("Conv")
                .input(counting(&[1, 1, 2, 2, 2]))
                .constant(counting(&[2, 1, 2, 2, 1]))
        };
        block().gives(&[1, 2, 1, 1, 2], &[28.0, 34.0, 76.0, 98.0]);
        block()
            .ints("pads", &[0, 1, 0, 1, 0, 2])
            .ints("strides", &[1, 2, 1])
            .gradient_agrees();
    }

    #[test]
    fn groups_and_weights_of_the_run() {
        let case = || {
            Case::new("Conv")
                .int("group", 2)
                .input(floats(&[1, 2, 1, 1], &[3.0, 5.0]))
        };
        let weights = || floats(&[2, 1, 1, 1], &[10.0, 100.0]);
        case()
            .constant(weights())
            .gives(&[1, 2, 1, 1], &[30.0, 500.0]);
        let computed = case().input(weights()).input(floats(&[2], &[1.0, 2.0]));
        computed.gives(&[1, 2, 1, 1], &[31.0, 502.0]);
        computed.gradient_agrees();
        let line = Case::new("Conv")
            .int("group", 2)
            .ints("strides", &[4])
            .input(floats(
                &[1, 2, 4],
                &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
            ))
            .input(floats(&[2, 1, 1], &[10.0, 100.0]));
        line.gives(&[1, 2, 1], &[10.0, 500.0]);
        line.gradient_agrees();
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
        conv(&[1, 1, 3], &[1, 1, 2, 2]).fails("weights of 4 axes do not fit an input of 3");
        conv(&[1, 1], &[1, 1]).fails("2 axes");
        conv(&[1, 1, 2, 2, 2, 2], &[1, 1, 1, 1, 1, 1]).fails("6 axes");
        conv(&[1, 0, 3], &[1, 0, 2]).fails("has an empty axis");
        conv(&[1, 1, 3], &[1, 1, 0]).fails("the kernel [0] is empty");
        plain()
            .constant(floats(&[2], &[0.0; 2]))
            .fails("the bias does not have 1 elements");
        plain().ints("strides", &[0, 1]).fails("strides [0, 1]");
        plain().ints("strides", &[1]).fails("strides [1]");
        plain()
            .ints("pads", &[0, 0, -1, 0])
            .fails("pads [0, 0, -1, 0]");
        plain()
            .ints("pads", &[1 << 20, 1 << 20, 0, 0])
            .ints("strides", &[1 << 30, 1 << 30])
            .fails("larger than the input");
        plain()
            .ints("kernel_shape", &[3, 3])
            .fails("kernel_shape is [3, 3]");
        plain().int("group", 0).fails("group 0");
        plain().string("auto_pad", "SAME").fails("auto_pad");
    }
}
