//! From a schedule to dispatches, with weights in the order that the shaders read them in.

use scoville_convnet::{
    Act, Convolution, Function, Kind, Norm, Phase, Place, Schedule, Smooth, Step, Tap, Work,
};

use super::dispatch::{Dispatch, Kernel, marked};
use super::params::{NONE, Params, word};
use super::tile::Tile;

/// What mode 0, 1 and 2 of the pools are.
const LARGEST: u32 = 0;
const MEAN: u32 = 1;
const MEAN_INSIDE: u32 = 2;
/// What is added to the mode of a function that is a factor of its argument.
const GATED: u32 = 8;

/// The constants of a network's passes, in fours.
#[derive(Default)]
pub(super) struct Constants(pub Vec<u32>);

impl Constants {
    /// Where `words` lie, in fours.
    fn put(&mut self, words: impl IntoIterator<Item = u32>) -> u32 {
        let at = self.0.len() / 4;
        self.0.extend(words);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        word(at)
    }

    fn floats(&mut self, values: impl IntoIterator<Item = f32>) -> u32 {
        self.put(values.into_iter().map(f32::to_bits))
    }

    fn bias(&mut self, bias: &[f32]) -> u32 {
        match bias {
            [] => NONE,
            bias => self.floats(bias.iter().copied()),
        }
    }
}

/// `None` if a kernel is too large for a workgroup.
pub(super) fn pack(schedule: &Schedule, constants: &mut Constants) -> Option<Vec<Dispatch>> {
    let mut dispatches = Vec::new();
    for step in &schedule.steps {
        let [from, to] = [step.sources[0], step.to].map(|value| schedule.shapes[value]);
        let mut layer = Layer {
            step,
            from,
            to,
            constants,
            dispatches: &mut dispatches,
        };
        match step.work {
            Work::Pass => layer.pass(step.sources[0]),
            Work::Forward {
                kind: Kind::Multiply,
                of,
            } => layer.multiply(of, schedule.shapes[step.sources[1]]),
            Work::Forward {
                kind: Kind::Channels(places),
                ..
            } => {
                for (input, &source) in step.sources.iter().enumerate() {
                    layer.channels(places, input, source, schedule.shapes[source]);
                }
            }
            Work::Forward { kind, of } => layer.forward(kind, of)?,
            Work::Backward { kind, of } => layer.backward(kind, of)?,
            Work::Weigh { of, factor, other } => layer.weigh(of, factor, other),
            Work::Return { places, input } => layer.returned(places, input),
        }
    }
    Some(dispatches)
}

/// One step while it is turned into dispatches.
struct Layer<'a, 'b> {
    step: &'a Step<'a>,
    from: [usize; 3],
    to: [usize; 3],
    constants: &'b mut Constants,
    dispatches: &'b mut Vec<Dispatch>,
}

impl Layer<'_, '_> {
    fn forward(&mut self, kind: &Kind, of: usize) -> Option<()> {
        match kind {
            Kind::Convolution(conv) => {
                let [_, rows, cols] = self.to;
                let bias = self.constants.bias(&conv.bias);
                let phases = [Phase::forward(&conv.window, [rows, cols])];
                let depth = self.from[0] / conv.groups;
                let [kr, kc] = conv.window.kernel;
                let weight = |o: usize, i: usize, tap: &Tap| {
                    let [y, x] = tap.kernel;
                    conv.weights[((o * depth + i) * kr + y) * kc + x]
                };
                self.convolution(conv, &phases, bias, weight)?;
            }
            Kind::Dense(dense) => {
                let bias = self.constants.bias(&dense.bias);
                let inputs = self.from.iter().product::<usize>();
                let row = |o: usize| dense.weights[o * inputs..][..inputs].to_vec();
                self.dense(inputs, dense.outputs, row, bias, true);
            }
            Kind::Smooth(smooth) => self.smooth(smooth, of),
            Kind::Norm(norm) => self.norm(Kernel::Norm, norm, of),
            // Products of values and channels have steps of their own.
            Kind::Add | Kind::Activation(_) | Kind::Multiply | Kind::Channels(_) => {
                self.pass(self.step.sources[0]);
            }
            Kind::MaxPool(window) => {
                let params = Params::new(self.from, self.to).window(window, LARGEST);
                self.push(Kernel::Pool, params, Some(of));
            }
            Kind::AveragePool {
                window,
                count_padding,
            } => {
                let params = Params::new(self.from, self.to).window(window, mean(*count_padding));
                self.push(Kernel::Pool, params, None);
            }
        }
        Some(())
    }

