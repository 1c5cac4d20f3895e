//! Parts of a graph that are convolutional networks: they run as one step each, by kernels of our own.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use burn_backend::Backend;
use scoville_convnet::{Kind, Layer, Layout};
use scoville_onnx::Graph;

use super::plan::Run as Doing;
use super::{Plan, Program};
use crate::convnet::{Make, Run};
use crate::ops::Context;
use crate::ops::layer::{Inputs, Part};
use crate::step::Slot;
use crate::value::{Fact, read};

/// Most steps among which a segment is looked for.
const MAX_STEPS: usize = 4096;
/// Most numbers that parts may have which are made of less: a factor of all channels, channels in another order.
const MAX_MADE: usize = 1 << 24;
/// Most steps that the search looks at in all: on graphs made for it, it would take the third power of their number.
const MAX_LOOKS: usize = 1 << 24;

/// Steps that run as one.
pub(crate) struct Segment<B: Backend> {
    /// In order; the last makes the output.
    pub steps: Vec<usize>,
    pub input: Slot,
    pub output: Slot,
    pub net: Box<dyn Run<B>>,
    /// What no reader outside may want.
    inner: Vec<Slot>,
    /// The shapes of one sample.
    shapes: [Vec<usize>; 2],
}

impl<B: Backend> Segment<B> {
    /// Whether a plan can take it in the place of its steps.
    pub fn serves(&self, plan: &Plan) -> bool {
        let shape = |slot: Slot| plan.facts.get(slot)?.as_ref().map(Fact::shape);
        let (Some([n, input @ ..]), Some([m, output @ ..])) =
            (shape(self.input), shape(self.output))
        else {
            return false;
        };
        let planned = |&step: &usize| matches!(plan.outputs.get(step), Some(Some(_)));
        n == m
            && *n > 0
            && [input, output] == self.shapes
            && self.steps.iter().all(planned)
            && !self.inner.iter().any(|slot| plan.targets.contains(slot))
    }
}

/// A step that is a part of a convolutional network.
struct Candidate {
    /// What it reads, without constants.
    reads: Vec<Slot>,
    makes: Vec<Made>,
    /// A sample of the first of those, as channels, rows and columns.
    read: Option<[usize; 3]>,
}

/// What one output of a step is to the network.
struct Made {
    slot: Slot,
    becomes: Becomes,
    /// A sample of it, as channels, rows and columns, and its elements.
    shape: Option<[usize; 3]>,
    elements: usize,
    /// The last axis.
    last: usize,
}

enum Becomes {
    /// A layer where the channels come first, and where they come last.
    Layer(Box<[Option<Kind>; 2]>),
    Same,
    Turned(Option<Layout>),
}

/// How the network holds a value: its channels, rows and columns, and where in its shape the channels are.
#[derive(Clone, Copy)]
struct View {
    shape: [usize; 3],
    layout: Layout,
}

impl Made {
    fn new(slot: Slot, becomes: Becomes, fact: &Fact) -> Made {
        Made {
            slot,
            becomes,
            shape: sample(fact),
            elements: fact.shape().iter().skip(1).product(),
            last: fact.shape().last().copied().unwrap_or(1),
        }
    }

    /// The layer that it is in `layout`.
    fn kind(&self, layout: Layout) -> Option<&Kind> {
        match (&self.becomes, layout) {
            (Becomes::Layer(kinds), Layout::First) => kinds[0].as_ref(),
            (Becomes::Layer(kinds), Layout::Last) => kinds[1].as_ref(),
            _ => None,
        }
    }

