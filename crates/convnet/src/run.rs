//! A group of samples through a program.

use core::ops::Range;

use crate::end::{Beside, Bits};
use crate::map::{View, ViewMut};
use crate::plan::{Core, Id, Op, Program};
use crate::pool::Pick;
use crate::rect::Area;
use crate::simd::Block;

/// What one group leaves on the tape.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marks {
    pub bits: Vec<u16>,
    pub picks: Vec<Pick>,
    pub numbers: Vec<Block>,
}

impl Marks {
    /// Bytes that are set aside for them.
    pub fn bytes(&self) -> usize {
        self.bits.capacity() * size_of::<u16>()
            + self.picks.capacity() * size_of::<Pick>()
            + self.numbers.capacity() * size_of::<Block>()
    }
}

/// What a pass does with the tape.
pub(crate) enum Pass<'a> {
    Forget,
    Record(&'a mut Marks),
    Follow(&'a Marks),
}

impl Pass<'_> {
    pub fn beside<'b>(&'b mut self, add: Option<View<'b>>, group: usize) -> Beside<'b> {
        let bits = match self {
            Pass::Forget => Bits::Off,
            Pass::Record(marks) => Bits::Write(&mut marks.bits),
            Pass::Follow(marks) => Bits::Read(&marks.bits, &marks.numbers),
        };
        Beside { add, bits, group }
    }
}

/// Memory that is used again.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    buffers: Vec<Vec<Block>>,
    pub scratch: Vec<Block>,
    pub planes: Vec<f32>,
}

impl Workspace {
    /// Runs all of `program` on `group` samples.
    pub fn run(
        &mut self,
        program: &Program,
        group: usize,
        from: &[f32],
        to: &mut [f32],
        mut pass: Pass,
    ) {
        self.write(program, group, program.input, |out, work| {
            match &program.first {
                Some(first) => {
                    let mut beside = pass.beside(None, group);
                    first.run(from, out, &mut beside, &mut work.planes, Area::Whole);
                }
                None => out.map.import(program.ends[0], group, from, out.data),
            }
        });
        self.run_ops(program, 0..program.ops.len(), group, &mut pass);
        self.give(program, group, to);
    }

    /// Runs some of a program's operations; what they read has been written.
    pub fn run_ops(&mut self, program: &Program, ops: Range<usize>, group: usize, pass: &mut Pass) {
        for op in &program.ops[ops] {
            self.write(program, group, op.to, |out, work| {
                let view = |id: usize| View {
                    map: &program.maps[id],
                    data: &work.buffers[program.buffers[id]],
                    group,
                };
                let reads = op.views(view);
                op.run(&reads, out, pass, &mut work.scratch, Area::Whole);
            });
        }
    }

    /// Hands the output out.
    pub fn give(&self, program: &Program, group: usize, to: &mut [f32]) {
        let data = &self.buffers[program.buffers[program.output]];
        let map = &program.maps[program.output];
        match &program.last {
            Some(last) => last.run(View { map, data, group }, to),
            None => map.export(program.ends[1], group, data, to),
        }
    }

    /// Lets `make` write the value `id`, which no value that it reads shares its memory with.
    pub fn write(
        &mut self,
        program: &Program,
        group: usize,
        id: usize,
        make: impl FnOnce(&mut ViewMut, &mut Workspace),
    ) {
        let (map, buffer) = (&program.maps[id], program.buffers[id]);
        if self.buffers.len() < program.count {
            self.buffers.resize_with(program.count, Vec::new);
        }
        let mut data = core::mem::take(&mut self.buffers[buffer]);
        let mut out = ViewMut {
            map,
            data: sized(&mut data, group * map.size()),
            group,
        };
        map.clear_halo(group, out.data);
        make(&mut out, self);
        self.buffers[buffer] = data;
    }
}

/// What an operation reads.
pub(crate) struct Reads<'a> {
    sources: Vec<View<'a>>,
    add: Option<View<'a>>,
}

impl Op {
    /// What it reads, each by its `view`.
    pub fn views<'a>(&self, view: impl Fn(Id) -> View<'a>) -> Reads<'a> {
        Reads {
            sources: self.sources.iter().map(|&id| view(id)).collect(),
            add: self.add.map(view),
        }
    }

    /// Writes all of its value, or a part.
    pub fn run(
        &self,
        reads: &Reads,
        to: &mut ViewMut,
        pass: &mut Pass,
        scratch: &mut Vec<Block>,
        area: Area,
    ) {
        let (group, add) = (to.group, reads.add);
        let [source, ..] = reads.sources[..] else {
            return;
        };
        if let Core::MaxPoolBack(..) | Core::AveragePoolBack(_) = self.core {
            start_from(add, to);
        }
        match (&self.core, &mut *pass) {
            (Core::MaxPool(pool, at), Pass::Record(marks)) => {
                return pool.largest(source, to, Some(&mut marks.picks[at * group..]), area);
            }
            (Core::MaxPool(pool, _), _) => return pool.largest(source, to, None, area),
            (Core::MaxPoolBack(pool, at), Pass::Follow(marks)) => {
                return pool.largest_back(source, to, &marks.picks[at * group..]);
            }
            (Core::AveragePool(pool), _) => return pool.mean(source, to, area),
            (Core::AveragePoolBack(pool), _) => return pool.mean_back(source, to),
            (Core::Smooth(smooth, at), pass) => {
                return crate::smooth::run(*smooth, *at, source, to, pass, area);
            }
            (Core::Multiply(places), pass) => {
                let other = reads.sources.get(1).copied().unwrap_or(source);
                return crate::multiply::run(*places, [source, other], to, pass, area);
            }
            (Core::Norm(op), pass) => return op.run(source, to, pass, area),
            _ => {}
        }
        let mut beside = pass.beside(add, group);
        match &self.core {
            Core::Correlation(op) => op.run(source, to, &mut beside, area),
            Core::Depthwise(op) => op.run(source, to, &mut beside, area),
            Core::Winograd(op) => op.run(source, to, &mut beside, scratch, area),
            Core::Pointwise(end) => crate::pointwise::run(end, source, to, &mut beside, area),
            Core::Channels(op) => op.run(&reads.sources, to, &mut beside, area),
            Core::WholePoolBack(pool, end) => pool.whole_back(end, source, to, &mut beside),
            Core::NormBack(op, end) => op.back(end, source, to, &mut beside),
            Core::MultiplyBack(op) => op.run(source, to, &mut beside),
            _ => {}
        }
    }
}

/// Copies `add` to where more will be added, or writes zeros.
fn start_from(add: Option<View>, to: &mut ViewMut) {
    let Some(add) = add else {
        return to.data.fill(Block::ZERO);
    };
    for b in 0..to.map.blocks() {
        for s in 0..to.group {
            for y in 0..to.map.rows {
                let (from, at) = (add.at(b, s, y, 0), to.at(b, s, y, 0));
                to.data[at..at + to.map.cols].copy_from_slice(&add.data[from..][..to.map.cols]);
            }
        }
    }
}

/// The first `len` blocks of a buffer, which grows to hold them.
fn sized(buffer: &mut Vec<Block>, len: usize) -> &mut [Block] {
    if buffer.len() < len {
        buffer.resize(len, Block::ZERO);
    }
    &mut buffer[..len]
}
