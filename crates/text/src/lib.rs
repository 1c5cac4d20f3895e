//! Texts as an attacker of a classifier sees them: words to change, and the tokens that a model reads.
//!
//! A word is what stands between white space. [`Sentence`] takes a text apart and puts it together again as it was, [`edits`]
//! counts the words in which two texts differ, [`typos`] the letters of two words, and [`Tokenizer`] gives the ids that a model wants, each with the place in the text
//! that it comes from.

#![forbid(unsafe_code)]

mod md5;
mod sentence;
mod synonyms;
mod tokenizer;

pub use sentence::{Sentence, core, edits, typos};
pub use synonyms::{Synonyms, SynonymsError};
pub use tokenizer::{Rule, Token, Tokenizer, TokenizerError, Vocabulary};
