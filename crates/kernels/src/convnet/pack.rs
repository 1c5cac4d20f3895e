//! From a schedule to dispatches, with weights in the order that the shaders read them in.

use scoville_convnet::{Act, Convolution, Kind, Phase, Schedule, Step, Tap, Work};

use super::dispatch::{Dispatch, Kernel, marked};
use super::params::{NONE, Params, word};

/// Terms that `conv_correlate.wgsl` stages at a time.
const TERMS: usize = 8;
/// So far outside that no pixel meets it.
const NOWHERE: i32 = -(1 << 30);

/// What mode 0, 1 and 2 of the pools are.
const LARGEST: u32 = 0;
const MEAN: u32 = 1;
const MEAN_INSIDE: u32 = 2;

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

pub(super) fn pack(schedule: &Schedule, constants: &mut Constants) -> Vec<Dispatch> {
    let mut dispatches = Vec::new();
    for step in &schedule.steps {
        let [from, to] = [step.source, step.to].map(|value| schedule.shapes[value]);
        let mut layer = Layer {
            step,
            from,
            to,
            constants,
            dispatches: &mut dispatches,
        };
        match step.work {
            Work::Pass => layer.pass(step.source),
            Work::Forward { kind, of } => layer.forward(kind, of),
            Work::Backward { kind, of } => layer.backward(kind, of),
        }
    }
    dispatches
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
    fn forward(&mut self, kind: &Kind, of: usize) {
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
                self.convolution(conv, &phases, bias, weight);
            }
            Kind::Dense(dense) => {
                let bias = self.constants.bias(&dense.bias);
                let inputs = self.from.iter().product::<usize>();
                let row = |o: usize| dense.weights[o * inputs..][..inputs].to_vec();
                self.dense(inputs, dense.outputs, row, bias, true);
            }
            Kind::Add | Kind::Activation(_) => self.pass(self.step.source),
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
    }

    fn backward(&mut self, kind: &Kind, of: usize) {
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
                self.convolution(conv, &phases, NONE, weight);
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
            Kind::Add | Kind::Activation(_) => self.pass(self.step.source),
            Kind::MaxPool(window) => {
                let params = Params::new(self.from, self.to).window(window, LARGEST);
                self.push(Kernel::PoolBack, params, Some(of));
            }
            Kind::AveragePool {
                window,
                count_padding,
            } => {
                let params = Params::new(self.from, self.to).window(window, mean(*count_padding));
                self.push(Kernel::PoolBack, params, None);
            }
        }
    }

    /// The end alone, over `source`.
    fn pass(&mut self, source: usize) {
        let params = Params::new(self.to, self.to);
        self.push(Kernel::Pass, params, marked(self.step.act));
        if let Some(dispatch) = self.dispatches.last_mut() {
            dispatch.source = source;
        }
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
        self.push(Kernel::Dense, params, marked(self.step.act));
        if let Some(dispatch) = self.dispatches.last_mut().filter(|_| !ends) {
            dispatch.params = params;
            (dispatch.add, dispatch.marks) = (None, None);
        }
    }

    /// The correlations `phases`; `weight(o, i, tap)` joins channel `o` of the destination to channel `i` of its group.
    fn convolution(
        &mut self,
        conv: &Convolution,
        phases: &[Phase],
        bias: u32,
        weight: impl Fn(usize, usize, &Tap) -> f32,
    ) {
        let (groups, filters) = (conv.groups, self.to[0] / conv.groups);
        let depthwise = groups == self.from[0] && groups == self.to[0] && groups > 1;
        let depth = self.from[0] / groups;
        for phase in phases {
            let params = Params {
                groups: if depthwise { 1 } else { word(groups) },
                depth: word(depth * phase.taps.len()),
                bias,
                ..Params::new(self.from, self.to).phase(phase)
            };
            let (kernel, weights, taps) = if depthwise {
                let weights = self.by_channel(phase, &weight);
                (Kernel::Depthwise, weights, self.taps(phase, 1))
            } else {
                let tile = tile_of(filters);
                let weights = self.by_term(phase, [groups, filters, depth], tile, &weight);
                let kernel = Kernel::Correlate(word(tile));
                (kernel, weights, self.taps(phase, depth))
            };
            let params = Params {
                weights,
                taps,
                ..params
            };
            self.push(kernel, params, marked(self.step.act));
        }
    }

    /// Four channels of one tap after the other.
    fn by_channel(&mut self, phase: &Phase, weight: &impl Fn(usize, usize, &Tap) -> f32) -> u32 {
        let channels = self.to[0];
        let lanes = |first: usize, tap: &Tap| {
            [0, 1, 2, 3].map(|lane| match first + lane {
                c if c < channels => weight(c, 0, tap),
                _ => 0.0,
            })
        };
        let firsts = (0..channels).step_by(4);
        let all = firsts.flat_map(|first| phase.taps.iter().flat_map(move |tap| lanes(first, tap)));
        self.constants.floats(all)
    }

    /// For each group and term the filters, in whole tiles.
    fn by_term(
        &mut self,
        phase: &Phase,
        [groups, filters, depth]: [usize; 3],
        tile: usize,
        weight: &impl Fn(usize, usize, &Tap) -> f32,
    ) -> u32 {
        let padded = filters.next_multiple_of(tile);
        let terms = (depth * phase.taps.len()).next_multiple_of(TERMS);
        let taps = &phase.taps;
        let element = |group: usize, term: usize, filter: usize| {
            let tap = taps.get(term % taps.len().max(1));
            match tap.filter(|_| filter < filters && term < depth * taps.len()) {
                Some(tap) => weight(group * filters + filter, term / taps.len(), tap),
                None => 0.0,
            }
        };
        let element = &element;
        let all = (0..groups).flat_map(|group| {
            (0..terms).flat_map(move |term| (0..padded).map(move |f| element(group, term, f)))
        });
        self.constants.floats(all)
    }

    /// For each term what is added to a pixel's place in the source, to its row and to its column.
    fn taps(&mut self, phase: &Phase, depth: usize) -> u32 {
        let [_, rows, cols] = self.from.map(|size| size as isize);
        let mut taps: Vec<[i32; 4]> = Vec::new();
        for i in 0..depth as isize {
            taps.extend(phase.taps.iter().map(|tap| {
                let [y, x] = tap.at;
                let place = i * rows * cols + y * cols + x;
                [place as i32, y as i32, x as i32, 0]
            }));
        }
        taps.resize(taps.len().next_multiple_of(TERMS), [0, NOWHERE, NOWHERE, 0]);
        self.constants
            .put(taps.into_iter().flatten().map(|word| word as u32))
    }

    fn push(&mut self, kernel: Kernel, params: Params, marks: Option<usize>) {
        let Step {
            source,
            add,
            act,
            to,
            ..
        } = *self.step;
        self.dispatches.push(Dispatch {
            kernel,
            source,
            add,
            to,
            params: params.end(act, add.is_some()),
            marks,
        });
    }
}

fn mean(count_padding: bool) -> u32 {
    match count_padding {
        true => MEAN,
        false => MEAN_INSIDE,
    }
}

/// Filters of a tile: as many as there are, from 16 to 64.
fn tile_of(filters: usize) -> usize {
    filters.next_power_of_two().clamp(16, 64)
}
