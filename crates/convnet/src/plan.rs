//! From layers to two lists of operations: forward, and backward to the input.
//!
//! A convolution takes the addition and the activation behind it with it. Backward, a value's derivative is
//! the sum of what its readers give; the last of them applies the derivative of the activation that made the value.

use crate::correlate::Correlation;
use crate::depthwise::Depthwise;
use crate::end::{Act, Activation, End};
use crate::error::Error;
use crate::layer::{Convolution, Kind, Layer, Window};
use crate::map::{Halo, Map};
use crate::phase::{Phase, Tap};
use crate::pool::Pool;
use crate::simd::{BLOCK, Block};
use crate::winograd::{self, Winograd};

/// Most elements of a pooling window: picks are kept in a byte.
const MAX_PICKS: usize = 256;

/// Most steps of a stride, rows by columns: backward there is a correlation for each.
const MAX_PHASES: usize = 4096;
/// Most blocks that the values of one sample may take together: 1 GiB. Padding may be many times what is padded.
const MAX_BLOCKS: usize = 1 << 24;

/// Bytes of activations that a group of samples may take between two operations: they are to stay in the second cache.
const GROUP_BYTES: usize = 512 << 10;
/// The same where large weights are worth it.
const MAX_GROUP_BYTES: usize = 16 << 20;
/// Most samples of a group.
const MAX_GROUP: usize = 64;

/// Index of a value of a program.
pub(crate) type Id = usize;

/// One operation of a program.
#[derive(Debug)]
pub(crate) struct Op {
    pub core: Core,
    pub source: Id,
    /// A value that is added: what pools start from, and what others add at their end.
    pub add: Option<Id>,
    pub to: Id,
}

/// What an operation computes.
#[derive(Debug)]
pub(crate) enum Core {
    Correlation(Correlation),
    Depthwise(Depthwise),
    Winograd(Winograd),
    Pointwise(End),
    /// The picks go to the tape from the given place on, a sample.
    MaxPool(Pool, usize),
    MaxPoolBack(Pool, usize),
    AveragePool(Pool),
    AveragePoolBack(Pool),
}

impl Core {
    /// Samples that are run together at least.
    fn least(&self, to: &Map) -> usize {
        match self {
            Core::Correlation(op) => op.least([to.rows, to.cols]),
            Core::Winograd(op) => op.least([to.rows, to.cols]),
            _ => 1,
        }
    }

    fn halo(&self, source: &Map, to: &Map) -> Halo {
        let size = [source.rows, source.cols];
        match self {
            Core::Correlation(op) => op.halo(size),
            Core::Depthwise(op) => op.halo(size),
            Core::Winograd(op) => op.halo(size, [to.rows, to.cols]),
            _ => Halo::default(),
        }
    }
}

/// Operations in order, from the value `input` to the value `output`.
#[derive(Debug)]
pub(crate) struct Program {
    pub ops: Vec<Op>,
    pub maps: Vec<Map>,
    pub input: Id,
    pub output: Id,
    /// The buffer of each value, and how many there are.
    pub buffers: Vec<usize>,
    pub count: usize,
}

impl Program {
    /// Blocks that all buffers take for one sample.
    pub fn work(&self) -> usize {
        let mut sizes = vec![0; self.count];
        for (map, &buffer) in self.maps.iter().zip(&self.buffers) {
            sizes[buffer] = map.size().max(sizes[buffer]);
        }
        sizes.iter().sum()
    }

    /// How many samples run together: as many as stay in the second cache between two operations, more where
    /// that spares weights from being read again and again.
    pub fn group(&self) -> usize {
        let size = |id: Id| self.maps[id].size() * size_of::<Block>();
        let pairs = self.ops.iter().map(|op| size(op.source) + size(op.to));
        let bytes = pairs.max().unwrap_or(1).max(1);
        let least = self.ops.iter().map(|op| op.core.least(&self.maps[op.to]));
        let least = least.max().unwrap_or(1).min(MAX_GROUP_BYTES / bytes);
        (GROUP_BYTES / bytes).max(least).clamp(1, MAX_GROUP)
    }
}

/// A network's forward program, and what it leaves on the tape.
#[derive(Debug)]
pub(crate) struct Plan {
    pub forward: Program,
    /// Bits that a sample leaves on the tape, in blocks of channels.
    pub bits: usize,
    /// Picks that a sample leaves on the tape, in blocks of channels.
    pub picks: usize,
}

