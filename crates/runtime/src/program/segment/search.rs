//! The search for networks among the candidates.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use burn_backend::Backend;
use scoville_convnet::{Layer, Layout};

use super::candidate::{Becomes, Candidate, Made, View, sample};
use super::{MAX_STEPS, Segment};
use crate::convnet::Make;
use crate::program::Plan;
use crate::step::Slot;
use crate::value::Fact;

pub(super) struct Search<'a> {
    pub candidates: &'a [Option<Candidate>],
    pub readers: BTreeMap<Slot, Vec<usize>>,
    pub plan: &'a Plan,
    pub kept: BTreeSet<Slot>,
    /// Left of [`MAX_LOOKS`](super::MAX_LOOKS).
    pub looks: Cell<usize>,
    pub refusals: RefCell<BTreeSet<String>>,
}

impl Search<'_> {
    /// The largest segment whose first step is `start`.
    pub fn segment<B: Backend>(
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
        let unread = |&i: &usize| self.candidate(i).into_iter().flat_map(|all| &all.unread);
        let mut inner: Vec<Slot> = needed.iter().flat_map(unread).copied().collect();
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
            made.into_iter().any(|made| made.becomes.multiplies())
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
