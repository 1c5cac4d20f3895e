//! com.microsoft.Tokenizer: the tokens of each string as a new last axis, filled up with
//! `pad_value`. A token is a match of `tokenexp`, or what stands between matches of the
//! `separators`, one after another, or a character. `mark` puts U+0002 before and U+0003 after the
//! tokens of a string; tokens of less than `mincharnum` characters are dropped.

use burn_backend::Backend;
use scoville_onnx::Node;

use super::re2::Pattern;
use super::text::{self, OnText};
use crate::Fault;
use crate::ops::{Context, Parsed};
use crate::value::Facts;

enum Rule {
    Characters,
    Tokens(Pattern),
    Separators(Vec<Pattern>),
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let attributes = &node.attributes;
    let missing = |name: &str| Fault::shape(format!("attribute {name} is missing"));
    let mark = attributes.int_or("mark", 0)? != 0;
    let padding = attributes
        .string("pad_value")?
        .ok_or_else(|| missing("pad_value"))?;
    let padding = padding.to_owned();
    let least = usize::try_from(attributes.int_or("mincharnum", 1)?).unwrap_or(0);
    let rule = rule(node)?;
    if least == 0 || least > 1 && matches!(rule, Rule::Characters) {
        return Err(Fault::shape(format!("mincharnum is {least}")));
    }
    Ok(Box::new(OnText(move |inputs: &Facts| {
        let (shape, strings) = text::input(inputs, 0)?;
        match shape {
            [_] | [_, _] if !strings.is_empty() => {}
            [_] => return Ok(vec![text::rows(&[], &[], "")?]),
            [n, _] => return Ok(vec![text::rows(&[*n], &[], "")?]),
            _ => return Err(Fault::shape(format!("{shape:?} is neither [c] nor [n, c]"))),
        }
        let mut rows: Vec<Vec<&str>> = strings.iter().map(|s| rule.tokens(s, least)).collect();
        if mark && rows.iter().any(|row| !row.is_empty()) {
            for row in &mut rows {
                row.insert(0, "\u{2}");
                row.push("\u{3}");
            }
        }
        Ok(vec![text::rows(shape, &rows, &padding)?])
    })))
}

fn rule(node: &Node) -> Result<Rule, Fault> {
    let separators = node.attributes.strings("separators")?;
    match (separators, node.attributes.string("tokenexp")?) {
        (Some([]), _) | (None, None | Some("")) => {
            Err(Fault::shape("separators or tokenexp must be given"))
        }
        (Some([empty]), _) if empty.is_empty() => Ok(Rule::Characters),
        (None, Some(".")) => Ok(Rule::Characters),
        (None, Some(pattern)) => Ok(Rule::Tokens(Pattern::new(pattern)?)),
        (Some(separators), _) => {
            let separators = separators.iter().map(|pattern| Pattern::new(pattern));
            let separators: Vec<Pattern> = separators.collect::<Result<_, _>>()?;
            if separators.iter().any(Pattern::matches_nothing) {
                let what = "a separator that the empty string matches";
                return Err(Fault::Unsupported(what.into()));
            }
            Ok(Rule::Separators(separators))
        }
    }
}

impl Rule {
    fn tokens<'t>(&self, text: &'t str, least: usize) -> Vec<&'t str> {
        match self {
            Rule::Characters => text.split("").filter(|c| !c.is_empty()).collect(),
            Rule::Tokens(pattern) => matches(pattern, text, least),
            Rule::Separators(separators) => separators.iter().fold(vec![text], |parts, pattern| {
                let parts = parts.into_iter();
                parts
                    .flat_map(|part| between(pattern, part, least))
                    .collect()
            }),
        }
    }
}

fn long_enough(token: &str, least: usize) -> bool {
    token.chars().nth(least - 1).is_some()
}

