//! Truth values on the device: masks of a choice, or floats of 0 and 1.

use burn_backend::tensor::{BoolTensor, FloatTensor};
use burn_backend::{Backend, BoolDType, FloatDType, TensorMetadata, get_or_init_device_settings};

use crate::ops::broadcast::stretch;

pub(in crate::ops) fn bool_type<B: Backend>(x: &FloatTensor<B>) -> BoolDType {
    get_or_init_device_settings::<B>(&x.device()).bool_dtype
}

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident: $method:ident;)*) => {
        $($(#[$doc])*
        pub(in crate::ops) fn $name<B: Backend>(
            left: FloatTensor<B>,
            right: FloatTensor<B>,
        ) -> BoolTensor<B> {
            let bools = bool_type::<B>(&left);
            B::$method(left, right, bools)
        })*
    };
}

comparisons! {
    /// `left == right`, of tensors of one rank.
    equal: float_equal;
    /// `left < right`, of tensors of one rank.
    less: float_lower;
    /// `left <= right`, of tensors of one rank.
    less_equal: float_lower_equal;
    /// `left > right`, of tensors of one rank.
    greater: float_greater;
    /// `left >= right`, of tensors of one rank.
    greater_equal: float_greater_equal;
}

/// `x == number`.
pub(in crate::ops) fn is<B: Backend>(x: FloatTensor<B>, number: f32) -> BoolTensor<B> {
    let bools = bool_type::<B>(&x);
    B::float_equal_elem(x, number.into(), bools)
}

/// `x < number`.
pub(in crate::ops) fn is_below<B: Backend>(x: FloatTensor<B>, number: f32) -> BoolTensor<B> {
    let bools = bool_type::<B>(&x);
    B::float_lower_elem(x, number.into(), bools)
}

/// `x > number`.
pub(in crate::ops) fn is_above<B: Backend>(x: FloatTensor<B>, number: f32) -> BoolTensor<B> {
    let bools = bool_type::<B>(&x);
    B::float_greater_elem(x, number.into(), bools)
}

/// Where `x` is NaN. Burn's GPU kernels look at the bits, since WGSL may assume that there is none.
pub(in crate::ops) fn is_nan<B: Backend>(x: FloatTensor<B>) -> BoolTensor<B> {
    let bools = bool_type::<B>(&x);
    B::float_is_nan(x, bools)
}

/// Where `x` is infinite.
pub(in crate::ops) fn is_infinite<B: Backend>(x: FloatTensor<B>) -> BoolTensor<B> {
    let bools = bool_type::<B>(&x);
    B::float_is_inf(x, bools)
}

/// 1 where the mask holds, 0 elsewhere.
pub(in crate::ops) fn as_floats<B: Backend>(mask: BoolTensor<B>) -> FloatTensor<B> {
    B::bool_into_float(mask, FloatDType::F32)
}

/// `yes` where the mask holds, `no` elsewhere; all of one shape.
pub(in crate::ops) fn choose<B: Backend>(
    mask: BoolTensor<B>,
    yes: FloatTensor<B>,
    no: FloatTensor<B>,
) -> FloatTensor<B> {
    B::float_mask_where(no, mask, yes)
}

/// The larger (or smaller) elements of two tensors that broadcast to `shape`; NaN wins.
pub(in crate::ops) fn extreme<B: Backend>(
    largest: bool,
    left: FloatTensor<B>,
    right: FloatTensor<B>,
    shape: &[usize],
) -> FloatTensor<B> {
    let (left, right) = (stretch::<B>(left, shape), stretch::<B>(right, shape));
    let beyond = match largest {
        true => greater::<B>(right.clone(), left.clone()),
        false => less::<B>(right.clone(), left.clone()),
    };
    let take_right = B::bool_or(beyond, is_nan::<B>(right.clone()));
    choose::<B>(take_right, right, left)
}
