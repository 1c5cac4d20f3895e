//! From a text to the ids that a model reads.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use regex_automata::meta::Regex;

use crate::md5::digest;

/// Most bytes of a vocabulary file.
const MAX_BYTES: u64 = 256 << 20;

/// A tokenizer that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("{}: {bytes} bytes, at most {MAX_BYTES} are read", path.display())]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("{}: line {line}: write one token a line, or a token, a tab and its id", path.display())]
    Line { path: PathBuf, line: usize },
    #[error("pattern `{pattern}`: {cause}")]
    Pattern { pattern: String, cause: String },
    #[error("{0}")]
    Value(&'static str),
}

/// The tokens that a model knows, and their ids.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    ids: HashMap<String, u32>,
    /// In the order of the file.
    words: Vec<String>,
}

impl Vocabulary {
    /// One token a line, numbered from 0, or a token, a tab and its id.
    pub fn read(path: &Path) -> Result<Self, TokenizerError> {
        let failed = |cause| TokenizerError::Read {
            path: path.into(),
            cause,
        };
        let bytes = fs::metadata(path).map_err(failed)?.len();
        if bytes > MAX_BYTES {
            let path = path.into();
            return Err(TokenizerError::TooLarge { path, bytes });
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        Self::parse(&text).map_err(|line| TokenizerError::Line {
            path: path.into(),
            line,
        })
    }

    /// The same of a text; the number of the line that is wrong is the error.
    pub fn parse(text: &str) -> Result<Self, usize> {
        let mut vocabulary = Self::default();
        for (i, line) in text.lines().enumerate() {
            let (word, id) = match line.split_once('\t') {
                Some((word, id)) => (word, id.trim().parse().map_err(|_| i + 1)?),
                None => (line, u32::try_from(i).map_err(|_| i + 1)?),
            };
            if vocabulary.ids.insert(word.into(), id).is_some() {
                return Err(i + 1);
            }
            vocabulary.words.push(word.into());
        }
        Ok(vocabulary)
    }
}

/// How a token gets its id.
#[derive(Debug, Clone)]
pub enum Rule {
    /// Its MD5 modulo this.
    HashMd5(u32),
    /// As in the vocabulary, else the id of what is unknown; without one, a token that is unknown is left out.
    Vocabulary(Vocabulary, Option<u32>),
}

/// A token of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub id: u32,
    /// Where in the text it stands, in bytes.
    pub place: Range<usize>,
    /// Whether it is made of a negator and the word after it.
    pub joined: bool,
}

/// A tokenizer: a text in, `length` ids out.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    pub rule: Rule,
    pub lower: bool,
    /// What is a token; `None`: what stands between white space.
    pattern: Option<Regex>,
    /// Tokens that are joined with the next one, by `_`.
    pub negators: BTreeSet<String>,
    /// Ids that the model takes.
    pub length: usize,
    /// What fills the rest.
    pub padding: u32,
}

impl Tokenizer {
    pub fn new(
        rule: Rule,
        pattern: Option<&str>,
        length: usize,
        padding: u32,
    ) -> Result<Self, TokenizerError> {
        if length == 0 {
            return Err(TokenizerError::Value("length must be at least 1"));
        }
        if matches!(rule, Rule::HashMd5(0)) {
            return Err(TokenizerError::Value("modulus must be at least 1"));
        }
        let compile = |pattern: &str| {
            let failed = |cause: regex_automata::meta::BuildError| TokenizerError::Pattern {
                pattern: pattern.into(),
                cause: match cause.syntax_error() {
                    Some(error) => error.to_string(),
                    None => cause.to_string(),
                },
            };
            Regex::new(pattern).map_err(failed)
        };
        Ok(Self {
            rule,
            pattern: pattern.map(compile).transpose()?,
            lower: false,
            negators: BTreeSet::new(),
            length,
            padding,
        })
    }

    /// The tokens that the model sees, at most `length`.
    pub fn tokens(&self, text: &str) -> Vec<Token> {
        let places = self.places(text);
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some(place) = places.get(at).filter(|_| tokens.len() < self.length) {
            let mut word = self.cased(text.get(place.clone()).unwrap_or_default());
            let mut end = place.end;
            let next = places.get(at + 1).filter(|_| self.negators.contains(&word));
            if let Some(next) = next {
                word.push('_');
                word.push_str(&self.cased(text.get(next.clone()).unwrap_or_default()));
                end = next.end;
                at += 1;
            }
            at += 1;
            if let Some(id) = self.id(&word) {
                tokens.push(Token {
                    id,
                    place: place.start..end,
                    joined: next.is_some(),
                });
            }
        }
        tokens
    }

    /// What the model is fed: the tokens' ids, filled up.
    pub fn ids(&self, text: &str) -> Vec<u32> {
        let mut ids: Vec<u32> = self.tokens(text).iter().map(|token| token.id).collect();
        ids.resize(self.length, self.padding);
        ids
    }

    /// The id of a word that is one token by itself, and known.
    pub fn id_of(&self, word: &str) -> Option<u32> {
        match self.tokens(word).as_slice() {
            [token] if token.place == (0..word.len()) && !self.is_special(token.id) => {
                Some(token.id)
            }
            _ => None,
        }
    }

