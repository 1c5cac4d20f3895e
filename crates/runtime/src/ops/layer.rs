//! Operators as layers of the convolutional networks that the CPU runs by kernels of its own.

use scoville_convnet::{
    Activation, Convolution, Dense, Function, Kind, Layout, Place, Smooth, Window,
};
use scoville_onnx::Node;

use crate::value::{Fact, Facts};

/// Most channels that a layer puts in another order.
pub(crate) const MAX_CHANNELS: usize = 1 << 13;
/// Most elements of a matrix that is packed: larger ones would be held twice.
const MAX_DENSE: usize = 4 << 20;

/// What a node is to a convolutional network. Its first axis is the batch.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// A layer that reads these inputs, the others being constants. The channels are the axis behind the batch, but for what
    /// treats all elements alike.
    Layer(Kind, Vec<usize>),
    /// A layer where the channels are the last axis.
    Last(Kind, Vec<usize>),
    /// What it is where the channels are the axis behind the batch, and where they are the last.
    Either([Kind; 2], Vec<usize>),
    /// A layer for each output, all of the first input.
    Several(Vec<Kind>),
    /// The elements of the first input, in the same order.
    Same,
    /// Channels behind the batch made the last axis, or the other way round: to that layout, or to the other one.
    Turned(Option<Layout>),
}

/// What a node's `layer` looks at.
pub(crate) struct Inputs<'a> {
    pub node: &'a Node,
    pub opset: i64,
    pub facts: &'a Facts,
    /// The first output.
    pub output: &'a Fact,
    pub outputs: &'a [Fact],
    /// The elements of a constant input.
    pub constant: &'a dyn Fn(usize) -> Option<Vec<f32>>,
}

/// The layer that a node is; `None` where it is none of a convolutional network.
pub(crate) type AsLayer = fn(&Inputs) -> Option<Part>;

impl Inputs<'_> {
    /// The elements of a constant input, or none where the node does not have it.
    pub fn optional(&self, index: usize) -> Option<Vec<f32>> {
        match self.facts.get(index) {
            Some(_) => (self.constant)(index),
            None => Some(Vec::new()),
        }
    }

    /// Whether the first output alone is asked for.
    pub fn one_output(&self) -> bool {
        self.node.outputs.iter().skip(1).all(String::is_empty)
    }
}

impl Part {
    /// Channels of these inputs, if they are not too many.
    pub fn channels(places: Vec<Place>, reads: Vec<usize>) -> Option<Part> {
        let few = places.len() <= MAX_CHANNELS;
        few.then_some(Part::Layer(Kind::Channels(places), reads))
    }

    /// A layer that reads the first input.
    pub fn of_first(kind: Kind) -> Option<Part> {
        Some(Part::Layer(kind, vec![0]))
    }

    pub fn activation(activation: Activation) -> Option<Part> {
        Part::of_first(Kind::Activation(activation))
    }

    pub fn smooth(function: Function, gated: bool) -> Option<Part> {
        Part::of_first(Kind::Smooth(Smooth { function, gated }))
    }

    /// The input itself, where it keeps its batch.
    pub fn same(inputs: &Inputs) -> Option<Part> {
        let batch = |fact: &Fact| fact.shape().first().copied();
        let kept = batch(inputs.facts.get(0)?) == batch(inputs.output);
        (kept && inputs.one_output()).then_some(Part::Same)
    }

    /// `weights`, outputs by inputs, by each sample's elements.
    pub fn dense(weights: Vec<f32>, bias: Vec<f32>, outputs: usize) -> Option<Part> {
        Part::of_first(Kind::Dense(Dense {
            weights,
            bias,
            outputs,
        }))
    }

    /// `scale x + shift` for each channel of input `index`.
    pub fn channelwise(index: usize, scale: Vec<f32>, shift: Vec<f32>) -> Option<Part> {
        Some(Part::Layer(channelwise(scale, shift), vec![index]))
    }

