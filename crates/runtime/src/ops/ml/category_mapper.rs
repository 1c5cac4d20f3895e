//! CategoryMapper: text to the integer at the same place, and integers to the text.

use burn_backend::{Backend, tensor::FloatTensor};
use scoville_onnx::{DType, Node};

use super::mapping::Mapping;
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Elements, Fact, Facts, Values};

struct CategoryMapper {
    to_ints: Mapping,
    to_texts: Mapping,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let attributes = &node.attributes;
    let ints = attributes.ints("cats_int64s")?.unwrap_or_default();
    let ints = Elements::Int(ints.to_vec());
    let texts = attributes.strings("cats_strings")?.unwrap_or_default();
    let texts = Elements::Text(texts.to_vec());
    let int = Elements::Int(vec![attributes.int_or("default_int64", -1)?]);
    let text = attributes.string("default_string")?.unwrap_or("_Unused");
    let text = Elements::Text(vec![text.into()]);
    Ok(Box::new(CategoryMapper {
        to_ints: Mapping::new(texts.clone(), ints.clone(), int, DType::I64)?,
        to_texts: Mapping::new(ints, texts, text, DType::String)?,
    }))
}

impl<B: Backend> Operator<B> for CategoryMapper {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        match inputs.any(0)?.dtype {
            DType::String => Operator::<B>::infer(&self.to_ints, inputs),
            _ => Operator::<B>::infer(&self.to_texts, inputs),
        }
    }

    fn forward(&self, inputs: Values<B>, outputs: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        self.to_texts.forward(inputs, outputs)
    }

    fn samples(
        &self,
        samples: &[Option<Samples>],
        _: &Facts,
        _: &[Fact],
    ) -> Option<Vec<Option<Samples>>> {
        samples.first().map(|first| vec![*first])
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{Case, ints, texts};

    #[test]
    fn values() {
        let case = |names: &[&str]| {
            Case::new("CategoryMapper")
                .domain("ai.onnx.ml")
                .strings("cats_strings", names)
                .ints("cats_int64s", &[7, 9])
        };
        let two = || case(&["a", "b"]);
        two()
            .constant(texts(&[3], &["b", "a", "c"]))
            .gives_ints(&[3], &[9, 7, -1]);
        two()
            .constant(ints(&[2], &[9, 1]))
            .gives_texts(&[2], &["b", "_Unused"]);
        two().input(ints(&[2], &[9, 1])).gives(&[2], &[1.0, 2.0]);
        case(&["a"]).fails("1 keys and 2 values");
    }
}
