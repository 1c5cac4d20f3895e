//! The activations that the gates of recurrent layers may have.

use burn_backend::{Backend, TensorMetadata, get_or_init_device_settings, tensor::FloatTensor};

use crate::Fault;

/// An activation with its `alpha` and `beta`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Activation {
    Relu,
    Tanh,
    Sigmoid,
    Affine(f32, f32),
    LeakyRelu(f32),
    ThresholdedRelu(f32),
    ScaledTanh(f32, f32),
    HardSigmoid(f32, f32),
    Elu(f32),
    Softsign,
    Softplus,
}

/// The activations of these names; each takes the next of `alpha` and `beta` if it has such a
/// parameter, and a default when they have run out.
pub(super) fn activations(
    names: &[&str],
    alpha: &[f32],
    beta: &[f32],
) -> Result<Vec<Activation>, Fault> {
    let (mut alpha, mut beta) = (alpha.iter().copied(), beta.iter().copied());
    names
        .iter()
        .map(|name| Activation::named(name, &mut alpha, &mut beta))
        .collect()
}

impl Activation {
    fn named(
        name: &str,
        alpha: &mut impl Iterator<Item = f32>,
        beta: &mut impl Iterator<Item = f32>,
    ) -> Result<Activation, Fault> {
        let missing = || {
            Fault::shape(format!(
                "activation {name} needs activation_alpha and activation_beta"
            ))
        };
        Ok(match name.to_ascii_lowercase().as_str() {
            "relu" => Activation::Relu,
            "tanh" => Activation::Tanh,
            "sigmoid" => Activation::Sigmoid,
            "softsign" => Activation::Softsign,
            "softplus" => Activation::Softplus,
            "leakyrelu" => Activation::LeakyRelu(alpha.next().unwrap_or(0.01)),
            "thresholdedrelu" => Activation::ThresholdedRelu(alpha.next().unwrap_or(1.0)),
            "elu" => Activation::Elu(alpha.next().unwrap_or(1.0)),
            "hardsigmoid" => {
                Activation::HardSigmoid(alpha.next().unwrap_or(0.2), beta.next().unwrap_or(0.5))
            }
            "affine" => {
                let (alpha, beta) = alpha.next().zip(beta.next()).ok_or_else(missing)?;
                Activation::Affine(alpha, beta)
            }
            "scaledtanh" => {
                let (alpha, beta) = alpha.next().zip(beta.next()).ok_or_else(missing)?;
                Activation::ScaledTanh(alpha, beta)
            }
            _ => return Err(Fault::Unsupported(format!("activation {name}"))),
        })
    }

    pub fn apply<B: Backend>(self, x: FloatTensor<B>) -> FloatTensor<B> {
        let affine = |x, alpha: f32, beta: f32| {
            B::float_add_scalar(B::float_mul_scalar(x, alpha.into()), beta.into())
        };
        match self {
            Activation::Relu => B::relu(x),
            Activation::Tanh => B::float_tanh(x),
            Activation::Sigmoid => B::sigmoid(x),
            Activation::Affine(alpha, beta) => affine(x, alpha, beta),
            Activation::LeakyRelu(alpha) => B::leaky_relu(x, alpha.into()),
            Activation::ThresholdedRelu(alpha) => {
                let bools = get_or_init_device_settings::<B>(&x.device()).bool_dtype;
                let below = B::float_lower_elem(x.clone(), alpha.into(), bools);
                B::float_mask_fill(x, below, 0.0f32.into())
            }
            Activation::ScaledTanh(alpha, beta) => {
                let x = B::float_tanh(B::float_mul_scalar(x, beta.into()));
                B::float_mul_scalar(x, alpha.into())
            }
            Activation::HardSigmoid(alpha, beta) => {
                B::float_clamp(affine(x, alpha, beta), 0.0f32.into(), 1.0f32.into())
            }
            Activation::Elu(alpha) => {
                let below = B::float_neg(B::relu(B::float_neg(x.clone())));
                let below = affine(B::float_exp(below), alpha, -alpha);
                B::float_add(B::relu(x), below)
            }
            Activation::Softsign => {
                let scale = B::float_add_scalar(B::float_abs(x.clone()), 1.0f32.into());
                B::float_div(x, scale)
            }
            Activation::Softplus => B::float_neg(B::log_sigmoid(B::float_neg(x))),
        }
    }
}
