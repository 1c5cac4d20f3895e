//! Targeted attacks on texts: a target seen as one class against the rest, which any attack takes on as it is.

use scoville_kernels::INVALID;
use scoville_runtime::Embedding;
use scoville_targets::Error;
use scoville_targets::text::{Gradients, Labels, Scores, Sensitivity};

/// `target` as a classifier of two classes: 1 is `class`, 0 all the others together. Who makes it answer 1 to a text
/// labelled 0 has reached `class`.
pub struct Towards<'a, T: ?Sized> {
    pub target: &'a T,
    pub class: u32,
}

impl<T: Labels + ?Sized> Labels for Towards<'_, T> {
    fn classes(&self) -> usize {
        2
    }

    fn batch(&self) -> usize {
        self.target.batch()
    }

    fn labels(&self, texts: &[String]) -> Result<Vec<u32>, Error> {
        let labels = self.target.labels(texts)?.into_iter();
        let seen = labels.map(|label| match label {
            INVALID => INVALID,
            label => u32::from(label == self.class),
        });
        Ok(seen.collect())
    }
}

impl<T: Scores + ?Sized> Scores for Towards<'_, T> {
    fn scores(&self, texts: &[String]) -> Result<Vec<f32>, Error> {
        Ok(self.pairs(&self.target.scores(texts)?))
    }
}

impl<T: Labels + ?Sized> Towards<'_, T> {
    /// The best score of the others, and that of the class, for each row of scores; NaN where one of all is not finite.
    fn pairs(&self, scores: &[f32]) -> Vec<f32> {
        let class = self.class as usize;
        let pair = |row: &[f32]| {
            if row.iter().any(|score| !score.is_finite()) {
                return [f32::NAN; 2];
            }
            let others = row.iter().enumerate().filter(|&(at, _)| at != class);
            let best = others.map(|(_, &score)| score).fold(f32::MIN, f32::max);
            [best, row[class]]
        };
        let rows = scores.chunks_exact(self.target.classes());
        rows.flat_map(pair).collect()
    }
}

impl<T: Gradients + ?Sized> Gradients for Towards<'_, T> {
    fn embedding(&self) -> Result<&Embedding, Error> {
        self.target.embedding()
    }

    fn id_of(&self, word: &str) -> Option<u32> {
        self.target.id_of(word)
    }

    /// Of how far the class leads the best other one: what leads the class at its own label, turned round.
    fn gradient(&self, texts: &[String], _: &[u32]) -> Result<Vec<Sensitivity>, Error> {
        let class = vec![self.class; texts.len()];
        let mut seen = self.target.gradient(texts, &class)?;
        for slope in seen.iter_mut().flat_map(|seen| &mut seen.gradient) {
            *slope = -*slope;
        }
        Ok(seen)
    }

    fn scores_beside(&self, texts: &[String], steps: &[Vec<f32>]) -> Result<Vec<f32>, Error> {
        Ok(self.pairs(&self.target.scores_beside(texts, steps)?))
    }
}
