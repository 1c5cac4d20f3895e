//! Scaled dot-product attention, which all attention operators here share (Vaswani et al., 2017):
//! `softmax(scale Q K^T + bias) V`, with fewer heads of keys and values than of queries where
//! several queries share one (Ainslie et al., 2023).

use burn_backend::{
    Backend, Shape, TensorMetadata, get_or_init_device_settings, tensor::FloatTensor,
};

use crate::Fault;
use crate::ops::broadcast::stretch;
use crate::ops::count;
use crate::value::Values;

/// Most scores that one node may make: 4 GiB of them.
const MAX_SCORES: usize = 1 << 30;

/// The sizes of one attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sizes {
    pub batch: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub queries: usize,
    /// Without the past ones.
    pub new_keys: usize,
    pub past: usize,
    /// Of a query or a key, in one head.
    pub size: usize,
    /// Of a value, in one head.
    pub v_size: usize,
}

impl Sizes {
    /// Refuses what is empty, does not divide, or is too large.
    pub fn check(self) -> Result<Sizes, Fault> {
        if [self.queries, self.new_keys, self.size, self.v_size].contains(&0) {
            return Err(Fault::shape("the queries, keys or values are empty"));
        }
        if self.kv_heads == 0 || self.heads == 0 || !self.heads.is_multiple_of(self.kv_heads) {
            return Err(Fault::shape(format!(
                "{} heads of queries cannot share {} heads of keys",
                self.heads, self.kv_heads
            )));
        }
        let keys = self.new_keys.checked_add(self.past);
        let keys = keys.ok_or_else(|| Fault::shape("the number of keys overflows"))?;
        let scores = count(&[self.batch, self.heads, self.queries, keys])?;
        if scores > MAX_SCORES {
            return Err(Fault::shape(format!(
                "{} queries on {keys} keys make {scores} scores, more than {MAX_SCORES}; use a \
                 smaller batch or shorter sequences",
                self.queries
            )));
        }
        Ok(self)
    }

    /// With the past ones.
    pub fn keys(self) -> usize {
        self.new_keys + self.past
    }

    pub fn scores(self) -> [usize; 4] {
        [self.batch, self.heads, self.queries, self.keys()]
    }

    pub fn present(self, size: usize) -> Vec<usize> {
        vec![self.batch, self.kv_heads, self.keys(), size]
    }
}

/// What changes the scores; each broadcasts to them, \[batch, heads, queries, keys\].
pub(super) struct Mask<B: Backend> {
    /// Added.
    pub bias: Option<FloatTensor<B>>,
    /// Above zero where a query may not see a key.
    pub blocked: Option<FloatTensor<B>>,
}

impl<B: Backend> Mask<B> {
    pub fn none() -> Mask<B> {
        Mask {
            bias: None,
            blocked: None,
        }
    }

    pub fn add_bias(&mut self, bias: FloatTensor<B>) {
        self.bias = Some(sum::<B>(self.bias.take(), bias));
    }

    pub fn block(&mut self, blocked: FloatTensor<B>) {
        self.blocked = Some(sum::<B>(self.blocked.take(), blocked));
    }
}

fn sum<B: Backend>(left: Option<FloatTensor<B>>, right: FloatTensor<B>) -> FloatTensor<B> {
    match left {
        Some(left) => B::float_add(left, right),
        None => right,
    }
}

/// 1 at keys after `last`, which broadcasts to \[batch, heads, queries, 1\]; 0 before.
pub(super) fn after<B: Backend>(
    inputs: &Values<B>,
    last: FloatTensor<B>,
    keys: usize,
) -> FloatTensor<B> {
    let past = B::float_sub(counted(inputs, [1, 1, 1, keys], 0), last);
    B::float_clamp(past, 0.0f32.into(), 1.0f32.into())
}

/// 1 at keys before `first`, which broadcasts to \[batch, heads, queries, 1\]; 0 after.
pub(super) fn before<B: Backend>(
    inputs: &Values<B>,
    first: FloatTensor<B>,
    keys: usize,
) -> FloatTensor<B> {
    let left = B::float_sub(first, counted(inputs, [1, 1, 1, keys], 0));
    B::float_clamp(left, 0.0f32.into(), 1.0f32.into())
}

/// 1 at keys that come after the query, where there are `past` keys before the first.
pub(super) fn causal<B: Backend>(inputs: &Values<B>, sizes: Sizes) -> FloatTensor<B> {
    let last = counted(inputs, [1, 1, sizes.queries, 1], sizes.past);
    after::<B>(inputs, last, sizes.keys())
}

