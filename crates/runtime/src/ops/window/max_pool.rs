//! MaxPool over one to three spatial axes, of floats or whole numbers. Padding never wins. The
//! second output says where in the whole input each maximum lies; the first of equals wins.

use burn_backend::ops::PadMode;
use burn_backend::{Backend, IntDType, Shape, TensorMetadata, tensor::FloatTensor};
use scoville_convnet::Kind;
use scoville_onnx::{DType, Node};

use super::place::{Axis, Window, affordable, each, layer_window, outputs};
use super::separable::passes;
use crate::Fault;
use crate::ops::layer::{Inputs, Part};
use crate::ops::samples::{Samples, along_first};
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, MAX_EXACT, Values};

struct MaxPool {
    window: Window,
    /// Whether the second output is asked for.
    indices: bool,
    /// In the indices, the first spatial axis is the one that varies fastest.
    column_major: bool,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(MaxPool {
        window: Window::parse(node)?,
        indices: node.outputs.get(1).is_some_and(|name| !name.is_empty()),
        column_major: node.attributes.int_or("storage_order", 0)? != 0,
    }))
}

pub(super) fn layer(inputs: &Inputs) -> Option<Part> {
    let axes = Window::parse(inputs.node).ok()?;
    let axes = axes.place_pool(inputs.facts.get(0)?.shape()).ok()?;
    let window = layer_window(&axes).filter(|_| inputs.one_output())?;
    Part::of_first(Kind::MaxPool(window))
}

/// Pads with the lowest finite number (WGSL may assume that there is no infinity), unless burn can
/// pad by itself.
fn padded<B: Backend>(x: FloatTensor<B>, axes: &[Axis; 2]) -> (FloatTensor<B>, [usize; 2]) {
    if axes.iter().all(|axis| axis.begin == axis.end) {
        return (x, each(axes, |axis| axis.begin));
    }
    let [rows, columns] = each(axes, Axis::padding);
    let padding = [(0, 0), (0, 0), rows, columns];
    let x = B::float_pad(x, &padding, PadMode::Constant(f32::MIN));
    (x, [0, 0])
}

/// The maximum of each window along two axes.
pub(super) fn maximum<B: Backend>(x: FloatTensor<B>, axes: &[Axis; 2]) -> FloatTensor<B> {
    let (x, padding) = padded::<B>(x, axes);
    let [kernel, stride, dilation] = [
        each(axes, |axis| axis.kernel),
        each(axes, |axis| axis.stride),
        each(axes, |axis| axis.dilation),
    ];
    B::max_pool2d(x, kernel, stride, padding, dilation, false)
}

/// The maxima of windows along all axes, and at each maximum the element of `labels`, which has the
/// shape of `x`. One axis at a time, from the last on.
fn labelled<B: Backend>(
    x: FloatTensor<B>,
    labels: FloatTensor<B>,
    axes: &[Axis],
) -> (FloatTensor<B>, FloatTensor<B>) {
    let mut shape = x.shape().to_vec();
    let (mut x, mut labels) = (x, labels);
    for (i, axis) in axes.iter().enumerate().rev() {
        let (before, rest) = shape.split_at(i + 2);
        let after: usize = rest.iter().skip(1).product();
        let rows: usize = before.iter().product();
        let flat = |x| B::float_reshape(x, Shape::from(vec![rows, axis.size, after]));
        let padding = [(0, 0), axis.padding(), (0, 0)];
        let pad = |x, value| B::float_pad(flat(x), &padding, PadMode::Constant(value));
        let (padded, places) = (pad(x, f32::MIN), pad(labels, 0.0));
        // Windows as a new axis after that of the outputs.
        let taps = |x: FloatTensor<B>| {
            let taps = (0..axis.kernel).map(|tap| {
                let start = tap * axis.dilation;
                let end = start + (axis.output - 1) * axis.stride + 1;
                let along = burn_backend::Slice::new(
                    start as isize,
                    Some(end as isize),
                    axis.stride as isize,
                );
                let tap = B::float_slice(x.clone(), &[(0..rows).into(), along, (0..after).into()]);
                B::float_reshape(tap, Shape::from(vec![rows, 1, axis.output * after]))
            });
            B::float_cat(taps.collect(), 1)
        };
        let (maxima, which) = B::float_max_dim_with_indices(taps(padded), 1, IntDType::I32);
        let places = B::float_gather(1, taps(places), which);
        if let Some(size) = shape.get_mut(i + 2) {
            *size = axis.output;
        }
        let unflat = |x| B::float_reshape(x, Shape::from(shape.clone()));
        (x, labels) = (unflat(maxima), unflat(places));
    }
    (x, labels)
}

