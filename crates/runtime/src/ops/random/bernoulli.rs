//! Bernoulli: 1 with the probability that the input says, else 0. No gradient passes.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::Noise;
use crate::Fault;
use crate::ops::elementwise::mask::{as_floats, bool_type};
use crate::ops::quantise::dtype_of;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

struct Bernoulli {
    noise: Noise,
    dtype: Option<DType>,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Bernoulli {
        noise: Noise::of(node)?,
        dtype: node.attributes.int("dtype")?.map(dtype_of).transpose()?,
    }))
}

impl<B: Backend> Operator<B> for Bernoulli {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let shape = inputs.float(0)?.to_vec();
        let dtype = self.dtype.unwrap_or(inputs.any(0)?.dtype);
        Ok(vec![Fact::new(dtype, shape)])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = outputs.first().map(Fact::shape).unwrap_or_default();
        let drawn = inputs.upload(shape, self.noise.uniform(count(shape)?));
        let probability = inputs.tensor(0)?;
        let bools = bool_type::<B>(&probability);
        Ok(vec![as_floats::<B>(B::float_lower(
            drawn,
            probability,
            bools,
        ))])
    }

    fn noise(&self) -> Option<&Noise> {
        Some(&self.noise)
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        _: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        samples.first().map(|first| vec![*first])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    #[test]
    fn ones_are_as_frequent_as_asked_for() {
        for (probability, least, most) in [(0.0, 0.0, 0.0), (0.3, 2800.0, 3200.0), (1.0, 1e4, 1e4)]
        {
            let p = floats(&[10_000], &[probability; 10_000]);
            let (_, values) = Case::new("Bernoulli").input(p).run(0).unwrap();
            assert!(values.iter().all(|&v| v == 0.0 || v == 1.0));
            let ones: f32 = values.iter().sum();
            assert!((least..=most).contains(&ones), "{ones} of p {probability}");
        }
    }
}
