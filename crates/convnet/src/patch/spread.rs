//! How far a change of an image spreads through the steps of a program, and what running that much costs.
//!
//! Step 0 is the convolution that reads the images, step `i` is operation `i - 1`.

use crate::map::Map;
use crate::plan::{Core, Id, Op, Program};
use crate::rect::Rect;
use crate::simd::Block;

/// What a pixel of a part costs, as a multiple of one of the whole: products of few rows load weights more often.
const PART: f64 = 1.3;
/// Pixels of a tile of Winograd's.
const TILE: f64 = 16.0;
/// What a step of a part costs beside its pixels, in products of blocks.
const STEP: f64 = 1000.0;

/// What the steps of a program cost, and their values take.
#[derive(Debug)]
pub(super) struct Costs {
    image: [usize; 3],
    /// Elements of a sample's output.
    outputs: usize,
    /// Products of blocks of each step, for a sample.
    whole: Vec<f64>,
    /// Blocks of the values of all steps before each.
    blocks: Vec<usize>,
}

impl Costs {
    pub fn new(program: &Program) -> Option<Costs> {
        let first = program.first.as_ref()?;
        let map = |id: Id| &program.maps[id];
        let ops = program.ops.iter();
        let rest = ops.clone().map(|op| op.cost(map(op.source()), map(op.to)));
        let to = map(program.input);
        let whole = [(to.pixels() * first.products()) as f64];
        let sizes = [to.size()]
            .into_iter()
            .chain(ops.map(|op| map(op.to).size()));
        let sums = sizes.scan(0, |sum, size| {
            *sum += size;
            Some(*sum)
        });
        Some(Costs {
            image: first.image(),
            outputs: program.outputs(),
            whole: whole.into_iter().chain(rest).collect(),
            blocks: [0].into_iter().chain(sums).collect(),
        })
    }

    /// Channels, rows and columns of a sample.
    pub fn image(&self) -> [usize; 3] {
        self.image
    }

    /// Elements of a sample.
    pub fn inputs(&self) -> usize {
        self.image.iter().product()
    }

    pub fn input_bytes(&self) -> usize {
        self.inputs() * size_of::<f32>()
    }

    /// Bytes of a sample of which the first `depth` steps are kept, or all that there are.
    pub fn bytes(&self, depth: usize) -> usize {
        let blocks = self.blocks[depth.min(self.whole.len())];
        let output_bytes = self.outputs * size_of::<f32>();
        2 * (blocks * size_of::<Block>() + self.input_bytes() + output_bytes)
    }

    /// The most steps that a sample has room for in so many bytes.
    pub fn deepest(&self, bytes: usize) -> usize {
        let fit = |depth: &usize| self.bytes(*depth) <= bytes;
        (1..=self.whole.len()).take_while(fit).last().unwrap_or(0)
    }

    /// What it costs to run samples to which changes spread so far.
    pub fn of<'a>(&self, program: &Program, spreads: impl IntoIterator<Item = &'a Spread>) -> Sums {
        let mut parts = vec![0.0; self.whole.len()];
        let (mut samples, mut changed) = (0, 0);
        for spread in spreads {
            samples += spread.rects(program.input).len();
            changed += spread.changed(program).count();
            for (step, id) in program.made(self.whole.len()).enumerate() {
                let all = program.maps[id].pixels() as f64;
                for rect in spread.rects(id).iter().filter(|rect| !rect.is_empty()) {
                    let share = rect.pixels() as f64 / all;
                    parts[step] += PART * share * self.whole[step] + STEP;
                }
            }
        }
        let all = |samples: usize| self.whole.iter().map(move |cost| cost * samples as f64);
        Sums {
            parts,
            changed: all(changed).collect(),
            whole: all(samples).sum(),
        }
    }
}

/// What the steps cost for some samples.
pub(super) struct Sums {
    /// Each, in part.
    parts: Vec<f64>,
    /// Each, whole, for the samples that change at all.
    changed: Vec<f64>,
    /// All, whole, for all samples.
    whole: f64,
}

impl Sums {
    pub fn whole(&self) -> f64 {
        self.whole
    }

    /// With the first `depth` steps in part.
    pub fn at(&self, depth: usize) -> f64 {
        self.parts[..depth].iter().sum::<f64>() + self.changed[depth..].iter().sum::<f64>()
    }

    /// The best depth up to `deepest`, and what it costs.
    pub fn best(&self, deepest: usize) -> (usize, f64) {
        let costs = (1..=deepest).map(|depth| (depth, self.at(depth)));
        let best = costs.min_by(|a, b| a.1.total_cmp(&b.1));
        best.unwrap_or((1, f64::INFINITY))
    }
}

