//! StringConcat: `a + b` of text, with NumPy broadcasting.

use burn_backend::Backend;
use scoville_onnx::Node;

use super::text::{self, OnText};
use crate::ops::broadcast::{broadcast, stretched};
use crate::ops::{Context, Parsed};
use crate::value::Facts;

pub(super) fn parse<B: Backend>(_: &Node, _: &Context) -> Parsed<B> {
    Ok(Box::new(OnText(|inputs: &Facts| {
        let (left, right) = (text::input(inputs, 0)?, text::input(inputs, 1)?);
        let shape = broadcast(left.0, right.0)?;
        text::check_shape(&shape)?;
        // References are stretched, not the strings.
        let all = |(from, strings): (&[usize], &'_ [String])| {
            let places: Vec<usize> = (0..strings.len()).collect();
            stretched(&places, from, &shape)
        };
        let pairs = all(left)?.into_iter().zip(all(right)?);
        let joined = pairs.map(|(l, r)| {
            let of = |strings: &[String], at: usize| strings.get(at).cloned().unwrap_or_default();
            Ok(of(left.1, l) + &of(right.1, r))
        });
        Ok(vec![text::known(shape.clone(), joined)?])
    })))
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, texts};

    #[test]
    fn values() {
        let case = |left, right| Case::new("StringConcat").constant(left).constant(right);
        let column = || texts(&[2, 1], &["a", "b"]);
        case(column(), texts(&[2], &["", "é"])).gives_texts(&[2, 2], &["a", "aé", "b", "bé"]);
        case(texts(&[], &["x"]), texts(&[], &["y"])).gives_texts(&[], &["xy"]);
        case(texts(&[0], &[]), texts(&[1], &["y"])).gives_texts(&[0], &[]);
        case(column(), texts(&[3, 1], &["", "", ""])).fails("do not broadcast");
        let long = "x".repeat(1 << 20);
        let long = texts(&[1, 16], &[long.as_str(); 16]);
        case(long, texts(&[16, 1], &[""; 16])).fails("use a smaller batch");
        let many = |shape: &[usize]| texts(shape, &vec![""; 1 << 11]);
        case(many(&[1, 1 << 11]), many(&[1 << 11, 1])).fails("strings are more than");
    }
}
