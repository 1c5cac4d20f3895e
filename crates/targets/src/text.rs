//! Targets that read text. Access is a type here, too: [`Labels`], [`Scores`] and [`Gradients`], which are those by the embedding of
//! each token.

use scoville_kernels::{Array, Device, Head, INVALID, Loss, head};
use scoville_onnx::Graph;
use scoville_runtime::{Embedding, Model, ModelSpec, TextModel, embedded, table_rows};
use scoville_text::{Token, Tokenizer};

use crate::meter::Metered;
use crate::{Error, OnDevice};

/// Ids below this are whole numbers as float32, which a model's input is.
const EXACT: usize = 1 << 24;

/// Top-1 labels.
pub trait Labels: Sync {
    /// Number of classes.
    fn classes(&self) -> usize;
    /// Texts that go through the model at once.
    fn batch(&self) -> usize;
    /// The predicted class of each text; `u32::MAX` where a score was not finite.
    fn labels(&self, texts: &[String]) -> Result<Vec<u32>, Error>;
}

/// Logits, or probabilities where the model ends in them.
pub trait Scores: Labels {
    /// The scores of each text, `classes` of them, text after text.
    fn scores(&self, texts: &[String]) -> Result<Vec<f32>, Error>;
}

/// The gradient of a loss by the embedding of each token.
pub trait Gradients: Scores {
    /// The table that tokens are looked up in.
    fn embedding(&self) -> Result<&Embedding, Error>;
    /// The id of a word as a token of its own; `None` where the model does not read it as one.
    fn id_of(&self, word: &str) -> Option<u32>;
    /// The tokens that the model sees of each text, and the gradient by their rows of the embedding of how far the best other class
    /// leads the label `y`.
    fn gradient(&self, texts: &[String], y: &[u32]) -> Result<Vec<Sensitivity>, Error>;
    /// The scores of each text when the rows of the tokens that the model sees of it are moved by its `steps`, a row a token.
    fn scores_beside(&self, texts: &[String], steps: &[Vec<f32>]) -> Result<Vec<f32>, Error>;
}

/// How the loss of one text depends on its tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct Sensitivity {
    pub tokens: Vec<Token>,
    /// d loss / d embedding, a row a token.
    pub gradient: Vec<f32>,
}

/// A text classifier on a local device.
pub struct TextTarget {
    reader: Reader,
    /// Texts at once.
    batch: usize,
}

/// How text becomes what the model computes with.
enum Reader {
    /// The model reads text itself.
    Text(TextModel),
    /// It reads token ids.
    Tokens {
        tokenizer: Box<Tokenizer>,
        model: Model,
        inner: Option<Inner>,
    },
}

/// The same model as one of its embedding.
struct Inner {
    model: Model,
    embedding: Embedding,
}

impl TextTarget {
    /// A model that takes text.
    pub fn of_text(graph: Graph, output: Option<&str>, device: &Device) -> Result<Self, Error> {
        let model = TextModel::load(graph, output, device)?;
        Ok(Self {
            reader: Reader::Text(model),
            batch: 1,
        })
    }

    /// A model that takes the ids of `tokenizer`; ready for gradients if `with_gradients`.
    pub fn of_tokens(
        graph: Graph,
        tokenizer: Tokenizer,
        output: Option<&str>,
        with_gradients: bool,
        device: &Device,
    ) -> Result<Self, Error> {
        let spec = |length: usize| ModelSpec {
            shape: Some(vec![length]),
            output: output.map(str::to_owned),
            ..ModelSpec::raw()
        };
        // A lookup beyond its table would move to the last row without a word.
        check_ids(&tokenizer, table_rows(&graph).unwrap_or(EXACT).min(EXACT))?;
        let inner = match with_gradients {
            true => {
                let (graph, embedding) = embedded(graph.clone(), tokenizer.length)?;
                let length = tokenizer.length * (1 + embedding.width());
                let model = Model::load(graph, &spec(length), device)?;
                Some(Inner { model, embedding })
            }
            false => None,
        };
        Ok(Self {
            reader: Reader::Tokens {
                model: Model::load(graph, &spec(tokenizer.length), device)?,
                tokenizer: Box::new(tokenizer),
                inner,
            },
            batch: 1,
        })
    }