impl MaxPool {
    /// The index of every element of `shape`.
    fn positions(&self, shape: &[usize]) -> Vec<f32> {
        let (planes, spatial) = shape.split_at(2);
        let planes: usize = planes.iter().product();
        let plane: usize = spatial.iter().product();
        let place = |element: usize| {
            if !self.column_major {
                return element;
            }
            let mut rest = element;
            let mut stride = plane;
            let mut at = 0;
            for &size in spatial.iter().rev() {
                stride /= size;
                at += rest % size * stride;
                rest /= size;
            }
            at
        };
        let of_plane =
            |p: usize| (0..plane).map(move |element| (p * plane + place(element)) as f32);
        (0..planes).flat_map(of_plane).collect()
    }
}

impl<B: Backend> Operator<B> for MaxPool {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.shape(0)?;
        let axes = self.window.place_pool(x)?;
        let shape = [x.get(..2).unwrap_or_default(), &outputs(&axes)].concat();
        let maxima = inputs.any(0)?.with_shape(shape.clone());
        if !self.indices {
            return Ok(vec![maxima]);
        }
        if count(x)? as u64 > MAX_EXACT as u64 {
            return Err(Fault::Unsupported(
                "indices into an input of more than 2^24 elements: it".into(),
            ));
        }
        // `labelled` lays the windows along one axis out, before those along the axes before it.
        for (i, axis) in axes.iter().enumerate() {
            let rest = shape.get(i + 2..).unwrap_or_default();
            let laid_out = rest.iter().chain([&axis.kernel]).map(|&size| Some(size));
            let before = x.get(..i + 2).unwrap_or_default();
            affordable(before, laid_out, &[x])?;
        }
        Ok(vec![maxima, Fact::new(DType::I64, shape)])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let axes = self.window.place_pool(&shape)?;
        let x = inputs.tensor(0)?;
        if !self.indices {
            return Ok(vec![passes::<B>(x, &axes, maximum::<B>)]);
        }
        let labels = inputs.upload(&shape, self.positions(&shape));
        let (maxima, places) = labelled::<B>(x, labels, &axes);
        Ok(vec![maxima, places])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        // Indices count over the whole batch.
        let alone = outputs.len() == 1;
        along_first(samples, &[0], outputs.len()).filter(|_| alone)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting, floats, ints};

    fn pool() -> Case {
        Case::new("MaxPool")
            .input(counting(&[1, 1, 3, 3]))
            .ints("kernel_shape", &[2, 2])
    }

    #[test]
    fn values() {
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
    fn one_and_three_axes() {
        let line = Case::new("MaxPool")
            .input(floats(&[1, 1, 4], &[1.0, 3.0, 2.0, 0.0]))
            .ints("kernel_shape", &[2]);
        line.gives(&[1, 1, 3], &[3.0, 3.0, 2.0]);
        line.gradient_agrees();
        let block = Case::new("MaxPool")
            .input(counting(&[1, 2, 2, 2, 3]))
            .ints("kernel_shape", &[2, 1, 2])
            .ints("pads", &[0, 0, 0, 0, 0, 1])
            .ints("strides", &[1, 1, 2]);
        block.gives(
            &[1, 2, 1, 2, 2],
            &[7.0, 8.0, 10.0, 11.0, 19.0, 20.0, 22.0, 23.0],
        );
        block.gradient_agrees();
    }

    #[test]
    fn indices() {
        let planes = || {
            Case::new("MaxPool")
                .outputs(2)
                .input(floats(
                    &[1, 2, 2, 3],
                    &[5.0, 1.0, 1.0, 1.0, 1.0, 7.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0],
                ))
                .ints("kernel_shape", &[2, 2])
        };
        planes().gives(&[1, 2, 1, 2], &[5.0, 7.0, 2.0, 2.0]);
        planes().output_gives(1, &[1, 2, 1, 2], &[0.0, 5.0, 6.0, 7.0]);
        planes()
            .int("storage_order", 1)
            .output_gives(1, &[1, 2, 1, 2], &[0.0, 5.0, 6.0, 8.0]);
        let padded = || {
            planes()
                .ints("pads", &[1, 0, 0, 1])
                .ints("strides", &[2, 2])
        };
        padded().output_gives(1, &[1, 2, 1, 2], &[0.0, 2.0, 6.0, 8.0]);
        let distinct = floats(&[1, 1, 2, 3], &[5.0, 1.0, 3.0, 2.0, 4.0, 7.0]);
        Case::new("MaxPool")
            .outputs(2)
            .input(distinct)
            .ints("kernel_shape", &[2, 2])
            .gradient_agrees();
    }

    #[test]
    fn whole_numbers() {
        Case::new("MaxPool")
            .input(ints(&[1, 1, 3], &[-3, -5, -4]))
            .ints("kernel_shape", &[2])
            .ints("pads", &[0, 1])
            .gives(&[1, 1, 3], &[-3.0, -4.0, -4.0]);
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
        Case::new("MaxPool")
            .outputs(2)
            .input(counting(&[1, 1, 1 << 12, (1 << 12) + 1]))
            .ints("kernel_shape", &[2, 2])
            .fails("more than 2^24");
    }
}
