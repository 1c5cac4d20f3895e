//! Functions that bend: each element's value, and the derivative there, which the tape keeps as a number.
//!
//! Values are within 3e-7 of the largest: `exp` is Cephes', reduced by the whole powers of 2; the normal
//! distribution's tail is `exp(-x^2 / 2) t p(t)` with `t = 1 / (1 + x / sqrt 8)` and a polynomial `p`, fitted to erfc by least
//! squares to 4e-9.

use pulp::Simd;

use crate::map::{View, ViewMut};
use crate::rect::Area;
use crate::run::Pass;
use crate::simd::{Kernel, dispatch, load, store};

/// `f(x)`, or `x f(x)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Smooth {
    pub function: Function,
    /// Whether the function is a factor of `x`.
    pub gated: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Function {
    /// `1 / (1 + exp(-x))`. Gated: SiLU, or Swish.
    Sigmoid,
    Tanh,
    /// `slope x + shift`, cut to [0, 1]; the derivative at the bounds is `slope`. Gated, by 1/6 and 1/2: HardSwish.
    HardSigmoid {
        slope: f32,
        shift: f32,
    },
    /// The share of the normal distribution that is below x. Gated: GELU.
    Normal,
    /// Twice the share of the normal distribution, of variance 1/2, that is between 0 and x.
    Erf,
}

/// `exp` of what is below its negative is taken for 0: it is below the smallest normal numbers.
const FAR: f32 = 87.0;
const LOG2_E: f32 = core::f32::consts::LOG2_E;
/// ln 2 in two parts, of which products with small whole numbers are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// Adding it leaves a whole number in the lowest bits.
const ROUND: f32 = 12_582_912.0;
const EXP: [f32; 6] = [
    1.987_569_1e-4,
    1.398_2e-3,
    8.333_452e-3,
    4.166_579_6e-2,
    1.666_666_5e-1,
    0.5,
];
const TAIL: [f32; 11] = [
    0.017_403_96,
    -0.092_660_5,
    0.183_246_31,
    -0.133_549_93,
    -0.021_777_645,
    0.024_589_228,
    0.024_491_612,
    0.093_631_38,
    0.122_440_666,
    0.141_141_33,
    0.141_043_6,
];
const TANH: [f32; 5] = [
    -5.704_988_7e-3,
    2.063_908_8e-2,
    -5.373_971_6e-2,
    1.333_144_2e-1,
    -0.333_332_8,
];

/// Writes the function of the source, and on the tape, from `at` on, its derivative.
pub(crate) fn run(
    smooth: Smooth,
    at: usize,
    source: View,
    to: &mut ViewMut,
    pass: &mut Pass,
    area: Area,
) {
    dispatch(Run {
        smooth,
        at,
        source,
        to,
        pass,
        area,
    });
}

struct Run<'a, 'b, 'c, 'd> {
    smooth: Smooth,
    at: usize,
    source: View<'a>,
    to: &'b mut ViewMut<'c>,
    pass: &'b mut Pass<'d>,
    area: Area<'a>,
}

impl Kernel for Run<'_, '_, '_, '_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        match self.smooth.function {
            Function::Sigmoid => self.each::<S, V>(simd, sigmoid),
            Function::Tanh => self.each::<S, V>(simd, tanh),
            Function::Normal => self.each::<S, V>(simd, normal),
            Function::Erf => self.each::<S, V>(simd, erf),
            Function::HardSigmoid { slope, shift } => self.each::<S, V>(
                simd,
                #[inline(always)]
                |simd, x| hard_sigmoid(simd, x, slope, shift),
            ),
        }
    }
}

