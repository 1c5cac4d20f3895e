//! Dropout that drops: in training mode each element is zero with probability `ratio`, else divided by `1 - ratio`.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::Noise;
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Operator, Parsed, count};
use crate::value::{Fact, Facts, Values};

struct Dropout {
    noise: Noise,
    /// The node has the mask as a second output.
    mask: bool,
}

/// Dropout whose input `training_mode` is true.
pub(in crate::ops) fn parse<B: Backend>(node: &Node, mask: bool) -> Parsed<B> {
    let noise = Noise::of(node)?;
    Ok(Box::new(Dropout { noise, mask }))
}

impl Dropout {
    fn ratio(&self, inputs: &Facts) -> Result<f32, Fault> {
        let ratio = match inputs.get(1) {
            Some(_) => inputs.floats(1)?.first().copied().unwrap_or(0.5),
            None => 0.5,
        };
        match (0.0..1.0).contains(&ratio) {
            true => Ok(ratio),
            false => Err(Fault::Input {
                index: 1,
                what: "is no ratio from 0 to below 1",
            }),
        }
    }
}

impl<B: Backend> Operator<B> for Dropout {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        self.ratio(inputs)?;
        let x = inputs.float(0)?.to_vec();
        let mask = self.mask.then(|| Fact::new(DType::Bool, x.clone()));
        let dtype = inputs.any(0)?.dtype;
        Ok([Fact::new(dtype, x)].into_iter().chain(mask).collect())
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = outputs
            .first()
            .map(Fact::shape)
            .unwrap_or_default()
            .to_vec();
        let ratio = match inputs.fact(1) {
            Some(_) => inputs.floats(1)?.first().copied().unwrap_or(0.5),
            None => 0.5,
        };
        let keep = |u: f32| f32::from(u8::from(u >= ratio));
        let kept: Vec<f32> = self
            .noise
            .uniform(count(&shape)?)
            .into_iter()
            .map(keep)
            .collect();
        let scaled = kept.iter().map(|k| k / (1.0 - ratio)).collect();
        let scale = inputs.upload(&shape, scaled);
        let mask = inputs.upload(&shape, kept);
        let y = B::float_mul(inputs.tensor(0)?, scale);
        Ok(vec![y, mask])
    }

    fn noise(&self) -> Option<&Noise> {
        Some(&self.noise)
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        outputs: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        Some(vec![*samples.first()?; outputs.len()])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, bools, floats};

    fn dropout(ratio: f32) -> Case {
        Case::new("Dropout")
            .input(floats(&[10_000], &[2.0; 10_000]))
            .constant(floats(&[], &[ratio]))
            .constant(bools(&[], &[true]))
    }

    #[test]
    fn what_is_kept_is_scaled() {
        let (_, values) = dropout(0.25).run(0).unwrap();
        let kept = values.iter().filter(|&&v| v == 2.0 / 0.75).count();
        let dropped = values.iter().filter(|&&v| v == 0.0).count();
        assert_eq!(kept + dropped, 10_000);
        assert!((7_300..7_700).contains(&kept), "{kept}");
        dropout(1.0).fails("ratio");
    }

    #[test]
    fn the_mask_says_what_is_kept() {
        let case = dropout(0.5).outputs(2);
        let (_, mask) = case.run(1).unwrap();
        let (_, values) = case.run(0).unwrap();
        assert!(mask.iter().zip(&values).all(|(m, v)| m * 4.0 == *v));
    }

    #[test]
    fn no_ratio_drops_nothing() {
        dropout(0.0).gives(&[10_000], &[2.0; 10_000]);
    }
}
