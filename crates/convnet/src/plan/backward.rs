//! The way back to the input: a value's derivative is the sum of what its readers give.

use super::forward::{element, is_winograd, pool};
use super::fuse::Fused;
use super::program::{Core, Id, Op, Program, program};
use super::shape::{depthwise, one_tap};
use crate::correlate::Correlation;
use crate::depthwise::Depthwise;
use crate::end::{Act, End};
use crate::layer::{Convolution, Kind, Window};
use crate::map::Map;
use crate::phase::{Phase, Tap};
use crate::winograd::{self, Winograd};

/// The backward program while it is built: its values are derivatives.
struct Backward<'a> {
    shapes: &'a [[usize; 3]],
    ops: Vec<Op>,
    maps: Vec<Map>,
    /// The derivative by each forward value, as far as it is summed up.
    of: Vec<Option<Id>>,
    /// Readers of each forward value that have given nothing yet.
    left: Vec<usize>,
    /// The derivative of the activation that makes a forward value.
    acts: Vec<Act>,
}

impl Backward<'_> {
    fn value(&mut self, forward: usize) -> Id {
        self.maps.push(Map::new(self.shapes[forward]));
        self.maps.len() - 1
    }

    /// Adds an operation's result to the derivative by `value`; `core` is given the end to apply.
    fn give(&mut self, value: usize, source: Id, core: impl FnOnce(End) -> Core) {
        self.left[value] -= 1;
        let act = match self.left[value] {
            0 => self.acts[value],
            _ => Act::Linear,
        };
        let end = End {
            bias: Vec::new(),
            act,
        };
        let add = self.of[value];
        let core = core(end.clone());
        // Pools have no end of their own.
        let ends = !matches!(core, Core::MaxPoolBack(..) | Core::AveragePoolBack(_));
        let mut to = self.value(value);
        self.push(core, source, add, to);
        if !ends && act != Act::Linear {
            let pooled = to;
            to = self.value(value);
            self.push(Core::Pointwise(end), pooled, None, to);
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
            self.give(value, source, Core::Pointwise);
        }
    }

    fn push(&mut self, core: Core, source: Id, add: Option<Id>, to: Id) {
        self.ops.push(Op {
            core,
            source,
            add,
            to,
        });
    }
}

pub(super) fn backward(fused: &[Fused], shapes: &[[usize; 3]], last: usize) -> Option<Program> {
    let mut left = vec![0; shapes.len()];
    let mut acts = vec![Act::Linear; shapes.len()];
    for f in fused {
        left[f.source] += 1;
        f.add.iter().for_each(|&add| left[add] += 1);
        if let Some((activation, bits)) = f.activation {
            let slope = activation.slope();
            acts[f.out] = Act::Backward { slope, bits };
        }
    }
    // The caller gives the derivative by the last value.
    left[last] += 1;
    let mut b = Backward {
        shapes,
        ops: Vec::new(),
        maps: Vec::new(),
        of: vec![None; shapes.len()],
        left,
        acts,
    };
    let input = b.value(last);
    b.pass(last, input);
    for f in fused.iter().rev() {
        let Some(source) = b.of[f.out] else { continue };
        let [channels, rows, cols] = shapes[f.source];
        let [_, out_rows, out_cols] = shapes[f.out];
        let (size, out) = ([rows, cols], [out_rows, out_cols]);
        if let Some(add) = f.add {
            b.pass(add, source);
        }
        match f.kind {
            Kind::Add | Kind::Activation(_) => b.pass(f.source, source),
            Kind::Convolution(conv) => b.give(f.source, source, |end| {
                convolution_back(conv, channels, [size, out], end)
            }),
            Kind::Dense(dense) => b.give(f.source, source, |end| {
                Core::Correlation(Correlation::new(
                    Phase::backward(&Window::whole(size), size),
                    1,
                    dense.outputs,
                    channels,
                    |o, i, tap| dense.weights[element(channels, size, i, o, tap)],
                    end,
                ))
            }),
            Kind::MaxPool(window) => b.give(f.source, source, |_| {
                Core::MaxPoolBack(pool(window, size, out, false), f.picks)
            }),
            Kind::AveragePool {
                window,
                count_padding,
            } => b.give(f.source, source, |_| {
                Core::AveragePoolBack(pool(window, size, out, *count_padding))
            }),
        }
    }
    let output = b.of[0]?;
    Some(program(b.ops, b.maps, input, output))
}

/// From the derivative by a convolution's output to the one by its input, of `size` pixels.
fn convolution_back(
    conv: &Convolution,
    channels: usize,
    [size, out]: [[usize; 2]; 2],
    end: End,
) -> Core {
    let window = one_tap(conv.window, size, out);
    let [rows, cols] = window.kernel;
    let (depth, filters) = (channels / conv.groups, conv.filters / conv.groups);
    // Output channel `o` of the backward pass is the convolution's input channel.
    let at = |o: usize, i: usize, y: usize, x: usize| {
        let filter = o / depth * filters + i;
        conv.weights[((filter * depth + o % depth) * rows + y) * cols + x]
    };
    if depthwise(conv, channels) {
        let phases = Phase::backward(&window, size);
        let weight = |c: usize, tap: &Tap| at(c, 0, tap.kernel[0], tap.kernel[1]);
        return Core::Depthwise(Depthwise::new(phases, channels, weight, end));
    }
    let padded_less = window.begin.iter().all(|&begin| begin <= 2);
    if conv.groups == 1
        && is_winograd(&window)
        && padded_less
        && winograd::pays(conv.filters, channels, size)
    {
        let begin = window.begin.map(|begin| 2 - begin);
        let turned = |o, i, y, x| at(o, i, 2 - y, 2 - x);
        return Core::Winograd(Winograd::new(conv.filters, channels, begin, turned, end));
    }
    Core::Correlation(Correlation::new(
        Phase::backward(&window, size),
        conv.groups,
        filters,
        channels,
        |o, i, tap| at(o, i, tap.kernel[0], tap.kernel[1]),
        end,
    ))
}