/// The matches of `pattern`; after one that is too short the search goes on a character later.
fn matches<'t>(pattern: &Pattern, text: &'t str, least: usize) -> Vec<&'t str> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(found) = pattern.find(text, start) {
        match text
            .get(found.clone())
            .filter(|token| long_enough(token, least))
        {
            Some(token) => {
                tokens.push(token);
                start = found.end;
            }
            None => {
                let rest = text.get(found.start..).unwrap_or_default();
                start = found.start + rest.chars().next().map_or(1, char::len_utf8);
            }
        }
    }
    tokens
}

/// What stands between the matches of `separator`, none of which is empty.
fn between<'t>(separator: &Pattern, text: &'t str, least: usize) -> Vec<&'t str> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(found) = separator
        .find(text, start)
        .filter(|found| !found.is_empty())
    {
        tokens.extend(text.get(start..found.start));
        start = found.end;
    }
    tokens.extend(text.get(start..));
    tokens.retain(|token| long_enough(token, least));
    tokens
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, ints, texts};

    fn case(mark: i64, least: i64) -> Case {
        Case::new("Tokenizer")
            .domain("com.microsoft")
            .int("mark", mark)
            .int("mincharnum", least)
            .string("pad_value", "#")
    }

    #[test]
    fn expression() {
        let words = |mark, least| {
            case(mark, least)
                .string("tokenexp", "[a-zA-Z0-9_]+")
                .constant(texts(&[2], &["Hi, you_2!", "é"]))
        };
        words(0, 1).gives_texts(&[2, 2], &["Hi", "you_2", "#", "#"]);
        words(0, 3).gives_texts(&[2, 1], &["you_2", "#"]);
        words(1, 1).gives_texts(
            &[2, 4],
            &["\u{2}", "Hi", "you_2", "\u{3}", "\u{2}", "\u{3}", "#", "#"],
        );
        words(1, 6).gives_texts(&[2, 0], &[]);
        let longest = case(0, 1)
            .string("tokenexp", "a|ab")
            .constant(texts(&[1, 1], &["abca"]));
        longest.gives_texts(&[1, 1, 2], &["ab", "a"]);
        let empty = case(0, 1)
            .string("tokenexp", "a*")
            .constant(texts(&[1], &["bab"]));
        empty.gives_texts(&[1, 1], &["a"]);
    }

    #[test]
    fn separators() {
        let split = |least, separators: &[&str]| {
            case(0, least)
                .strings("separators", separators)
                .constant(texts(&[2], &["a b,cc", ", "]))
        };
        split(1, &[" ", ","]).gives_texts(&[2, 3], &["a", "b", "cc", "#", "#", "#"]);
        split(2, &[",", " "]).gives_texts(&[2, 1], &["cc", "#"]);
        split(1, &["b.*c"]).gives_texts(&[2, 1], &["a ", ", "]);
        split(1, &["x*"]).fails("a separator that the empty string matches");
        split(1, &[]).fails("separators or tokenexp");
    }

    #[test]
    fn characters() {
        let text = || texts(&[2], &["né", ""]);
        let by_separator = case(1, 1).strings("separators", &[""]).constant(text());
        let expected = ["\u{2}", "n", "é", "\u{3}", "\u{2}", "\u{3}", "#", "#"];
        by_separator.gives_texts(&[2, 4], &expected);
        let dot = case(0, 1).string("tokenexp", ".").constant(text());
        dot.gives_texts(&[2, 2], &["n", "é", "#", "#"]);
        case(0, 2).string("tokenexp", ".").fails("mincharnum is 2");
        case(0, 0).string("tokenexp", "a").fails("mincharnum is 0");
        let number = case(0, 1)
            .string("tokenexp", "a")
            .constant(ints(&[1], &[1]));
        number.fails("text is needed");
        let none = case(0, 1)
            .string("tokenexp", "a")
            .constant(texts(&[2, 0], &[]));
        none.gives_texts(&[2, 0], &[]);
    }
}