    fn backward(&mut self, kind: &Kind, of: usize) -> Option<()> {
        match kind {
            Kind::Convolution(conv) => {
                let ([_, rows, cols], [_, out_rows, out_cols]) = (self.to, self.from);
                let phases = Phase::gradient(&conv.window, [rows, cols], [out_rows, out_cols]);
                let [depth, filters] = [self.to[0], conv.filters].map(|size| size / conv.groups);
                let [kr, kc] = conv.window.kernel;
                // Channel `o` of the destination is the convolution's input channel.
                let weight = |o: usize, i: usize, tap: &Tap| {
                    let ([y, x], filter) = (tap.kernel, o / depth * filters + i);
                    conv.weights[((filter * depth + o % depth) * kr + y) * kc + x]
                };
                self.convolution(conv, &phases, NONE, weight)?;
            }
            Kind::Dense(dense) => {
                let inputs = self.to.iter().product::<usize>();
                let row = |i: usize| {
                    let column = (0..dense.outputs).map(|o| dense.weights[o * inputs + i]);
                    column.collect()
                };
                // Marks go by channels and pixels, which the product does not know.
                let flat = inputs == self.to[0] || self.step.act == Act::Linear;
                self.dense(dense.outputs, inputs, row, NONE, flat);
                if !flat {
                    self.pass(self.step.to);
                }
            }
            Kind::Norm(norm) => self.norm(Kernel::NormBack, norm, of),
            Kind::Add
            | Kind::Activation(_)
            | Kind::Smooth(_)
            | Kind::Multiply
            | Kind::Channels(_) => {
                self.pass(self.step.sources[0]);
            }
            Kind::MaxPool(window) => {
                let params = Params::new(self.from, self.to).window(window, LARGEST);
                self.push(Kernel::PoolBack, params, Some(of));
            }
            Kind::AveragePool { window, .. } if window.is_whole([self.to[1], self.to[2]]) => {
                let share = 1.0 / (self.to[1] * self.to[2]) as f32;
                let params = Params {
                    taps: share.to_bits(),
                    ..Params::new(self.from, self.to)
                };
                self.push(Kernel::Spread, params, marked(self.step.act));
            }
            Kind::AveragePool {
                window,
                count_padding,
            } => {
                let params = Params::new(self.from, self.to).window(window, mean(*count_padding));
                self.push(Kernel::PoolBack, params, None);
            }
        }
        Some(())
    }

    /// The end alone, over `source`.
    fn pass(&mut self, source: usize) {
        let params = Params::new(self.to, self.to);
        self.push(Kernel::Pass, params, marked(self.step.act))
            .source = source;
    }

    fn smooth(&mut self, smooth: &Smooth, of: usize) {
        let (mode, low, high) = match smooth.function {
            Function::Sigmoid => (0, 0.0, 0.0),
            Function::Tanh => (1, 0.0, 0.0),
            Function::HardSigmoid { slope, shift } => (2, slope, shift),
            Function::Normal => (3, 0.0, 0.0),
            Function::Erf => (4, 0.0, 0.0),
        };
        let params = Params {
            mode: mode + if smooth.gated { GATED } else { 0 },
            ..Params::new(self.from, self.to)
        };
        let dispatch = self.push(Kernel::Smooth, params, None);
        (dispatch.params.low, dispatch.params.high) = (low, high);
        dispatch.numbers = Some((of, 0));
    }

