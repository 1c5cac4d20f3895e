//! The masks of the standard's Attention: floats are added, false and minus infinity block; keys
//! after the query, or after a sample's length, are blocked.

use burn_backend::{
    Backend, FloatDType, Shape, TensorMetadata, get_or_init_device_settings, ops::PadMode,
    tensor::FloatTensor,
};
use scoville_onnx::DType;

use super::product::{Mask, Sizes, after, causal};
use crate::Fault;
use crate::ops::broadcast::pad_left;
use crate::value::{Fact, Facts, Values, is_float};

// Where the inputs stand.
pub(super) const MASK: usize = 3;
pub(super) const LENGTHS: usize = 6;

/// Which masks a node has beside its inputs.
pub(super) struct Masks {
    pub is_causal: bool,
    /// From opset 24 on a mask may be short of keys.
    pub may_be_short: bool,
}

impl Masks {
    pub fn check(&self, inputs: &Facts, sizes: Sizes) -> Result<(), Fault> {
        if let Some(mask) = inputs.get(MASK) {
            self.shape(mask, sizes)?;
        }
        let Some(lengths) = inputs.get(LENGTHS) else {
            return Ok(());
        };
        inputs.shape(LENGTHS)?;
        if lengths.is_float() || lengths.shape() != [sizes.batch] {
            return Err(Fault::shape(format!(
                "nonpad_kv_seqlen is {lengths}, not {} integers",
                sizes.batch
            )));
        }
        if sizes.past > 0 {
            return Err(Fault::shape(
                "nonpad_kv_seqlen and past keys exclude each other",
            ));
        }
        match self.is_causal {
            // ONNX counts a query's place from the first key, onnxruntime from the last.
            true => Err(Fault::Unsupported("is_causal with nonpad_kv_seqlen".into())),
            false => Ok(()),
        }
    }

    /// Checks the mask, and gives its shape with 4 axes.
    fn shape(&self, mask: &Fact, sizes: Sizes) -> Result<[usize; 4], Fault> {
        if mask.dtype != DType::Bool && !is_float(mask.dtype) {
            return Err(Fault::shape(format!(
                "the mask holds {}; booleans or floats are needed",
                mask.dtype
            )));
        }
        let scores = sizes.scores();
        let unfit = || {
            let shape = mask.shape();
            Fault::shape(format!(
                "the mask {shape:?} does not broadcast to {scores:?}"
            ))
        };
        let shape: [usize; 4] = pad_left(mask.shape(), 4).try_into().map_err(|_| unfit())?;
        let [.., keys] = shape;
        let fits = |(i, (&size, &full)): (usize, (&usize, &usize))| {
            size == full || size == 1 || (i == 3 && self.may_be_short && size < full && size > 0)
        };
        match shape.iter().zip(&scores).enumerate().all(fits) && keys > 0 {
            true => Ok(shape),
            false => Err(unfit()),
        }
    }

    /// How many keys the mask is short of.
    fn missing(&self, keys: usize, sizes: Sizes) -> usize {
        match self.may_be_short {
            true => sizes.keys().saturating_sub(keys),
            false => 0,
        }
    }

    pub fn mask<B: Backend>(&self, inputs: &mut Values<B>, sizes: Sizes) -> Result<Mask<B>, Fault> {
        let mut mask = Mask::none();
        if let Some(fact) = inputs.fact(MASK).cloned() {
            let shape = self.shape(&fact, sizes)?;
            let missing = self.missing(shape[3], sizes);
            let x = B::float_reshape(inputs.tensor(MASK)?, Shape::from(shape));
            let pad = |x, value: f32| match missing {
                0 => x,
                _ => B::float_pad(
                    x,
                    &[(0, 0), (0, 0), (0, 0), (0, missing)],
                    PadMode::Constant(value),
                ),
            };
            if fact.dtype == DType::Bool {
                let blocked = B::float_add_scalar(B::float_neg(x), 1.0f32.into());
                mask.block(pad(blocked, 1.0));
            } else {
                let (bias, blocked) = without_infinity::<B>(x);
                mask.add_bias(pad(bias, 0.0));
                let finite = |floats: &[f32]| floats.iter().all(|f| f.is_finite());
                if missing > 0 || !fact.known_floats().is_some_and(finite) {
                    mask.block(pad(blocked, 1.0));
                }
            }
        }
        if self.is_causal {
            mask.block(causal::<B>(inputs, sizes));
        }
        if inputs.fact(LENGTHS).is_some() {
            let lengths = inputs.tensor(LENGTHS)?;
            let lengths = B::float_reshape(lengths, Shape::from([sizes.batch, 1, 1, 1]));
            let last = B::float_sub_scalar(lengths, 1.0f32.into());
            mask.block(after::<B>(inputs, last, sizes.keys()));
        }
        Ok(mask)
    }
}

/// The mask with zeros for minus infinity, and 1 where that was.
fn without_infinity<B: Backend>(mask: FloatTensor<B>) -> (FloatTensor<B>, FloatTensor<B>) {
    let bools = get_or_init_device_settings::<B>(&mask.device()).bool_dtype;
    let infinite = B::float_lower_elem(mask.clone(), f32::MIN.into(), bools);
    let blocked = B::bool_into_float(infinite.clone(), FloatDType::F32);
    (B::float_mask_fill(mask, infinite, 0.0f32.into()), blocked)
}