/// Layers that run as one operation.
struct Fused<'a> {
    kind: &'a Kind,
    source: usize,
    add: Option<usize>,
    activation: Option<(Activation, usize)>,
    out: usize,
    /// Where the picks of a pool lie on the tape.
    picks: usize,
}

/// The way forward.
pub(crate) fn plan(input: [usize; 3], layers: &[Layer]) -> Result<Plan, Error> {
    let shapes = shapes(input, layers)?;
    let mut tape = [0, 0];
    let fused = fuse(layers, &shapes, &mut tape);
    affordable(layers, &shapes)?;
    let forward = forward(&fused, &shapes, layers.len());
    Ok(Plan {
        forward,
        bits: tape[0],
        picks: tape[1],
    })
}

/// The way back, for layers of which [`plan`] made a plan; `None` if no gradient reaches the input.
pub(crate) fn plan_back(input: [usize; 3], layers: &[Layer]) -> Option<Program> {
    let shapes = shapes(input, layers).ok()?;
    let fused = fuse(layers, &shapes, &mut [0, 0]);
    backward(&fused, &shapes, layers.len())
}

/// Refuses layers whose values, padded for the way forward or back, would not fit into memory.
fn affordable(layers: &[Layer], shapes: &[[usize; 3]]) -> Result<(), Error> {
    let mut blocks = 0usize;
    let mut add = |shape: [usize; 3], halo: Halo| {
        let map = Map {
            halo,
            ..Map::new(shape)
        };
        blocks = blocks.saturating_add(map.size());
        blocks <= MAX_BLOCKS
    };
    for (i, layer) in layers.iter().enumerate() {
        let (from, to) = (shapes[layer.inputs[0]], shapes[i + 1]);
        let (size, out) = ([from[1], from[2]], [to[1], to[2]]);
        let halos = match &layer.kind {
            Kind::Convolution(conv) => {
                let back = Phase::backward(&one_tap(conv.window, size, out), size);
                let back = back.iter().map(|phase| phase.halo(out));
                let forward = Phase::forward(&conv.window, out).halo(size);
                [forward, back.fold(Halo::default(), Halo::or)]
            }
            _ => [Halo::default(); 2],
        };
        if !add(from, halos[0]) || !add(to, halos[1]) {
            return Err(Error {
                layer: i,
                what: "its values take too much memory",
            });
        }
    }
    Ok(())
}

/// Of a single output pixel the stride does not matter: let every input pixel meet one tap on the way back.
fn one_tap(mut window: Window, size: [usize; 2], out: [usize; 2]) -> Window {
    if out == [1, 1] && size[0].saturating_mul(size[1]) <= MAX_PHASES {
        window.stride = size;
    }
    window
}

/// The shape of every value: channels, rows, columns.
fn shapes(input: [usize; 3], layers: &[Layer]) -> Result<Vec<[usize; 3]>, Error> {
    let refuse = |layer, what| Error { layer, what };
    if layers.is_empty() || input.contains(&0) {
        return Err(refuse(0, "there is nothing to compute"));
    }
    let mut shapes = vec![input];
    for (i, layer) in layers.iter().enumerate() {
        let inputs = layer.inputs.iter().map(|&value| shapes.get(value).copied());
        let inputs: Option<Vec<[usize; 3]>> = inputs.collect();
        let inputs = inputs.ok_or(refuse(i, "it reads what no earlier layer makes"))?;
        shapes.push(layer.kind.shape(&inputs).map_err(|what| refuse(i, what))?);
    }
    Ok(shapes)
}

impl Kind {
    /// The shape that it makes of `inputs`, each of channels, rows and columns; or why it cannot.
    pub fn shape(&self, inputs: &[[usize; 3]]) -> Result<[usize; 3], &'static str> {
        let wanted = if matches!(self, Kind::Add) { 2 } else { 1 };
        if inputs.len() != wanted {
            return Err("it has too few inputs, or too many");
        }
        let [channels, rows, cols] = inputs[0];
        let shape = match self {
            Kind::Convolution(conv) => {
                let places = conv.window.places([rows, cols]);
                let [rows, cols] = places.ok_or("its kernel does not fit")?;
                check(conv, channels)?;
                check_phases(&conv.window, [inputs[0][1], inputs[0][2]])?;
                [conv.filters, rows, cols]
            }
            Kind::Dense(dense) => {
                let wanted = channels * rows * cols * dense.outputs;
                if dense.weights.len() != wanted || !fits(&dense.bias, dense.outputs) {
                    return Err("its matrix does not fit the input");
                }
                check_phases(&whole([rows, cols]), [rows, cols])?;
                [dense.outputs, 1, 1]
            }
            Kind::Add if inputs[1] != inputs[0] => return Err("it adds two different shapes"),
            Kind::Add | Kind::Activation(_) => inputs[0],
            Kind::MaxPool(window) | Kind::AveragePool { window, .. } => {
                let elements = window.kernel.iter().product::<usize>();
                let places = window.places([rows, cols]);
                let places = places
                    .filter(|_| elements <= MAX_PICKS || matches!(self, Kind::AveragePool { .. }));
                let [rows, cols] = places.ok_or("its window does not fit")?;
                [channels, rows, cols]
            }
        };
        match shape.contains(&0) {
            true => Err("it makes an empty value"),
            false => Ok(shape),
        }
    }
}