    /// The normalisation `of`, in either direction.
    fn norm(&mut self, kernel: Kernel, norm: &Norm, of: usize) {
        let params = Params {
            weights: self.constants.floats(norm.scale.iter().copied()),
            bias: match kernel {
                Kernel::Norm => self.constants.bias(&norm.bias),
                _ => NONE,
            },
            mode: norm.centre.into(),
            ..Params::new(self.from, self.to)
        };
        let act = self.step.act;
        let dispatch = self.push(kernel, params, marked(act));
        if kernel == Kernel::Norm {
            dispatch.params.low = norm.epsilon;
        }
        dispatch.numbers = Some((of, 0));
    }

    /// The product `of` of both sources, of which the second has the shape `second`.
    fn multiply(&mut self, of: usize, second: [usize; 3]) {
        let params = Params {
            mode: u32::from(second != self.to),
            ..Params::new(self.from, self.to)
        };
        let other = self.step.sources.get(1).copied();
        let dispatch = self.push(Kernel::Multiply, params, None);
        (dispatch.add, dispatch.numbers) = (other, Some((of, 0)));
    }

    /// Back to a factor of the product `of`; the other has the shape `other`.
    fn weigh(&mut self, of: usize, factor: usize, other: [usize; 3]) {
        let params = Params {
            mode: u32::from(other != self.from),
            ..Params::new(self.from, self.to)
        };
        // The first factor lies before the second.
        let behind = match factor {
            0 => self.to.iter().product(),
            _ => 0,
        };
        let kernel = match self.to == self.from {
            true => Kernel::Weigh,
            false => Kernel::WeighSum,
        };
        let dispatch = self.push(kernel, params, marked(self.step.act));
        dispatch.numbers = Some((of, behind));
    }

    /// The channels that input `input` has, from `source` of the shape `from`.
    fn channels(&mut self, places: &[Place], input: usize, source: usize, from: [usize; 3]) {
        let table = places.iter().map(|&(of, channel)| match of == input {
            true => word(channel),
            false => NONE,
        });
        let params = Params {
            weights: self.constants.put(table),
            mode: 1,
            ..Params::new(from, self.to)
        };
        self.push(Kernel::Channels, params, None).source = source;
    }

    /// Back to the channels of input `input`.
    fn returned(&mut self, places: &[Place], input: usize) {
        let mut table = vec![NONE; self.to[0]];
        for (i, &(of, channel)) in places.iter().enumerate() {
            if let Some(place) = table.get_mut(channel).filter(|_| of == input) {
                *place = word(i);
            }
        }
        let params = Params {
            weights: self.constants.put(table),
            ..Params::new(self.from, self.to)
        };
        self.push(Kernel::Channels, params, marked(self.step.act));
    }

    /// A matrix of `outputs` rows of `inputs`, with the step's end or alone.
    fn dense(
        &mut self,
        inputs: usize,
        outputs: usize,
        row: impl Fn(usize) -> Vec<f32>,
        bias: u32,
        ends: bool,
    ) {
        let padded = inputs.next_multiple_of(4);
        let rows = (0..outputs).flat_map(|o| {
            let mut row = row(o);
            row.resize(padded, 0.0);
            row
        });
        let params = Params {
            depth: word(padded / 4),
            weights: self.constants.floats(rows),
            bias,
            ..Params::new([inputs, 1, 1], [outputs, 1, 1])
        };
        let marks = marked(self.step.act);
        let dispatch = self.push(Kernel::Dense, params, marks);
        if !ends {
            dispatch.params = params;
            (dispatch.add, dispatch.marks) = (None, None);
        }
    }

    /// The correlations `phases`, if they fit; `weight(o, i, tap)` joins channel `o` of the destination to channel `i` of its group.
    fn convolution(
        &mut self,
        conv: &Convolution,
        phases: &[Phase],
        bias: u32,
        weight: impl Fn(usize, usize, &Tap) -> f32,
    ) -> Option<()> {
        let (groups, filters) = (conv.groups, self.to[0] / conv.groups);
        let depthwise = groups == self.from[0] && groups == self.to[0] && groups > 1;
        let depth = self.from[0] / groups;
        for phase in phases {
            let params = Params {
                bias,
                ..Params::new(self.from, self.to).phase(phase)
            };
            let (kernel, params) = match depthwise {
                true => (Kernel::Depthwise, self.by_channel(params, phase, &weight)),
                false => {
                    let shape = [groups, filters, depth];
                    let params = self.by_term(params, phase, shape, &weight);
                    (Kernel::Correlate(Tile::choose(&params)?), params)
                }
            };
            self.push(kernel, params, marked(self.step.act));
        }
        Some(())
    }

