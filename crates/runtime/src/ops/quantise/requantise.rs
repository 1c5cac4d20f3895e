//! The scale from the products of two quantised tensors to a third: `left * right / result`.

use burn_backend::{Backend, Shape, tensor::FloatTensor};

use crate::Fault;
use crate::ops::broadcast::{broadcast, same_rank, stretched};
use crate::value::Values;

/// The scales, which are inputs with a shape each that broadcasts to the products.
pub(super) struct Scales {
    pub left: (usize, Vec<usize>),
    pub right: (usize, Vec<usize>),
    pub result: (usize, Vec<usize>),
}

impl Scales {
    /// Scales that are known are combined on the host, to the bit as in onnxruntime.
    pub fn combined<B: Backend>(&self, inputs: &mut Values<B>) -> Result<FloatTensor<B>, Fault> {
        let all = [&self.left, &self.right, &self.result];
        let shape = broadcast(&broadcast(&self.left.1, &self.right.1)?, &self.result.1)?;
        let known = all.map(|(index, from)| {
            let values = inputs.fact(*index)?.known_floats()?;
            stretched(values, from, &shape).ok()
        });
        if let [Some(left), Some(right), Some(result)] = known {
            let products = left.into_iter().zip(right).map(|(l, r)| l * r);
            let values = products.zip(result).map(|(product, r)| product / r);
            return Ok(inputs.upload(&shape, values.collect()));
        }
        let mut take = |(index, shape): &(usize, Vec<usize>)| {
            let scale = inputs.tensor(*index)?;
            Ok::<_, Fault>(B::float_reshape(scale, Shape::from(shape.clone())))
        };
        let (left, right) = same_rank::<B>(take(&self.left)?, take(&self.right)?);
        let (product, result) = same_rank::<B>(B::float_mul(left, right), take(&self.result)?);
        Ok(B::float_div(product, result))
    }
}
