//! Closed sets of words that a user may write: parsing by name, with one error for all of them.

use thiserror::Error;

/// A word that is none of those that a setting knows.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown {setting} {word:?}: use one of {}", .known.join(", "))]
pub struct UnknownWord {
    /// What was being read: `exposure`, `impact`, `band`.
    pub setting: &'static str,
    /// The word as given.
    pub word: String,
    /// The words that would have done.
    pub known: Vec<&'static str>,
}

/// The value among `all` whose name is `word`, whatever the case of its letters.
pub(crate) fn parse<T: Copy>(
    setting: &'static str,
    all: &[T],
    name: fn(T) -> &'static str,
    word: &str,
) -> Result<T, UnknownWord> {
    let found = all
        .iter()
        .copied()
        .find(|&value| name(value).eq_ignore_ascii_case(word));
    found.ok_or_else(|| UnknownWord {
        setting,
        word: word.to_owned(),
        known: all.iter().map(|&value| name(value)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use crate::score::Exposure;

    #[test]
    fn the_error_names_the_setting_the_word_and_the_choices() {
        let error = "pub\u{1b}[31m".parse::<Exposure>().unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"unknown exposure "pub\u{1b}[31m": use one of public, authenticated, internal, none"#
        );
    }
}
