//! From a schedule to dispatches, with weights in the order that the shaders read them in.

use scoville_convnet::{Act, Convolution, Kind, Phase, Schedule, Step, Tap, Work};

use super::dispatch::{Dispatch, Kernel, marked};
use super::params::{NONE, Params, word};
use super::tile::Tile;

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

/// `None` if a kernel is too large for a workgroup.
pub(super) fn pack(schedule: &Schedule, constants: &mut Constants) -> Option<Vec<Dispatch>> {
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
            Work::Forward { kind, of } => layer.forward(kind, of)?,
            Work::Backward { kind, of } => layer.backward(kind, of)?,
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
        Some(())
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
