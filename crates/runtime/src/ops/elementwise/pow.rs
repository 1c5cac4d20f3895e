//! Pow: `x ^ y` with NumPy broadcasting, in the type of `x`. A negative base has a power where the
//! exponent is whole, and NaN elsewhere.
//!
//! One known exponent is computed by products where it is small and whole, so that the gradient is finite
//! and right at 0 and for negative bases. Integers are exact where they are known; those that a run
//! computes are rounded to whole numbers.

use burn_backend::{Backend, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::mask::{as_floats, choose, equal, is, is_below};
use crate::Fault;
use crate::ops::broadcast::{
    align, broadcast, fits_host, same_rank, stretch, stretched, wrap, wrapped,
};
use crate::ops::samples::{Samples, broadcast_samples};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Elements, Fact, Facts, Values, is_float};

/// Whole exponents up to this size are computed by products.
const MAX_PRODUCTS: f32 = 16.0;

/// 2^62. Exponents beyond it, also infinite ones, give in float32 the same powers.
const MAX_WHOLE: f32 = (1u64 << 62) as f32;

struct Pow {
    /// Opset 6: the axis of the base where the exponent starts.
    axis: Option<i64>,
}

pub(super) fn parse<B: Backend>(node: &Node, context: &Context) -> Parsed<B> {
    let axis = match context.opset < 7 {
        true => node.attributes.int("axis")?,
        false => None,
    };
    Ok(Box::new(Pow { axis }))
}

impl Pow {
    /// The exponent's shape, ready to broadcast.
    fn aligned(&self, base: &[usize], exponent: &[usize]) -> Result<Vec<usize>, Fault> {
        align(self.axis, base, exponent)
    }
}

impl<B: Backend> Operator<B> for Pow {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (base, exponent) = (inputs.shape(0)?, inputs.shape(1)?);
        let aligned = self.aligned(base, exponent)?;
        let shape = broadcast(base, &aligned)?;
        let (base, exponent) = (inputs.any(0)?, inputs.any(1)?);
        let known = (base.known_ints(), exponent.known_ints());
        let ((Some(b), Some(e)), true) = (known, fits_host(&shape, &[base, exponent])?) else {
            return Ok(vec![base.with_shape(shape)]);
        };
        let b = stretched(b, base.shape(), &shape)?;
        let e = stretched(e, &aligned, &shape)?;
        let powers = b.into_iter().zip(e).map(|(b, e)| whole_power(b, e));
        let powers: Option<Vec<i64>> = powers.map(|p| Some(wrap(base.dtype, p?))).collect();
        let powers =
            powers.ok_or_else(|| Fault::shape("an integer power overflows or divides by zero"))?;
        Ok(vec![Fact::known(base.dtype, shape, Elements::Int(powers))])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = outputs.first().map(Fact::shape).unwrap_or_default();
        let dtype = outputs.first().map_or(DType::F32, |fact| fact.dtype);
        let exponent = inputs.fact(1).and_then(one_number);
        let base = inputs.tensor(0)?;
        let power = match exponent {
            Some(exponent) => stretch::<B>(by_number::<B>(base, exponent), shape),
            None => {
                let known = inputs.fact(1).is_some_and(Fact::is_known);
                let exponents = inputs.tensor(1)?;
                let aligned = self.aligned(&base.shape(), &exponents.shape())?;
                let exponents = B::float_reshape(exponents, aligned.into());
                let (base, exponents) = same_rank::<B>(base, exponents);
                let base = stretch::<B>(base, shape);
                by_tensor::<B>(base, stretch::<B>(exponents, shape), known)
            }
        };
        Ok(vec![match is_float(dtype) {
            true => power,
            false => wrapped::<B>(dtype, whole::<B>(power)),
        }])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let (left, right) = (inputs.get(0)?, inputs.get(1)?);
        let aligned = self.aligned(left.shape(), right.shape()).ok()?;
        if aligned != right.shape() && samples.get(1)?.is_some() {
            return None;
        }
        let inputs = Facts(vec![Some(left.clone()), Some(right.with_shape(aligned))]);
        broadcast_samples(samples, &inputs, outputs)
    }
}

/// `base ^ exponent`; a negative exponent truncates towards zero.
fn whole_power(base: i64, exponent: i64) -> Option<i64> {
    match (base, u32::try_from(exponent)) {
        (_, Ok(exponent)) => base.checked_pow(exponent),
        (1, _) => Some(1),
        (-1, _) if exponent % 2 == 0 => Some(1),
        (-1, _) => Some(-1),
        (0, Err(_)) if exponent < 0 => None,
        (0, Err(_)) => Some(0),
        (_, Err(_)) if exponent < 0 => Some(0),
        _ => None,
    }
}

/// The number that all known exponents are.
fn one_number(fact: &Fact) -> Option<f32> {
    match fact.elements()? {
        Elements::Float(values) => {
            let first = *values.first()?;
            values.iter().all(|&value| value == first).then_some(first)
        }
        Elements::Int(values) => {
            let first = *values.first()?;
            let same = values.iter().all(|&value| value == first);
            same.then_some(first as f32)
        }
        Elements::Text(_) => None,
    }
}

