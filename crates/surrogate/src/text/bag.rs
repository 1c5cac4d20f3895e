//! Texts as shares of words.

use std::collections::HashMap;

use scoville_text::{Rule, Tokenizer, Vocabulary};

use crate::Error;

/// What is a word.
pub(super) const PATTERN: &str = r"[\p{L}\p{N}']+";
/// Most words that are told apart.
const MOST_WORDS: usize = 1 << 13;
/// Most numbers of all texts, each with one for every word.
const MOST_NUMBERS: usize = 1 << 25;
/// Fewest words that are worth it.
const LEAST_WORDS: usize = 64;
/// Most words that are read of a text.
const MOST_LENGTH: usize = 512;

/// A vocabulary, and what it makes of texts.
pub(super) struct Bags {
    pub tokenizer: Tokenizer,
}

impl Bags {
    /// Of the words of `texts`, the more frequent ones, where there will be `rows` texts in all. Word `i` has the id `i + 1`.
    pub fn new(texts: &[String], rows: usize) -> Result<Self, Error> {
        let most = MOST_NUMBERS / LEAST_WORDS;
        if rows > most {
            return Err(Error::TooMany(rows, most));
        }
        let any = tokenizer(&[], MOST_LENGTH, Some(1))?;
        let (mut counts, mut length) = (HashMap::<String, usize>::new(), 1);
        for text in texts {
            let tokens = any.tokens(text);
            length = length.max(tokens.len());
            for token in tokens {
                let word = text.get(token.place).unwrap_or_default().to_lowercase();
                *counts.entry(word).or_default() += 1;
            }
        }
        let mut words: Vec<(String, usize)> = counts.into_iter().collect();
        words.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        words.truncate((MOST_NUMBERS / rows.max(1)).min(MOST_WORDS));
        let words: Vec<String> = words.into_iter().map(|(word, _)| word).collect();
        if words.is_empty() {
            return Err(Error::NoWords);
        }
        Ok(Self {
            tokenizer: tokenizer(&words, length, None)?,
        })
    }

    pub fn words(&self) -> usize {
        self.tokenizer.vocabulary().len()
    }

    /// Which share each word has of the words of a text that are known.
    pub fn of(&self, text: &str) -> Vec<f32> {
        let tokens = self.tokenizer.tokens(text);
        let mut bag = vec![0.0; self.words()];
        for token in &tokens {
            bag[token.id as usize - 1] += 1.0 / tokens.len() as f32;
        }
        bag
    }
}

fn tokenizer(words: &[String], length: usize, unknown: Option<u32>) -> Result<Tokenizer, Error> {
    // Words have neither tabs nor line ends, and none is there twice.
    let vocabulary = Vocabulary::parse(&lines(words)).unwrap_or_default();
    let mut tokenizer = Tokenizer::new(
        Rule::Vocabulary(vocabulary, unknown),
        Some(PATTERN),
        length,
        0,
    )?;
    tokenizer.lower = true;
    Ok(tokenizer)
}

/// The vocabulary file.
pub(super) fn lines(words: &[String]) -> String {
    let lines = words.iter().enumerate();
    lines
        .map(|(i, word)| format!("{word}\t{}\n", i + 1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_and_shared() {
        let texts = ["A dull, DULL film.", "it's a film", ""].map(str::to_owned);
        let bags = Bags::new(&texts, 3).unwrap();
        assert_eq!(bags.tokenizer.vocabulary(), ["a", "dull", "film", "it's"]);
        assert_eq!(bags.tokenizer.length, 4);
        assert_eq!(
            bags.of("dull film, dull unknown"),
            [0.0, 2.0 / 3.0, 1.0 / 3.0, 0.0]
        );
        assert_eq!(bags.of("?"), [0.0; 4]);
        assert_eq!(bags.tokenizer.ids("film"), [3, 0, 0, 0]);
        assert_eq!(lines(&texts[2..]), "\t1\n");
    }
}
