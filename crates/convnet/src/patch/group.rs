//! What is kept of a group of samples: two runs, of which the later one differs in a patch of each.

use super::spread::Spread;
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

/// Images, and the values that the first steps made of them.
#[derive(Debug, Clone)]
struct Run {
    x: Vec<f32>,
    /// Empty for those that are not kept.
    values: Vec<Vec<Block>>,
}

/// Where a sample goes on from, and the pixels that change on the way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    from_last: bool,
    pub changed: Rect,
}

impl Group {
    /// Runs the first `depth` steps on the images `x`.
    pub fn new(
        program: &Program,
        depth: usize,
        samples: usize,
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
        };
        run.steps(program, depth, samples, None, work);
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

    /// Goes to `x` by way of `steps`, which spread so far.
    pub fn advance(
        &mut self,
        program: &Program,
        depth: usize,
        x: &[f32],
        (steps, spread): (&[Step], Spread),
        work: &mut Workspace,
    ) {
        let len = x.len() / self.samples;
        for (s, step) in steps.iter().enumerate() {
            let (from, to) = match step.from_last {
                true => (&self.last, &mut self.anchor),
                false => (&self.anchor, &mut self.last),
            };
            to.x[s * len..][..len].copy_from_slice(&from.x[s * len..][..len]);
            for id in program.made(depth) {
                let rect = self.changed.of_sample(id, s);
                if !rect.is_empty() {
                    let (from, to) = (&from.values[id], &mut to.values[id]);
                    copy(from, to, &program.maps[id], [s, self.samples], rect);
                }
            }
        }
        self.last.x.copy_from_slice(x);
        self.last
            .steps(program, depth, self.samples, Some(&spread), work);
        self.changed = spread;
    }

    /// Copies value `id` of the samples from `first` on to a group.
    pub fn copy_out(&self, id: Id, first: usize, to: &mut ViewMut) {
        let size = to.map.sample();
        for block in 0..to.map.blocks() {
            let from = &self.last.values[id][(block * self.samples + first) * size..];
            let to = &mut to.data[block * to.group * size..][..to.group * size];
            to.copy_from_slice(&from[..to.len()]);
        }
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
                let (source, add) = (view(op.source), op.add.map(view));
                op.run(source, add, to, &mut Pass::Forget, &mut work.scratch, area);
            });
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