/// `x ^ exponent` as burn computes it, for any exponent: it wants the whole ones as 64-bit integers.
pub(in crate::ops) fn raised<B: Backend>(x: FloatTensor<B>, exponent: f32) -> FloatTensor<B> {
    B::float_powf_scalar(x, exponent.clamp(-MAX_WHOLE, MAX_WHOLE).into())
}

fn by_number<B: Backend>(base: FloatTensor<B>, exponent: f32) -> FloatTensor<B> {
    let exponent = exponent.clamp(-MAX_WHOLE, MAX_WHOLE);
    if exponent < 0.0 && exponent.fract() == 0.0 {
        return B::float_recip(by_number::<B>(base, -exponent));
    }
    if exponent.fract() == 0.0 && exponent <= MAX_PRODUCTS {
        return product::<B>(base, exponent as u32);
    }
    if exponent == 0.5 {
        return B::float_sqrt(base);
    }
    if exponent.fract() != 0.0 {
        return raised::<B>(base, exponent);
    }
    // The power of a negative base is left open on GPUs.
    let size = raised::<B>(B::float_abs(base.clone()), exponent);
    match exponent % 2.0 == 0.0 {
        true => size,
        false => B::float_mul(size, B::float_sign(base)),
    }
}

/// `base ^ exponent` by squaring.
fn product<B: Backend>(base: FloatTensor<B>, exponent: u32) -> FloatTensor<B> {
    if exponent == 0 {
        return B::float_powi_scalar(base, 0.into());
    }
    let mut result: Option<FloatTensor<B>> = None;
    let (mut square, mut rest) = (base, exponent);
    loop {
        if rest % 2 == 1 {
            result = Some(match result {
                Some(result) => B::float_mul(result, square.clone()),
                None => square.clone(),
            });
        }
        rest /= 2;
        match (rest, result.take()) {
            (0, Some(result)) => return result,
            (_, so_far) => result = so_far,
        }
        square = B::float_mul(square.clone(), square);
    }
}

/// Tensors of one shape. The derivative by the exponent is only taken where it is not `known`.
fn by_tensor<B: Backend>(
    base: FloatTensor<B>,
    exponent: FloatTensor<B>,
    known: bool,
) -> FloatTensor<B> {
    let constant = B::float_detach(exponent.clone());
    // 0 ^ 0 is 1 whatever the base moves to: as 1 ^ 0, so that no gradient is 0 * infinity.
    let zero = is::<B>(base.clone(), 0.0);
    let zero_to_zero = B::bool_and(zero.clone(), is::<B>(constant.clone(), 0.0));
    let size = B::float_mask_fill(B::float_abs(base.clone()), zero_to_zero, 1.0f32.into());
    let power = B::float_powf(size.clone(), constant.clone());
    let power = with_sign::<B>(base.clone(), constant.clone(), power);
    // |x| has no derivative at 0, but x^1 has.
    let power = choose::<B>(is::<B>(constant, 1.0), base, power);
    if known {
        return power;
    }
    // In value this adds zero; its gradient is |x|^y log |x|, and 0 at x = 0.
    let size = B::float_mask_fill(B::float_detach(size), zero, 1.0f32.into());
    let by_exponent = B::float_clamp_max(B::float_powf(size, exponent), f32::MAX.into());
    let nothing = B::float_sub(by_exponent.clone(), B::float_detach(by_exponent));
    B::float_add(power, nothing)
}

/// Gives `|x|^y` the sign of `x^y`, or NaN where a negative base has no power.
fn with_sign<B: Backend>(
    base: FloatTensor<B>,
    exponent: FloatTensor<B>,
    power: FloatTensor<B>,
) -> FloatTensor<B> {
    let negative = is_below::<B>(base, 0.0);
    let fraction = B::bool_not(equal::<B>(
        exponent.clone(),
        B::float_floor(exponent.clone()),
    ));
    let half = B::float_mul_scalar(exponent, 0.5f32.into());
    let odd = B::bool_not(equal::<B>(half.clone(), B::float_floor(half)));
    let flip = as_floats::<B>(B::bool_and(negative.clone(), odd));
    let sign = B::float_add_scalar(B::float_mul_scalar(flip, (-2.0f32).into()), 1.0f32.into());
    let power = B::float_mul(power, sign);
    B::float_mask_fill(power, B::bool_and(negative, fraction), f32::NAN.into())
}

/// Towards zero, but what is off a whole number by rounding alone becomes that number.
fn whole<B: Backend>(power: FloatTensor<B>) -> FloatTensor<B> {
    let near = B::float_mul_scalar(power.clone(), 4e-7f32.into());
    B::float_trunc(B::float_add(power, near))
}

#[cfg(test)]
mod tests {
    use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

    use crate::ops::testing::{Case, Operand, floats, ints};

    fn pow(base: Operand, exponent: Operand) -> Case {
        Case::new("Pow").input(base).input(exponent)
    }