    /// Whether an id stands for no word: the one of padding, or of what is unknown.
    fn is_special(&self, id: u32) -> bool {
        let unknown = match self.rule {
            Rule::Vocabulary(_, unknown) => unknown,
            Rule::HashMd5(_) => None,
        };
        id == self.padding || unknown == Some(id)
    }

    /// The tokens that it knows; none where it hashes.
    pub fn vocabulary(&self) -> &[String] {
        match &self.rule {
            Rule::HashMd5(_) => &[],
            Rule::Vocabulary(vocabulary, _) => &vocabulary.words,
        }
    }

    /// The largest id that it can give.
    pub fn largest_id(&self) -> u32 {
        let most = match &self.rule {
            Rule::HashMd5(modulus) => modulus - 1,
            Rule::Vocabulary(vocabulary, unknown) => {
                let ids = vocabulary.ids.values().chain(unknown);
                ids.copied().max().unwrap_or(0)
            }
        };
        most.max(self.padding)
    }

    fn id(&self, word: &str) -> Option<u32> {
        match &self.rule {
            Rule::HashMd5(modulus) => {
                let id = digest(word.as_bytes()) % u128::from(*modulus);
                u32::try_from(id).ok()
            }
            Rule::Vocabulary(vocabulary, unknown) => vocabulary.ids.get(word).copied().or(*unknown),
        }
    }

    fn cased(&self, word: &str) -> String {
        match self.lower {
            true => word.to_lowercase(),
            false => word.to_owned(),
        }
    }

    fn places(&self, text: &str) -> Vec<Range<usize>> {
        match &self.pattern {
            // Case is changed first, so that a pattern of small letters finds capitals; letters whose length changes with
            // their case would move places, and keep their case.
            Some(pattern) if self.lower => {
                let lower = lower_in_place(text);
                pattern
                    .find_iter(&lower)
                    .map(|found| found.range())
                    .collect()
            }
            Some(pattern) => pattern.find_iter(text).map(|found| found.range()).collect(),
            None => {
                let start = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
                let words = text.split_whitespace();
                words
                    .map(|word| start(word)..start(word) + word.len())
                    .collect()
            }
        }
    }
}

fn lower_in_place(text: &str) -> String {
    let lower = |c: char| {
        let mut small = c.to_lowercase();
        match (small.next(), small.next()) {
            (Some(one), None) if one.len_utf8() == c.len_utf8() => one,
            _ => c,
        }
    };
    text.chars().map(lower).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary(text: &str) -> Vocabulary {
        Vocabulary::parse(text).unwrap()
    }

    #[test]
    fn tokens_are_hashed_and_negators_joined() {
        let mut tokenizer = Tokenizer::new(Rule::HashMd5(15000), None, 4, 0).unwrap();
        tokenizer.lower = true;
        tokenizer.negators = BTreeSet::from(["not".to_owned()]);
        let ids = |text: &str| tokenizer.ids(text);
        let id = |word: &str| (digest(word.as_bytes()) % 15000) as u32;
        assert_eq!(
            ids("Not BAD at all"),
            [id("not_bad"), id("at"), id("all"), 0]
        );
        assert_eq!(ids("it is not"), [id("it"), id("is"), id("not"), 0]);
        assert_eq!(ids("a b c d e").len(), 4);
        let tokens = tokenizer.tokens(" Not  bad x");
        assert_eq!((tokens[0].place.clone(), tokens[0].joined), (1..9, true));
        assert_eq!((tokens[1].place.clone(), tokens[1].joined), (10..11, false));
    }

    #[test]
    fn a_vocabulary_numbers_its_lines_or_says_the_ids() {
        let words = vocabulary("<pad>\nthe\ngood\n");
        let mut tokenizer =
            Tokenizer::new(Rule::Vocabulary(words, None), Some("[a-z]+"), 3, 0).unwrap();
        assert_eq!(tokenizer.ids("the, film: good"), [1, 2, 0]);
        assert_eq!(tokenizer.ids("THE good"), [2, 0, 0]);
        tokenizer.lower = true;
        assert_eq!(tokenizer.ids("THE İ good"), [1, 2, 0]);
        let rule = Rule::Vocabulary(vocabulary("the\t7\ngood\t9"), Some(1));
        let tokenizer = Tokenizer::new(rule, None, 3, 5).unwrap();
        assert_eq!(tokenizer.ids("the film"), [7, 1, 5]);
        assert_eq!(tokenizer.vocabulary(), ["the", "good"]);
        assert_eq!(
            ["good", "film", "the good"].map(|word| tokenizer.id_of(word)),
            [Some(9), None, None]
        );
        assert_eq!(tokenizer.largest_id(), 9);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(Vocabulary::parse("a\tx").unwrap_err(), 1);
        assert_eq!(Vocabulary::parse("a\nb\na").unwrap_err(), 3);
        let error = |rule, pattern, length| {
            let made = Tokenizer::new(rule, pattern, length, 0);
            made.err().map(|e| e.to_string()).unwrap_or_default()
        };
        assert!(error(Rule::HashMd5(0), None, 3).contains("modulus"));
        assert!(error(Rule::HashMd5(3), None, 0).contains("length"));
        assert!(error(Rule::HashMd5(3), Some("("), 3).contains("pattern `(`"));
        let missing = Vocabulary::read(Path::new("/no/such/vocabulary"));
        assert!(missing.is_err_and(|e| e.to_string().contains("/no/such/vocabulary")));
    }
}
