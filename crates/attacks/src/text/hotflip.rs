//! HotFlip on words: the gradient by the embedding says, to first order, what the loss gains when a token is replaced by another.
//!
//! With `e` the rows of the embedding and `g` the gradient of the loss by the row of a token `a`, the gain of `b` in its place is
//! `(e_b - e_a) . g`. Each step estimates it for every word of the text that is a token and not yet changed, and every word that the
//! lexicon knows; the `candidates` best are asked about, and the one that leaves the label the smallest lead stays.
//!
//! Ebrahimi et al. 2018, <https://arxiv.org/abs/1712.06751>, section 5.1. As there, words can be asked to be alike (`cosine`, 0.8 in
//! the paper, off by default); parts of speech and stop words are not looked at. The paper takes the best estimate as it is:
//! `candidates=1`. The loss is the lead of the best other class over the label.

use std::ops::Range;

use rayon::prelude::*;
use scoville_runtime::Embedding;
use scoville_targets::text::{Gradients, Sensitivity};
use scoville_text::Sentence;

use super::lexicon::dot;
use super::search::Proposal;
use super::{Lexicon, TextAlgorithm, TextSearch, TextWhiteBox};
use crate::registry::{Access, Algorithm, Row, WHITE_BOX, real, whole};
use crate::{Budget, Error};

pub const ROW: Row = Row {
    name: "hotflip",
    summary: "Replaces words by those of which the gradient by the embedding promises most",
    technique: WHITE_BOX,
    access: Access::Gradients,
    budget: Budget::Edits,
    least_classes: 2,
    parameters: &[
        whole(
            "candidates",
            10.0,
            1000.0,
            "replacements that a step asks about, the most promising first",
        ),
        real(
            "cosine",
            -1.0,
            (-1.0, 1.0),
            "least cosine of a word and its replacement; -1 allows any",
        ),
    ],
    paper: "Ebrahimi 2018, arXiv:1712.06751",
    build: |v| {
        Algorithm::Text(TextAlgorithm::WhiteBox(Box::new(HotFlip {
            candidates: v.whole("candidates"),
            cosine: v.real("cosine"),
        })))
    },
};

/// HotFlip that asks about `candidates` flips a step, of words whose cosine is at least `cosine`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HotFlip {
    pub candidates: usize,
    pub cosine: f32,
}

/// A flip and its estimated gain.
#[derive(Clone)]
struct Flip {
    gain: f32,
    /// Place of the word in the text, of the token in the word, in bytes, and of the new one among those that are known.
    at: usize,
    part: Range<usize>,
    word: usize,
}

impl TextWhiteBox for HotFlip {
    fn run(&self, search: &mut TextSearch<'_>, target: &dyn Gradients) -> Result<(), Error> {
        let known = Known::new(search.lexicon, target)?;
        let mut texts: Vec<Sentence> = search.sentences().cloned().collect();
        for changed in 0.. {
            let open = search.open(changed);
            if open.is_empty() {
                break;
            }
            let now: Vec<String> = open.iter().map(|&row| texts[row].text()).collect();
            let y: Vec<u32> = open.iter().map(|&row| search.label(row)).collect();
            search.count(&open)?;
            let seen = target.gradient(&now, &y)?;
            let flips: Vec<Vec<Flip>> = open
                .par_iter()
                .zip(&seen)
                .map(|(&row, seen)| self.best(&known, &texts[row], search.clean(row), seen))
                .collect();
            let proposals: Vec<Proposal> = open
                .iter()
                .zip(&flips)
                .flat_map(|(&row, flips)| {
                    let sentence = &texts[row];
                    flips.iter().map(move |flip| (row, sentence, flip))
                })
                .map(|(row, sentence, flip)| Proposal {
                    row,
                    sentence: flip.of(sentence, &known),
                })
                .collect();
            if proposals.is_empty() {
                break;
            }
            let leads = search.offer(target, &proposals)?;
            let mut least = vec![f32::INFINITY; texts.len()];
            for (proposal, lead) in proposals.into_iter().zip(leads) {
                if lead < least[proposal.row] {
                    least[proposal.row] = lead;
                    texts[proposal.row] = proposal.sentence;
                }
            }
        }
        Ok(())
    }
}

