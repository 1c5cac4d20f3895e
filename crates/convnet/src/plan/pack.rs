//! From a schedule to the CPU's operations, with packed weights.

use super::program::{Core, Op, Program, program};
use super::schedule::{Act, Id, Schedule, Step, Work};
use super::shape::{depthwise, one_tap};
use crate::channels::{Channels, Place};
use crate::correlate::Correlation;
use crate::depthwise::Depthwise;
use crate::end::{self, End};
use crate::layer::{Convolution, Kind, Layout, Window};
use crate::map::Map;
use crate::multiply::MultiplyBack;
use crate::norm::Normalise;
use crate::phase::{Phase, Tap};
use crate::planes::{FromPlanes, ToPlanes, is_image};
use crate::pool::Pool;
use crate::simd::{BLOCK, Block};
use crate::winograd::{self, Winograd};

/// Where on the tape each of the network's values has its bits and its picks, in blocks of channels of a sample.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    bits: Vec<usize>,
    picks: Vec<usize>,
    /// Of a product the places of both factors, of a normalisation those of what is normalised and of what it was divided by.
    numbers: Vec<[usize; 2]>,
    /// How much there is in all.
    pub all_bits: usize,
    pub all_picks: usize,
    pub all_numbers: usize,
}

impl Marks {
    pub fn new(forward: &Schedule) -> Marks {
        let mut marks = Marks {
            bits: vec![0; forward.shapes.len()],
            picks: vec![0; forward.shapes.len()],
            numbers: vec![[0; 2]; forward.shapes.len()],
            ..Marks::default()
        };
        for step in &forward.steps {
            let blocks = |value: Id| {
                let [channels, rows, cols] = forward.shapes[value];
                channels.div_ceil(BLOCK) * rows * cols
            };
            if let Act::Forward { of, .. } = step.act {
                marks.bits[of] = marks.all_bits;
                marks.all_bits += blocks(step.to);
            }
            let Work::Forward { kind, of } = step.work else {
                continue;
            };
            match kind {
                Kind::MaxPool(_) => {
                    marks.picks[of] = marks.all_picks;
                    marks.all_picks += blocks(of);
                }
                Kind::Smooth(_) => {
                    marks.numbers[of] = [marks.all_numbers; 2];
                    marks.all_numbers += blocks(of);
                }
                Kind::Norm(_) => {
                    let [_, rows, cols] = forward.shapes[of];
                    let second = marks.all_numbers + blocks(of);
                    marks.numbers[of] = [marks.all_numbers, second];
                    marks.all_numbers = second + rows * cols;
                }
                Kind::Multiply => {
                    let second = marks.all_numbers + blocks(step.sources[0]);
                    marks.numbers[of] = [marks.all_numbers, second];
                    marks.all_numbers = second + blocks(step.sources[1]);
                }
                _ => {}
            }
        }
        marks
    }

    fn act(&self, act: Act) -> end::Act {
        let bits = |of: Id| self.bits[of];
        match act {
            Act::Linear => end::Act::Linear,
            Act::Forward { activation, of } => end::Act::Forward {
                activation,
                bits: bits(of),
            },
            Act::Backward { slope, of } => end::Act::Backward {
                slope,
                bits: bits(of),
            },
            Act::Times { of } => end::Act::Times {
                at: self.numbers[of][0],
            },
        }
    }
}

