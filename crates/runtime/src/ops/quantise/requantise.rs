//! The scale from the products of two quantised tensors to a third, or to floats:
//! `factor * left * right / result`.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::DType;

use super::scale::{saturated, shaped};
use crate::Fault;
use crate::ops::broadcast::{broadcast, same_rank, stretched};
use crate::value::Values;

/// The scales, which are inputs with a shape each that broadcasts to the products.
pub(super) struct Scales {
    pub left: (usize, Vec<usize>),
    pub right: (usize, Vec<usize>),
    pub result: Option<(usize, Vec<usize>)>,
    pub factor: f32,
}

impl Scales {
    /// Scales that are known are combined on the host, to the bit as in onnxruntime.
    pub fn combined<B: Backend>(&self, inputs: &mut Values<B>) -> Result<FloatTensor<B>, Fault> {
        if let Some(scales) = self.known(inputs)? {
            return Ok(scales);
        }
        let mut take = |(index, shape): &(usize, Vec<usize>)| {
            let scale = inputs.tensor(*index)?;
            Ok::<_, Fault>(shaped::<B>(scale, shape))
        };
        let left = B::float_mul_scalar(take(&self.left)?, self.factor.into());
        let (left, right) = same_rank::<B>(left, take(&self.right)?);
        let product = B::float_mul(left, right);
        match &self.result {
            Some(result) => {
                let (product, result) = same_rank::<B>(product, take(result)?);
                Ok(B::float_div(product, result))
            }
            None => Ok(product),
        }
    }

    /// `sums` scaled, moved by the one zero point of input `zero` and cut to `dtype`.
    pub fn quantised<B: Backend>(
        &self,
        sums: FloatTensor<B>,
        inputs: &mut Values<B>,
        zero: usize,
        dtype: DType,
    ) -> Result<FloatTensor<B>, Fault> {
        let (sums, scale) = same_rank::<B>(sums, self.combined(inputs)?);
        let zero = inputs.optional_tensor(zero)?;
        let zero = zero.map(|zero| shaped::<B>(zero, &[]));
        let steps = B::float_mul(sums, scale);
        Ok(saturated::<B>(steps, zero, dtype, inputs.stand_ins))
    }

    fn known<B: Backend>(&self, inputs: &Values<B>) -> Result<Option<FloatTensor<B>>, Fault> {
        let mut shape = broadcast(&self.left.1, &self.right.1)?;
        if let Some((_, result)) = &self.result {
            shape = broadcast(&shape, result)?;
        }
        let known = |(index, from): &(usize, Vec<usize>)| {
            let values = inputs.fact(*index)?.known_floats()?;
            stretched(values, from, &shape).ok()
        };
        let (Some(left), Some(right)) = (known(&self.left), known(&self.right)) else {
            return Ok(None);
        };
        let products = left.iter().zip(right).map(|(l, r)| self.factor * l * r);
        let scales: Vec<f32> = match &self.result {
            None => products.collect(),
            Some(result) => match known(result) {
                Some(result) => products.zip(result).map(|(p, r)| p / r).collect(),
                None => return Ok(None),
            },
        };
        Ok(Some(inputs.upload(&shape, scales)))
    }
}
