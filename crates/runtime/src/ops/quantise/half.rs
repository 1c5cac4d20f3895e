//! Float32 rounded to what float16 or bfloat16 can hold: to the nearest, halves to even.
//!
//! Built from comparisons and powers of two alone, so that it is exact on every backend, those without
//! such types too.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::DType;

use crate::ops::elementwise::mask::{choose, is_below, is_infinite};

/// A float type narrower than float32.
struct Format {
    /// Bits after the binary point.
    fraction: i32,
    /// Exponent of the smallest normal number.
    least: i32,
    /// From here on, everything rounds to infinity.
    overflow: Option<f32>,
    /// Sums of the first of these, or of fewer, are the distances from `least` to all exponents.
    powers: &'static [i32],
}

fn format(dtype: DType) -> Option<Format> {
    match dtype {
        DType::F16 => Some(Format {
            fraction: 10,
            least: -14,
            overflow: Some(65_520.0),
            powers: &[16, 8, 4, 2, 1],
        }),
        DType::BF16 => Some(Format {
            fraction: 7,
            least: -126,
            overflow: None,
            powers: &[64, 64, 64, 32, 16, 8, 4, 2, 1],
        }),
        _ => None,
    }
}

/// `x` rounded to `dtype`; the gradient passes as if it were not. Wider types change nothing.
pub(super) fn rounded<B: Backend>(x: FloatTensor<B>, dtype: DType) -> FloatTensor<B> {
    let Some(format) = format(dtype) else {
        return x;
    };
    let value = round::<B>(B::float_detach(x.clone()), &format);
    // In value the difference is zero, where it is a number.
    let nothing = B::float_sub(x.clone(), B::float_detach(x));
    let sum = B::float_add(value.clone(), nothing);
    choose::<B>(is_infinite::<B>(value.clone()), value, sum)
}

fn round<B: Backend>(x: FloatTensor<B>, format: &Format) -> FloatTensor<B> {
    let size = B::float_abs(x.clone());
    let (unit, inverse) = power_of_two::<B>(size.clone(), format);
    let one = 2f32.powi(format.fraction);
    let steps = B::float_mul_scalar(B::float_mul(size.clone(), inverse), one.into());
    let mantissa = B::float_mul_scalar(B::float_round(steps), (1.0 / one).into());
    let mut value = B::float_mul(mantissa, unit);
    if let Some(overflow) = format.overflow {
        let limit = B::float_clamp_max(size, overflow.into());
        let over = crate::ops::elementwise::mask::is::<B>(limit, overflow);
        value = B::float_mask_fill(value, over, f32::INFINITY.into());
    }
    let negative = is_below::<B>(x, 0.0);
    choose::<B>(negative, B::float_neg(value.clone()), value)
}

/// The largest power of two in `size`, but no less than the smallest normal number, and its inverse.
fn power_of_two<B: Backend>(
    size: FloatTensor<B>,
    format: &Format,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let filled = |value: f32| {
        let nothing = B::float_clamp(size.clone(), 0.0f32.into(), 0.0f32.into());
        B::float_add_scalar(nothing, value.into())
    };
    let mut unit = filled(2f32.powi(format.least));
    let mut inverse = filled(2f32.powi(-format.least));
    for &power in format.powers {
        let factor = 2f32.powi(power);
        let left = B::float_mul(size.clone(), inverse.clone());
        let done = is_below::<B>(left, factor);
        let larger = B::float_mul_scalar(unit.clone(), factor.into());
        let smaller = B::float_mul_scalar(inverse.clone(), (1.0 / factor).into());
        unit = choose::<B>(done.clone(), unit, larger);
        inverse = choose::<B>(done, inverse, smaller);
    }
    (unit, inverse)
}
