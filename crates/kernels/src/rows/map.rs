//! Functions of one number, over a whole array.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;

use crate::ball::nearest_in;
use crate::launch::{Grid, Shader, launch, shader};
use crate::steps::step::sign;
use crate::{Array, Device, Error};

const KERNEL: &str = "map";
const SHADER: Shader = shader!("map", needs "philox", needs "normal");

/// Elements a task on the CPU.
const GRAIN: usize = 8192;

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Map {
    /// `scale * x + shift`.
    Affine {
        scale: f32,
        shift: f32,
    },
    /// The nearest number in `[lo, hi]`.
    Clamp {
        lo: f32,
        hi: f32,
    },
    /// -1, 0 or 1.
    Sign,
    Abs,
    Square,
    Sqrt,
    /// `1 / x`, and 0 where that is not to be had: x zero, below the normal floats, Inf or NaN.
    Reciprocal,
    Tanh,
    /// For x in (-1, 1).
    Atanh,
    Exp,
    /// Moved towards 0 by `by`, and no further: the soft threshold.
    Shrink {
        by: f32,
    },
    /// The nearest whole number, the even one of two.
    Round,
}

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    elements: u32,
    function: u32,
    p: f32,
    q: f32,
}

/// `x = f(x)`, element by element.
pub fn map(x: &mut Array, f: Map) -> Result<(), Error> {
    if x.is_empty() {
        return Ok(());
    }
    match x.device() {
        Device::Cpu => {
            twin(x.host_mut(KERNEL)?, f);
            Ok(())
        }
        Device::Gpu(gpu) => {
            let elements = x.rows() * x.cols();
            let params = f.params(elements as u32);
            let arrays = [x.buffer(KERNEL, &gpu)?];
            launch(&gpu, &SHADER, &params, &arrays, Grid::Threads(elements))
        }
    }
}

impl Map {
    fn params(self, elements: u32) -> Params {
        let (function, p, q) = match self {
            Map::Affine { scale, shift } => (0, scale, shift),
            Map::Clamp { lo, hi } => (1, lo, hi),
            Map::Sign => (2, 0.0, 0.0),
            Map::Abs => (3, 0.0, 0.0),
            Map::Square => (4, 0.0, 0.0),
            Map::Sqrt => (5, 0.0, 0.0),
            Map::Reciprocal => (6, 0.0, 0.0),
            Map::Tanh => (7, 0.0, 0.0),
            Map::Atanh => (8, 0.0, 0.0),
            Map::Exp => (9, 0.0, 0.0),
            Map::Shrink { by } => (10, by, 0.0),
            Map::Round => (11, 0.0, 0.0),
        };
        Params {
            elements,
            function,
            p,
            q,
        }
    }
}

fn twin(x: &mut [f32], f: Map) {
    match f {
        Map::Affine { scale, shift } => each(x, |v| scale * v + shift),
        Map::Clamp { lo, hi } => each(x, |v| nearest_in(v, lo, hi)),
        Map::Sign => each(x, sign),
        Map::Abs => each(x, f32::abs),
        Map::Square => each(x, |v| v * v),
        Map::Sqrt => each(x, f32::sqrt),
        Map::Reciprocal => each(x, |v| if v.is_normal() { 1.0 / v } else { 0.0 }),
        Map::Tanh => each(x, f32::tanh),
        Map::Exp => each(x, f32::exp),
        Map::Shrink { by } => each(x, |v| sign(v) * (v.abs() - by).max(0.0)),
        Map::Round => each(x, f32::round_ties_even),
        // The standard library's loses digits near -1.
        Map::Atanh => each(x, |v| 0.5 * ((1.0 + v) / (1.0 - v)).ln()),
    }
}

fn each(x: &mut [f32], f: impl Fn(f32) -> f32 + Sync) {
    x.par_chunks_mut(GRAIN)
        .for_each(|part| part.iter_mut().for_each(|v| *v = f(*v)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Random, assert_close};

    const ALL: [Map; 12] = [
        Map::Affine {
            scale: -1.5,
            shift: 0.25,
        },
        Map::Clamp { lo: -0.5, hi: 0.25 },
        Map::Sign,
        Map::Abs,
        Map::Square,
        Map::Sqrt,
        Map::Reciprocal,
        Map::Tanh,
        Map::Atanh,
        Map::Exp,
        Map::Shrink { by: 0.75 },
        Map::Round,
    ];

    /// The function in f64.
    fn naive(f: Map, v: f32) -> f32 {
        let v = f64::from(v);
        let result = match f {
            Map::Affine { scale, shift } => f64::from(scale) * v + f64::from(shift),
            Map::Clamp { lo, hi } => v.clamp(lo.into(), hi.into()),
            Map::Sign if v == 0.0 => 0.0,
            Map::Sign => v.signum(),
            Map::Abs => v.abs(),
            Map::Square => v * v,
            Map::Sqrt => v.sqrt(),
            Map::Reciprocal => 1.0 / v,
            Map::Tanh => v.tanh(),
            Map::Atanh => v.atanh(),
            Map::Exp => v.exp(),
            Map::Shrink { by } if v > 0.0 => (v - f64::from(by)).max(0.0),
            Map::Shrink { by } => (v + f64::from(by)).min(0.0),
            Map::Round => v.round_ties_even(),
        };
        result as f32
    }

    #[test]
    fn every_function_is_what_it_says_on_every_device() {
        let mut random = Random::new(33);
        for (case, (rows, cols)) in testing::shapes(34).into_iter().enumerate() {
            let f = ALL[case % ALL.len()];
            let (lo, hi) = match f {
                Map::Sqrt => (0.0, 4.0),
                Map::Atanh => (-0.999_999, 0.999_999),
                Map::Tanh => (-30.0, 30.0),
                _ => (-4.0, 4.0),
            };
            let x = random.floats(rows * cols, lo, hi);
            let expected: Vec<f32> = x.iter().map(|&v| naive(f, v)).collect();
            for device in testing::devices() {
                let mut got = Array::from_vec(&device, rows, cols, x.clone()).unwrap();
                map(&mut got, f).unwrap();
                let what = format!("{f:?} on {device:?}");
                assert_close(&what, &got.to_vec().unwrap(), &expected, 1e-5);
            }
        }
    }

    #[test]
    fn tanh_of_what_is_large_is_one() {
        for device in testing::devices() {
            let mut x = Array::from_vec(&device, 1, 4, vec![1e30, -1e30, 50.0, 0.0]).unwrap();
            map(&mut x, Map::Tanh).unwrap();
            assert_eq!(x.to_vec().unwrap(), [1.0, -1.0, 1.0, 0.0], "{device:?}");
        }
    }

    #[test]
    fn what_has_no_reciprocal_gives_zero() {
        let odd = vec![0.0, -0.0, 1e-40, f32::INFINITY, f32::NAN, -0.5];
        for device in testing::devices() {
            let mut x = Array::from_vec(&device, 2, 3, odd.clone()).unwrap();
            map(&mut x, Map::Reciprocal).unwrap();
            let expected = [0.0, 0.0, 0.0, 0.0, 0.0, -2.0];
            assert_eq!(x.to_vec().unwrap(), expected, "{device:?}");
        }
    }
}