fn fits(bias: &[f32], outputs: usize) -> bool {
    bias.is_empty() || bias.len() == outputs
}

fn check(conv: &Convolution, channels: usize) -> Result<(), &'static str> {
    let Convolution {
        filters, groups, ..
    } = *conv;
    if groups == 0 || !channels.is_multiple_of(groups) || !filters.is_multiple_of(groups) {
        return Err("its groups do not fit the channels");
    }
    let size = filters * (channels / groups) * conv.window.kernel.iter().product::<usize>();
    if conv.weights.len() != size || !fits(&conv.bias, filters) {
        return Err("its weights do not fit the channels");
    }
    let whole =
        (channels / groups).is_multiple_of(BLOCK) && (filters / groups).is_multiple_of(BLOCK);
    if groups > 1 && !depthwise(conv, channels) && !whole {
        return Err("its groups are no whole blocks of 16 channels");
    }
    Ok(())
}

fn check_phases(window: &Window, size: [usize; 2]) -> Result<(), &'static str> {
    let [rows, cols] = [0, 1].map(|i| window.stride[i].min(size[i]));
    match rows.saturating_mul(cols) <= MAX_PHASES {
        true => Ok(()),
        false => Err("its stride is too large"),
    }
}

fn depthwise(conv: &Convolution, channels: usize) -> bool {
    conv.groups == channels && conv.filters == channels && channels > 1
}

/// Which layers run as one, in order.
fn fuse<'a>(layers: &'a [Layer], shapes: &[[usize; 3]], tape: &mut [usize; 2]) -> Vec<Fused<'a>> {
    let mut readers = vec![Vec::new(); shapes.len()];
    for (i, layer) in layers.iter().enumerate() {
        layer
            .inputs
            .iter()
            .for_each(|&value| readers[value].push(i));
    }
    // A value's only reader, if it comes later than all that it reads besides.
    let only = |value: usize| match readers[value][..] {
        [reader] => Some(reader),
        _ => None,
    };
    let blocks = |value: usize| {
        let [channels, rows, cols] = shapes[value];
        channels.div_ceil(BLOCK) * rows * cols
    };
    let mut done = vec![false; layers.len()];
    let mut made = vec![false; shapes.len()];
    made[0] = true;
    let mut all = Vec::new();
    for (i, layer) in layers.iter().enumerate() {
        if done[i] {
            continue;
        }
        let mut op = Fused {
            kind: &layer.kind,
            source: layer.inputs[0],
            add: None,
            activation: None,
            out: i + 1,
            picks: 0,
        };
        let product = matches!(layer.kind, Kind::Convolution(_) | Kind::Dense(_));
        match &layer.kind {
            Kind::Add => op.add = Some(layer.inputs[1]),
            Kind::Activation(activation) => op.activation = Some((*activation, 0)),
            Kind::MaxPool(_) => {
                op.picks = tape[1];
                tape[1] += blocks(op.out);
            }
            _ => {}
        }
        if product
            && let Some(j) = only(op.out)
            && let Kind::Add = layers[j].kind
        {
            let other = layers[j].inputs.iter().find(|&&value| value != op.out);
            if let Some(&other) = other.filter(|&&other| made[other]) {
                (op.add, op.out) = (Some(other), j + 1);
                done[j] = true;
            }
        }
        if (product || matches!(layer.kind, Kind::Add))
            && let Some(j) = only(op.out)
            && let Kind::Activation(activation) = layers[j].kind
        {
            (op.activation, op.out) = (Some((activation, 0)), j + 1);
            done[j] = true;
        }
        if let Some((_, bits)) = &mut op.activation {
            *bits = tape[0];
            tape[0] += blocks(op.out);
        }
        made[op.out] = true;
        all.push(op);
    }
    all
}

