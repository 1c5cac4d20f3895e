//! A text as its words and the white space between them.

use std::ops::Range;

/// A text, taken apart at white space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// Never empty, without white space.
    words: Vec<String>,
    /// What stands before each word, and after the last.
    gaps: Vec<String>,
}

impl Sentence {
    pub fn new(text: &str) -> Self {
        let (mut words, mut gaps) = (Vec::new(), Vec::new());
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| !c.is_whitespace()) {
            let (gap, tail) = rest.split_at(start);
            let end = tail.find(char::is_whitespace).unwrap_or(tail.len());
            let (word, tail) = tail.split_at(end);
            gaps.push(gap.to_owned());
            words.push(word.to_owned());
            rest = tail;
        }
        gaps.push(rest.to_owned());
        Self { words, gaps }
    }

    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// The same with another word at place `at`.
    pub fn with(&self, at: usize, word: String) -> Self {
        let mut changed = self.clone();
        if let Some(place) = changed.words.get_mut(at) {
            *place = word;
        }
        changed
    }

    /// The text of the words that `keep` lets stay, by their places.
    pub fn text_of(&self, keep: impl Fn(usize) -> bool) -> String {
        let mut text = String::new();
        for (at, (gap, word)) in self.gaps.iter().zip(&self.words).enumerate() {
            if keep(at) {
                text.push_str(gap);
                text.push_str(word);
            }
        }
        text.extend(self.gaps.last().map(String::as_str));
        text
    }

    pub fn text(&self) -> String {
        self.text_of(|_| true)
    }
}

/// The part of a word from its first letter or digit to its last; empty where it has none.
pub fn core(word: &str) -> Range<usize> {
    let mut inner = word.char_indices().filter(|(_, c)| c.is_alphanumeric());
    let Some((start, first)) = inner.next() else {
        return 0..0;
    };
    let (last, c) = inner.next_back().unwrap_or((start, first));
    start..last + c.len_utf8()
}

/// The fewest words that are to be replaced, put in or taken out to make one text of the other. White space does not count.
pub fn edits(a: &str, b: &str) -> usize {
    let b: Vec<&str> = b.split_whitespace().collect();
    distance(a.split_whitespace(), &b)
}

/// The same of two words, by their letters.
pub fn typos(a: &str, b: &str) -> usize {
    distance(a.chars(), &b.chars().collect::<Vec<char>>())
}

/// Levenshtein's distance.
fn distance<T: PartialEq>(a: impl Iterator<Item = T>, b: &[T]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, item) in a.enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(item != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_out_as_it_went_in() {
        for text in ["", " ", "a", " a\t b\u{a0}ć \n", "one two"] {
            let sentence = Sentence::new(text);
            assert_eq!(sentence.text(), text);
            let words: Vec<&str> = text.split_whitespace().collect();
            assert_eq!(sentence.words(), words);
        }
    }

    #[test]
    fn words_are_replaced_and_left_out() {
        let sentence = Sentence::new("a  b c");
        assert_eq!(sentence.with(1, "x".into()).text(), "a  x c");
        assert_eq!(sentence.with(7, "x".into()), sentence);
        assert_eq!(sentence.text_of(|at| at != 1), "a c");
    }

    #[test]
    fn the_core_of_a_word_has_no_punctuation_round_it() {
        for (word, inner) in [("(don't!)", "don't"), ("a", "a"), ("...", ""), ("é.", "é")] {
            assert_eq!(&word[core(word)], inner, "{word}");
        }
    }

    #[test]
    fn typos_are_changed_letters() {
        for (a, b, count) in [
            ("fgsm", "fgsmm", 1),
            ("pgd", "bgd", 1),
            ("é", "e", 1),
            ("", "ab", 2),
        ] {
            assert_eq!((typos(a, b), typos(b, a)), (count, count), "{a} {b}");
        }
    }

    #[test]
    fn edits_are_changed_words() {
        for (a, b, count) in [
            ("", "", 0),
            ("a b c", "a  b\tc", 0),
            ("a b c", "a x c", 1),
            ("a b c", "a c", 1),
            ("a b c", "z a b c", 1),
            ("a b c", "b c d", 2),
            ("a b", "", 2),
            ("a b c d", "w x y z", 4),
        ] {
            assert_eq!((edits(a, b), edits(b, a)), (count, count), "{a} / {b}");
        }
    }
}
