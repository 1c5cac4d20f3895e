//! What the fused attention operators of the domain com.microsoft share: attributes, and the masks
//! of keys.
//!
//! A masked key's score is lowered by a finite number, so it counts where all others are masked too.

use burn_backend::{Backend, Shape, TensorMetadata, tensor::FloatTensor};
use scoville_onnx::Node;

use super::product::{Mask, Rule, Sizes, after, before, causal};
use crate::Fault;
use crate::value::{Fact, Facts, Values};

/// The attributes that these operators have in common.
pub(super) struct Fused {
    pub heads: usize,
    scale: Option<f32>,
    unidirectional: bool,
    /// What is added to the score of a masked key.
    filter: f32,
}

/// What a mask of keys, of integers, says.
enum Form {
    /// \[batch\]: how many keys count.
    Ends,
    /// \[2 * batch\]: the ends, then the starts.
    EndsAndStarts,
    /// \[batch, keys\], above zero for keys that count.
    Keys,
    /// \[batch, queries, keys\], above zero for keys that count.
    Pairs,
}

impl Fused {
    pub fn parse(node: &Node) -> Result<Fused, Fault> {
        let attributes = &node.attributes;
        let heads = usize::try_from(attributes.int_or("num_heads", 0)?).ok();
        let heads = heads.filter(|&heads| heads > 0);
        Ok(Fused {
            heads: heads.ok_or_else(|| Fault::shape("attribute num_heads must be positive"))?,
            scale: attributes.float("scale")?.filter(|&scale| scale != 0.0),
            unidirectional: attributes.int_or("unidirectional", 0)? != 0,
            filter: attributes.float_or("mask_filter_value", -10000.0)?,
        })
    }

    /// The size of one head in `hidden` columns.
    pub fn size(&self, hidden: usize) -> Result<usize, Fault> {
        match hidden.is_multiple_of(self.heads) {
            true => Ok(hidden / self.heads),
            false => Err(Fault::shape(format!(
                "{hidden} columns do not make {} heads",
                self.heads
            ))),
        }
    }

    pub fn rule(&self, sizes: Sizes) -> Rule {
        Rule {
            scale: self.scale.unwrap_or(1.0 / (sizes.size as f32).sqrt()),
            softcap: 0.0,
        }
    }

    /// Checks the mask of keys and the bias of the scores, at these inputs.
    pub fn check_masks(
        &self,
        inputs: &Facts,
        [keys, bias]: [usize; 2],
        sizes: Sizes,
    ) -> Result<(), Fault> {
        if let Some(mask) = inputs.get(keys) {
            inputs.shape(keys)?;
            form(mask, sizes)?;
        }
        let Some(bias) = inputs.optional_float(bias)? else {
            return Ok(());
        };
        let [batch, heads, queries, keys] = sizes.scores();
        match *bias {
            [b, h, q, k]
                if (b == batch || b == 1)
                    && (h == heads || h == 1)
                    && [q, k] == [queries, keys] =>
            {
                Ok(())
            }
            _ => Err(Fault::shape(format!(
                "the attention bias {bias:?} does not fit the scores {:?}",
                sizes.scores()
            ))),
        }
    }

    pub fn mask<B: Backend>(
        &self,
        inputs: &mut Values<B>,
        [keys, bias]: [usize; 2],
        sizes: Sizes,
    ) -> Result<Mask<B>, Fault> {
        let mut mask = Mask::none();
        if let Some(fact) = inputs.fact(keys).cloned() {
            let masked = masked::<B>(inputs, keys, &fact, sizes)?;
            mask.add_bias(B::float_mul_scalar(masked, self.filter.into()));
        }
        if let Some(bias) = inputs.optional_tensor(bias)? {
            mask.add_bias(bias);
        }
        if self.unidirectional {
            mask.block(causal::<B>(inputs, sizes));
        }
        Ok(mask)
    }
}

fn form(mask: &Fact, sizes: Sizes) -> Result<Form, Fault> {
    let Sizes { batch, queries, .. } = sizes;
    let all = |size: usize| size == batch || size == 1;
    match *mask.shape() {
        _ if mask.is_float() => Err(Fault::shape("the mask of keys must hold integers")),
        [size] if Some(size) == batch.checked_mul(2) => Ok(Form::EndsAndStarts),
        [size] if all(size) => Ok(Form::Ends),
        [size, keys] if all(size) && keys == sizes.keys() => Ok(Form::Keys),
        [size, q, keys] if all(size) && [q, keys] == [queries, sizes.keys()] => Ok(Form::Pairs),
        [size] if batch.checked_mul(3).and_then(|n| n.checked_add(2)) == Some(size) => Err(
            Fault::Unsupported("a mask of cumulated sequence lengths".into()),
        ),
        [_, _, _, _] => Err(Fault::Unsupported("a mask of keys with 4 axes".into())),
        ref shape => Err(Fault::shape(format!(
            "the mask of keys {shape:?} does not fit a batch of {batch}, {queries} queries and {} \
             keys",
            sizes.keys()
        ))),
    }
}

/// 1 at masked keys, 0 elsewhere; it broadcasts to \[batch, heads, queries, keys\].
fn masked<B: Backend>(
    inputs: &mut Values<B>,
    index: usize,
    fact: &Fact,
    sizes: Sizes,
) -> Result<FloatTensor<B>, Fault> {
    let keys = sizes.keys();
    let x = inputs.tensor(index)?;
    let clamped = |x| B::float_clamp(x, 0.0f32.into(), 1.0f32.into());
    let columns = |x, rows: usize| B::float_reshape(x, Shape::from([rows, 1, 1, 1]));
    let size = x.shape().num_elements();
    let past_end = |inputs: &Values<B>, ends| {
        after::<B>(inputs, B::float_sub_scalar(ends, 1.0f32.into()), keys)
    };
    Ok(match form(fact, sizes)? {
        Form::Ends => past_end(inputs, columns(x, size)),
        Form::EndsAndStarts => {
            let [ends, starts] = crate::ops::part::parts::<B, 2>(x, 0);
            let past_end = past_end(inputs, columns(ends, size / 2));
            let before_start = before::<B>(inputs, columns(starts, size / 2), keys);
            clamped(B::float_add(past_end, before_start))
        }
        Form::Keys => {
            let rows = size / keys;
            opposite::<B>(clamped(B::float_reshape(
                x,
                Shape::from([rows, 1, 1, keys]),
            )))
        }
        Form::Pairs => {
            let rows = size / keys / sizes.queries;
            let shape = [rows, 1, sizes.queries, keys];
            opposite::<B>(clamped(B::float_reshape(x, Shape::from(shape))))
        }
    })
}

fn opposite<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_add_scalar(B::float_neg(x), 1.0f32.into())
}
