//! What the steps of a graph are to a network, and how it holds their values.

use scoville_convnet::{Kind, Layout};

use crate::ops::layer::Part;
use crate::step::Slot;
use crate::value::Fact;

/// A step that is a part of a convolutional network.
pub(super) struct Candidate {
    /// What it reads, without constants.
    pub reads: Vec<Slot>,
    pub makes: Vec<Made>,
    /// What it makes beside that, which nobody reads.
    pub unread: Vec<Slot>,
    /// A sample of the first of those, as channels, rows and columns.
    pub read: Option<[usize; 3]>,
}

/// What one output of a step is to the network.
pub(super) struct Made {
    pub slot: Slot,
    pub becomes: Becomes,
    /// A sample of it, as channels, rows and columns, and its elements.
    shape: Option<[usize; 3]>,
    elements: usize,
    /// The last axis.
    last: usize,
}

pub(super) enum Becomes {
    /// A layer where the channels come first, and where they come last.
    Layer(Box<[Option<Kind>; 2]>),
    Same,
    Turned(Option<Layout>),
}

impl Becomes {
    /// What each output of a part is, and which inputs it reads.
    pub fn of(part: Part) -> (Vec<Becomes>, Vec<usize>) {
        let layer = |kinds| Becomes::Layer(Box::new(kinds));
        let first = |kind: Kind| {
            let last = elementwise(&kind).then(|| kind.clone());
            layer([Some(kind), last])
        };
        match part {
            Part::Layer(kind, reads) => (vec![first(kind)], reads),
            Part::Last(kind, reads) => (vec![layer([None, Some(kind)])], reads),
            Part::Either(kinds, reads) => (vec![layer(kinds.map(Some))], reads),
            Part::Several(kinds) => (kinds.into_iter().map(first).collect(), vec![0]),
            Part::Same => (vec![Becomes::Same], vec![0]),
            Part::Turned(to) => (vec![Becomes::Turned(to)], vec![0]),
        }
    }

    /// Whether it is a product of weights.
    pub fn multiplies(&self) -> bool {
        match self {
            Becomes::Layer(kinds) => kinds.iter().flatten().any(multiplies),
            _ => false,
        }
    }
}

/// How the network holds a value: its channels, rows and columns, and where in its shape the channels are.
#[derive(Clone, Copy)]
pub(super) struct View {
    pub shape: [usize; 3],
    pub layout: Layout,
}

impl Made {
    pub fn new(slot: Slot, becomes: Becomes, fact: &Fact) -> Made {
        Made {
            slot,
            becomes,
            shape: sample(fact),
            elements: fact.shape().iter().skip(1).product(),
            last: fact.shape().last().copied().unwrap_or(1),
        }
    }

    /// The layer that it is in `layout`.
    pub fn kind(&self, layout: Layout) -> Option<&Kind> {
        match (&self.becomes, layout) {
            (Becomes::Layer(kinds), Layout::First) => kinds[0].as_ref(),
            (Becomes::Layer(kinds), Layout::Last) => kinds[1].as_ref(),
            _ => None,
        }
    }

    /// Numbers that it was made of less than.
    pub fn size(&self) -> usize {
        let size = |kind: &Kind| match kind {
            Kind::Channels(places) => 4 * places.len(),
            kind if !multiplies(kind) => match kind {
                Kind::Convolution(conv) => conv.weights.len() + conv.bias.len(),
                _ => 0,
            },
            _ => 0,
        };
        match &self.becomes {
            Becomes::Layer(kinds) => kinds.iter().flatten().map(size).sum(),
            _ => 0,
        }
    }

    /// How the network holds what it makes of `reads`, the first of which the graph has as `read`, if that is what it should be.
    pub fn of(&self, reads: &[View], read: Option<[usize; 3]>) -> Option<View> {
        let &View { shape, layout } = reads.first()?;
        let view = match &self.becomes {
            Becomes::Same => View { shape, layout },
            Becomes::Turned(to) => {
                let other = match layout {
                    Layout::First => Layout::Last,
                    Layout::Last => Layout::First,
                };
                (to.unwrap_or(other) == other).then_some(())?;
                View {
                    shape,
                    layout: other,
                }
            }
            Becomes::Layer(_) => {
                let kind = self.kind(layout)?;
                let alike = reads.iter().all(|read| read.layout == layout);
                let shapes: Vec<_> = reads.iter().map(|read| read.shape).collect();
                let shape = kind.shape(&shapes).ok().filter(|_| alike)?;
                // What was flattened has no channels any more.
                let flat = elementwise(kind) || shuffles(kind, &shapes);
                let as_read = matches!(kind, Kind::Dense(_)) || read == shapes.first().copied();
                let first = (self.shape == Some(shape) && as_read) || flat;
                (first || layout == Layout::Last).then_some(View { shape, layout })?
            }
        };
        let whole = view.shape.iter().product::<usize>() == self.elements;
        let lies = view.layout == Layout::First || view.shape[0] == self.last;
        (whole && lies).then_some(view)
    }
}

/// A sample of a value as channels, rows and columns.
pub(super) fn sample(fact: &Fact) -> Option<[usize; 3]> {
    match *fact.shape() {
        [_, channels] => Some([channels, 1, 1]),
        [_, channels, cols] => Some([channels, 1, cols]),
        [_, channels, rows, cols] => Some([channels, rows, cols]),
        _ => None,
    }
}

/// Whether a layer is a product, and not a factor for each channel.
fn multiplies(kind: &Kind) -> bool {
    match kind {
        Kind::Convolution(conv) => conv.window.kernel != [1, 1] || conv.groups != conv.filters,
        Kind::Dense(_) => true,
        _ => false,
    }
}

/// Whether a layer treats all elements alike, so that they may have been flattened.
fn elementwise(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Add | Kind::Multiply | Kind::Activation(_) | Kind::Smooth(_)
    )
}

/// Whether a layer puts all channels of one value in another order, however its axes are cut.
fn shuffles(kind: &Kind, reads: &[[usize; 3]]) -> bool {
    match (kind, reads) {
        (Kind::Channels(places), &[[channels, ..]]) => places.len() == channels,
        _ => false,
    }
}