    /// The same, with `batch` texts at once.
    pub fn in_batches_of(self, batch: usize) -> Self {
        Self {
            batch: batch.max(1),
            ..self
        }
    }

    /// The tokenizer, where the model reads token ids.
    pub fn tokenizer(&self) -> Option<&Tokenizer> {
        match &self.reader {
            Reader::Text(_) => None,
            Reader::Tokens { tokenizer, .. } => Some(tokenizer),
        }
    }

    fn numbers(&self, texts: &[String]) -> Result<Array, Error> {
        match &self.reader {
            Reader::Text(model) => {
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                Ok(model.numbers(&texts)?)
            }
            Reader::Tokens {
                tokenizer, model, ..
            } => {
                let ids = texts.iter().flat_map(|text| tokenizer.ids(text));
                let ids = ids.map(|id| id as f32).collect();
                let (rows, cols) = (texts.len(), tokenizer.length);
                Ok(Array::from_vec(model.device(), rows, cols, ids)?)
            }
        }
    }

    fn inner(&self) -> Result<(&Tokenizer, &Inner), Error> {
        match &self.reader {
            Reader::Tokens {
                tokenizer,
                inner: Some(inner),
                ..
            } => Ok((tokenizer, inner)),
            _ => Err(Error::NoEmbedding),
        }
    }
}

/// Refuses a tokenizer that gives ids beyond a table of so many rows.
fn check_ids(tokenizer: &Tokenizer, rows: usize) -> Result<(), Error> {
    let most = tokenizer.largest_id();
    match (most as usize) < rows {
        true => Ok(()),
        false => Err(Error::Ids { most, rows }),
    }
}

impl OnDevice for TextTarget {
    fn model(&self) -> &Model {
        match &self.reader {
            Reader::Text(model) => model.model(),
            Reader::Tokens { model, .. } => model,
        }
    }
}

impl Labels for TextTarget {
    fn classes(&self) -> usize {
        self.model().classes()
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn labels(&self, texts: &[String]) -> Result<Vec<u32>, Error> {
        Ok(predicted(&self.scores(texts)?, self.classes()))
    }
}

/// The class of the largest score in each row, the first of those that are alike; `u32::MAX` where one is not finite.
pub fn predicted(scores: &[f32], classes: usize) -> Vec<u32> {
    let best = |row: &[f32]| {
        if row.iter().any(|score| !score.is_finite()) {
            return INVALID;
        }
        let better = |best: usize, at: usize| if row[at] > row[best] { at } else { best };
        (0..row.len())
            .reduce(better)
            .map_or(INVALID, |at| at as u32)
    };
    scores.chunks_exact(classes.max(1)).map(best).collect()
}

impl Scores for TextTarget {
    fn scores(&self, texts: &[String]) -> Result<Vec<f32>, Error> {
        let mut scores = Vec::with_capacity(texts.len() * self.classes());
        for batch in texts.chunks(self.batch) {
            let numbers = self.numbers(batch)?;
            scores.extend(self.model().logits(&numbers)?.to_vec()?);
        }
        Ok(scores)
    }
}

impl Gradients for TextTarget {
    fn embedding(&self) -> Result<&Embedding, Error> {
        Ok(&self.inner()?.1.embedding)
    }

    fn id_of(&self, word: &str) -> Option<u32> {
        self.tokenizer()?.id_of(word)
    }

