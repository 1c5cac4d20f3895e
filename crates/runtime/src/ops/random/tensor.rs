//! RandomUniform, RandomNormal, and the same in the shape of an input. No gradient passes. Where the batch is part of a
//! shape that the export fixed, all samples of a batch meet the same numbers.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::Noise;
use crate::Fault;
use crate::ops::quantise::dtype_of;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Fact, Facts, Values, is_float};

enum Distribution {
    Uniform { low: f32, high: f32 },
    Normal { mean: f32, scale: f32 },
}

struct Random {
    distribution: Distribution,
    noise: Noise,
    dtype: Option<DType>,
    /// `None`: the shape of the input.
    shape: Option<Vec<usize>>,
}

pub(super) fn uniform<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let shape = Some(shape(node)?);
    Ok(Box::new(Random::new(node, between(node)?, shape)?))
}

pub(super) fn uniform_like<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Random::new(node, between(node)?, None)?))
}

pub(super) fn normal<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let shape = Some(shape(node)?);
    Ok(Box::new(Random::new(node, about(node)?, shape)?))
}

pub(super) fn normal_like<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(Random::new(node, about(node)?, None)?))
}

fn between(node: &Node) -> Result<Distribution, Fault> {
    Ok(Distribution::Uniform {
        low: node.attributes.float_or("low", 0.0)?,
        high: node.attributes.float_or("high", 1.0)?,
    })
}

fn about(node: &Node) -> Result<Distribution, Fault> {
    Ok(Distribution::Normal {
        mean: node.attributes.float_or("mean", 0.0)?,
        scale: node.attributes.float_or("scale", 1.0)?,
    })
}

fn shape(node: &Node) -> Result<Vec<usize>, Fault> {
    let sizes = node.attributes.ints("shape")?.unwrap_or_default();
    let size = |&size: &i64| usize::try_from(size).ok();
    let shape: Option<Vec<usize>> = sizes.iter().map(size).collect();
    shape.ok_or_else(|| Fault::shape(format!("{sizes:?} is no shape")))
}

impl Random {
    fn new(
        node: &Node,
        distribution: Distribution,
        shape: Option<Vec<usize>>,
    ) -> Result<Self, Fault> {
        Ok(Random {
            distribution,
            noise: Noise::of(node)?,
            dtype: node.attributes.int("dtype")?.map(dtype_of).transpose()?,
            shape,
        })
    }
}

impl<B: Backend> Operator<B> for Random {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let (shape, dtype) = match &self.shape {
            Some(shape) => (shape.clone(), DType::F32),
            None => (inputs.any(0)?.shape().to_vec(), inputs.any(0)?.dtype),
        };
        let dtype = self.dtype.unwrap_or(dtype);
        if !is_float(dtype) {
            return Err(Fault::Unsupported(format!("random {dtype}: it")));
        }
        Ok(vec![Fact::new(dtype, shape)])
    }

    fn forward(&self, inputs: Values<B>, outputs: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = outputs.first().map(Fact::shape).unwrap_or_default();
        let n = count(shape)?;
        let values: Vec<f32> = match self.distribution {
            Distribution::Uniform { low, high } => {
                let place = |u| low + (high - low) * u;
                self.noise.uniform(n).into_iter().map(place).collect()
            }
            Distribution::Normal { mean, scale } => {
                let place = |z| mean + scale * z;
                self.noise.normal(n).into_iter().map(place).collect()
            }
        };
        Ok(vec![inputs.upload(shape, values)])
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
        Some(vec![samples.first().copied().flatten()])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, counting};

    fn moments(values: &[f32]) -> (f32, f32) {
        let n = values.len() as f32;
        let mean = values.iter().sum::<f32>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n;
        (mean, variance.sqrt())
    }

    #[test]
    fn draws_have_the_moments_asked_for() {
        // (case, mean, standard deviation)
        let size = [100, 100];
        let x = || counting(&size);
        let cases = [
            (
                Case::new("RandomUniform").ints("shape", &[100, 100]),
                0.5,
                0.288_7,
            ),
            (Case::new("RandomUniformLike").input(x()), 0.5, 0.288_7),
            (
                Case::new("RandomUniformLike")
                    .input(x())
                    .float("low", -3.0)
                    .float("high", 1.0),
                -1.0,
                1.154_7,
            ),
            (
                Case::new("RandomNormal").ints("shape", &[100, 100]),
                0.0,
                1.0,
            ),
            (
                Case::new("RandomNormalLike")
                    .input(x())
                    .float("mean", 2.0)
                    .float("scale", 0.5),
                2.0,
                0.5,
            ),
        ];
        for (case, mean, deviation) in cases {
            let (fact, values) = case.run(0).unwrap();
            assert_eq!((fact.shape(), values.len()), (&size[..], 10_000));
            let found = moments(&values);
            assert!((found.0 - mean).abs() < 0.05 * deviation, "{found:?}");
            assert!((found.1 - deviation).abs() < 0.05 * deviation, "{found:?}");
        }
    }

    #[test]
    fn a_seed_makes_numbers_of_its_own() {
        let draw = |seed| {
            Case::new("RandomNormal")
                .ints("shape", &[8])
                .float("seed", seed)
                .run(0)
        };
        let draw = |seed| draw(seed).unwrap().1;
        assert_eq!(draw(1.0), draw(1.0));
        assert_ne!(draw(1.0), draw(2.0));
    }

    #[test]
    fn what_is_drawn_is_never_known_before_the_run() {
        let known = Case::new("RandomUniformLike").constant(counting(&[4]));
        assert!(!known.run(0).unwrap().0.is_known());
    }

    #[test]
    fn samples_stay_apart() {
        Case::new("RandomUniform")
            .ints("shape", &[-1])
            .fails("no shape");
        Case::new("RandomUniformLike")
            .input(counting(&[2]))
            .int("dtype", 7)
            .fails("random");
    }
}
