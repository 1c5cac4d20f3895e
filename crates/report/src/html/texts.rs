//! Texts before and after an attack, with the changed words marked.

use super::{Esc, titled};
use crate::{Record, event::TextBroken, text::counted};

pub(super) fn section(record: &Record) -> String {
    if record.texts.is_empty() {
        return String::new();
    }
    let examples: String = record.texts.iter().map(|e| example(record, e)).collect();
    titled(
        "Texts",
        format!("<div class=\"texts\">\n{examples}</div>\n"),
    )
}

fn example(record: &Record, e: &TextBroken) -> String {
    let [label, predicted] = [e.label, e.predicted].map(|class| record.class_name(class));
    format!(
        "<figure>\n<figcaption><b>{} → {}</b> · {} · {} · {} · sample {}</figcaption>\n<p>{}</p>\n<p>{}</p>\n</figure>\n",
        Esc(&label),
        Esc(&predicted),
        counted(e.edits.into(), "word"),
        Esc(&e.attack),
        Esc(&e.technique),
        e.sample,
        marked(&e.text, &e.edited, "del"),
        marked(&e.edited, &e.text, "ins"),
    )
}

/// `text`, with the words that stand elsewise at the same place of `other` in the element `mark`.
fn marked(text: &str, other: &str, mark: &str) -> String {
    let mut others = other.split_whitespace();
    let words = text.split_whitespace().map(|word| {
        let escaped = Esc(word);
        match others.next() == Some(word) {
            true => format!("{escaped}"),
            false => format!("<{mark}>{escaped}</{mark}>"),
        }
    });
    words.collect::<Vec<String>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn changed_words_are_marked_and_escaped() {
        let mut record = Record::default();
        assert!(section(&record).is_empty());
        record.texts.push(fixture::text());
        let html = section(&record);
        assert!(
            html.contains("<p>a <del>&lt;good&gt;</del> film</p>"),
            "{html}"
        );
        assert!(html.contains("<p>a <ins>b&amp;d</ins> film</p>"), "{html}");
        assert!(
            html.contains("class 1 → class 0</b> · 1 word · hotflip"),
            "{html}"
        );
    }
}
