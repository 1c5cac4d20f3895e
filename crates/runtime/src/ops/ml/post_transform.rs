//! The `post_transform` of scores, as onnxruntime has it.

use burn_backend::{Backend, TensorMetadata, get_or_init_device_settings, tensor::FloatTensor};
use scoville_onnx::Node;

use crate::Fault;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PostTransform {
    None,
    Softmax,
    Logistic,
    /// A softmax that leaves out the scores that are zero.
    SoftmaxZero,
    Probit,
}

impl PostTransform {
    pub fn parse(node: &Node) -> Result<PostTransform, Fault> {
        match node.attributes.string("post_transform")?.unwrap_or("NONE") {
            "NONE" => Ok(PostTransform::None),
            "SOFTMAX" => Ok(PostTransform::Softmax),
            "LOGISTIC" => Ok(PostTransform::Logistic),
            "SOFTMAX_ZERO" => Ok(PostTransform::SoftmaxZero),
            "PROBIT" => Ok(PostTransform::Probit),
            other => Err(Fault::Unsupported(format!("post_transform {other}"))),
        }
    }

    /// Of the scores of a row, \[rows, classes\].
    pub fn of<B: Backend>(self, scores: FloatTensor<B>) -> FloatTensor<B> {
        match self {
            PostTransform::None => scores,
            PostTransform::Softmax => softmax::<B>(scores),
            PostTransform::Logistic => B::sigmoid(scores),
            PostTransform::SoftmaxZero => softmax_zero::<B>(scores),
            PostTransform::Probit => probit::<B>(scores),
        }
    }

    /// Of one score a row, \[rows, 1\]: onnxruntime leaves it as it is, but for PROBIT.
    pub fn of_one<B: Backend>(self, score: FloatTensor<B>) -> FloatTensor<B> {
        match self {
            PostTransform::Probit => probit::<B>(score),
            _ => score,
        }
    }

    /// The scores of two classes out of one, \[rows, 1\]. `positive`: whether it is at least zero
    /// by its making, so that the other class has what is left to 1.
    pub fn of_two<B: Backend>(self, score: FloatTensor<B>, positive: bool) -> FloatTensor<B> {
        let pair = |other: FloatTensor<B>, score| B::float_cat(vec![other, score], 1);
        let minus = B::float_neg(score.clone());
        match (self, positive) {
            (PostTransform::Logistic, _) => pair(B::sigmoid(minus), B::sigmoid(score)),
            (_, true) => pair(B::float_add_scalar(minus, 1.0f32.into()), score),
            (_, false) => pair(minus, score),
        }
    }

    /// Refuses what gives two classes no second score.
    pub fn for_two(self) -> Result<(), Fault> {
        match self {
            PostTransform::Probit => {
                let what = "post_transform PROBIT of one score for two classes";
                Err(Fault::Unsupported(what.into()))
            }
            _ => Ok(()),
        }
    }
}

fn softmax<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let max = B::float_max_dim(B::float_detach(x.clone()), 1);
    let exp = B::float_exp(B::float_sub(x, max));
    B::float_div(exp.clone(), B::float_sum_dim(exp, 1))
}

fn softmax_zero<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let bools = get_or_init_device_settings::<B>(&x.device()).bool_dtype;
    let max = B::float_max_dim(B::float_detach(x.clone()), 1);
    let zero = B::float_lower_equal_elem(B::float_abs(x.clone()), 1e-7f32.into(), bools);
    let exp = B::float_exp(B::float_sub(x.clone(), max.clone()));
    let sum = B::float_sum_dim(
        B::float_mask_fill(exp.clone(), zero.clone(), 0.0f32.into()),
        1,
    );
    let scaled = B::float_mul(x, B::float_exp(B::float_neg(max)));
    B::float_div(B::float_mask_where(exp, zero, scaled), sum)
}

/// The inverse of the normal distribution, by Winitzki's approximation of the inverse error
/// function with a = 0.147.
fn probit<B: Backend>(p: FloatTensor<B>) -> FloatTensor<B> {
    let x = B::float_sub_scalar(B::float_mul_scalar(p, 2.0f32.into()), 1.0f32.into());
    let sign = B::float_sign(B::float_detach(x.clone()));
    let minus = B::float_add_scalar(B::float_neg(x.clone()), 1.0f32.into());
    let log = B::float_log(B::float_mul(minus, B::float_add_scalar(x, 1.0f32.into())));
    let half = B::float_mul_scalar(log.clone(), 0.5f32.into());
    let v = B::float_add_scalar(half, (2.0 / (std::f32::consts::PI * 0.147)).into());
    let scaled = B::float_mul_scalar(log, (1.0f32 / 0.147).into());
    let root = B::float_sqrt(B::float_sub(B::float_mul(v.clone(), v.clone()), scaled));
    let inverse = B::float_mul(B::float_sqrt(B::float_sub(root, v)), sign);
    B::float_mul_scalar(inverse, std::f32::consts::SQRT_2.into())
}
