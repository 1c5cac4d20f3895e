//! The words that attacks may write.

use rayon::prelude::*;
use scoville_targets::text::Gradients;
use scoville_text::Synonyms;

use crate::Error;

/// The words that attacks may write, and which of them are alike.
#[derive(Default)]
pub struct Lexicon {
    /// Without doubles, in an order that does not depend on the run.
    pub words: Vec<String>,
    substitutes: Substitutes,
}

/// Where substitutes of a word come from.
#[derive(Default)]
enum Substitutes {
    #[default]
    None,
    File(Synonyms),
    /// Words by their rows of the model's embedding, each of length 1.
    Nearest {
        rows: Vec<f32>,
        known: Vec<bool>,
    },
}

impl Lexicon {
    pub fn new(words: Vec<String>) -> Self {
        Self {
            words,
            substitutes: Substitutes::None,
        }
    }

    /// With substitutes from a file.
    pub fn with_synonyms(self, synonyms: Synonyms) -> Self {
        Self {
            substitutes: Substitutes::File(synonyms),
            ..self
        }
    }

    /// With the nearest of its words in the target's embedding as substitutes.
    pub fn with_neighbours(self, target: &dyn Gradients) -> Result<Self, Error> {
        let embedding = target.embedding()?;
        let mut rows = Vec::with_capacity(self.words.len() * embedding.width());
        let mut known = Vec::with_capacity(self.words.len());
        for word in &self.words {
            let row = target.id_of(word).and_then(|id| embedding.row(id));
            let length = row.map_or(0.0, |row| dot(row, row).sqrt());
            known.push(length > 0.0);
            match row {
                Some(row) if length > 0.0 => rows.extend(row.iter().map(|v| v / length)),
                _ => rows.resize(rows.len() + embedding.width(), 0.0),
            }
        }
        Ok(Self {
            substitutes: Substitutes::Nearest { rows, known },
            ..self
        })
    }

    /// At most `most` words that may stand for `word`, the most alike first; of neighbours in an embedding those whose cosine is at
    /// least `cosine`.
    pub fn substitutes(&self, word: &str, most: usize, cosine: f32) -> Vec<&str> {
        match &self.substitutes {
            Substitutes::None => Vec::new(),
            Substitutes::File(synonyms) => {
                let words = synonyms.of(word).iter().map(String::as_str);
                words.take(most).collect()
            }
            Substitutes::Nearest { rows, known } => {
                let place = self.words.iter().position(|w| w == word).or_else(|| {
                    let lower = word.to_lowercase();
                    self.words.iter().position(|w| *w == lower)
                });
                let width = rows.len() / self.words.len().max(1);
                let row = |at: usize| &rows[at * width..(at + 1) * width];
                let Some(place) = place.filter(|&place| known[place]) else {
                    return Vec::new();
                };
                let mut alike: Vec<(f32, usize)> = (0..self.words.len())
                    .into_par_iter()
                    .filter(|&at| known[at] && at != place)
                    .map(|at| (dot(row(place), row(at)), at))
                    .filter(|&(likeness, _)| likeness >= cosine)
                    .collect();
                alike.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                let nearest = alike.into_iter().take(most);
                nearest.map(|(_, at)| self.words[at].as_str()).collect()
            }
        }
    }
}

/// A scalar product, in a fixed order of sums.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let (a_lanes, a_rest) = a.as_chunks::<LANES>();
    let (b_lanes, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a_lanes.iter().zip(b_lanes) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| a * b);
    sums.iter().sum::<f32>() + rest.sum::<f32>()
}