/// `start`, `start + 1`, ... in the one axis of `shape` that is not 1.
fn counted<B: Backend>(inputs: &Values<B>, shape: [usize; 4], start: usize) -> FloatTensor<B> {
    let size: usize = shape.iter().product();
    let values = (start..start + size).map(|i| i as f32).collect();
    inputs.upload(&shape, values)
}

/// Which scores are an output.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stage {
    Product,
    Capped,
    Masked,
    Weights,
}

/// How the scores are made.
pub(super) struct Rule {
    pub scale: f32,
    /// `c tanh(score / c)` where it is positive.
    pub softcap: f32,
}

/// Attends with Q \[batch, heads, queries, size\] to K and V of \[batch, kv_heads, keys, size\]; what
/// comes out is \[batch, heads, queries, v_size\], and the scores at `stage`.
///
/// A query that may see no key gets zeros, as onnxruntime and PyTorch have it.
pub(super) fn attend<B: Backend>(
    [q, k, v]: [FloatTensor<B>; 3],
    sizes: Sizes,
    rule: &Rule,
    mask: Mask<B>,
    stage: Option<Stage>,
) -> (FloatTensor<B>, Option<FloatTensor<B>>) {
    let Sizes {
        batch,
        heads,
        kv_heads,
        queries,
        ..
    } = sizes;
    let rows = heads / kv_heads * queries;
    let shared = |x, columns| B::float_reshape(x, Shape::from([batch, kv_heads, rows, columns]));
    let mut kept = None;
    let mut keep = |at: Stage, scores: &FloatTensor<B>| {
        if stage == Some(at) {
            kept = Some(scores.clone());
        }
    };
    let q = shared(B::float_mul_scalar(q, rule.scale.into()), sizes.size);
    let scores = B::float_matmul(q, B::float_swap_dims(k, 2, 3));
    let mut scores = B::float_reshape(scores, Shape::from(sizes.scores()));
    keep(Stage::Product, &scores);
    if rule.softcap > 0.0 {
        let bent = B::float_tanh(B::float_div_scalar(scores, rule.softcap.into()));
        scores = B::float_mul_scalar(bent, rule.softcap.into());
    }
    keep(Stage::Capped, &scores);
    if let Some(bias) = mask.bias {
        scores = B::float_add(scores, bias);
    }
    let blocked = mask.blocked.map(|blocked| {
        let blocked = stretch::<B>(blocked, &sizes.scores());
        let bools = get_or_init_device_settings::<B>(&blocked.device()).bool_dtype;
        B::float_greater_elem(blocked, 0.5f32.into(), bools)
    });
    let fill = |scores, value: f32| match &blocked {
        Some(blocked) => B::float_mask_fill(scores, blocked.clone(), value.into()),
        None => scores,
    };
    if stage == Some(Stage::Masked) {
        keep(Stage::Masked, &fill(scores.clone(), f32::NEG_INFINITY));
    }
    // The lowest finite number: WGSL may assume that there is no infinity.
    let weights = fill(B::softmax(fill(scores, f32::MIN), 3), 0.0);
    keep(Stage::Weights, &weights);
    let out = B::float_matmul(shared(weights, sizes.keys()), v);
    let shape = [batch, heads, queries, sizes.v_size];
    (B::float_reshape(out, Shape::from(shape)), kept)
}

/// \[batch, length, heads * size\] as \[batch, heads, length, size\].
pub(super) fn split_heads<B: Backend>(x: FloatTensor<B>, heads: usize) -> FloatTensor<B> {
    let shape = x.shape().to_vec();
    let [batch, length, hidden] = [0, 1, 2].map(|i| shape.get(i).copied().unwrap_or(1));
    let shape = [batch, length, heads, hidden / heads];
    B::float_swap_dims(B::float_reshape(x, Shape::from(shape)), 1, 2)
}

/// \[batch, heads, length, size\] as \[batch, length, heads * size\].
pub(super) fn merge_heads<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let shape = x.shape().to_vec();
    let [batch, heads, length, size] = [0, 1, 2, 3].map(|i| shape.get(i).copied().unwrap_or(1));
    let x = B::float_swap_dims(x, 1, 2);
    B::float_reshape(x, Shape::from([batch, length, heads * size]))
}

/// `new` after `past` along the keys, where there is a past.
pub(super) fn after_past<B: Backend>(
    past: Option<FloatTensor<B>>,
    new: FloatTensor<B>,
) -> FloatTensor<B> {
    match past.filter(|past| past.shape().num_elements() > 0) {
        Some(past) => B::float_cat(vec![past, new], 2),
        None => new,
    }
}