    /// By one known exponent.
    fn to(base: &[f32], exponent: f32) -> Case {
        let base = floats(&[base.len()], base);
        Case::new("Pow")
            .input(base)
            .constant(floats(&[], &[exponent]))
    }

    #[test]
    fn known_exponents() {
        let x = [-2.0, 0.0, 0.5, 3.0];
        for (exponent, y) in [
            (0.0, [1.0, 1.0, 1.0, 1.0]),
            (1.0, [-2.0, 0.0, 0.5, 3.0]),
            (2.0, [4.0, 0.0, 0.25, 9.0]),
            (3.0, [-8.0, 0.0, 0.125, 27.0]),
            (7.0, [-128.0, 0.0, 0.007_812_5, 2187.0]),
            (17.0, [-131_072.0, 0.0, 7.629_394_5e-6, 129_140_160.0]),
            (18.0, [262_144.0, 0.0, 3.814_697_3e-6, 387_420_480.0]),
            (0.5, [f32::NAN, 0.0, FRAC_1_SQRT_2, 1.732_050_8]),
            (1.5, [f32::NAN, 0.0, 0.353_553_4, 5.196_152]),
            (-1.0, [-0.5, f32::INFINITY, 2.0, 0.333_333_34]),
            (-2.0, [0.25, f32::INFINITY, 4.0, 0.111_111_11]),
            (-0.5, [f32::NAN, f32::INFINITY, SQRT_2, 0.577_350_26]),
        ] {
            to(&x, exponent).gives(&[4], &y);
        }
        for exponent in [1.0, 2.0, 3.0, 5.0] {
            to(&[-2.0, 0.0, 0.5, 3.0], exponent).gradient_agrees();
        }
        to(&[-1.1, 0.9], 17.0).gradient_agrees();
        for exponent in [1.5, 0.5, -0.5, -2.0] {
            to(&[0.8, 2.0], exponent).gradient_agrees();
        }
    }

    #[test]
    fn huge_exponents() {
        let x = [-2.0, -0.5, 0.0, 0.5, 1.0, 1.000_000_1];
        let infinity = f32::INFINITY;
        for exponent in [1e19, f32::MAX, infinity] {
            let y = [infinity, 0.0, 0.0, 0.0, 1.0, infinity];
            to(&x, exponent).gives(&[6], &y);
            let y = [0.0, infinity, infinity, infinity, 1.0, 0.0];
            to(&x, -exponent).gives(&[6], &y);
        }
    }

    #[test]
    fn exponents_of_all_kinds() {
        let base = || floats(&[6], &[-2.0, -2.0, -2.0, 0.0, 0.0, 2.0]);
        let exponent = || floats(&[6], &[3.0, 2.0, 0.5, 0.0, 1.0, 1.5]);
        let y = [-8.0, 4.0, f32::NAN, 1.0, 0.0, 2.828_427];
        pow(base(), exponent()).gives(&[6], &y);
        Case::new("Pow")
            .input(base())
            .constant(exponent())
            .gives(&[6], &y);
        let finite = || floats(&[4], &[-2.0, -1.5, 0.0, 2.0]);
        let whole = || floats(&[4], &[3.0, 2.0, 1.0, 0.0]);
        Case::new("Pow")
            .input(finite())
            .constant(whole())
            .gradient_agrees();
        let positive = || floats(&[2, 1], &[0.7, 2.0]);
        pow(positive(), floats(&[2], &[1.3, -0.6])).gradient_agrees();
        pow(positive(), floats(&[3, 2], &[0.0; 6])).fails("do not broadcast");
    }

    #[test]
    fn types_may_differ() {
        pow(floats(&[3], &[1.0, 2.0, 3.0]), ints(&[3], &[4, 5, 6]))
            .gives(&[3], &[1.0, 32.0, 729.0]);
        pow(ints(&[3], &[-1, 2, 3]), floats(&[3], &[5.0, 5.0, 6.0]))
            .gives(&[3], &[-1.0, 32.0, 729.0]);
        pow(ints(&[3], &[-1, 2, 3]), ints(&[], &[5])).gives(&[3], &[-1.0, 32.0, 243.0]);
        let known = |b: &[i64], e: &[i64]| {
            Case::new("Pow")
                .constant(ints(&[b.len()], b))
                .constant(ints(&[e.len()], e))
        };
        known(&[3, -2, -1, 5], &[30, 3, -3, -2])
            .gives_ints(&[4], &[205_891_132_094_649, -8, -1, 0]);
        known(&[10], &[19]).fails("overflows");
        known(&[0], &[-1]).fails("divides by zero");
    }

    #[test]
    fn opset_6_names_the_axis() {
        Case::new("Pow")
            .opset(6)
            .int("broadcast", 1)
            .int("axis", 0)
            .input(floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0]))
            .input(floats(&[2], &[1.0, 2.0]))
            .gives(&[2, 2], &[1.0, 2.0, 9.0, 16.0]);
    }
}
