//! What a network is made of, as its caller says it.

pub use crate::channels::Place;
pub use crate::end::Activation;
pub use crate::norm::Norm;
use crate::plan::depthwise;
use crate::simd::BLOCK;
pub use crate::smooth::{Function, Smooth};

/// Most weights of a convolution whose groups are taken together.
const MOST_TOGETHER: usize = 1 << 24;

/// In which order a sample's elements are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// Channels, rows, columns.
    #[default]
    First,
    /// Rows, columns, channels.
    Last,
}

/// A network's layer. Value 0 is the network's input, layer `i` makes value `i + 1`.
#[derive(Debug, Clone)]
pub struct Layer {
    pub kind: Kind,
    /// The values that it reads; earlier than its own.
    pub inputs: Vec<usize>,
}

/// What a layer computes.
#[derive(Debug, Clone)]
pub enum Kind {
    Convolution(Convolution),
    /// A matrix by all of the input's elements, in the order of channels, rows, columns.
    Dense(Dense),
    /// The sum of two values of one shape.
    Add,
    Activation(Activation),
    Smooth(Smooth),
    Norm(Norm),
    /// The product of two values of one shape; or the second has one pixel, a factor for each channel.
    Multiply,
    /// Channel `i` is that of place `i`; none is there twice.
    Channels(Vec<Place>),
    /// The largest of each window; the gradient goes to the first.
    MaxPool(Window),
    /// The mean of each window.
    AveragePool {
        window: Window,
        /// Whether padding counts as zeros.
        count_padding: bool,
    },
}

impl Layer {
    /// Takes the layer of kind `next` in, which reads `inputs` and is the only reader of the value `own` that this one
    /// makes: a shift of each output as its bias, where it has none; or what makes `x f(x)` of `f(x)`.
    pub fn absorb(&mut self, own: usize, next: &Kind, inputs: &[usize]) -> bool {
        match (next, inputs) {
            (Kind::Convolution(next), &[value]) if value == own => self.kind.shift(next),
            (Kind::Multiply, &[a, b]) => {
                let other = if a == own { b } else { a };
                self.gate(other)
            }
            _ => false,
        }
    }

    /// Makes `x f(x)` of `f(x)`, where `x` is the value `other`.
    fn gate(&mut self, other: usize) -> bool {
        match &mut self.kind {
            Kind::Smooth(smooth) if !smooth.gated && self.inputs == [other] => {
                smooth.gated = true;
                true
            }
            _ => false,
        }
    }
}

impl Kind {
    /// Takes `next` as its bias, where it has none and that is a shift of each of its outputs.
    fn shift(&mut self, next: &Convolution) -> bool {
        let (bias, outputs) = match self {
            Kind::Convolution(conv) => (&mut conv.bias, conv.filters),
            Kind::Dense(dense) => (&mut dense.bias, dense.outputs),
            _ => return false,
        };
        let alone = next.window == Window::whole([1, 1]) && next.groups == next.filters;
        let lengths = [next.filters, next.weights.len(), next.bias.len()];
        let shifts = alone && lengths == [outputs; 3] && next.weights.iter().all(|w| *w == 1.0);
        if !shifts || bias.iter().any(|bias| *bias != 0.0) {
            return false;
        }
        bias.clone_from(&next.bias);
        true
    }
}

/// A correlation in two axes, with padding of zeros.
#[derive(Debug, Clone)]
pub struct Convolution {
    /// Filters, channels of a group, kernel rows, kernel columns.
    pub weights: Vec<f32>,
    /// One a filter, or none.
    pub bias: Vec<f32>,
    pub filters: usize,
    pub groups: usize,
    pub window: Window,
}

impl Convolution {
    /// The same over `channels`, where groups are no whole blocks of 16 with as few of them taken together as make some, or
    /// all: what lies between them are zeros. A depthwise convolution stays as it is, and so does one of too many weights.
    pub fn in_whole_blocks(self, channels: usize) -> Convolution {
        let groups = self.groups;
        if groups < 2 || depthwise(&self, channels) {
            return self;
        }
        let [depth, filters] = [channels, self.filters].map(|all| all / groups);
        let taps: usize = self.window.kernel.iter().product();
        let even = [channels, self.filters].map(|all| all.is_multiple_of(groups));
        if even != [true; 2] || depth * filters * taps == 0 {
            return self;
        }
        let whole = |k: &usize| {
            let blocks = [depth, filters].map(|each| (k * each).is_multiple_of(BLOCK));
            groups.is_multiple_of(*k) && blocks == [true; 2]
        };
        let together = (1..groups).find(whole).unwrap_or(groups);
        let len = self.weights.len().saturating_mul(together);
        let fits = self.weights.len() == self.filters * depth * taps;
        if together == 1 || len > MOST_TOGETHER || !fits {
            return self;
        }
        let mut weights = vec![0.0; len];
        let rows = weights.chunks_exact_mut(together * depth * taps);
        for (filter, (row, own)) in rows
            .zip(self.weights.chunks_exact(depth * taps))
            .enumerate()
        {
            let at = filter / filters % together;
            row[at * own.len()..][..own.len()].copy_from_slice(own);
        }
        Convolution {
            weights,
            groups: groups / together,
            ..self
        }
    }
}

/// A matrix of `outputs` rows, and a bias of as many or none.
#[derive(Debug, Clone)]
pub struct Dense {
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
    pub outputs: usize,
}

/// A window that slides over rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    /// Padding before and after.
    pub begin: [usize; 2],
    pub end: [usize; 2],
}

impl Window {
    /// The window as large as its input, of rows and columns.
    pub fn whole(size: [usize; 2]) -> Window {
        Window {
            kernel: size,
            stride: size,
            dilation: [1, 1],
            begin: [0, 0],
            end: [0, 0],
        }
    }

    /// Whether it is all of an input of `size` pixels, in one place.
    pub fn is_whole(&self, size: [usize; 2]) -> bool {
        let bare = self.begin == [0, 0] && self.end == [0, 0] && self.dilation == [1, 1];
        bare && self.kernel == size
    }

    /// Where the window lies over `rows` x `cols`; `None` where it does not fit.
    pub(crate) fn places(&self, size: [usize; 2]) -> Option<[usize; 2]> {
        let place = |i: usize| {
            let spread = self.kernel[i]
                .checked_sub(1)?
                .checked_mul(self.dilation[i])?;
            let padded = size[i]
                .checked_add(self.begin[i])?
                .checked_add(self.end[i])?;
            let free = padded.checked_sub(spread.checked_add(1)?)?;
            Some(free.checked_div(self.stride[i])? + 1)
        };
        Some([place(0)?, place(1)?])
    }
}
