//! Random typing errors: one letter changes in one random word after another. The baseline that attacks from scores must beat.
//!
//! `trials` chains a text, each of which changes words until the budget is spent or the label is wrong; labels alone are asked for.

use scoville_targets::text::Labels;
use scoville_text::Sentence;

use super::letters::{Draws, TYPOS, typo};
use super::search::Proposal;
use super::{TextAlgorithm, TextLabelsOnly, TextSearch};
use crate::registry::{Access, Algorithm, BLACK_BOX, Row, whole};
use crate::{Budget, Error};

pub const ROW: Row = Row {
    name: "char-noise",
    summary: "Random typing errors, a letter in one word after the other: the baseline to beat",
    technique: BLACK_BOX,
    access: Access::Labels,
    budget: Budget::Edits,
    least_classes: 2,
    parameters: &[whole(
        "trials",
        10.0,
        1e5,
        "chains of random errors that are tried",
    )],
    paper: "baseline",
    build: |v| {
        Algorithm::Text(TextAlgorithm::LabelsOnly(Box::new(CharNoise {
            trials: v.whole("trials"),
        })))
    },
};

/// Random letters, in `trials` chains a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CharNoise {
    pub trials: usize,
}

/// One chain of changes.
struct Chain {
    order: Vec<usize>,
    draws: Draws,
    now: Proposal,
}

impl TextLabelsOnly for CharNoise {
    fn run(&self, search: &mut TextSearch<'_>, target: &dyn Labels) -> Result<(), Error> {
        let rows = search.open(0).into_iter();
        let pairs = rows.flat_map(|row| (0..self.trials).map(move |trial| (row, trial)));
        let mut chains: Vec<Chain> = pairs
            .map(|(row, trial)| {
                let draws = Draws::new(search.seed, search.id(row), trial as u32);
                let sentence = search.clean(row).clone();
                Chain::new(draws, Proposal { row, sentence })
            })
            .collect();
        for changed in 0.. {
            chains.retain_mut(|chain| search.is_open(chain.now.row, changed) && chain.step());
            if chains.is_empty() {
                break;
            }
            let proposals: Vec<Proposal> = chains.iter().map(|chain| chain.now.clone()).collect();
            search.offer_labels(target, &proposals)?;
        }
        Ok(())
    }
}

/// `sentence` with typing errors in at most so many words.
pub fn mistyped(seed: u64, id: u32, sentence: Sentence, words: usize) -> Sentence {
    let mut chain = Chain::new(Draws::new(seed, id, 0), Proposal { row: 0, sentence });
    for _ in 0..words {
        chain.step();
    }
    chain.now.sentence
}

impl Chain {
    fn new(mut draws: Draws, now: Proposal) -> Self {
        Self {
            order: draws.order(now.sentence.words().len()),
            draws,
            now,
        }
    }

    /// Changes the next word that can be; false where there is none.
    fn step(&mut self) -> bool {
        while let Some(at) = self.order.pop() {
            let kind = TYPOS[self.draws.below(TYPOS.len())];
            let word = self.now.sentence.words()[at].clone();
            if let Some(changed) = typo(&word, kind, &mut self.draws) {
                self.now.sentence = self.now.sentence.with(at, changed);
                return true;
            }
        }
        false
    }
}
