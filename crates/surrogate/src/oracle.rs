//! What a target tells of the samples that a surrogate is trained on.

use scoville_kernels::{Array, INVALID, Loss, head};
use scoville_targets::{Labels, Scores};

use crate::Error;

/// Samples that go to the target at once.
const BATCH: usize = 128;

/// A target, by what is asked of it.
#[derive(Clone, Copy)]
pub enum Oracle<'a> {
    /// The predicted class alone.
    Labels(&'a dyn Labels),
    /// Logits or probabilities.
    Scores(&'a dyn Scores),
}

/// An answer that can be learnt from.
pub(crate) struct Answer {
    pub label: usize,
    /// A probability a class.
    pub probabilities: Vec<f32>,
}

impl Oracle<'_> {
    pub fn classes(&self) -> usize {
        match self {
            Oracle::Labels(target) => target.classes(),
            Oracle::Scores(target) => target.classes(),
        }
    }

    pub fn sample_shape(&self) -> &[usize] {
        match self {
            Oracle::Labels(target) => target.sample_shape(),
            Oracle::Scores(target) => target.sample_shape(),
        }
    }

    /// The answer to each sample of `x`, `None` where it is not finite.
    pub(crate) fn ask(&self, x: &[f32]) -> Result<Vec<Option<Answer>>, Error> {
        let sample: usize = self.sample_shape().iter().product();
        let batches = x.chunks(sample * BATCH).map(|x| self.ask_batch(x, sample));
        Ok(batches
            .collect::<Result<Vec<_>, Error>>()?
            .into_iter()
            .flatten()
            .collect())
    }

    fn ask_batch(&self, x: &[f32], sample: usize) -> Result<Vec<Option<Answer>>, Error> {
        let (n, classes) = (x.len() / sample, self.classes());
        let array = |device| Array::from_vec(device, n, sample, x.to_vec());
        match self {
            Oracle::Labels(target) => {
                let labels = target.labels(&array(target.device())?)?.to_vec()?;
                let answer =
                    |label| answer(label, |class| f32::from(class == label as usize), classes);
                Ok(labels.into_iter().map(answer).collect())
            }
            Oracle::Scores(target) => {
                let scores = target.scores(&array(target.device())?)?;
                let any = Array::zeros(target.device(), n, 1)?;
                let labels = head(&scores, &any, Loss::Margin)?.predicted.to_vec()?;
                let scores = scores.to_vec()?;
                let rows = scores.chunks_exact(classes).zip(labels);
                Ok(rows
                    .map(|(row, label)| {
                        let probabilities = softmax(row);
                        answer(label, |class| probabilities[class], classes)
                    })
                    .collect())
            }
        }
    }
}

pub(crate) fn answer(
    label: u32,
    probability: impl Fn(usize) -> f32,
    classes: usize,
) -> Option<Answer> {
    (label != INVALID).then(|| Answer {
        label: label as usize,
        probabilities: (0..classes).map(probability).collect(),
    })
}

pub(crate) fn softmax(row: &[f32]) -> Vec<f32> {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = row.iter().map(|z| (z - most).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}