/// Each text after the one flip that its gradient, in `seen`, says gains most; `None` where none does.
pub fn steepest(
    target: &dyn Gradients,
    lexicon: &Lexicon,
    texts: &[String],
    seen: &[Sensitivity],
) -> Result<Vec<Option<String>>, Error> {
    let known = Known::new(lexicon, target)?;
    let first = HotFlip {
        candidates: 1,
        cosine: -1.0,
    };
    let flipped = texts.par_iter().zip(seen).map(|(text, seen)| {
        let sentence = Sentence::new(text);
        let flips = first.best(&known, &sentence, &sentence, seen);
        flips.first().map(|flip| flip.of(&sentence, &known).text())
    });
    Ok(flipped.collect())
}

impl Flip {
    /// The text after it.
    fn of(&self, sentence: &Sentence, known: &Known<'_>) -> Sentence {
        let mut word = sentence.words()[self.at].clone();
        word.replace_range(self.part.clone(), known.words[self.word]);
        sentence.with(self.at, word)
    }
}

/// The lexicon's words that the model has a row for.
struct Known<'a> {
    words: Vec<&'a str>,
    rows: Vec<&'a [f32]>,
    /// Of each row.
    lengths: Vec<f32>,
    embedding: &'a Embedding,
}

impl<'a> Known<'a> {
    fn new(lexicon: &'a Lexicon, target: &'a dyn Gradients) -> Result<Self, Error> {
        let embedding = target.embedding()?;
        let row = |word: &'a String| Some((word.as_str(), embedding.row(target.id_of(word)?)?));
        let known = lexicon.words.iter().filter_map(row);
        let (words, rows): (Vec<&str>, Vec<&[f32]>) = known.unzip();
        Ok(Self {
            words,
            lengths: rows.iter().map(|row| dot(row, row).sqrt()).collect(),
            rows,
            embedding,
        })
    }
}

impl HotFlip {
    /// The flips of one text with the largest gains.
    fn best(
        &self,
        known: &Known<'_>,
        now: &Sentence,
        clean: &Sentence,
        seen: &Sensitivity,
    ) -> Vec<Flip> {
        let mut best: Vec<Flip> = Vec::with_capacity(self.candidates + 1);
        let gradients = seen.gradient.chunks_exact(known.embedding.width());
        let places = places(now);
        for (token, g) in seen.tokens.iter().zip(gradients) {
            // A token that is joined of two words lies in neither, and no one word can take its place.
            let holds = |place: &Range<usize>| {
                place.start <= token.place.start && token.place.end <= place.end
            };
            let at = places.iter().position(holds);
            let Some(at) = at.filter(|&at| now.words()[at] == clean.words()[at]) else {
                continue;
            };
            let start = places[at].start;
            let part = token.place.start - start..token.place.end - start;
            let Some(own) = known.embedding.row(token.id) else {
                continue;
            };
            let (here, length) = (dot(own, g), dot(own, own).sqrt());
            for (word, row) in known.rows.iter().enumerate() {
                let gain = dot(row, g) - here;
                let low =
                    best.len() == self.candidates && best.last().is_some_and(|b| gain <= b.gain);
                let alike = || {
                    self.cosine <= -1.0
                        || dot(row, own) >= self.cosine * length * known.lengths[word]
                };
                if low || gain <= 0.0 || !alike() {
                    continue;
                }
                let place = best.partition_point(|b| b.gain >= gain);
                let part = part.clone();
                best.insert(
                    place,
                    Flip {
                        gain,
                        at,
                        part,
                        word,
                    },
                );
                best.truncate(self.candidates);
            }
        }
        best
    }
}

/// Where each word stands in the text, in bytes.
fn places(sentence: &Sentence) -> Vec<Range<usize>> {
    let mut end = 0;
    let text = sentence.text();
    let words = sentence.words().iter().map(|word| {
        let start = text[end..].find(word.as_str()).map_or(end, |at| end + at);
        end = start + word.len();
        start..end
    });
    words.collect()
}
