//! StringNormalizer: drops stop words, changes the case. Of \[c\] or \[1, c\]; where nothing is
//! left, one empty string is. Letters change one for one, as in onnxruntime; in the locale "C" only
//! those of ASCII do.

use std::collections::BTreeSet;

use burn_backend::Backend;
use scoville_onnx::Node;

use super::text::{self, OnText};
use crate::Fault;
use crate::ops::{Context, Parsed};
use crate::value::Facts;

#[derive(Clone, Copy)]
enum Case {
    None,
    Lower,
    Upper,
}

impl Case {
    fn of(self, text: &str, ascii: bool) -> String {
        match (self, ascii) {
            (Case::None, _) => text.into(),
            (Case::Lower, true) => text.to_ascii_lowercase(),
            (Case::Upper, true) => text.to_ascii_uppercase(),
            // One letter becomes several in full case folding only: there the simple one is the
            // first for lower case, and the letter itself for upper case.
            (Case::Lower, false) => {
                let lower = |c: char| c.to_lowercase().next().unwrap_or(c);
                text.chars().map(lower).collect()
            }
            (Case::Upper, false) => {
                let upper = |c: char| match c.to_uppercase() {
                    mut one if one.len() == 1 => one.next().unwrap_or(c),
                    _ => c,
                };
                text.chars().map(upper).collect()
            }
        }
    }
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let attributes = &node.attributes;
    let case = match attributes.string("case_change_action")?.unwrap_or("NONE") {
        "NONE" => Case::None,
        "LOWER" => Case::Lower,
        "UPPER" => Case::Upper,
        other => return Err(Fault::Unsupported(format!("case_change_action {other}"))),
    };
    let ascii = matches!(attributes.string("locale")?, Some("C" | "POSIX"));
    // Stop words are compared as they stand, or in one case.
    let compared = match (attributes.int_or("is_case_sensitive", 0)? != 0, case) {
        (true, _) => Case::None,
        (false, Case::Upper) => Case::Upper,
        (false, _) => Case::Lower,
    };
    let stops = attributes.strings("stopwords")?.unwrap_or_default();
    let stops: BTreeSet<String> = stops.iter().map(|w| compared.of(w, ascii)).collect();
    Ok(Box::new(OnText(move |inputs: &Facts| {
        let (shape, words) = text::input(inputs, 0)?;
        if !matches!(shape, [_] | [1, _]) {
            return Err(Fault::shape(format!("{shape:?} is neither [c] nor [1, c]")));
        }
        let stays = |word: &&String| stops.is_empty() || !stops.contains(&compared.of(word, ascii));
        let mut words: Vec<String> = words
            .iter()
            .filter(stays)
            .map(|w| case.of(w, ascii))
            .collect();
        if words.is_empty() {
            words.push(String::new());
        }
        let shape = match shape {
            [_] => vec![words.len()],
            _ => vec![1, words.len()],
        };
        Ok(vec![text::known(shape, words.into_iter().map(Ok))?])
    })))
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, ints, texts};

    #[test]
    fn values() {
        let case = |action: &str, stops: &[&str], sensitive: i64| {
            Case::new("StringNormalizer")
                .string("case_change_action", action)
                .strings("stopwords", stops)
                .int("is_case_sensitive", sensitive)
        };
        let words = || texts(&[4], &["Monday", "tuesday", "Été", "Straße"]);
        let plain = |action| case(action, &[], 0).constant(words());
        plain("NONE").gives_texts(&[4], &["Monday", "tuesday", "Été", "Straße"]);
        plain("LOWER").gives_texts(&[4], &["monday", "tuesday", "été", "straße"]);
        plain("UPPER").gives_texts(&[4], &["MONDAY", "TUESDAY", "ÉTÉ", "STRAßE"]);
        plain("UPPER")
            .string("locale", "C")
            .gives_texts(&[4], &["MONDAY", "TUESDAY", "ÉTé", "STRAßE"]);
        let stops = |sensitive| case("UPPER", &["monday"], sensitive).constant(words());
        stops(0).gives_texts(&[3], &["TUESDAY", "ÉTÉ", "STRAßE"]);
        stops(1).gives_texts(&[4], &["MONDAY", "TUESDAY", "ÉTÉ", "STRAßE"]);
        let nothing = case("NONE", &["A"], 0).constant(texts(&[1, 2], &["a", "A"]));
        nothing.gives_texts(&[1, 1], &[""]);
        plain("OTHER").fails("case_change_action OTHER");
        let matrix = case("NONE", &[], 0).constant(texts(&[2, 1], &["a", "b"]));
        matrix.fails("neither [c] nor [1, c]");
        case("NONE", &[], 0)
            .constant(ints(&[1], &[1]))
            .fails("text is needed");
    }
}
