//! The way forward: packs the weights of each operation.

use super::fuse::Fused;
use super::program::{Core, Op, Program, program};
use super::shape::depthwise;
use crate::correlate::Correlation;
use crate::depthwise::Depthwise;
use crate::end::{Act, End};
use crate::layer::{Convolution, Kind, Window};
use crate::map::Map;
use crate::phase::{Phase, Tap};
use crate::pool::Pool;
use crate::simd::{BLOCK, Block};
use crate::winograd::{self, Winograd};

pub(super) fn forward(fused: &[Fused], shapes: &[[usize; 3]], last: usize) -> Program {
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
                vec![Phase::forward(&Window::whole(size), [1, 1])],
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

fn bias_blocks(bias: &[f32]) -> Vec<Block> {
    let block = |part: &[f32]| {
        let mut block = Block::ZERO;
        block.0[..part.len()].copy_from_slice(part);
        block
    };
    bias.chunks(BLOCK).map(block).collect()
}

pub(super) fn is_winograd(window: &Window) -> bool {
    window.kernel == [3, 3] && window.stride == [1, 1] && window.dilation == [1, 1]
}

/// Where a dense layer's weight lies for output `o`, channel `i` and the input's pixel `tap`.
pub(super) fn element(
    channels: usize,
    [rows, cols]: [usize; 2],
    o: usize,
    i: usize,
    tap: &Tap,
) -> usize {
    let [y, x] = tap.kernel;
    ((o * channels + i) * rows + y) * cols + x
}

pub(super) fn pool(
    window: &Window,
    size: [usize; 2],
    out: [usize; 2],
    count_padding: bool,
) -> Pool {
    Pool {
        window: *window,
        size,
        out,
        count_padding,
    }
}