/// The pixels of each value of each sample that changes of the images reach.
#[derive(Debug, Default)]
pub(super) struct Spread(Vec<Vec<Rect>>);

impl Spread {
    /// Through all of a program, of changes of so many samples.
    pub fn of(program: &Program, changed: &[Rect]) -> Spread {
        let mut rects = vec![Vec::new(); program.maps.len()];
        let Some(first) = &program.first else {
            return Spread(rects);
        };
        rects[program.input] = changed.iter().map(|rect| first.reached(*rect)).collect();
        for op in &program.ops {
            let to = &program.maps[op.to];
            let reached = |s: usize| {
                let source = |&id: &Id| op.reached(rects[id][s], &program.maps[id], to);
                let sources = op.sources.iter().map(source).fold(Rect::NONE, Rect::or);
                let rect = sources.or(op.add.map_or(Rect::NONE, |add| rects[add][s]));
                match &op.core {
                    Core::Winograd(op) => op.tiles(rect),
                    _ => rect,
                }
            };
            rects[op.to] = (0..changed.len()).map(reached).collect();
        }
        Spread(rects)
    }

    /// Of a value, for each sample.
    pub fn rects(&self, id: Id) -> &[Rect] {
        self.0.get(id).map_or(&[], Vec::as_slice)
    }

    /// The samples that change.
    pub fn changed(&self, program: &Program) -> impl Iterator<Item = usize> {
        let rects = self.rects(program.input).iter().enumerate();
        rects.filter(|(_, rect)| !rect.is_empty()).map(|(s, _)| s)
    }

    /// Of a value of sample `s`; of no change where there was none.
    pub fn of_sample(&self, id: Id, s: usize) -> Rect {
        self.rects(id).get(s).copied().unwrap_or(Rect::NONE)
    }
}

/// The values of the first `depth` steps that later ones read, or that are the output.
pub(super) fn live(program: &Program, depth: usize) -> Vec<Id> {
    let after = &program.ops[depth - 1..];
    let read = |id: &Id| {
        let mut ops = after.iter();
        *id == program.output || ops.any(|op| op.reads().any(|read| read == *id))
    };
    program.made(depth).filter(read).collect()
}

impl Program {
    /// The values that the first `depth` steps make.
    pub(super) fn made(&self, depth: usize) -> impl Iterator<Item = Id> {
        let ops = self.ops.iter().map(|op| op.to);
        [self.input].into_iter().chain(ops).take(depth)
    }
}

impl Op {
    /// The pixels of its value that changes of `rect` of a source reach.
    fn reached(&self, source: Rect, of: &Map, to: &Map) -> Rect {
        match &self.core {
            Core::Correlation(op) => op.phases.reached(source),
            Core::Depthwise(op) => op.phases.reached(source),
            Core::Winograd(op) => op.reached(source),
            Core::MaxPool(pool, _) | Core::AveragePool(pool) => pool.reached(source),
            // A factor for each channel reaches all.
            Core::Multiply(_) if of.pixels() != to.pixels() && !source.is_empty() => {
                Rect::whole([to.rows, to.cols])
            }
            Core::Pointwise(_)
            | Core::Smooth(..)
            | Core::Norm(_)
            | Core::Multiply(_)
            | Core::Channels(_) => source,
            Core::MaxPoolBack(..)
            | Core::AveragePoolBack(_)
            | Core::WholePoolBack(..)
            | Core::NormBack(..)
            | Core::MultiplyBack(_) => Rect::whole([to.rows, to.cols]),
        }
    }

    /// What it costs for a sample, in products of blocks.
    fn cost(&self, source: &Map, to: &Map) -> f64 {
        let pixels = to.pixels() as f64;
        let blocks = to.blocks() as f64;
        match &self.core {
            Core::Correlation(op) => pixels * op.phases.weights() as f64,
            Core::Depthwise(op) => pixels * op.phases.weights() as f64,
            Core::Winograd(op) => {
                let tile = op.cost_of_tile(source.blocks(), to.blocks());
                pixels / TILE * tile as f64
            }
            Core::MaxPool(pool, _)
            | Core::AveragePool(pool)
            | Core::MaxPoolBack(pool, _)
            | Core::AveragePoolBack(pool) => {
                let window: usize = pool.window.kernel.iter().product();
                2.0 * pixels * blocks * window as f64
            }
            Core::Smooth(..) | Core::Norm(_) | Core::NormBack(..) => 8.0 * pixels * blocks,
            Core::Pointwise(_)
            | Core::WholePoolBack(..)
            | Core::Multiply(_)
            | Core::MultiplyBack(_)
            | Core::Channels(_) => 2.0 * pixels * blocks,
        }
    }
}
