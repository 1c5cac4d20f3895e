//! What is kept of a group of samples: two runs, of which the later one differs in a patch of each.

use super::spread::{Spread, live};
use crate::end::{Beside, Bits};
use crate::map::{Map, View, ViewMut};
use crate::plan::{Id, Program};
use crate::rect::{Area, Rect};
use crate::run::{Pass, Workspace};
use crate::simd::Block;

#[derive(Debug)]
pub(super) struct Group {
    samples: usize,
    /// Where `last` started from.
    anchor: Run,
    last: Run,
    /// Where they differ.
    changed: Spread,
}

/// Images, the values that the first steps made of them, and their outputs.
#[derive(Debug, Clone)]
struct Run {
    x: Vec<f32>,
    /// Empty for those that are not kept.
    values: Vec<Vec<Block>>,
    outputs: Vec<f32>,
}

/// Where a sample goes on from, and the pixels that change on the way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    from_last: bool,
    pub changed: Rect,
}

impl Group {
    /// Runs the images `x` in groups of `most`, and keeps what the first `depth` steps make of them.
    pub fn new(
        program: &Program,
        depth: usize,
        [samples, most]: [usize; 2],
        x: &[f32],
        work: &mut Workspace,
    ) -> Group {
        let mut values = vec![Vec::new(); program.maps.len()];
        for id in program.made(depth) {
            values[id] = vec![Block::ZERO; samples * program.maps[id].size()];
        }
        let mut run = Run {
            x: x.to_vec(),
            values,
            outputs: vec![0.0; samples * program.outputs()],
        };
        run.steps(program, depth, samples, None, work);
        let all: Vec<usize> = (0..samples).collect();
        run.finish(program, depth, [samples, most], &all, work);
        Group {
            samples,
            anchor: run.clone(),
            last: run,
            changed: Spread::default(),
        }
    }

    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Each sample's shorter way to `x`.
    pub fn steps(&self, x: &[f32], image: [usize; 3]) -> Vec<Step> {
        let len = image.iter().product();
        let ends = self
            .anchor
            .x
            .chunks_exact(len)
            .zip(self.last.x.chunks_exact(len));
        let step = |((anchor, last), x)| {
            let [anchor, last] = [anchor, last].map(|from| difference(from, x, image));
            let from_last = last.pixels() < anchor.pixels();
            Step {
                from_last,
                changed: if from_last { last } else { anchor },
            }
        };
        ends.zip(x.chunks_exact(len)).map(step).collect()
    }

    /// Goes to `x` by way of `steps`, which spread so far; what is run whole, in groups of `most`. Gives the outputs.
    pub fn advance(
        &mut self,
        program: &Program,
        [depth, most]: [usize; 2],
        x: &[f32],
        (steps, spread): (&[Step], Spread),
        work: &mut Workspace,
    ) -> &[f32] {
        let (len, outputs) = (x.len() / self.samples, program.outputs());
        for (s, step) in steps.iter().enumerate() {
            let (from, to) = match step.from_last {
                true => (&self.last, &mut self.anchor),
                false => (&self.anchor, &mut self.last),
            };
            to.x[s * len..][..len].copy_from_slice(&from.x[s * len..][..len]);
            let own = s * outputs..(s + 1) * outputs;
            to.outputs[own.clone()].copy_from_slice(&from.outputs[own]);
            for id in program.made(depth) {
                let rect = self.changed.of_sample(id, s);
                if !rect.is_empty() {
                    let (from, to) = (&from.values[id], &mut to.values[id]);
                    copy(from, to, &program.maps[id], [s, self.samples], rect);
                }
            }
        }
        self.last.x.copy_from_slice(x);
        let samples = self.samples;
        self.last
            .steps(program, depth, samples, Some(&spread), work);
        let changed: Vec<usize> = spread.changed(program).collect();
        self.last
            .finish(program, depth, [samples, most], &changed, work);
        self.changed = spread;
        &self.last.outputs
    }
}