    /// Numbers that it was made of less than.
    fn size(&self) -> usize {
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
    fn of(&self, reads: &[View], read: Option<[usize; 3]>) -> Option<View> {
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

impl<B: Backend> Program<B> {
    /// The parts of the plan that are convolutional networks, packed by `make`, and why it did not pack others.
    /// `kept` are names of values that later plans may aim at.
    pub fn find_segments(
        &self,
        graph: &Graph,
        plan: &Plan,
        kept: &[&str],
        make: &Make<B>,
    ) -> (Vec<Segment<B>>, BTreeSet<String>) {
        let kept: BTreeSet<Slot> = (self.names.iter().enumerate())
            .filter(|(_, name)| kept.contains(&name.as_str()))
            .map(|(slot, _)| slot)
            .collect();
        let readers = self.readers(plan);
        let needed = |slot: &Slot| {
            let read = readers.contains_key(slot);
            read || kept.contains(slot) || plan.targets.contains(slot)
        };
        let candidates = self.candidates(graph, plan, needed);
        let search = Search {
            readers,
            candidates: &candidates,
            plan,
            kept,
            looks: Cell::new(MAX_LOOKS),
            refusals: RefCell::default(),
        };
        let mut taken = BTreeSet::new();
        let mut segments = Vec::new();
        for start in 0..candidates.len().min(MAX_STEPS) {
            if taken.contains(&start) {
                continue;
            }
            if let Some(segment) = search.segment(start, &taken, make) {
                taken.extend(segment.steps.iter().copied());
                segments.push(segment);
            }
        }
        (segments, search.refusals.into_inner())
    }

    /// The network that is all that `plan` runs, from the graph's input to the target.
    pub fn sole_network(&self, plan: &Plan) -> Option<&dyn Run<B>> {
        let mut runs = plan.runs.iter().filter(|run| **run != Doing::Skip);
        let (Some(&Doing::Segment(index)), None) = (runs.next(), runs.next()) else {
            return None;
        };
        let segment = self.segments.get(index)?;
        let ends = self.inputs == [segment.input] && plan.targets == [segment.output];
        ends.then_some(segment.net.as_ref())
    }

    /// Plans made from now on take `segments` where they can.
    pub fn set_segments(&mut self, segments: Vec<Segment<B>>) {
        self.segments = segments;
    }

    /// What each step is to a network, with those outputs that are `needed`.
    fn candidates(
        &self,
        graph: &Graph,
        plan: &Plan,
        needed: impl Fn(&Slot) -> bool,
    ) -> Vec<Option<Candidate>> {
        let context = Context::new(graph);
        let room = Cell::new(MAX_MADE);
        let candidate = |i: usize| {
            let step = self.steps.get(i)?;
            let outputs = plan.outputs.get(i)?.as_ref()?;
            let output = outputs.first().filter(|fact| !fact.is_known())?;
            let facts = step.facts(&plan.facts).ok()?;
            let constant = |input: usize| {
                let slot = (*step.inputs.get(input)?)?;
                let value = self.constants.get(slot)?.as_ref()?;
                match &value.tensor {
                    Some(tensor) => read::<B>(tensor.clone()).ok(),
                    None => value.fact.known_floats().map(<[f32]>::to_vec),
                }
            };
            let floats = facts.0.iter().take(1).flatten().all(Fact::is_float);
            let part = step.layer.filter(|_| floats && output.is_float())?(&Inputs {
                node: graph.nodes.get(step.index)?,
                opset: context.opset,
                facts: &facts,
                output,
                outputs,
                constant: &constant,
            })?;
            let layer = |kinds| Becomes::Layer(Box::new(kinds));
            let first = |kind: Kind| {
                let last = elementwise(&kind).then(|| kind.clone());
                layer([Some(kind), last])
            };
            let (becomes, reads) = match part {
                Part::Layer(kind, reads) => (vec![first(kind)], reads),
                Part::Last(kind, reads) => (vec![layer([None, Some(kind)])], reads),
                Part::Either(kinds, reads) => (vec![layer(kinds.map(Some))], reads),
                Part::Several(kinds) => (kinds.into_iter().map(first).collect(), vec![0]),
                Part::Same => (vec![Becomes::Same], vec![0]),
                Part::Turned(to) => (vec![Becomes::Turned(to)], vec![0]),
            };
            let made = becomes.into_iter().zip(&step.outputs).zip(outputs);
            let made = made.filter_map(|((becomes, slot), fact)| {
                let slot = slot.filter(&needed)?;
                Some(Made::new(slot, becomes, fact))
            });
            let makes: Vec<Made> = made.collect();
            let size = makes.iter().map(Made::size).sum();
            room.set(room.get().checked_sub(size)?);
            let read = reads.first().and_then(|&read| facts.get(read));
            let slot = |&input: &usize| {
                let slot = (*step.inputs.get(input)?)?;
                matches!(self.constants.get(slot), Some(None)).then_some(slot)
            };
            Some(Candidate {
                reads: reads.iter().map(slot).collect::<Option<_>>()?,
                makes,
                read: read.and_then(sample),
            })
        };
        (0..self.steps.len()).map(candidate).collect()
    }

    /// The planned steps that read each slot; what is known before the run reads nothing in it.
    fn readers(&self, plan: &Plan) -> BTreeMap<Slot, Vec<usize>> {
        let mut readers: BTreeMap<Slot, Vec<usize>> = BTreeMap::new();
        for (i, (step, outputs)) in self.steps.iter().zip(&plan.outputs).enumerate() {
            let runs = (outputs.iter().flatten()).any(|fact| !fact.is_known());
            for &slot in step.inputs.iter().flatten().filter(|_| runs) {
                readers.entry(slot).or_default().push(i);
            }
        }
        readers
    }
}

/// A sample of a value as channels, rows and columns.
fn sample(fact: &Fact) -> Option<[usize; 3]> {
    match *fact.shape() {
        [_, channels] => Some([channels, 1, 1]),
        [_, channels, cols] => Some([channels, 1, cols]),
        [_, channels, rows, cols] => Some([channels, rows, cols]),
        _ => None,
    }
}

struct Search<'a> {
    candidates: &'a [Option<Candidate>],
    readers: BTreeMap<Slot, Vec<usize>>,
    plan: &'a Plan,
    kept: BTreeSet<Slot>,
    /// Left of [`MAX_LOOKS`].
    looks: Cell<usize>,
    refusals: RefCell<BTreeSet<String>>,
}

impl Search<'_> {
    /// The largest segment whose first step is `start`.
    fn segment<B: Backend>(
        &self,
        start: usize,
        taken: &BTreeSet<usize>,
        make: &Make<B>,
    ) -> Option<Segment<B>> {
        let &input = self.candidates.get(start)?.as_ref()?.reads.first()?;
        self.look(self.candidates.len())?;
        let fact = self.plan.facts.get(input)?.as_ref()?;
        let view = self.view(start, fact)?;
        (view.layout == Layout::First || make.last).then_some(())?;
        let (steps, views) = self.grow(start, input, view, taken);
        let takes = |slot: Slot| {
            let layout = views.get(&slot).map(|view| view.layout);
            make.last || layout == Some(Layout::First)
        };
        let mut ends = steps.iter().rev();
        let (steps, inner) = ends.find_map(|&end| {
            let last = self.candidate(end)?.makes.last()?.slot;
            takes(last).then_some(())?;
            let found = self.closed(end, input, &steps);
            found.filter(|(steps, _)| steps.first() == Some(&start))
        })?;
        self.build((input, view), steps, inner, make)
    }

    /// How a network that begins with step `start` holds its input.
    fn view(&self, start: usize, fact: &Fact) -> Option<View> {
        let first = self.candidate(start)?.makes.first()?;
        let layout = match &first.becomes {
            Becomes::Turned(_) => return None,
            Becomes::Layer(kinds) if kinds[0].is_none() => Layout::Last,
            _ => Layout::First,
        };
        let shape = match (layout, fact.shape()) {
            (Layout::First, _) => sample(fact)?,
            (Layout::Last, &[_, rows, cols, channels]) => [channels, rows, cols],
            (Layout::Last, [_, pixels @ .., channels]) => [*channels, 1, pixels.iter().product()],
            _ => return None,
        };
        Some(View { shape, layout })
    }

    /// The steps from `start` on that depend on `input` alone, and on each other, and how the network holds each value.
    fn grow(
        &self,
        start: usize,
        input: Slot,
        view: View,
        taken: &BTreeSet<usize>,
    ) -> (Vec<usize>, BTreeMap<Slot, View>) {
        let mut made = BTreeMap::from([(input, view)]);
        let mut steps = Vec::new();
        let all = self.candidates.iter().enumerate().skip(start);
        for (i, candidate) in all.take(MAX_STEPS) {
            let Some(candidate) = candidate.as_ref().filter(|_| !taken.contains(&i)) else {
                continue;
            };
            let reads = candidate.reads.iter().map(|slot| made.get(slot).copied());
            let Some(reads) = reads.collect::<Option<Vec<_>>>() else {
                continue;
            };
            let size: usize = candidate.makes.iter().map(Made::size).sum();
            if self.look(size).is_none() {
                break;
            }
            let views = candidate.makes.iter();
            let views = views.map(|made| made.of(&reads, candidate.read));
            if let Some(views) = views.collect::<Option<Vec<_>>>() {
                let slots = candidate.makes.iter().map(|made| made.slot);
                made.extend(slots.zip(views));
                steps.push(i);
            }
        }
        (steps, made)
    }

    /// The steps among `steps` that `end` needs, and what they make on the way, if nothing else reads that
    /// and there is a product among them.
    fn closed(&self, end: usize, input: Slot, steps: &[usize]) -> Option<(Vec<usize>, Vec<Slot>)> {
        self.look(steps.len() + self.plan.facts.len())?;
        let mut wanted = vec![false; self.plan.facts.len()];
        let [last] = self.candidate(end)?.makes.as_slice() else {
            return None;
        };
        *wanted.get_mut(last.slot)? = true;
        let mut needed = BTreeSet::new();
        for &i in steps.iter().rev() {
            let candidate = self.candidate(i)?;
            let mut made = candidate.makes.iter();
            if made.any(|made| wanted.get(made.slot) == Some(&true)) {
                needed.insert(i);
                for &slot in &candidate.reads {
                    *wanted.get_mut(slot)? = true;
                }
            }
        }
        let mut inner = Vec::new();
        for &i in needed.iter().filter(|&&i| i != end) {
            for made in self.candidate(i)?.makes.iter().map(|made| made.slot) {
                let readers = self.readers.get(&made).map(Vec::as_slice);
                let within = readers
                    .unwrap_or_default()
                    .iter()
                    .all(|i| needed.contains(i));
                if made == input || !within || self.kept.contains(&made) {
                    return None;
                }
                inner.push(made);
            }
        }
        let product = |&i: &usize| {
            let made = self.candidate(i).into_iter().flat_map(|all| &all.makes);
            let kinds = |made: &Made| match &made.becomes {
                Becomes::Layer(kinds) => kinds.iter().flatten().any(multiplies),
                _ => false,
            };
            made.into_iter().any(kinds)
        };
        let steps: Vec<usize> = needed.into_iter().collect();
        steps.iter().any(product).then_some((steps, inner))
    }

    fn read_once(&self, slot: Slot) -> bool {
        self.readers.get(&slot).is_some_and(|all| all.len() == 1)
    }

    /// Counts what is looked at; `None` when that is enough.
    fn look(&self, steps: usize) -> Option<()> {
        self.looks.set(self.looks.get().checked_sub(steps)?);
        Some(())
    }

    fn candidate(&self, step: usize) -> Option<&Candidate> {
        self.candidates.get(step)?.as_ref()
    }

    fn build<B: Backend>(
        &self,
        (input, view): (Slot, View),
        steps: Vec<usize>,
        inner: Vec<Slot>,
        make: &Make<B>,
    ) -> Option<Segment<B>> {
        let mut values = BTreeMap::from([(input, (0, view))]);
        let mut layers: Vec<Layer> = Vec::new();
        // Whether a value is read once, under each of its names.
        let mut alone = BTreeMap::new();
        for &i in &steps {
            let candidate = self.candidate(i)?;
            let reads = candidate.reads.iter().map(|slot| values.get(slot).copied());
            let (inputs, views): (Vec<usize>, Vec<View>) = reads.collect::<Option<_>>()?;
            for made in &candidate.makes {
                let value = match made.kind(views.first()?.layout) {
                    None => *inputs.first()?,
                    Some(kind) => {
                        let taken = inputs.iter().copied().find(|value| {
                            let layer = value.checked_sub(1).and_then(|i| layers.get_mut(i));
                            alone.get(value) == Some(&true)
                                && layer.is_some_and(|layer| layer.absorb(*value, kind, &inputs))
                        });
                        taken.unwrap_or_else(|| {
                            let (kind, inputs) = (kind.clone(), inputs.clone());
                            layers.push(Layer { kind, inputs });
                            layers.len()
                        })
                    }
                };
                values.insert(made.slot, (value, made.of(&views, candidate.read)?));
                *alone.entry(value).or_insert(true) &= self.read_once(made.slot);
            }
        }
        let output = self.candidate(*steps.last()?)?.makes.last()?.slot;
        // The network's output is what its last layer makes.
        let &(value, last) = values.get(&output)?;
        let ends = [view.layout, last.layout];
        if value != layers.len() {
            return None;
        }
        let refused = |why| self.refusals.borrow_mut().insert(why);
        let net = (make.pack)(view.shape, layers, ends)
            .map_err(refused)
            .ok()?;
        let shape = |slot: Slot| {
            let shape = self.plan.facts.get(slot)?.as_ref()?.shape();
            shape.get(1..).map(<[usize]>::to_vec)
        };
        Some(Segment {
            shapes: [shape(input)?, shape(output)?],
            net,
            steps,
            input,
            output,
            inner,
        })
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
