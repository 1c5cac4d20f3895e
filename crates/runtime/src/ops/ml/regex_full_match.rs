//! RegexFullMatch: whether `pattern`, in RE2's syntax, matches the whole of each string.

use burn_backend::Backend;
use scoville_onnx::{DType, Node};

use super::re2::Pattern;
use super::text::{self, OnText};
use crate::ops::{Context, Parsed};
use crate::value::{Elements, Fact, Facts};

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let pattern = Pattern::new(node.attributes.string("pattern")?.unwrap_or_default())?;
    Ok(Box::new(OnText(move |inputs: &Facts| {
        let (shape, strings) = text::input(inputs, 0)?;
        let matches = strings
            .iter()
            .map(|text| pattern.matches_whole(text).into());
        let matches = Elements::Int(matches.collect());
        Ok(vec![Fact::known(DType::Bool, shape.to_vec(), matches)])
    })))
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, texts};

    #[test]
    fn values() {
        let case = |pattern: &str| {
            Case::new("RegexFullMatch")
                .string("pattern", pattern)
                .constant(texts(&[2, 1], &["www.a.com", "www.a.com."]))
        };
        case(r"www\.[\w.-]+\.\bcom\b").gives_ints(&[2, 1], &[1, 0]);
        case("(").fails("the pattern");
    }
}