impl Run {
    /// Runs the first `depth` steps, on all pixels or on those that a change spreads to.
    fn steps(
        &mut self,
        program: &Program,
        depth: usize,
        group: usize,
        spread: Option<&Spread>,
        work: &mut Workspace,
    ) {
        if let Some(first) = &program.first {
            self.write(program, program.input, group, spread, |run, to, area| {
                let beside = &mut Beside {
                    add: None,
                    bits: Bits::Off,
                    group,
                };
                first.run(&run.x, to, beside, &mut work.planes, area);
            });
        }
        for op in &program.ops[..depth - 1] {
            self.write(program, op.to, group, spread, |run, to, area| {
                let view = |id: Id| View {
                    map: &program.maps[id],
                    data: &run.values[id],
                    group,
                };
                let reads = op.views(view);
                op.run(&reads, to, &mut Pass::Forget, &mut work.scratch, area);
            });
        }
    }

    /// Runs what comes after the first `depth` steps, on some of its samples in groups of `most`.
    fn finish(
        &mut self,
        program: &Program,
        depth: usize,
        [samples, most]: [usize; 2],
        some: &[usize],
        work: &mut Workspace,
    ) {
        let len = program.outputs();
        let live = live(program, depth);
        let mut made = vec![0.0; most.min(some.len()) * len];
        for some in some.chunks(most) {
            let made = &mut made[..some.len() * len];
            for &id in &live {
                work.write(program, some.len(), id, |to, _| {
                    gather(&self.values[id], samples, some, to);
                });
            }
            let rest = depth - 1..program.ops.len();
            work.run_ops(program, rest, some.len(), &mut Pass::Forget);
            work.give(program, some.len(), made);
            for (s, made) in some.iter().zip(made.chunks_exact(len)) {
                self.outputs[s * len..][..len].copy_from_slice(made);
            }
        }
    }

    /// Lets `make` write the value `id`, or what of it changes.
    fn write(
        &mut self,
        program: &Program,
        id: Id,
        group: usize,
        spread: Option<&Spread>,
        make: impl FnOnce(&Run, &mut ViewMut, Area),
    ) {
        let mut data = core::mem::take(&mut self.values[id]);
        let mut to = ViewMut {
            map: &program.maps[id],
            data: &mut data,
            group,
        };
        let area = spread.map_or(Area::Whole, |spread| Area::Of(spread.rects(id)));
        make(self, &mut to, area);
        self.values[id] = data;
    }
}

/// Copies some of so many samples.
fn gather(from: &[Block], samples: usize, some: &[usize], to: &mut ViewMut) {
    let size = to.map.sample();
    for (i, part) in to.data.chunks_exact_mut(size).enumerate() {
        let (block, s) = (i / some.len(), some[i % some.len()]);
        part.copy_from_slice(&from[(block * samples + s) * size..][..size]);
    }
}

/// Copies the pixels of `rect` of sample `s` of a group.
fn copy(from: &[Block], to: &mut [Block], map: &Map, [s, group]: [usize; 2], rect: Rect) {
    let [_, cols] = rect.size();
    for block in 0..map.blocks() {
        for y in rect.from[0]..rect.to[0] {
            let at = (block * group + s) * map.sample() + map.at(y, rect.from[1]);
            to[at..at + cols].copy_from_slice(&from[at..at + cols]);
        }
    }
}

/// The smallest rectangle outside of which two images are the same to the last bit.
pub(super) fn difference(a: &[f32], b: &[f32], [_, rows, cols]: [usize; 3]) -> Rect {
    let differ = |(a, b): (&f32, &f32)| a.to_bits() != b.to_bits();
    let lines = a.chunks_exact(cols).zip(b.chunks_exact(cols)).enumerate();
    let mut rect = Rect::NONE;
    for (line, (a, b)) in lines {
        let mut pairs = a.iter().zip(b);
        if !pairs.clone().fold(false, |any, pair| any | differ(pair)) {
            continue;
        }
        let first = pairs.clone().position(differ).unwrap_or(0);
        let last = pairs.rposition(differ).unwrap_or(cols - 1);
        let y = line % rows;
        rect = rect.or(Rect {
            from: [y, first],
            to: [y + 1, last + 1],
        });
    }
    rect
}
