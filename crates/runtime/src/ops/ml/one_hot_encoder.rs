//! OneHotEncoder: for each element a 1 at the place of its category, and zeros; the categories are a
//! new last axis. Floats count by their whole part. An unknown category gives zeros, or with
//! `zeros` = 0 an error.

use burn_backend::{
    Backend, FloatDType, Shape, TensorMetadata, get_or_init_device_settings, tensor::FloatTensor,
};
use scoville_onnx::{DType, Node};

use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed, count};
use crate::value::{Elements, Fact, Facts, MAX_EXACT, Values};

struct OneHotEncoder {
    categories: Elements,
    /// Whether an unknown category is one.
    zeros: bool,
}

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    let texts = node.attributes.strings("cats_strings")?.unwrap_or_default();
    let ints = node.attributes.ints("cats_int64s")?.unwrap_or_default();
    let categories = match (texts, ints) {
        ([], ints) if !ints.is_empty() && distinct(ints) => Elements::Int(ints.to_vec()),
        (texts, []) if !texts.is_empty() && distinct(texts) => Elements::Text(texts.to_vec()),
        _ => {
            let what = "cats_int64s or cats_strings must name categories, each once";
            return Err(Fault::shape(what));
        }
    };
    let zeros = node.attributes.int_or("zeros", 1)? != 0;
    Ok(Box::new(OneHotEncoder { categories, zeros }))
}

fn distinct<T: Ord>(values: &[T]) -> bool {
    let mut sorted: Vec<&T> = values.iter().collect();
    sorted.sort_unstable();
    sorted.windows(2).all(|pair| pair.first() != pair.last())
}

impl OneHotEncoder {
    /// For each element the place of its category; `None` where the elements are not known.
    fn places(&self, x: &Fact) -> Option<Vec<Option<usize>>> {
        fn places<T: Ord>(values: &[T], categories: &[T]) -> Vec<Option<usize>> {
            let pairs = categories.iter().enumerate().map(|(at, value)| (value, at));
            let by_value: std::collections::BTreeMap<&T, usize> = pairs.collect();
            values
                .iter()
                .map(|value| by_value.get(value).copied())
                .collect()
        }
        Some(match (x.elements()?, &self.categories) {
            (Elements::Text(values), Elements::Text(categories)) => places(values, categories),
            (Elements::Int(values), Elements::Int(categories)) => places(values, categories),
            (Elements::Float(values), Elements::Int(categories)) => {
                let values: Vec<i64> = values.iter().map(|&value| value as i64).collect();
                places(&values, categories)
            }
            _ => return None,
        })
    }
}

impl<B: Backend> Operator<B> for OneHotEncoder {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.any(0)?;
        let text = matches!(self.categories, Elements::Text(_));
        if (x.dtype == DType::String) != text {
            return Err(Fault::shape(format!("the categories are not {}", x.dtype)));
        }
        match (self.places(x), self.zeros) {
            (Some(places), false) if places.contains(&None) => {
                return Err(Fault::shape("an element is of no category, and zeros is 0"));
            }
            (None, _) if text => {
                let what = "must be text that does not depend on the model's input";
                return Err(Fault::Input { index: 0, what });
            }
            (None, false) => {
                let what = "zeros = 0 for elements that a run computes";
                return Err(Fault::Unsupported(what.into()));
            }
            _ => {}
        }
        if let Elements::Int(categories) = &self.categories
            && categories
                .iter()
                .any(|c| c.unsigned_abs() > MAX_EXACT as u64)
            && !x.is_known()
        {
            return Err(Fault::Unsupported("a category beyond 2^24 in a run".into()));
        }
        Ok(vec![Fact::float(
            [x.shape(), &[self.categories.len()]].concat(),
        )])
    }

    fn forward(
        &self,
        mut inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<FloatTensor<B>>, Fault> {
        let shape = outputs.first().map_or(vec![], |fact| fact.shape().to_vec());
        let categories = self.categories.len();
        if let Some(places) = inputs.fact(0).and_then(|fact| self.places(fact)) {
            let mut out = vec![0.0; count(&shape)?];
            for (row, place) in out.chunks_exact_mut(categories).zip(places) {
                if let Some(one) = place.and_then(|place| row.get_mut(place)) {
                    *one = 1.0;
                }
            }
            return Ok(vec![inputs.upload(&shape, out)]);
        }
        let Elements::Int(values) = &self.categories else {
            return Err(Fault::Backend("text is not computed in a run".into()));
        };
        let values = values.iter().map(|&value| value as f32).collect();
        let values = inputs.upload(&[1, categories], values);
        let x = B::float_trunc(inputs.tensor(0)?);
        let n = x.shape().num_elements();
        let bools = get_or_init_device_settings::<B>(&x.device()).bool_dtype;
        let all = Shape::from([n, categories]);
        let x = B::float_expand(B::float_reshape(x, Shape::from([n, 1])), all.clone());
        let same = B::float_equal(x, B::float_expand(values, all), bools);
        let out = B::bool_into_float(same, FloatDType::F32);
        Ok(vec![B::float_reshape(out, Shape::from(shape))])
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
    use crate::ops::testing::{Case, floats, ints, texts};

    #[test]
    fn values() {
        let case = || Case::new("OneHotEncoder").domain("ai.onnx.ml");
        let whole = || case().ints("cats_int64s", &[3, 1]);
        let one_hot = [0.0, 1.0, 0.0, 0.0, 1.0, 0.0];
        whole()
            .input(ints(&[3], &[1, 2, 3]))
            .gives(&[3, 2], &one_hot);
        whole()
            .constant(ints(&[3], &[1, 2, 3]))
            .gives(&[3, 2], &one_hot);
        whole()
            .input(floats(&[3, 1], &[1.5, 2.5, 3.5]))
            .gives(&[3, 1, 2], &one_hot);
        let text = || case().strings("cats_strings", &["a", "b"]);
        text()
            .constant(texts(&[3], &["b", "c", "a"]))
            .gives(&[3, 2], &one_hot);
        let strict = |value| whole().int("zeros", 0).constant(ints(&[1], &[value]));
        strict(3).gives(&[1, 2], &[1.0, 0.0]);
        strict(4).fails("of no category");
        whole()
            .int("zeros", 0)
            .input(ints(&[1], &[3]))
            .fails("zeros = 0");
        case().ints("cats_int64s", &[1, 1]).fails("each once");
        text()
            .input(floats(&[1], &[1.0]))
            .fails("the categories are not");
    }
}
