//! Words that may stand for others, from a file: a word, a tab, and words with white space or commas between them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Most bytes of a file.
const MAX_BYTES: u64 = 256 << 20;

/// A file of synonyms that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SynonymsError {
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("{}: {bytes} bytes, at most {MAX_BYTES} are read", path.display())]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error(
        "{}: line {line}: write a word, a tab and its synonyms, for example good<TAB>fine,decent",
        path.display()
    )]
    Line { path: PathBuf, line: usize },
}

/// Substitutes by word, in lower case.
#[derive(Debug, Clone, Default)]
pub struct Synonyms(HashMap<String, Vec<String>>);

impl Synonyms {
    pub fn read(path: &Path) -> Result<Self, SynonymsError> {
        let bytes = std::fs::metadata(path).map(|file| file.len());
        let failed = |cause| SynonymsError::Read {
            path: path.into(),
            cause,
        };
        let bytes = bytes.map_err(failed)?;
        if bytes > MAX_BYTES {
            let path = path.into();
            return Err(SynonymsError::TooLarge { path, bytes });
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        Self::parse(&text).map_err(|line| SynonymsError::Line {
            path: path.into(),
            line,
        })
    }

    /// The same of a text; the number of the line that is wrong is the error.
    pub fn parse(text: &str) -> Result<Self, usize> {
        let mut all: HashMap<String, Vec<String>> = HashMap::new();
        for (i, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let (word, others) = line.split_once('\t').ok_or(i + 1)?;
            let word = word.trim().to_lowercase();
            let others = others.split(|c: char| c == ',' || c.is_whitespace());
            let others: Vec<String> = others
                .filter(|other| !other.is_empty() && other.to_lowercase() != word)
                .map(str::to_owned)
                .collect();
            if word.is_empty() || others.is_empty() {
                return Err(i + 1);
            }
            all.entry(word).or_default().extend(others);
        }
        Ok(Self(all))
    }

    /// The substitutes of `word`, the best first.
    pub fn of(&self, word: &str) -> &[String] {
        self.0.get(&word.to_lowercase()).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_word_and_its_synonyms() {
        let synonyms =
            Synonyms::parse("Good\tfine, decent good\n\nbad\tpoor\ngood\tnice\n").unwrap();
        assert_eq!(synonyms.of("good"), ["fine", "decent", "nice"]);
        assert_eq!(synonyms.of("BAD"), ["poor"]);
        assert!(synonyms.of("word").is_empty());
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, line) in [
            ("good fine", 1),
            ("a\tb\n\tc", 2),
            ("a\tb\n\nc\t ,", 3),
            ("a\ta", 1),
        ] {
            assert_eq!(Synonyms::parse(text).unwrap_err(), line, "{text}");
        }
    }
}
