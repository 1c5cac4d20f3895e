//! What layers make of their inputs, and which are refused.

use crate::channels::Place;
use crate::error::Error;
use crate::layer::{Convolution, Kind, Layer, Window};
use crate::map::{Halo, Map};
use crate::phase::Phase;
use crate::simd::BLOCK;

/// Most elements of a pooling window: picks are kept in a byte.
const MAX_PICKS: usize = 256;

/// Most steps of a stride, rows by columns: backward there is a correlation for each.
const MAX_PHASES: usize = 4096;
/// Most blocks that the values of one sample may take together: 1 GiB. Padding may be many times what is padded.
const MAX_BLOCKS: usize = 1 << 24;

/// The shape of every value: channels, rows, columns.
pub(super) fn shapes(input: [usize; 3], layers: &[Layer]) -> Result<Vec<[usize; 3]>, Error> {
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
        let right = match self {
            Kind::Add | Kind::Multiply => inputs.len() == 2,
            Kind::Channels(_) => !inputs.is_empty(),
            _ => inputs.len() == 1,
        };
        if !right {
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
                check_phases(&Window::whole([rows, cols]), [rows, cols])?;
                [dense.outputs, 1, 1]
            }
            Kind::Add if inputs[1] != inputs[0] => return Err("it adds two different shapes"),
            Kind::Multiply if inputs[1] != inputs[0] && inputs[1] != [channels, 1, 1] => {
                return Err("its second factor fits neither the first nor its channels");
            }
            Kind::Norm(norm) if norm.scale.len() != channels || !fits(&norm.bias, channels) => {
                return Err("its scale or bias does not fit the channels");
            }
            Kind::Channels(places) => {
                check_places(places, inputs)?;
                [places.len(), rows, cols]
            }
            Kind::Add | Kind::Activation(_) | Kind::Smooth(_) | Kind::Norm(_) | Kind::Multiply => {
                inputs[0]
            }
            Kind::MaxPool(window) | Kind::AveragePool { window, .. } => {
                let elements = window.kernel.iter().product::<usize>();
                let places = window.places([rows, cols]);
                let places = places
                    .filter(|_| elements <= MAX_PICKS || matches!(self, Kind::AveragePool { .. }));
                let [out_rows, out_cols] = places.ok_or("its window does not fit")?;
                if matches!(self, Kind::MaxPool(_))
                    && !meets(window, [rows, cols], [out_rows, out_cols])
                {
                    return Err("a window lies in the padding alone");
                }
                let [rows, cols] = [out_rows, out_cols];
                [channels, rows, cols]
            }
        };
        match shape.contains(&0) {
            true => Err("it makes an empty value"),
            false => Ok(shape),
        }
    }
}

pub(super) fn fits(bias: &[f32], outputs: usize) -> bool {
    bias.is_empty() || bias.len() == outputs
}

pub(super) fn check(conv: &Convolution, channels: usize) -> Result<(), &'static str> {
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

/// Whether each place of a window over `size` pixels has an element over one.
fn meets(window: &Window, size: [usize; 2], out: [usize; 2]) -> bool {
    let met = |i: usize, place: usize| {
        let start = place * window.stride[i];
        let mut taps = (0..window.kernel[i]).map(|k| start + k * window.dilation[i]);
        taps.any(|at| (window.begin[i]..window.begin[i] + size[i]).contains(&at))
    };
    (0..2).all(|i| (0..out[i]).all(|place| met(i, place)))
}

fn check_places(places: &[Place], inputs: &[[usize; 3]]) -> Result<(), &'static str> {
    if inputs.iter().any(|input| input[1..] != inputs[0][1..]) {
        return Err("it takes channels of different sizes");
    }
    let mut taken: Vec<Vec<bool>> = inputs.iter().map(|shape| vec![false; shape[0]]).collect();
    for &(input, channel) in places {
        let place = taken
            .get_mut(input)
            .and_then(|taken| taken.get_mut(channel));
        let place = place.ok_or("it takes a channel that there is not")?;
        if std::mem::replace(place, true) {
            return Err("it takes a channel twice");
        }
    }
    Ok(())
}

pub(super) fn check_phases(window: &Window, size: [usize; 2]) -> Result<(), &'static str> {
    let [rows, cols] = [0, 1].map(|i| window.stride[i].min(size[i]));
    match rows.saturating_mul(cols) <= MAX_PHASES {
        true => Ok(()),
        false => Err("its stride is too large"),
    }
}

pub(crate) fn depthwise(conv: &Convolution, channels: usize) -> bool {
    conv.groups == channels && conv.filters == channels && channels > 1
}

/// Refuses layers whose values, padded for the way forward or back, would not fit into memory.
pub(super) fn affordable(layers: &[Layer], shapes: &[[usize; 3]]) -> Result<(), Error> {
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
                let back = Phase::gradient(&conv.window, size, out);
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
pub(crate) fn one_tap(mut window: Window, size: [usize; 2], out: [usize; 2]) -> Window {
    if out == [1, 1] && size[0].saturating_mul(size[1]) <= MAX_PHASES {
        window.stride = size;
    }
    window
}