fn bias_blocks(bias: &[f32]) -> Vec<Block> {
    let block = |part: &[f32]| {
        let mut block = Block::ZERO;
        block.0[..part.len()].copy_from_slice(part);
        block
    };
    bias.chunks(BLOCK).map(block).collect()
}

/// A matrix by all elements is a convolution whose kernel is as large as the input.
fn whole(size: [usize; 2]) -> Window {
    Window {
        kernel: size,
        stride: size,
        dilation: [1, 1],
        begin: [0, 0],
        end: [0, 0],
    }
}

fn is_winograd(window: &Window) -> bool {
    window.kernel == [3, 3] && window.stride == [1, 1] && window.dilation == [1, 1]
}

fn forward(fused: &[Fused], shapes: &[[usize; 3]], last: usize) -> Program {
    let op = |f: &Fused| {
        let [channels, rows, cols] = shapes[f.source];
        let [_, out_rows, out_cols] = shapes[f.out];
        let act = match f.activation {
            Some((activation, bits)) => Act::Forward { activation, bits },
            None => Act::Linear,
        };
        let end = |bias: &[f32]| End {
            bias: bias_blocks(bias),
            act,
        };
        let size = [rows, cols];
        let out = [out_rows, out_cols];
        let core = match f.kind {
            Kind::Convolution(conv) => convolution(conv, channels, out, end(&conv.bias)),
            Kind::Dense(dense) => Core::Correlation(Correlation::new(
                vec![Phase::forward(&whole(size), [1, 1])],
                1,
                channels,
                dense.outputs,
                |o, i, tap| dense.weights[element(channels, size, o, i, tap)],
                end(&dense.bias),
            )),
            Kind::Add | Kind::Activation(_) => Core::Pointwise(end(&[])),
            Kind::MaxPool(window) => Core::MaxPool(pool(window, size, out, false), f.picks),
            Kind::AveragePool {
                window,
                count_padding,
            } => Core::AveragePool(pool(window, size, out, *count_padding)),
        };
        Op {
            core,
            source: f.source,
            add: f.add,
            to: f.out,
        }
    };
    let maps = shapes.iter().map(|&shape| Map::new(shape)).collect();
    program(fused.iter().map(op).collect(), maps, 0, last)
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
    if conv.groups == 1 && is_winograd(&conv.window) && winograd::pays(channels, conv.filters, out)
    {
        return Core::Winograd(Winograd::new(
            channels,
            conv.filters,
            conv.window.begin,
            at,
            end,
        ));
    }
    Core::Correlation(Correlation::new(
        vec![Phase::forward(&conv.window, out)],
        conv.groups,
        depth,
        conv.filters,
        |o, i, tap| at(o, i, tap.kernel[0], tap.kernel[1]),
        end,
    ))
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

    /// Adds an operation's result to the derivative by `value`; `core` is given the end to apply, or says that
    /// it applies none.
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

fn backward(fused: &[Fused], shapes: &[[usize; 3]], last: usize) -> Option<Program> {
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
                    Phase::backward(&whole(size), size),
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

/// Gives each value the halo that its readers need, and a buffer.
fn program(ops: Vec<Op>, mut maps: Vec<Map>, input: Id, output: Id) -> Program {
    for op in &ops {
        let halo = op.core.halo(&maps[op.source], &maps[op.to]);
        maps[op.source].halo = maps[op.source].halo.or(halo);
    }
    let mut last_use = vec![0; maps.len()];
    for (i, op) in ops.iter().enumerate() {
        last_use[op.source] = i;
        op.add.iter().for_each(|&add| last_use[add] = i);
    }
    last_use[output] = usize::MAX;
    let (mut buffers, mut free, mut count) = (vec![0; maps.len()], Vec::new(), 0);
    let take = |free: &mut Vec<usize>, count: &mut usize| {
        free.pop().unwrap_or_else(|| {
            *count += 1;
            *count - 1
        })
    };
    buffers[input] = take(&mut free, &mut count);
    for (i, op) in ops.iter().enumerate() {
        buffers[op.to] = take(&mut free, &mut count);
        let mut read = [Some(op.source), op.add];
        if op.add == Some(op.source) {
            read[1] = None;
        }
        let done = read.into_iter().flatten().filter(|&id| last_use[id] == i);
        free.extend(done.map(|id| buffers[id]));
    }
    Program {
        ops,
        maps,
        input,
        output,
        buffers,
        count,
    }
}