impl Run<'_, '_, '_, '_> {
    #[inline(always)]
    fn each<S: Simd, const V: usize>(
        self,
        simd: S,
        function: impl Fn(S, S::f32s) -> (S::f32s, S::f32s),
    ) {
        let (map, group) = (self.to.map, self.to.group);
        let mut tape = match self.pass {
            Pass::Record(marks) => Some(&mut marks.numbers[self.at * group..]),
            _ => None,
        };
        for b in 0..map.blocks() {
            for s in 0..group {
                let rect = self.area.of(s, [map.rows, map.cols]);
                for y in rect.from[0]..rect.to[0] {
                    let from = &self.source.data[self.source.at(b, s, y, 0)..];
                    let at = self.to.at(b, s, y, 0);
                    let to = &mut self.to.data[at..];
                    let line = ((b * group + s) * map.rows + y) * map.cols;
                    for x in rect.from[1]..rect.to[1] {
                        let value = load::<S, V>(&from[x].0, 0);
                        let mut slopes = value;
                        let mut values = value;
                        for v in 0..V {
                            let (f, slope) = function(simd, value[v]);
                            (values[v], slopes[v]) = match self.smooth.gated {
                                true => (
                                    simd.mul_f32s(value[v], f),
                                    simd.mul_add_e_f32s(value[v], slope, f),
                                ),
                                false => (f, slope),
                            };
                        }
                        store::<S, V>(&mut to[x].0, 0, values);
                        if let Some(tape) = &mut tape {
                            store::<S, V>(&mut tape[line + x].0, 0, slopes);
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn polynomial<S: Simd>(simd: S, x: S::f32s, coefficients: &[f32]) -> S::f32s {
    let mut sum = simd.splat_f32s(coefficients[0]);
    for &c in &coefficients[1..] {
        sum = simd.mul_add_e_f32s(sum, x, simd.splat_f32s(c));
    }
    sum
}

/// Of x between -87 and 0. NaN stays NaN.
#[inline(always)]
fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let round = simd.splat_f32s(ROUND);
    let shifted = simd.mul_add_e_f32s(x, simd.splat_f32s(LOG2_E), round);
    let whole = simd.neg_f32s(simd.sub_f32s(shifted, round));
    let rest = simd.mul_add_e_f32s(whole, simd.splat_f32s(LN_2[0]), x);
    let rest = simd.mul_add_e_f32s(whole, simd.splat_f32s(LN_2[1]), rest);
    let p = polynomial(simd, rest, &EXP);
    let one = simd.splat_f32s(1.0);
    let p = simd.mul_add_e_f32s(p, simd.mul_f32s(rest, rest), simd.add_f32s(rest, one));
    let bits = simd.transmute_u32s_f32s(shifted);
    let exponent = simd.add_u32s(bits, simd.splat_u32s(127));
    let power = simd.wrapping_dyn_shl_u32s(exponent, simd.splat_u32s(23));
    simd.mul_f32s(p, simd.transmute_f32s_u32s(power))
}

/// `exp(-x)` of x from 0 on; 0 beyond [`FAR`]. NaN stays NaN.
#[inline(always)]
fn decay<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let (far, zero) = (simd.splat_f32s(FAR), simd.splat_f32s(0.0));
    let beyond = simd.greater_than_f32s(x, far);
    let near = simd.select_f32s(beyond, far, x);
    simd.select_f32s(beyond, zero, exp(simd, simd.neg_f32s(near)))
}

#[inline(always)]
fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let one = simd.splat_f32s(1.0);
    let e = decay(simd, simd.abs_f32s(x));
    // That of |x|, and what it leaves to 1.
    let large = simd.div_f32s(one, simd.add_f32s(one, e));
    let small = simd.mul_f32s(e, large);
    let below = simd.less_than_f32s(x, simd.splat_f32s(0.0));
    let value = simd.select_f32s(below, small, large);
    (value, simd.mul_f32s(small, large))
}

#[inline(always)]
fn tanh<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let (zero, one) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0));
    let size = simd.abs_f32s(x);
    let e = decay(simd, simd.add_f32s(size, size));
    let share = simd.div_f32s(one, simd.add_f32s(one, e));
    let large = simd.mul_f32s(simd.sub_f32s(one, e), share);
    let large = simd.select_f32s(simd.less_than_f32s(x, zero), simd.neg_f32s(large), large);
    let square = simd.mul_f32s(x, x);
    let p = simd.mul_f32s(polynomial(simd, square, &TANH), square);
    let small = simd.mul_add_e_f32s(p, x, x);
    let is_small = simd.less_than_f32s(size, simd.splat_f32s(0.625));
    let slope = simd.mul_f32s(
        simd.mul_f32s(simd.splat_f32s(4.0), e),
        simd.mul_f32s(share, share),
    );
    (simd.select_f32s(is_small, small, large), slope)
}

#[inline(always)]
fn hard_sigmoid<S: Simd>(simd: S, x: S::f32s, slope: f32, shift: f32) -> (S::f32s, S::f32s) {
    let (zero, one, slope) = (
        simd.splat_f32s(0.0),
        simd.splat_f32s(1.0),
        simd.splat_f32s(slope),
    );
    let line = simd.add_f32s(simd.mul_f32s(x, slope), simd.splat_f32s(shift));
    let value = simd.select_f32s(simd.less_than_f32s(line, zero), zero, line);
    let value = simd.select_f32s(simd.greater_than_f32s(value, one), one, value);
    let inside = simd.equal_f32s(value, line);
    (value, simd.select_f32s(inside, slope, zero))
}

/// The share of the normal distribution that is beyond |x|, and its density at x.
#[inline(always)]
fn tail<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let one = simd.splat_f32s(1.0);
    let half_square = simd.mul_f32s(simd.mul_f32s(x, x), simd.splat_f32s(0.5));
    let e = decay(simd, half_square);
    let scale = simd.splat_f32s(0.5 * core::f32::consts::FRAC_1_SQRT_2);
    let t = simd.div_f32s(one, simd.mul_add_e_f32s(simd.abs_f32s(x), scale, one));
    let p = simd.mul_f32s(polynomial(simd, t, &TAIL), t);
    let density = simd.mul_f32s(e, simd.splat_f32s(0.398_942_3));
    (simd.mul_f32s(e, p), density)
}

#[inline(always)]
fn normal<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let (tail, density) = tail(simd, x);
    let below = simd.less_than_f32s(x, simd.splat_f32s(0.0));
    let rest = simd.sub_f32s(simd.splat_f32s(1.0), tail);
    (simd.select_f32s(below, tail, rest), density)
}

#[inline(always)]
fn erf<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let zero = simd.splat_f32s(0.0);
    let root = simd.splat_f32s(core::f32::consts::SQRT_2);
    let (tail, density) = tail(simd, simd.mul_f32s(x, root));
    let size = simd.mul_add_e_f32s(tail, simd.splat_f32s(-2.0), simd.splat_f32s(1.0));
    let below = simd.less_than_f32s(x, zero);
    let value = simd.select_f32s(below, simd.neg_f32s(size), size);
    let slope = simd.mul_f32s(density, simd.splat_f32s(2.0 * core::f32::consts::SQRT_2));
    (value, slope)
}
