//! com.microsoft.SkipLayerNormalization: LayerNormalization over the last axis of `input + skip +
//! bias`, scaled by gamma and shifted by beta; the simplified form leaves the mean and beta out.
//! `skip` is \[batch, sequence, hidden\], or lacks the batch.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::moments::{affine, broadcasts, not_empty, reshape, rows, scaled, standardised};
use crate::Fault;
use crate::ops::broadcast::same_rank;
use crate::ops::samples::{Samples, elementwise};
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Fact, Facts, Values};

struct SkipLayerNormalization {
    epsilon: f32,
    centre: bool,
    /// How many outputs the node names: result, mean, inverse deviation, sum.
    outputs: usize,
}

fn new<B: Backend>(node: &Node, centre: bool) -> Parsed<B> {
    Ok(Box::new(SkipLayerNormalization {
        epsilon: node.attributes.float_or("epsilon", 1e-12)?,
        centre,
        outputs: node.outputs.len().clamp(1, 4),
    }))
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    new(node, true)
}

pub(super) fn simplified<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    new(node, false)
}

impl SkipLayerNormalization {
    /// Positions of beta and of the bias among the inputs.
    fn beta_and_bias(&self) -> (Option<usize>, usize) {
        match self.centre {
            true => (Some(3), 4),
            false => (None, 3),
        }
    }
}

impl<B: Backend> Operator<B> for SkipLayerNormalization {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.float(0)?;
        let Some((hidden, before)) = x.split_last() else {
            return Err(Fault::shape("the input is a single number"));
        };
        not_empty(&[*hidden])?;
        broadcasts("skip", inputs.float(1)?, x)?;
        let (beta, bias) = self.beta_and_bias();
        for i in [Some(2), beta, Some(bias)].into_iter().flatten() {
            if i != 2 && inputs.get(i).is_none() {
                continue;
            }
            if inputs.float(i)? != [*hidden] {
                return Err(Fault::shape(format!("input {i} is not {hidden} numbers")));
            }
        }
        let whole = inputs.any(0)?.with_shape(x.to_vec());
        let statistics = Fact::new(DType::F32, [before, &[1]].concat());
        let mut facts = vec![whole.clone(), statistics.clone(), statistics, whole];
        facts.truncate(self.outputs);
        Ok(facts)
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = inputs.shape(0)?;
        let (beta, bias) = self.beta_and_bias();
        let (x, skip) = same_rank::<B>(inputs.tensor(0)?, inputs.tensor(1)?);
        let mut sum = B::float_add(x, skip);
        if let Some(bias) = inputs.optional_tensor(bias)? {
            let (x, bias) = same_rank::<B>(sum, bias);
            sum = B::float_add(x, bias);
        }
        let x = rows::<B>(sum.clone(), &shape, shape.len().saturating_sub(1))?;
        let normalised = match self.centre {
            true => standardised::<B>(x, self.epsilon),
            false => scaled::<B>(x, self.epsilon),
        };
        let beta = match beta {
            Some(beta) => inputs.optional_tensor(beta)?,
            None => None,
        };
        let x = reshape::<B>(normalised.rows, &shape);
        let out = affine::<B>(x, inputs.tensor(2)?, beta);
        let all = [out, normalised.mean, normalised.inverse, sum];
        let shaped = all.into_iter().zip(outputs);
        Ok(shaped
            .map(|(tensor, fact)| reshape::<B>(tensor, fact.shape()))
            .collect())
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        inputs: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        let rank = inputs.get(0)?.shape().len();
        let place = elementwise(samples, inputs, rank)?;
        (place.axis + 1 < rank).then(|| vec![Some(place); outputs.len()])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, floats};

    fn norm(op: &'static str) -> Case {
        Case::new(op)
            .domain("com.microsoft")
            .outputs(4)
            .float("epsilon", 0.75)
            .input(floats(&[1, 2, 2], &[1.0, 1.0, 2.0, 3.0]))
            .input(floats(&[2, 2], &[0.0, 1.0, 1.0, 2.0]))
            .constant(floats(&[2], &[1.0, 10.0]))
    }

    #[test]
    fn values() {
        let root = 1.75f32.sqrt();
        let layer = || norm("SkipLayerNormalization").constant(floats(&[2], &[0.0, 5.0]));
        layer().gives(&[1, 2, 2], &[-0.5, 10.0, -1.0 / root, 5.0 + 10.0 / root]);
        layer().output_gives(1, &[1, 2, 1], &[1.5, 4.0]);
        layer().output_gives(2, &[1, 2, 1], &[1.0, 1.0 / root]);
        layer().output_gives(3, &[1, 2, 2], &[1.0, 2.0, 3.0, 5.0]);
        layer().gradient_agrees();
        layer().constant(floats(&[2], &[7.0, 7.0])).output_gives(
            3,
            &[1, 2, 2],
            &[8.0, 9.0, 10.0, 12.0],
        );
        layer()
            .constant(floats(&[1], &[7.0]))
            .fails("input 4 is not 2");
    }

    #[test]
    fn without_the_mean() {
        let roots = [3.25f32.sqrt(), 17.75f32.sqrt()];
        let simplified = || norm("SkipSimplifiedLayerNormalization");
        simplified().gives(
            &[1, 2, 2],
            &[
                1.0 / roots[0],
                20.0 / roots[0],
                3.0 / roots[1],
                50.0 / roots[1],
            ],
        );
        simplified().gradient_agrees();
    }
}