    fn gradient(&self, texts: &[String], y: &[u32]) -> Result<Vec<Sensitivity>, Error> {
        let (tokenizer, inner) = self.inner()?;
        let mut all = Vec::with_capacity(texts.len());
        for (texts, y) in texts.chunks(self.batch).zip(y.chunks(self.batch)) {
            let cols = inner.model.sample_len();
            let x: Vec<f32> = texts
                .iter()
                .flat_map(|text| inner.input(&tokenizer.ids(text)))
                .collect();
            let device = inner.model.device();
            let x = Array::from_vec(device, texts.len(), cols, x)?;
            let y = Array::from_vec(device, texts.len(), 1, y.to_vec())?;
            let (_, gradient) = inner.model.gradient(&x, &mut |logits| {
                let Head { dlogits, .. } = head(logits, &y, Loss::Margin)?;
                Ok(dlogits)
            })?;
            for (text, row) in texts.iter().zip(gradient.to_vec()?.chunks_exact(cols)) {
                let tokens = tokenizer.tokens(text);
                let from = tokenizer.length;
                let to = from + tokens.len() * inner.embedding.width();
                all.push(Sensitivity {
                    tokens,
                    gradient: row.get(from..to).unwrap_or_default().to_vec(),
                });
            }
        }
        Ok(all)
    }

    fn scores_beside(&self, texts: &[String], steps: &[Vec<f32>]) -> Result<Vec<f32>, Error> {
        let (tokenizer, inner) = self.inner()?;
        let mut scores = Vec::with_capacity(texts.len() * self.classes());
        for (texts, steps) in texts.chunks(self.batch).zip(steps.chunks(self.batch)) {
            let mut x = Vec::with_capacity(texts.len() * inner.model.sample_len());
            for (text, steps) in texts.iter().zip(steps) {
                let mut input = inner.input(&tokenizer.ids(text));
                let rows = input.iter_mut().skip(tokenizer.length);
                rows.zip(steps).for_each(|(value, step)| *value += step);
                x.append(&mut input);
            }
            let (rows, cols) = (texts.len(), inner.model.sample_len());
            let x = Array::from_vec(inner.model.device(), rows, cols, x)?;
            scores.extend(inner.model.logits(&x)?.to_vec()?);
        }
        Ok(scores)
    }
}

impl Inner {
    /// The ids, and their rows of the embedding.
    fn input(&self, ids: &[u32]) -> Vec<f32> {
        let numbers = ids.iter().map(|&id| id as f32);
        let rows = ids.iter().filter_map(|&id| self.embedding.row(id));
        numbers.chain(rows.flatten().copied()).collect()
    }
}

impl<T: Labels> Labels for Metered<T> {
    fn classes(&self) -> usize {
        self.inner().classes()
    }

    fn batch(&self) -> usize {
        self.inner().batch()
    }

    fn labels(&self, texts: &[String]) -> Result<Vec<u32>, Error> {
        self.count_queries(texts.len(), self.batch());
        self.inner().labels(texts)
    }
}

impl<T: Scores> Scores for Metered<T> {
    fn scores(&self, texts: &[String]) -> Result<Vec<f32>, Error> {
        self.count_queries(texts.len(), self.batch());
        self.inner().scores(texts)
    }
}

impl<T: Gradients> Gradients for Metered<T> {
    fn embedding(&self) -> Result<&Embedding, Error> {
        self.inner().embedding()
    }

    fn id_of(&self, word: &str) -> Option<u32> {
        self.inner().id_of(word)
    }

    fn gradient(&self, texts: &[String], y: &[u32]) -> Result<Vec<Sensitivity>, Error> {
        self.count_gradients(texts.len(), self.batch());
        self.inner().gradient(texts, y)
    }

    fn scores_beside(&self, texts: &[String], steps: &[Vec<f32>]) -> Result<Vec<f32>, Error> {
        self.count_queries(texts.len(), self.batch());
        self.inner().scores_beside(texts, steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_score_wins_and_what_is_not_finite_is_no_class() {
        let scores = [0.1, 0.9, 0.5, 0.5, f32::NAN, 0.0, 2.0, f32::INFINITY];
        assert_eq!(predicted(&scores, 2), [1, 0, INVALID, INVALID]);
    }
}