    /// A matrix of outputs by inputs by the channels of each pixel, which are the last axis.
    pub fn pixelwise(weights: Vec<f32>, filters: usize) -> Part {
        let kind = Kind::Convolution(Convolution {
            weights,
            bias: Vec::new(),
            filters,
            groups: 1,
            window: Window::whole([1, 1]),
        });
        Part::Last(kind, vec![0])
    }

    /// What `of` makes of a constant input's elements for each channel of the other: a scale and a shift.
    pub fn by_constant(
        inputs: &Inputs,
        constants: impl IntoIterator<Item = usize>,
        of: impl Fn(f32) -> [f32; 2],
    ) -> Option<Part> {
        let kind = |values: Vec<f32>| {
            let [scale, shift] = [0, 1].map(|i| values.iter().map(|&v| of(v)[i]).collect());
            channelwise(scale, shift)
        };
        constants.into_iter().find_map(|constant| {
            let reads = vec![1 - constant];
            let [first, last] = [by_channel, by_last].map(|by| by(inputs, constant).map(kind));
            match (first, last) {
                (Some(first), Some(last)) => Some(Part::Either([first, last], reads)),
                (Some(first), None) => Some(Part::Layer(first, reads)),
                (None, last) => Some(Part::Last(last?, reads)),
            }
        })
    }
}

fn channelwise(scale: Vec<f32>, shift: Vec<f32>) -> Kind {
    let filters = scale.len();
    Kind::Convolution(Convolution {
        weights: scale,
        bias: shift,
        filters,
        groups: filters,
        window: Window::whole([1, 1]),
    })
}

/// The elements of constant input `index` by channel of the other input, if it has one a channel, or one in all.
fn by_channel(inputs: &Inputs, index: usize) -> Option<Vec<f32>> {
    let x = inputs.facts.get(1 - index)?.shape();
    let constant = inputs.facts.get(index)?.shape();
    let &[_, channels, ..] = x else { return None };
    // Aligned at the last axis; only that of the channels may be longer than 1.
    let offset = x.len().checked_sub(constant.len())?;
    let fits =
        |(axis, &size): (usize, &usize)| size == 1 || (axis + offset == 1 && size == channels);
    let broadcasts = inputs.output.shape() == x;
    if !constant.iter().enumerate().all(fits) || !broadcasts || inputs.opset < 7 {
        return None;
    }
    for_each(inputs, index, channels)
}

/// The same by the last axis, where that is behind others than the batch.
fn by_last(inputs: &Inputs, index: usize) -> Option<Vec<f32>> {
    let x = inputs.facts.get(1 - index)?.shape();
    let constant = inputs.facts.get(index)?.shape();
    let &[_, _, .., channels] = x else {
        return None;
    };
    let before = constant.split_last().map_or(&[][..], |(_, before)| before);
    let size = constant.last().copied().unwrap_or(1);
    let fits = before.iter().all(|&size| size == 1) && (size == 1 || size == channels);
    if !fits || inputs.output.shape() != x || inputs.opset < 7 {
        return None;
    }
    for_each(inputs, index, channels)
}

/// The elements of a constant input, as many as channels where there is one in all.
fn for_each(inputs: &Inputs, index: usize, channels: usize) -> Option<Vec<f32>> {
    let values = (inputs.constant)(index)?;
    match values.as_slice() {
        [value] => Some(vec![*value; channels]),
        _ => Some(values),
    }
}

/// Whether a matrix is worth packing.
pub(crate) fn is_packed(depth: usize, outputs: usize) -> bool {
    depth
        .checked_mul(outputs)
        .is_some_and(|size| size <= MAX_DENSE)
}

/// A matrix of inputs by outputs, as outputs by inputs.
pub(crate) fn by_output(weights: &[f32], depth: usize, outputs: usize) -> Vec<f32> {
    let element = |i: usize| weights.get(i % depth * outputs + i / depth).copied();
    (0..weights.len()).map_while(element).collect()
}

/// One or two numbers as those of rows and columns; of one, the rows have `first`.
pub(crate) fn two(of: &[usize], first: usize) -> [usize; 2] {
    match *of {
        [cols] => [first, cols],
        [rows, cols, ..] => [rows, cols],
        [] => [first, first],
    }
}