    /// Four channels of one tap after the other, and for each tap what is added to a pixel's row and column.
    fn by_channel(
        &mut self,
        params: Params,
        phase: &Phase,
        weight: &impl Fn(usize, usize, &Tap) -> f32,
    ) -> Params {
        let channels = self.to[0];
        let lanes = |first: usize, tap: &Tap| {
            [0, 1, 2, 3].map(|lane| match first + lane {
                c if c < channels => weight(c, 0, tap),
                _ => 0.0,
            })
        };
        let firsts = (0..channels).step_by(4);
        let all = firsts.flat_map(|first| phase.taps.iter().flat_map(move |tap| lanes(first, tap)));
        let at = phase
            .taps
            .iter()
            .flat_map(|tap| [0, tap.at[0], tap.at[1], 0]);
        Params {
            depth: word(phase.taps.len()),
            weights: self.constants.floats(all),
            taps: self.constants.put(at.map(|place| place as i32 as u32)),
            ..params
        }
    }

    /// For each group, channel, row and column of the kernel the filters, in fours.
    fn by_term(
        &mut self,
        params: Params,
        phase: &Phase,
        [groups, filters, depth]: [usize; 3],
        weight: &impl Fn(usize, usize, &Tap) -> f32,
    ) -> Params {
        let [rows, cols] = [0, 1].map(|axis| Axis::new(phase.taps.iter().map(|tap| tap.at[axis])));
        let mut taps: Vec<&Tap> = phase.taps.iter().collect();
        taps.sort_by_key(|tap| tap.at);
        let (taps, padded) = (&taps, filters.next_multiple_of(4));
        let element =
            |group: usize, channel: usize, tap: &Tap, filter: usize| match filter < filters {
                true => weight(group * filters + filter, channel, tap),
                false => 0.0,
            };
        let element = &element;
        let all = (0..groups).flat_map(|group| {
            let channels = (0..depth).flat_map(move |c| taps.iter().map(move |tap| (c, tap)));
            channels.flat_map(move |(c, tap)| (0..padded).map(move |f| element(group, c, tap, f)))
        });
        Params {
            groups: word(groups),
            // Without taps nothing is summed.
            depth: if taps.is_empty() { 0 } else { word(depth) },
            quads: word(padded / 4),
            weights: self.constants.floats(all),
            kernel: [rows.taps, cols.taps],
            dilation: [rows.apart, cols.apart],
            begin: [rows.begin, cols.begin],
            ..params
        }
    }

    fn push(&mut self, kernel: Kernel, params: Params, marks: Option<usize>) -> &mut Dispatch {
        let Step { add, act, to, .. } = *self.step;
        let dispatch = Dispatch {
            kernel,
            source: self.step.sources[0],
            add,
            to,
            params: params.end(act, add.is_some()),
            marks,
            numbers: None,
        };
        self.dispatches.push(dispatch);
        let last = self.dispatches.len() - 1;
        &mut self.dispatches[last]
    }
}

fn mean(count_padding: bool) -> u32 {
    match count_padding {
        true => MEAN,
        false => MEAN_INSIDE,
    }
}

/// The taps along an axis, which lie evenly.
struct Axis {
    taps: u32,
    /// From one to the next.
    apart: u32,
    /// How far the first lies before the pixel: below zero, in two's complement, if it lies behind.
    begin: u32,
}

impl Axis {
    fn new(at: impl Iterator<Item = isize>) -> Axis {
        let mut places: Vec<isize> = at.collect();
        places.sort_unstable();
        places.dedup();
        let apart = match places[..] {
            [first, second, ..] => second - first,
            _ => 1,
        };
        debug_assert!(places.windows(2).all(|pair| pair[1] - pair[0] == apart));
        Axis {
            taps: word(places.len().max(1)),
            apart: word(apart.unsigned_abs()),
            begin: places.first().map_or(0, |first| (-first) as u32),
        }
    }
}
