//! Attacks on classifiers of text: words are changed, and the budget is how many.
//!
//! They propose texts; the [`driver`] counts the words in which a stored text differs from the clean one, asks the target again,
//! and only then counts a success. All of them change one word after another, so one run serves every budget: a text is booked at
//! the number of words that the driver finds changed.

pub mod char_noise;
pub mod deepwordbug;
pub mod driver;
pub mod hotflip;
pub mod letters;
mod lexicon;
mod search;
#[cfg(test)]
mod tests;
pub mod textfooler;
mod towards;

pub use driver::{TextProblem, run, transfer};
pub use lexicon::Lexicon;
pub use search::TextSearch;
use towards::Towards;

use scoville_targets::text::{Gradients, Labels, Scores};

use crate::Error;

/// An attack on text, with the access that it needs.
pub enum TextAlgorithm {
    WhiteBox(Box<dyn TextWhiteBox>),
    BlackBox(Box<dyn TextBlackBox>),
    LabelsOnly(Box<dyn TextLabelsOnly>),
}

impl TextAlgorithm {
    /// Whether it replaces words by others that the lexicon says are alike.
    pub fn takes_substitutes(&self) -> bool {
        match self {
            TextAlgorithm::BlackBox(attack) => attack.takes_substitutes(),
            _ => false,
        }
    }
}

/// An attack on text that needs gradients by the embedding.
pub trait TextWhiteBox: Send + Sync {
    fn run(&self, search: &mut TextSearch<'_>, target: &dyn Gradients) -> Result<(), Error>;
}

/// An attack on text that needs scores alone.
pub trait TextBlackBox: Send + Sync {
    fn run(&self, search: &mut TextSearch<'_>, target: &dyn Scores) -> Result<(), Error>;

    /// See [`TextAlgorithm::takes_substitutes`].
    fn takes_substitutes(&self) -> bool {
        false
    }
}

/// An attack on text that needs the predicted class alone.
pub trait TextLabelsOnly: Send + Sync {
    fn run(&self, search: &mut TextSearch<'_>, target: &dyn Labels) -> Result<(), Error>;
}
