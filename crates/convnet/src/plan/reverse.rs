//! The way back to the input: a value's derivative is the sum of what its readers give.

use super::fuse::Fused;
use super::schedule::{Act, Id, Schedule, Step, Work};
use crate::layer::Kind;

/// The backward schedule while it is built: its values are derivatives.
struct Reverse<'a, 's> {
    forward: &'s [[usize; 3]],
    steps: Vec<Step<'a>>,
    shapes: Vec<[usize; 3]>,
    /// The derivative by each forward value, as far as it is summed up.
    of: Vec<Option<Id>>,
    /// Readers of each forward value that have given nothing yet.
    left: Vec<usize>,
    /// The derivative of the activation that makes a forward value.
    acts: Vec<Act>,
}

impl<'a> Reverse<'a, '_> {
    fn value(&mut self, forward: usize) -> Id {
        self.shapes.push(self.forward[forward]);
        self.shapes.len() - 1
    }

    /// Adds a step's result to the derivative by `value`.
    fn give(&mut self, value: usize, source: Id, work: Work<'a>) {
        self.left[value] -= 1;
        let act = match self.left[value] {
            0 => self.acts[value],
            _ => Act::Linear,
        };
        let add = self.of[value];
        let mut to = self.value(value);
        let [_, rows, cols] = self.forward[value];
        if ends(work, [rows, cols]) || act == Act::Linear {
            self.push(work, source, add, act, to);
        } else {
            self.push(work, source, add, Act::Linear, to);
            let pooled = to;
            to = self.value(value);
            self.push(Work::Pass, pooled, None, act, to);
        }
        self.of[value] = Some(to);
    }

    /// Adds the derivative `source` itself to the one by `value`.
    fn pass(&mut self, value: usize, source: Id) {
        let last = self.left[value] == 1;
        if self.of[value].is_none() && (!last || self.acts[value] == Act::Linear) {
            self.left[value] -= 1;
            self.of[value] = Some(source);
        } else {
            self.give(value, source, Work::Pass);
        }
    }

    fn push(&mut self, work: Work<'a>, source: Id, add: Option<Id>, act: Act, to: Id) {
        self.steps.push(Step {
            work,
            sources: vec![source],
            add,
            act,
            to,
        });
    }
}

/// Pools have no activation of their own, but for a mean of all pixels.
fn ends(work: Work, size: [usize; 2]) -> bool {
    match work {
        Work::Backward { kind, .. } => match kind {
            Kind::MaxPool(_) => false,
            Kind::AveragePool { window, .. } => window.is_whole(size),
            _ => true,
        },
        _ => true,
    }
}

pub(super) fn reverse<'a>(
    fused: &[Fused<'a>],
    shapes: &[[usize; 3]],
    last: usize,
) -> Option<Schedule<'a>> {
    let mut left = vec![0; shapes.len()];
    let mut acts = vec![Act::Linear; shapes.len()];
    // The caller gives the derivative by the last value.
    left[last] += 1;
    for f in fused.iter().rev() {
        // What nobody reads gives nothing.
        if left[f.out] == 0 {
            continue;
        }
        f.sources.iter().for_each(|&source| left[source] += 1);
        f.add.iter().for_each(|&add| left[add] += 1);
        if let Kind::Smooth(_) = f.kind {
            acts[f.out] = Act::Times { of: f.out };
        }
        if let Some(activation) = f.activation {
            let slope = activation.slope();
            acts[f.out] = Act::Backward { slope, of: f.out };
        }
    }
    let mut r = Reverse {
        forward: shapes,
        steps: Vec::new(),
        shapes: Vec::new(),
        of: vec![None; shapes.len()],
        left,
        acts,
    };
    let input = r.value(last);
    r.pass(last, input);
    for f in fused.iter().rev() {
        let Some(source) = r.of[f.out] else { continue };
        if let Some(add) = f.add {
            r.pass(add, source);
        }
        match f.kind {
            Kind::Add | Kind::Activation(_) | Kind::Smooth(_) => r.pass(f.sources[0], source),
            Kind::Multiply => {
                for (factor, &to) in f.sources.iter().enumerate() {
                    let other = shapes[f.sources[1 - factor]];
                    let of = f.out;
                    r.give(to, source, Work::Weigh { of, factor, other });
                }
            }
            Kind::Channels(places) => {
                for (input, &to) in f.sources.iter().enumerate() {
                    r.give(to, source, Work::Return { places, input });
                }
            }
            kind => {
                let of = f.out;
                r.give(f.sources[0], source, Work::Backward { kind, of });
            }
        }
    }
    let output = r.of[0]?;
    Some(Schedule {
        steps: r.steps,
        shapes: r.shapes,
        input,
        output,
    })
}
