//! Elu, Selu, Celu: `x` above 0, below it an exponential that levels off.
//!
//! - Elu: `alpha * (exp(x) - 1)` below 0.
//! - Selu: the same with its own alpha, all times `gamma` (Klambauer et al. 2017).
//! - Celu: `alpha * (exp(x / alpha) - 1)` below 0 (Barron 2017).

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::Node;

use super::exponential::exp_minus_one;
use crate::Fault;
use crate::ops::unary::unary;
use crate::ops::{Context, Parsed};

pub(super) fn elu<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let alpha = node.attributes.float_or("alpha", 1.0)?;
    unary(move |x| linear_unit::<B>(x, alpha, 1.0))
}

pub(super) fn selu<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let alpha = node.attributes.float_or("alpha", 1.673_263_2)?;
    let gamma = node.attributes.float_or("gamma", 1.050_701)?;
    unary(move |x| B::float_mul_scalar(linear_unit::<B>(x, alpha, 1.0), gamma.into()))
}

pub(super) fn celu<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let alpha = node.attributes.float_or("alpha", 1.0)?;
    if alpha == 0.0 {
        return Err(Fault::Unsupported("alpha 0".into()));
    }
    unary(move |x| linear_unit::<B>(x, alpha, alpha))
}

/// `x` above 0, `alpha * (exp(x / width) - 1)` below.
fn linear_unit<B: Backend>(x: FloatTensor<B>, alpha: f32, width: f32) -> FloatTensor<B> {
    let below = B::float_clamp_max(x.clone(), 0.0f32.into());
    let below = exp_minus_one::<B>(B::float_div_scalar(below, width.into()));
    B::float_add(B::relu(x), B::float_mul_scalar(below, alpha.into()))
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn values() {
        let case = |op| Case::new(op).input(floats(&[4], &[-100.0, -1.0, 0.5, 3.0]));
        case("Elu").gives(&[4], &[-1.0, -0.632_120_55, 0.5, 3.0]);
        case("Elu")
            .float("alpha", 2.0)
            .gives(&[4], &[-2.0, -1.264_241_1, 0.5, 3.0]);
        case("Selu").gives(&[4], &[-1.758_099_3, -1.111_330_7, 0.525_350_5, 3.152_103]);
        case("Celu")
            .float("alpha", 2.0)
            .gives(&[4], &[-2.0, -0.786_938_7, 0.5, 3.0]);
        for op in ["Elu", "Selu", "Celu"] {
            case(op).float("alpha", 1.5).gradient_agrees();
        }
        case("Celu").float("alpha", 0.0).fails("alpha 0");
    }

    #[test]
    fn no_cancellation_near_zero() {
        // A value this small passes only where it is exact in itself.
        Case::new("Elu")
            .float("alpha", 1e6)
            .input(floats(&[1], &[-1e-6]))
            .gives(&[1], &[-0.999_999_5]);
    }
}
