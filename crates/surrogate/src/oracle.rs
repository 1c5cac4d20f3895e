//! What a target tells of the samples that a surrogate is trained on.

use scoville_kernels::{Array, Device, INVALID, Loss, head};
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
        let (mut labels, mut scores) = (Vec::new(), Vec::new());
        for x in x.chunks(sample * BATCH) {
            let array =
                |device: &Device| Array::from_vec(device, x.len() / sample, sample, x.to_vec());
            match self {
                Oracle::Labels(target) => {
                    labels.extend(target.labels(&array(target.device())?)?.to_vec()?);
                }
                Oracle::Scores(target) => {
                    let given = target.scores(&array(target.device())?)?;
                    let any = Array::zeros(target.device(), given.rows(), 1)?;
                    labels.extend(head(&given, &any, Loss::Margin)?.predicted.to_vec()?);
                    scores.extend(given.to_vec()?);
                }
            }
        }
        Ok(answers(&labels, &scores, self.classes()))
    }
}

/// What is learnt of labels, and of the scores of all where they were given; `None` where an answer was not finite.
pub(crate) fn answers(labels: &[u32], scores: &[f32], classes: usize) -> Vec<Option<Answer>> {
    let row = |at: usize| scores.get(at * classes..(at + 1) * classes);
    let mut rows = (0..labels.len()).filter_map(row);
    let finite = |row: &&[f32]| row.iter().all(|score| score.is_finite());
    let are_shares = rows.by_ref().filter(finite).all(are_shares);
    let probabilities = |at: usize, label: u32| match row(at) {
        Some(shares) if are_shares => shares.to_vec(),
        Some(logits) => softmax(logits),
        None => (0..classes)
            .map(|class| f32::from(class == label as usize))
            .collect(),
    };
    let answer = |(at, &label): (usize, &u32)| {
        (label != INVALID).then(|| Answer {
            label: label as usize,
            probabilities: probabilities(at, label),
        })
    };
    labels.iter().enumerate().map(answer).collect()
}

/// Whether scores are probabilities.
fn are_shares(row: &[f32]) -> bool {
    row.iter().all(|p| (0.0..=1.0).contains(p)) && (row.iter().sum::<f32>() - 1.0).abs() < 1e-3
}

pub(crate) fn softmax(row: &[f32]) -> Vec<f32> {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = row.iter().map(|z| (z - most).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_probabilities_where_all_that_are_finite_are() {
        let learnt = |labels: &[u32], scores: &[f32]| -> Vec<Option<Vec<f32>>> {
            let answers = answers(labels, scores, 2).into_iter();
            answers.map(|a| a.map(|a| a.probabilities)).collect()
        };
        let nan = f32::NAN;
        let shares = learnt(&[0, INVALID, 1], &[0.9, 0.1, nan, nan, 0.25, 0.75]);
        assert_eq!(shares, [Some(vec![0.9, 0.1]), None, Some(vec![0.25, 0.75])]);
        let logits = learnt(&[0, 1], &[0.9, 0.1, 0.0, 20.0]);
        assert_eq!(logits[0], Some(softmax(&[0.9, 0.1])));
        assert_eq!(learnt(&[1, INVALID], &[]), [Some(vec![0.0, 1.0]), None]);
    }
}
