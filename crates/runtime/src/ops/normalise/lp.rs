//! The Lp norm in its steps: powers of magnitudes, and roots of their sums.

use burn_backend::{
    Backend, TensorMetadata, get_or_init_device_settings,
    tensor::{BoolTensor, FloatTensor},
};
use scoville_onnx::Node;

use crate::Fault;

/// The order of the norm, attribute `p`: a positive integer, 2 by default.
pub(crate) fn order(node: &Node) -> Result<i32, Fault> {
    let p = node.attributes.int_or("p", 2)?;
    i32::try_from(p)
        .ok()
        .filter(|&p| p > 0)
        .ok_or_else(|| Fault::Unsupported(format!("p {p} (a positive number is needed)")))
}

/// `|x|^p`.
pub(crate) fn power<B: Backend>(x: FloatTensor<B>, p: i32) -> FloatTensor<B> {
    match p {
        1 => B::float_abs(x),
        2 => B::float_mul(x.clone(), x),
        _ => B::float_powf_scalar(B::float_abs(x), p.into()),
    }
}

/// `sum^(1 / p)`, for sums that are not negative. At zero, where a root has no derivative, no
/// gradient passes.
pub(crate) fn root<B: Backend>(sum: FloatTensor<B>, p: i32) -> FloatTensor<B> {
    if p == 1 {
        return sum;
    }
    let zero = is_zero::<B>(sum.clone());
    let safe = B::float_mask_fill(sum, zero.clone(), 1.0f32.into());
    let root = match p {
        2 => B::float_sqrt(safe),
        _ => B::float_powf_scalar(safe, (1.0 / p as f32).into()),
    };
    B::float_mask_fill(root, zero, 0.0f32.into())
}

pub(super) fn is_zero<B: Backend>(x: FloatTensor<B>) -> BoolTensor<B> {
    let dtype = get_or_init_device_settings::<B>(&x.device()).bool_dtype;
    B::float_equal_elem(x, 0.0f32.into(), dtype)
}