/// `ends` are the layouts of its input and output.
pub(super) fn pack(schedule: &Schedule, marks: &Marks, ends: [Layout; 2]) -> Program {
    let mut steps = schedule.steps.as_slice();
    let (mut input, mut output) = (schedule.input, schedule.output);
    let planes = ends.map(|end| end == Layout::First);
    let first = steps.split_first().filter(|_| planes[0]);
    let first = first.and_then(|(step, rest)| {
        let first = from_planes(step, schedule, marks)?;
        (input, steps) = (step.to, rest);
        Some(first)
    });
    let last = steps.split_last().filter(|_| planes[1]);
    let last = last.and_then(|(step, rest)| {
        let last = to_planes(step, schedule)?;
        (output, steps) = (step.sources[0], rest);
        Some(last)
    });
    let op = |step: &Step| {
        let (from, to) = (schedule.shapes[step.sources[0]], schedule.shapes[step.to]);
        let end = |bias: &[f32]| end(step, marks, bias);
        let core = match step.work {
            Work::Pass => Core::Pointwise(end(&[])),
            Work::Forward { kind, of } => forward((kind, of), marks, [from, to], end),
            Work::Backward { kind, of } => backward((kind, of), marks, [to, from], end(&[])),
            Work::Weigh { of, factor, other } => Core::MultiplyBack(MultiplyBack {
                other: Map::new(other),
                at: marks.numbers[of][1 - factor],
                end: end(&[]),
            }),
            Work::Return { places, input } => {
                Core::Channels(Channels::new(&returned(places, input, to[0]), end(&[])))
            }
        };
        Op {
            core,
            sources: step.sources.clone(),
            add: step.add,
            to: step.to,
        }
    };
    let ops = steps.iter().map(op).collect();
    let maps = schedule.shapes.iter().map(|&shape| Map::new(shape));
    let mut maps: Vec<Map> = maps.collect();
    if let Some(last) = &last {
        maps[output].halo = last.halo();
    }
    Program {
        first,
        last,
        ends,
        ..program(ops, maps, input, output)
    }
}

fn end(step: &Step, marks: &Marks, bias: &[f32]) -> End {
    End {
        bias: Block::all(bias),
        act: marks.act(step.act),
    }
}

/// The convolution that alone reads the input, if its channels are few.
fn from_planes(step: &Step, schedule: &Schedule, marks: &Marks) -> Option<FromPlanes> {
    let readers = schedule.steps.iter().flat_map(Step::reads);
    let alone = readers.filter(|&id| id == schedule.input).count() == 1;
    let source = *step.sources.first()?;
    let ([channels, rows, cols], to) = (schedule.shapes[source], schedule.shapes[step.to]);
    match step.work {
        Work::Forward {
            kind: Kind::Convolution(conv),
            ..
        } if alone && source == schedule.input && is_image(conv, channels) => {
            let end = end(step, marks, &conv.bias);
            Some(FromPlanes::new(
                conv,
                channels,
                [[rows, cols], [to[1], to[2]]],
                end,
            ))
        }
        _ => None,
    }
}

/// The way back through a convolution that alone makes the output, if its channels are few.
fn to_planes(step: &Step, schedule: &Schedule) -> Option<ToPlanes> {
    let source = *step.sources.first()?;
    let ([channels, rows, cols], from) = (schedule.shapes[step.to], schedule.shapes[source]);
    let alone = step.add.is_none() && step.act == Act::Linear;
    let (size, out) = ([rows, cols], [from[1], from[2]]);
    match step.work {
        Work::Backward {
            kind: Kind::Convolution(conv),
            ..
        } if alone && step.to == schedule.output && is_image(conv, channels) => {
            let phases = Phase::backward(&one_tap(conv.window, size, out), size);
            Some(ToPlanes::new(conv, channels, [size, out], phases))
        }
        _ => None,
    }
}

fn forward(
    (kind, of): (&Kind, Id),
    marks: &Marks,
    [from, to]: [[usize; 3]; 2],
    end: impl Fn(&[f32]) -> End,
) -> Core {
    let [channels, rows, cols] = from;
    let [_, out_rows, out_cols] = to;
    let (size, out) = ([rows, cols], [out_rows, out_cols]);
    match kind {
        Kind::Convolution(conv) => convolution(conv, channels, out, end(&conv.bias)),
        Kind::Dense(dense) => Core::Correlation(Correlation::new(
            vec![Phase::forward(&Window::whole(size), [1, 1])],
            1,
            channels,
            dense.outputs,
            |o, i, tap| dense.weights[element(channels, size, o, i, tap)],
            end(&dense.bias),
        )),
        Kind::Add | Kind::Activation(_) => Core::Pointwise(end(&[])),
        Kind::Smooth(smooth) => Core::Smooth(*smooth, marks.numbers[of][0]),
        Kind::Norm(norm) => Core::Norm(Normalise::new(norm, marks.numbers[of])),
        Kind::Multiply => Core::Multiply(marks.numbers[of]),
        Kind::Channels(places) => {
            let places: Vec<_> = places.iter().copied().map(Some).collect();
            Core::Channels(Channels::new(&places, end(&[])))
        }
        Kind::MaxPool(window) => Core::MaxPool(pool(window, size, out, false), marks.picks[of]),
        Kind::AveragePool {
            window,
            count_padding,
        } => Core::AveragePool(pool(window, size, out, *count_padding)),
    }
}

