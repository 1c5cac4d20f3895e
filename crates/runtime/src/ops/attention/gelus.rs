//! The Gelu family of the domain com.microsoft (Hendrycks and Gimpel, 2016), any shape:
//!
//! - Gelu: `x (1 + erf(x / sqrt 2)) / 2`; BiasGelu: of `x + bias`;
//! - FastGelu: `y (1 + tanh(0.7978845608 (y + 0.044715 y^3))) / 2` of `y = x + bias`;
//! - QuickGelu: `x sigmoid(alpha x)`, alpha = 1.702;
//! - BiasSplitGelu: `left gelu(right)` of the halves of `x + bias` along the last axis.

use std::f32::consts::FRAC_1_SQRT_2;

use burn_backend::{Backend, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;
use crate::ops::broadcast::{broadcast, same_rank};
use crate::ops::part::parts;
use crate::ops::samples::{Samples, beside};
use crate::ops::unary::unary;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

/// An operator of `x` and a bias of its last axis.
struct Biased<B: Backend> {
    bias_is_optional: bool,
    /// Whether the last axis is halved.
    halves: bool,
    on_sum: fn(FloatTensor<B>) -> FloatTensor<B>,
}

pub(super) fn gelu<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    unary(exact::<B>)
}

pub(super) fn quick_gelu<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let alpha = node.attributes.float_or("alpha", 1.702)?;
    unary(move |x: FloatTensor<B>| {
        let gate = B::sigmoid(B::float_mul_scalar(x.clone(), alpha.into()));
        B::float_mul(x, gate)
    })
}

pub(super) fn bias_gelu<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Biased {
        bias_is_optional: false,
        halves: false,
        on_sum: exact::<B>,
    }))
}

pub(super) fn fast_gelu<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Biased {
        bias_is_optional: true,
        halves: false,
        on_sum: tanh_gelu::<B>,
    }))
}

pub(super) fn bias_split_gelu<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Biased {
        bias_is_optional: false,
        halves: true,
        on_sum: |x: FloatTensor<B>| {
            let last = x.rank().saturating_sub(1);
            let [left, right] = parts::<B, 2>(x, last);
            B::float_mul(left, exact::<B>(right))
        },
    }))
}

// Not burn's own gelu: its derivative is that of the tanh approximation.
fn exact<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let erf = B::float_erf(B::float_mul_scalar(x.clone(), FRAC_1_SQRT_2.into()));
    halved::<B>(x, erf)
}

fn tanh_gelu<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let square = B::float_mul(x.clone(), x.clone());
    let slope = B::float_add_scalar(
        B::float_mul_scalar(square, 0.035_677_407.into()),
        0.797_884_6.into(),
    );
    let tanh = B::float_tanh(B::float_mul(x.clone(), slope));
    halved::<B>(x, tanh)
}

/// `x (1 + y) / 2`.
fn halved<B: Backend>(x: FloatTensor<B>, y: FloatTensor<B>) -> FloatTensor<B> {
    let share = B::float_mul_scalar(B::float_add_scalar(y, 1.0f32.into()), 0.5f32.into());
    B::float_mul(x, share)
}

impl<B: Backend> Operator<B> for Biased<B> {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.float(0)?;
        let mut out = x.to_vec();
        let bias = match inputs.optional_float(1)? {
            Some(bias) => Some(bias),
            None if self.bias_is_optional => None,
            None => Some(inputs.float(1)?),
        };
        if let Some(bias) = bias
            && (bias.len() > 1 || broadcast(x, bias)? != x)
        {
            return Err(Fault::shape(format!(
                "the bias {bias:?} does not fit the last axis of {x:?}"
            )));
        }
        if self.halves {
            let last = out.last_mut().filter(|size| size.is_multiple_of(2));
            let last = last.ok_or_else(|| Fault::shape("the last axis cannot be halved"))?;
            *last /= 2;
        }
        Ok(vec![Fact::float(out)])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let x = inputs.tensor(0)?;
        let x = match inputs.optional_tensor(1)? {
            Some(bias) => {
                let (x, bias) = same_rank::<B>(x, bias);
                B::float_add(x, bias)
            }
            None => x,
        };
        Ok(vec![(self.on_sum)(x)])
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let last = inputs.get(0)?.shape().len().checked_sub(1)?;
        beside(samples, &[last], outputs.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats, wave};

    fn case(op: &'static str) -> Case {
        Case::new(op)
            .domain("com.microsoft")
            .input(floats(&[1, 4], &[-2.0, -0.5, 0.3, 1.5]))
    }

    fn biased(op: &'static str) -> Case {
        case(op).input(floats(&[4], &[0.5, -0.25, 0.0, 1.0]))
    }

    /// The expected values are those of onnxruntime 1.32; those of BiasSplitGelu follow from its
    /// formula.
    #[test]
    fn values() {
        case("Gelu").output_gives(0, &[1, 4], &[-0.0455003, -0.154269, 0.185373, 1.39979]);
        biased("BiasGelu").output_gives(0, &[1, 4], &[-0.100211, -0.169971, 0.185373, 2.48448]);
        case("FastGelu").output_gives(0, &[1, 4], &[-0.0454023, -0.154286, 0.185371, 1.39957]);
        biased("FastGelu").output_gives(0, &[1, 4], &[-0.100428, -0.170039, 0.185371, 2.48492]);
        case("QuickGelu").output_gives(0, &[1, 4], &[-0.0643414, -0.149612, 0.187484, 1.39166]);
        let plain = case("QuickGelu").float("alpha", 1.0);
        plain.output_gives(0, &[1, 4], &[-0.238406, -0.18877, 0.172333, 1.22636]);
        biased("BiasSplitGelu").output_gives(0, &[1, 2], &[-0.27806, -1.86336]);
    }

    #[test]
    fn gradients() {
        case("Gelu").gradient_agrees();
        case("QuickGelu").gradient_agrees();
        case("FastGelu").gradient_agrees();
        for op in ["BiasGelu", "FastGelu", "BiasSplitGelu"] {
            biased(op).gradient_agrees();
        }
    }

    #[test]
    fn faults() {
        case("BiasGelu").fails("input 1 is missing");
        case("BiasGelu")
            .input(wave(1, &[3]))
            .fails("do not broadcast");
        case("FastGelu")
            .input(wave(1, &[1, 4]))
            .fails("does not fit the last axis");
        Case::new("BiasSplitGelu")
            .domain("com.microsoft")
            .input(wave(1, &[2, 3]))
            .input(wave(1, &[3]))
            .fails("cannot be halved");
    }
}
