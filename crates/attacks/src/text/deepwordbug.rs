//! DeepWordBug: words are ranked by what the scores lose without them, and one letter changes in the first of them.
//!
//! A word's rank is its temporal score and its temporal tail score together: what the label's lead gains when the text up to the
//! word is read with it and not without it, and the same for the text from the word on. In each ranked word a letter is swapped,
//! substituted, deleted and inserted; of the four the one that leaves the smallest lead stays, if it is smaller than before.
//!
//! Gao et al. 2018, <https://arxiv.org/abs/1801.04354>, which makes one of the four changes and takes the combined score alike. Here
//! scores are leads of the label over the best other class, in the units that the model gives.

use scoville_targets::text::Scores;

use super::letters::{Draws, TYPOS, typo};
use super::search::Proposal;
use super::textfooler::{Walk, walk};
use super::{TextAlgorithm, TextBlackBox, TextSearch};
use crate::registry::{Access, Algorithm, BLACK_BOX, Row};
use crate::{Budget, Error};

pub const ROW: Row = Row {
    name: "deepwordbug",
    summary: "Changes one letter in a word, those words first that the scores depend on most",
    technique: BLACK_BOX,
    access: Access::Scores,
    budget: Budget::Edits,
    least_classes: 2,
    parameters: &[],
    paper: "Gao 2018, arXiv:1801.04354",
    build: |_| Algorithm::Text(TextAlgorithm::BlackBox(Box::new(DeepWordBug))),
};

/// DeepWordBug with the combined score and all four changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeepWordBug;

impl TextBlackBox for DeepWordBug {
    fn run(&self, search: &mut TextSearch<'_>, target: &dyn Scores) -> Result<(), Error> {
        let walks = ranked(search, target)?;
        walk(search, target, walks, &|search, walk, at| {
            let mut draws = Draws::new(search.seed, search.id(walk.now.row), at as u32);
            let word = &walk.now.sentence.words()[at];
            let typos = TYPOS
                .iter()
                .filter_map(|&kind| typo(word, kind, &mut draws));
            typos.collect()
        })
    }
}

/// The open texts, each with its lead and its words, the one that matters most first.
fn ranked(search: &mut TextSearch<'_>, target: &dyn Scores) -> Result<Vec<Walk>, Error> {
    let open = search.open(0);
    let (mut rows, mut texts) = (Vec::new(), Vec::new());
    for &row in &open {
        let sentence = search.clean(row);
        let n = sentence.words().len();
        // Heads of 0 to n words, then tails from word 0 to n on.
        texts.extend((0..=n).map(|end| sentence.text_of(|at| at < end)));
        texts.extend((0..=n).map(|start| sentence.text_of(|at| at >= start)));
        rows.resize(texts.len(), row);
    }
    let leads = search.leads(target, &rows, &texts)?;
    let mut rest = leads.as_slice();
    let walks = open.into_iter().map(|row| {
        let sentence = search.clean(row).clone();
        let n = sentence.words().len();
        let (heads, tail) = rest.split_at(n + 1);
        let (tails, after) = tail.split_at(n + 1);
        rest = after;
        let gains = (0..n).map(|at| heads[at + 1] - heads[at] + tails[at] - tails[at + 1]);
        Walk {
            now: Proposal { row, sentence },
            lead: heads[n],
            order: descending(gains.collect()),
        }
    });
    Ok(walks.collect())
}

/// The places of `values`, the largest first; of those that are alike the first.
pub(super) fn descending(values: Vec<f32>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
    order
}