/// From the derivative by what a layer makes of `input` to the one by `input`.
fn backward(
    (kind, of): (&Kind, Id),
    marks: &Marks,
    [input, output]: [[usize; 3]; 2],
    end: End,
) -> Core {
    let [channels, rows, cols] = input;
    let [_, out_rows, out_cols] = output;
    let (size, out) = ([rows, cols], [out_rows, out_cols]);
    match kind {
        Kind::Convolution(conv) => convolution_back(conv, channels, [size, out], end),
        Kind::Dense(dense) => Core::Correlation(Correlation::new(
            Phase::backward(&Window::whole(size), size),
            1,
            dense.outputs,
            channels,
            |o, i, tap| dense.weights[element(channels, size, i, o, tap)],
            end,
        )),
        Kind::Norm(norm) => Core::NormBack(Normalise::new(norm, marks.numbers[of]), end),
        // The others have a way back of their own.
        Kind::Add | Kind::Activation(_) | Kind::Smooth(_) | Kind::Multiply | Kind::Channels(_) => {
            Core::Pointwise(end)
        }
        Kind::MaxPool(window) => Core::MaxPoolBack(pool(window, size, out, false), marks.picks[of]),
        Kind::AveragePool {
            window,
            count_padding,
        } => {
            let pool = pool(window, size, out, *count_padding);
            match window.is_whole(size) {
                true => Core::WholePoolBack(pool, end),
                false => Core::AveragePoolBack(pool),
            }
        }
    }
}

fn convolution(conv: &Convolution, channels: usize, out: [usize; 2], end: End) -> Core {
    let [rows, cols] = conv.window.kernel;
    let depth = channels / conv.groups;
    let at = |o: usize, i: usize, y: usize, x: usize| {
        conv.weights[((o * depth + i) * rows + y) * cols + x]
    };
    if depthwise(conv, channels) {
        let phases = vec![Phase::forward(&conv.window, out)];
        let weight = |c: usize, tap: &Tap| at(c, 0, tap.kernel[0], tap.kernel[1]);
        return Core::Depthwise(Depthwise::new(phases, channels, weight, end));
    }
    let weight = |o: usize, i: usize, tap: &Tap| at(o, i, tap.kernel[0], tap.kernel[1]);
    let phases = vec![Phase::forward(&conv.window, out)];
    product(phases, [conv.groups, depth, conv.filters], weight, end)
}

/// A convolution's way forward or back: groups, source channels of each, outputs.
fn product(
    phases: Vec<Phase>,
    [groups, depth, outputs]: [usize; 3],
    weight: impl Fn(usize, usize, &Tap) -> f32,
    end: End,
) -> Core {
    if groups == 1 && winograd::pays(depth, outputs, &phases) {
        return Core::Winograd(Winograd::new(phases, depth, outputs, weight, end));
    }
    Core::Correlation(Correlation::new(
        phases, groups, depth, outputs, weight, end,
    ))
}

/// Where each of `channels` channels of input `input` went.
fn returned(places: &[Place], input: usize, channels: usize) -> Vec<Option<Place>> {
    let mut back = vec![None; channels];
    for (i, &(from, channel)) in places.iter().enumerate() {
        if from == input {
            back[channel] = Some((0, i));
        }
    }
    back
}

/// Where a dense layer's weight lies for output `o`, channel `i` and the input's pixel `tap`.
fn element(channels: usize, [rows, cols]: [usize; 2], o: usize, i: usize, tap: &Tap) -> usize {
    let [y, x] = tap.kernel;
    ((o * channels + i) * rows + y) * cols + x
}

fn pool(window: &Window, size: [usize; 2], out: [usize; 2], count_padding: bool) -> Pool {
    Pool {
        window: *window,
        size,
        out,
        count_padding,
    }
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
    let weight = |o: usize, i: usize, tap: &Tap| at(o, i, tap.kernel[0], tap.kernel[1]);
    let phases = Phase::backward(&window, size);
    product(phases, [conv.groups, filters, channels], weight, end)
}
