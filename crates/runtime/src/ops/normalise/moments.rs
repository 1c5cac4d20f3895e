//! Rows brought to mean 0 and variance 1, or to a mean square of 1.

use burn_backend::{Backend, Shape, TensorMetadata, tensor::FloatTensor};

use crate::Fault;
use crate::ops::broadcast::{broadcast, same_rank};
use crate::ops::count;

/// Rows divided by the root of their (central) second moment.
pub(super) struct Normalised<B: Backend> {
    pub rows: FloatTensor<B>,
    /// Of each row.
    pub mean: FloatTensor<B>,
    /// What the row was multiplied with.
    pub inverse: FloatTensor<B>,
}

/// `(x - mean(x)) / sqrt(var(x) + epsilon)` for each row of `x` \[rows, size\].
pub(super) fn standardised<B: Backend>(x: FloatTensor<B>, epsilon: f32) -> Normalised<B> {
    let mean = B::float_mean_dim(x.clone(), 1);
    let centred = B::float_sub(x, mean.clone());
    let Normalised { rows, inverse, .. } = scaled::<B>(centred, epsilon);
    Normalised {
        rows,
        mean,
        inverse,
    }
}

/// `x / sqrt(mean(x^2) + epsilon)` for each row of `x` \[rows, size\]; the mean is not taken.
pub(super) fn scaled<B: Backend>(x: FloatTensor<B>, epsilon: f32) -> Normalised<B> {
    let square = B::float_mean_dim(B::float_mul(x.clone(), x.clone()), 1);
    let inverse = B::float_recip(B::float_sqrt(B::float_add_scalar(square, epsilon.into())));
    Normalised {
        rows: B::float_mul(x, inverse.clone()),
        mean: inverse.clone(),
        inverse,
    }
}

/// `x` as rows: what lies after the first `kept` axes is one.
pub(super) fn rows<B: Backend>(
    x: FloatTensor<B>,
    shape: &[usize],
    kept: usize,
) -> Result<FloatTensor<B>, Fault> {
    let (before, after) = shape.split_at(kept.min(shape.len()));
    Ok(B::float_reshape(
        x,
        Shape::from(vec![count(before)?, count(after)?]),
    ))
}

/// `x` in the shape `shape`.
pub(super) fn reshape<B: Backend>(x: FloatTensor<B>, shape: &[usize]) -> FloatTensor<B> {
    B::float_reshape(x, Shape::from(shape.to_vec()))
}

/// `x * scale + bias`, both broadcast to `x`.
pub(super) fn affine<B: Backend>(
    x: FloatTensor<B>,
    scale: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    let (x, scale) = same_rank::<B>(x, scale);
    let x = B::float_mul(x, scale);
    match bias {
        Some(bias) => {
            let (x, bias) = same_rank::<B>(x, bias);
            B::float_add(x, bias)
        }
        None => x,
    }
}

/// `x * scale + bias` with one number of each for every entry of axis 1 of `x`, seen as `shape`.
pub(super) fn affine_by_channel<B: Backend>(
    x: FloatTensor<B>,
    shape: [usize; 3],
    scale: FloatTensor<B>,
    bias: FloatTensor<B>,
) -> FloatTensor<B> {
    let x = reshape::<B>(x, &shape);
    let channels = [1, scale.shape().num_elements(), 1];
    let scaled = B::float_mul(x, reshape::<B>(scale, &channels));
    B::float_add(scaled, reshape::<B>(bias, &channels))
}

/// Refuses a scale or a bias that does not broadcast to `x`.
pub(super) fn broadcasts(what: &str, from: &[usize], x: &[usize]) -> Result<(), Fault> {
    match broadcast(x, from) {
        Ok(shape) if shape == x => Ok(()),
        _ => Err(Fault::shape(format!(
            "the {what} {from:?} does not broadcast to {x:?}"
        ))),
    }
}

/// Refuses to normalise over nothing.
pub(super) fn not_empty(sizes: &[usize]) -> Result<(), Fault> {
    match sizes.contains(&0) {
        true => Err(Fault::shape("the normalised axes are empty")),
        false => Ok(()),
    }
}
