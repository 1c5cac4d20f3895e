//! StringSplit: the parts of each string between its delimiters, or between runs of white space, as
//! a new last axis filled up with empty strings; and how many there are. At most `maxsplit` splits
//! are made from the left.

use burn_backend::Backend;
use scoville_onnx::Node;

use super::text::{self, OnText};
use crate::Fault;
use crate::ops::{Context, Parsed};
use crate::value::{Fact, Facts};

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let delimiter = node.attributes.string("delimiter")?.unwrap_or_default();
    let delimiter = delimiter.to_owned();
    let splits = match node.attributes.int("maxsplit")? {
        None => usize::MAX,
        Some(splits) => {
            usize::try_from(splits).map_err(|_| Fault::Unsupported("a negative maxsplit".into()))?
        }
    };
    Ok(Box::new(OnText(move |inputs: &Facts| {
        let (shape, strings) = text::input(inputs, 0)?;
        let rows = strings
            .iter()
            .map(|string| parts(string, &delimiter, splits));
        let rows: Vec<Vec<&str>> = rows.collect();
        let counts = rows.iter().map(|row| row.len() as i64).collect();
        let counts = Fact::ints(shape.to_vec(), counts);
        Ok(vec![text::rows(shape, &rows, "")?, counts])
    })))
}

fn parts<'t>(string: &'t str, delimiter: &str, splits: usize) -> Vec<&'t str> {
    if !delimiter.is_empty() {
        return string.splitn(splits.saturating_add(1), delimiter).collect();
    }
    let mut parts = Vec::new();
    let mut rest = string.trim_start();
    while !rest.is_empty() {
        match rest.find(char::is_whitespace) {
            Some(end) if parts.len() < splits => {
                let (part, after) = rest.split_at(end);
                parts.push(part);
                rest = after.trim_start();
            }
            _ => {
                parts.push(rest);
                break;
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, texts};

    #[test]
    fn values() {
        let case = |delimiter: &str, strings: &[&str]| {
            Case::new("StringSplit")
                .outputs(2)
                .string("delimiter", delimiter)
                .constant(texts(&[strings.len()], strings))
        };
        let commas = || case(",", &["a,b", "", ",c,"]);
        commas().gives_texts(&[3, 3], &["a", "b", "", "", "", "", "", "c", ""]);
        commas().output_gives(1, &[3], &[2.0, 1.0, 3.0]);
        let one = commas().int("maxsplit", 1);
        one.gives_texts(&[3, 2], &["a", "b", "", "", "", "c,"]);
        let blank = || case("", &["  a  b c ", "", " \t"]);
        blank().gives_texts(&[3, 3], &["a", "b", "c", "", "", "", "", "", ""]);
        blank().output_gives(1, &[3], &[3.0, 0.0, 0.0]);
        blank()
            .int("maxsplit", 1)
            .gives_texts(&[3, 2], &["a", "b c ", "", "", "", ""]);
        case(",", &[]).gives_texts(&[0, 0], &[]);
        blank().int("maxsplit", -1).fails("a negative maxsplit");
    }
}
