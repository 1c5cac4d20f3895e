//! Operations in order, their values, and the memory that values share.

use std::collections::BTreeSet;

use crate::channels::Channels;
use crate::correlate::Correlation;
use crate::depthwise::Depthwise;
use crate::end::End;
use crate::layer::Layout;
use crate::map::{Halo, Map};
use crate::multiply::MultiplyBack;
use crate::norm::Normalise;
use crate::planes::{FromPlanes, ToPlanes};
use crate::pool::Pool;
use crate::simd::Block;
use crate::smooth::Smooth;
use crate::winograd::Winograd;

/// Bytes of activations that a group of samples may take between two operations: they are to stay in the second cache.
const GROUP_BYTES: usize = 512 << 10;
/// The same where large weights are worth it.
const MAX_GROUP_BYTES: usize = 16 << 20;
/// Most samples of a group.
const MAX_GROUP: usize = 64;

/// Index of a value of a program.
pub(crate) type Id = usize;

/// One operation of a program.
#[derive(Debug)]
pub(crate) struct Op {
    pub core: Core,
    /// One, but for what multiplies values or takes channels of several.
    pub sources: Vec<Id>,
    /// A value that is added: what pools start from, and what others add at their end.
    pub add: Option<Id>,
    pub to: Id,
}

impl Op {
    /// The first of what it reads.
    pub fn source(&self) -> Id {
        self.sources.first().copied().unwrap_or_default()
    }

    /// All values that it reads.
    pub fn reads(&self) -> impl Iterator<Item = Id> {
        self.sources.iter().copied().chain(self.add)
    }
}

/// What an operation computes.
#[derive(Debug)]
pub(crate) enum Core {
    Correlation(Correlation),
    Depthwise(Depthwise),
    Winograd(Winograd),
    Pointwise(End),
    /// The derivative goes to the tape from the given place on, a sample.
    Smooth(Smooth, usize),
    /// The factors go there.
    Multiply([usize; 2]),
    Norm(Normalise),
    NormBack(Normalise, End),
    MultiplyBack(MultiplyBack),
    Channels(Channels),
    /// The picks go to the tape from the given place on, a sample.
    MaxPool(Pool, usize),
    MaxPoolBack(Pool, usize),
    AveragePool(Pool),
    AveragePoolBack(Pool),
    /// Of one window that is all of the input.
    WholePoolBack(Pool, End),
}

impl Core {
    /// Samples that are run together at least.
    fn least(&self, to: &Map) -> usize {
        match self {
            Core::Correlation(op) => op.least([to.rows, to.cols]),
            Core::Winograd(op) => op.least(),
            _ => 1,
        }
    }

    fn halo(&self, source: &Map) -> Halo {
        let size = [source.rows, source.cols];
        match self {
            Core::Correlation(op) => op.phases.halo(size),
            Core::Depthwise(op) => op.phases.halo(size),
            Core::Winograd(op) => op.halo(size),
            _ => Halo::default(),
        }
    }
}

/// Operations in order, from the value `input` to the value `output`.
#[derive(Debug)]
pub(crate) struct Program {
    pub ops: Vec<Op>,
    pub maps: Vec<Map>,
    /// The value that the caller gives, or that `first` makes of the images that it gives.
    pub input: Id,
    pub first: Option<FromPlanes>,
    /// The value that the caller gets, or of which `last` makes the images that it gets.
    pub output: Id,
    pub last: Option<ToPlanes>,
    /// How the caller gives and gets the elements.
    pub ends: [Layout; 2],
    /// The buffer of each value, and how many there are.
    pub buffers: Vec<usize>,
    pub count: usize,
}

impl Program {
    /// Blocks that all buffers take for one sample.
    pub fn work(&self) -> usize {
        let mut sizes = vec![0; self.count];
        for (map, &buffer) in self.maps.iter().zip(&self.buffers) {
            sizes[buffer] = map.size().max(sizes[buffer]);
        }
        sizes.iter().sum()
    }

    /// Elements of the value `output` of a sample.
    pub fn outputs(&self) -> usize {
        let map = &self.maps[self.output];
        map.channels * map.pixels()
    }

    /// Numbers that the images take at work.
    pub fn planes(&self) -> usize {
        self.first.as_ref().map_or(0, FromPlanes::work)
    }

    /// How many samples run together: as many as stay in the second cache between two operations, more where
    /// that spares weights from being read again and again.
    pub fn group(&self) -> usize {
        let size = |id: Id| self.maps[id].size() * size_of::<Block>();
        let bytes = |op: &Op| op.sources.iter().map(|&id| size(id)).sum::<usize>() + size(op.to);
        let pairs = self.ops.iter().map(bytes);
        let bytes = pairs.chain([size(self.input), 1]).max().unwrap_or(1);
        let least = self.ops.iter().map(|op| op.core.least(&self.maps[op.to]));
        let least = least.max().unwrap_or(1).min(MAX_GROUP_BYTES / bytes);
        (GROUP_BYTES / bytes).max(least).clamp(1, MAX_GROUP)
    }
}

/// Gives each value the halo that its readers need, and a buffer.
pub(super) fn program(ops: Vec<Op>, mut maps: Vec<Map>, input: Id, output: Id) -> Program {
    for op in &ops {
        for &source in &op.sources {
            let halo = op.core.halo(&maps[source]);
            maps[source].halo = maps[source].halo.or(halo);
        }
    }
    let mut last_use = vec![0; maps.len()];
    for (i, op) in ops.iter().enumerate() {
        op.reads().for_each(|id| last_use[id] = i);
    }
    last_use[output] = usize::MAX;
    let (mut buffers, mut free, mut count) = (vec![0; maps.len()], Vec::new(), 0);
    let take = |free: &mut Vec<usize>, count: &mut usize| {
        free.pop().unwrap_or_else(|| {
            *count += 1;
            *count - 1
        })
    };
    buffers[input] = take(&mut free, &mut count);
    for (i, op) in ops.iter().enumerate() {
        buffers[op.to] = take(&mut free, &mut count);
        let read: BTreeSet<Id> = op.reads().filter(|&id| last_use[id] == i).collect();
        free.extend(read.into_iter().map(|id| buffers[id]));
    }
    Program {
        ops,
        maps,
        input,
        first: None,
        output,
        last: None,
        ends: Default::default(),
        buffers,
        count,
    }
}
