//! What is done to a block before it is stored: a bias, another value, an activation or its derivative.

use pulp::Simd;

use crate::map::{Map, View};
use crate::simd::{self, Block, Vectors, from_bits, load, to_bits, zip};

/// A piecewise linear activation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `x` from 0 on, `slope x` below.
    Leaky(f32),
    /// `min(max(x, lo), hi)`; the derivative at the bounds is 1.
    Clip(f32, f32),
}

impl Activation {
    /// The derivative where it is not 1.
    pub(crate) fn slope(self) -> f32 {
        match self {
            Activation::Leaky(slope) => slope,
            Activation::Relu | Activation::Clip(..) => 0.0,
        }
    }

    /// The values, and where the derivative is 1. NaN stays NaN.
    #[inline(always)]
    fn apply<S: Simd, const V: usize>(
        self,
        simd: S,
        x: Vectors<S, V>,
    ) -> (Vectors<S, V>, [S::m32s; V]) {
        let splat = |value| simd.splat_f32s(value);
        let zero = splat(0.0);
        match self {
            Activation::Relu => (
                simd::map::<S, V>(x, |x| {
                    simd.select_f32s(simd.less_than_f32s(x, zero), zero, x)
                }),
                x.map(|x| simd.greater_than_f32s(x, zero)),
            ),
            Activation::Leaky(slope) => (
                simd::map::<S, V>(x, |x| {
                    let scaled = simd.mul_f32s(x, splat(slope));
                    simd.select_f32s(simd.less_than_f32s(x, zero), scaled, x)
                }),
                x.map(|x| simd.greater_than_f32s(x, zero)),
            ),
            Activation::Clip(lo, hi) => {
                let (lo, hi) = (splat(lo), splat(hi));
                let values = simd::map::<S, V>(x, |x| {
                    let x = simd.select_f32s(simd.less_than_f32s(x, lo), lo, x);
                    simd.select_f32s(simd.greater_than_f32s(x, hi), hi, x)
                });
                let inside = core::array::from_fn(|v| simd.equal_f32s(values[v], x[v]));
                (values, inside)
            }
        }
    }
}

/// The last part of an operation.
#[derive(Debug, Clone, Default)]
pub(crate) struct End {
    /// A block of biases for each block of channels; empty for none.
    pub bias: Vec<Block>,
    pub act: Act,
}

/// The activation of an operation.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) enum Act {
    #[default]
    Linear,
    /// Forward: bits of the tape from `bits` on, a sample, say where the derivative is 1.
    Forward { activation: Activation, bits: usize },
    /// Backward: where the bit is not set, times `slope`.
    Backward { slope: f32, bits: usize },
    /// Backward: times the tape's numbers from `at` on, a sample.
    Times { at: usize },
}

/// The tape, as ends see it.
pub(crate) enum Bits<'a> {
    /// Nothing is recorded.
    Off,
    Write(&'a mut [u16]),
    /// Beside the bits, the numbers.
    Read(&'a [u16], &'a [Block]),
}

/// What an operation's end reads and writes beside its result.
pub(crate) struct Beside<'a> {
    pub add: Option<View<'a>>,
    pub bits: Bits<'a>,
    pub group: usize,
}

impl<'a> Beside<'a> {
    /// The tape's numbers, on the way back.
    pub fn numbers(&self) -> Option<&'a [Block]> {
        match self.bits {
            Bits::Read(_, numbers) => Some(numbers),
            _ => None,
        }
    }
}

impl End {
    /// Whether it changes nothing by itself.
    pub fn is_bare(&self) -> bool {
        self.bias.is_empty() && self.act == Act::Linear
    }

    /// The values to store for pixel (y, x) of block `b` of sample `s`.
    #[inline(always)]
    pub fn apply<S: Simd, const V: usize>(
        &self,
        simd: S,
        mut value: Vectors<S, V>,
        beside: &mut Beside,
        map: &Map,
        [b, s, y, x]: [usize; 4],
    ) -> Vectors<S, V> {
        if let Some(bias) = self.bias.get(b) {
            value = zip::<S, V>(value, load::<S, V>(&bias.0, 0), |a, b| simd.add_f32s(a, b));
        }
        if let Some(add) = &beside.add {
            let add = &add.data[add.at(b, s, y, x)];
            value = zip::<S, V>(value, load::<S, V>(&add.0, 0), |a, b| simd.add_f32s(a, b));
        }
        let bit = |start: usize| {
            start * beside.group + ((b * beside.group + s) * map.rows + y) * map.cols + x
        };
        match self.act {
            Act::Linear => value,
            Act::Forward { activation, bits } => {
                let (value, mask) = activation.apply::<S, V>(simd, value);
                let at = bit(bits);
                if let Bits::Write(bits) = &mut beside.bits {
                    bits[at] = to_bits::<S, V>(simd, mask);
                }
                value
            }
            Act::Backward { slope, bits } => {
                let at = bit(bits);
                let Bits::Read(bits, _) = &beside.bits else {
                    return value;
                };
                let mask = from_bits::<S, V>(simd, bits[at]);
                let slope = simd.splat_f32s(slope);
                core::array::from_fn(|v| {
                    let scaled = simd.mul_f32s(value[v], slope);
                    simd.select_f32s(mask[v], value[v], scaled)
                })
            }
            Act::Times { at } => {
                let at = bit(at);
                let Some(numbers) = beside.numbers() else {
                    return value;
                };
                let slopes = load::<S, V>(&numbers[at].0, 0);
                zip::<S, V>(value, slopes, |a, b| simd.mul_f32s(a, b))
            }
        }
    }
}
