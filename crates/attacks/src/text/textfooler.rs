//! Words are replaced by others like them, the most important first, after TextFooler.
//!
//! A word's importance is what the label's lead loses when the word is left out. Each word in turn is replaced by the one of its
//! substitutes that leaves the smallest lead, if it is smaller than before.
//!
//! Jin et al. 2020, <https://arxiv.org/abs/1907.11932>. Not as there: substitutes come from the user's file of synonyms, or else are
//! the nearest words in the model's own embedding (which is more than scores give away, and knows sentiment better than meaning), not
//! from counter-fitted vectors; parts of speech and the likeness of whole sentences are not checked, and no stop words are left out.
//! So this measures what the model can be made to say, not whether a reader would agree that the text still means the same.

use scoville_targets::text::Scores;
use scoville_text::core;

use super::deepwordbug::descending;
use super::search::Proposal;
use super::{TextAlgorithm, TextBlackBox, TextSearch};
use crate::registry::{Access, Algorithm, BLACK_BOX, Row, real, whole};
use crate::{Budget, Error};

pub const ROW: Row = Row {
    name: "textfooler",
    summary: "Replaces words by words like them, those first that the scores depend on most",
    technique: BLACK_BOX,
    access: Access::Scores,
    budget: Budget::Edits,
    least_classes: 2,
    parameters: &[
        whole(
            "substitutes",
            50.0,
            1000.0,
            "most substitutes for a word, the most alike first",
        ),
        real(
            "cosine",
            0.5,
            (-1.0, 1.0),
            "least cosine of a word and its substitute in the embedding",
        ),
    ],
    paper: "Jin 2020, arXiv:1907.11932",
    build: |v| {
        Algorithm::Text(TextAlgorithm::BlackBox(Box::new(TextFooler {
            substitutes: v.whole("substitutes"),
            cosine: v.real("cosine"),
        })))
    },
};

/// At most `substitutes` a word; in an embedding their cosine is at least `cosine`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextFooler {
    pub substitutes: usize,
    pub cosine: f32,
}

impl TextBlackBox for TextFooler {
    fn takes_substitutes(&self) -> bool {
        true
    }

    fn run(&self, search: &mut TextSearch<'_>, target: &dyn Scores) -> Result<(), Error> {
        let walks = ranked(search, target)?;
        walk(search, target, walks, &|search, walk, at| {
            let word = &walk.now.sentence.words()[at];
            let inner = core(word);
            let (before, after) = (&word[..inner.start], &word[inner.end..]);
            let lexicon = search.lexicon;
            let others = lexicon.substitutes(&word[inner.clone()], self.substitutes, self.cosine);
            let others = others.into_iter().map(|o| format!("{before}{o}{after}"));
            others.collect()
        })
    }
}

/// The open texts, each with its lead and its words, the most important first.
fn ranked(search: &mut TextSearch<'_>, target: &dyn Scores) -> Result<Vec<Walk>, Error> {
    let open = search.open(0);
    let (mut rows, mut texts) = (Vec::new(), Vec::new());
    for &row in &open {
        let sentence = search.clean(row);
        texts.push(sentence.text());
        let n = sentence.words().len();
        texts.extend((0..n).map(|left_out| sentence.text_of(|at| at != left_out)));
        rows.resize(texts.len(), row);
    }
    let leads = search.leads(target, &rows, &texts)?;
    let mut rest = leads.as_slice();
    let walks = open.into_iter().map(|row| {
        let sentence = search.clean(row).clone();
        let (here, after) = rest.split_at(1 + sentence.words().len());
        rest = after;
        Walk {
            now: Proposal { row, sentence },
            lead: here[0],
            order: descending(here[1..].iter().map(|without| here[0] - without).collect()),
        }
    });
    Ok(walks.collect())
}

/// A text on its way: its words are changed in order, and what lowers the lead stays.
pub(super) struct Walk {
    pub now: Proposal,
    /// How far the label leads in it.
    pub lead: f32,
    /// Places of words that are to be changed.
    pub order: Vec<usize>,
}

/// Changes one word after another in all texts at once: `options` are what a word may become.
pub(super) fn walk(
    search: &mut TextSearch<'_>,
    target: &dyn Scores,
    mut walks: Vec<Walk>,
    options: &dyn Fn(&TextSearch<'_>, &Walk, usize) -> Vec<String>,
) -> Result<(), Error> {
    for step in 0.. {
        let mut going = false;
        let (mut proposals, mut of) = (Vec::new(), Vec::new());
        for (at, walk) in walks.iter().enumerate() {
            let open = search.is_open(walk.now.row, walk.changed(search));
            let Some(&word) = walk.order.get(step).filter(|_| open) else {
                continue;
            };
            going = true;
            for option in options(search, walk, word) {
                let (row, sentence) = (walk.now.row, walk.now.sentence.with(word, option));
                proposals.push(Proposal { row, sentence });
                of.push(at);
            }
        }
        if !going {
            break;
        }
        let leads = search.offer(target, &proposals)?;
        for ((proposal, at), lead) in proposals.into_iter().zip(of).zip(leads) {
            let walk = &mut walks[at];
            if lead < walk.lead {
                walk.now = proposal;
                walk.lead = lead;
            }
        }
    }
    Ok(())
}

impl Walk {
    /// Words that are changed by now.
    fn changed(&self, search: &TextSearch<'_>) -> usize {
        let words = self.now.sentence.words().iter();
        let pairs = words.zip(search.clean(self.now.row).words());
        pairs.filter(|(now, before)| now != before).count()
    }
}
