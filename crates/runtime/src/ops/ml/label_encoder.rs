//! LabelEncoder: each element is mapped from its key to the value at the same place, or to the
//! default. Version 1 of the domain maps text to its place in `classes_strings` and back; version 2
//! has lists of keys and values, version 4 tensors too.

use burn_backend::Backend;
use scoville_onnx::{DType, Node, Tensor};

use super::mapping::Mapping;
use crate::Fault;
use crate::ops::samples::Samples;
use crate::ops::{Context, Operator, Parsed};
use crate::value::{Elements, Fact, Facts, Values};

pub(super) fn parse<B: Backend>(node: &Node, _: &Context) -> Parsed<B> {
    if let Some(classes) = node.attributes.strings("classes_strings")? {
        return Ok(Box::new(Classes::new(node, classes)?));
    }
    let missing = |what: &str| Fault::shape(format!("attribute {what}_* is missing"));
    let (keys, _) = elements(node, "keys")?.ok_or_else(|| missing("keys"))?;
    let (values, result) = elements(node, "values")?.ok_or_else(|| missing("values"))?;
    let default = match node.attributes.tensor("default_tensor")? {
        Some(default) => of_tensor(default)?.0,
        None => default(node, &values)?,
    };
    if default.len() != 1 {
        return Err(Fault::shape("the default is not one element"));
    }
    Ok(Box::new(Mapping::new(keys, values, default, result)?))
}

/// The attributes `stem_strings`, `stem_int64s`, `stem_floats` or `stem_tensor`: one of them.
fn elements(node: &Node, stem: &str) -> Result<Option<(Elements, DType)>, Fault> {
    let attributes = &node.attributes;
    let texts = attributes.strings(&format!("{stem}_strings"))?;
    let texts = texts.map(|v| (Elements::Text(v.to_vec()), DType::String));
    let ints = attributes.ints(&format!("{stem}_int64s"))?;
    let ints = ints.map(|v| (Elements::Int(v.to_vec()), DType::I64));
    let floats = attributes.floats(&format!("{stem}_floats"))?;
    let floats = floats.map(|v| (Elements::Float(v.to_vec()), DType::F32));
    let tensor = attributes.tensor(&format!("{stem}_tensor"))?;
    let tensor = tensor.map(of_tensor).transpose()?;
    let mut given = [texts, ints, floats, tensor].into_iter().flatten();
    match (given.next(), given.next()) {
        (_, Some(_)) => Err(Fault::shape(format!("{stem}_* is given twice"))),
        (one, None) => Ok(one),
    }
}

fn of_tensor(tensor: &Tensor) -> Result<(Elements, DType), Fault> {
    let fact = Fact::of_tensor(tensor);
    let elements = fact.as_ref().and_then(Fact::elements).cloned();
    let unsupported = || Fault::Unsupported(format!("a mapping of {}", tensor.dtype()));
    Ok((elements.ok_or_else(unsupported)?, tensor.dtype()))
}

/// The default that goes with values of this type.
fn default(node: &Node, values: &Elements) -> Result<Elements, Fault> {
    let attributes = &node.attributes;
    Ok(match values {
        Elements::Text(_) => {
            let default = attributes.string("default_string")?.unwrap_or("_Unused");
            Elements::Text(vec![default.into()])
        }
        Elements::Int(_) => Elements::Int(vec![attributes.int_or("default_int64", -1)?]),
        Elements::Float(_) => Elements::Float(vec![attributes.float_or("default_float", -0.0)?]),
    })
}

/// Version 1: both directions, told apart by the input's type.
struct Classes {
    places: Mapping,
    texts: Mapping,
}

impl Classes {
    fn new(node: &Node, classes: &[String]) -> Result<Classes, Fault> {
        let texts = Elements::Text(classes.to_vec());
        let places = Elements::Int((0..classes.len()).map(|at| at as i64).collect());
        let no_place = default(node, &places)?;
        let no_text = default(node, &texts)?;
        Ok(Classes {
            places: Mapping::new(texts.clone(), places.clone(), no_place, DType::I64)?,
            texts: Mapping::new(places, texts, no_text, DType::String)?,
        })
    }
}

impl<B: Backend> Operator<B> for Classes {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        match inputs.any(0)?.dtype {
            DType::String => Operator::<B>::infer(&self.places, inputs),
            _ => Operator::<B>::infer(&self.texts, inputs),
        }
    }

    fn forward(
        &self,
        inputs: Values<B>,
        outputs: &[Fact],
    ) -> Result<Vec<burn_backend::tensor::FloatTensor<B>>, Fault> {
        self.texts.forward(inputs, outputs)
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
    use scoville_onnx::{Attribute, Data, Tensor};

    use crate::ops::testing::{Case, floats, ints, texts};

    fn case() -> Case {
        Case::new("LabelEncoder").domain("ai.onnx.ml")
    }

    #[test]
    fn known_elements() {
        let names = || texts(&[3], &["b", "z", "a"]);
        let to_ints = || {
            case()
                .strings("keys_strings", &["a", "b"])
                .ints("values_int64s", &[5, 1 << 40])
        };
        to_ints()
            .constant(names())
            .gives_ints(&[3], &[1 << 40, -1, 5]);
        to_ints()
            .int("default_int64", 9)
            .constant(names())
            .gives_ints(&[3], &[1 << 40, 9, 5]);
        let back = || {
            case()
                .ints("keys_int64s", &[5, 6])
                .strings("values_strings", &["a", "b"])
        };
        back()
            .constant(ints(&[1, 2], &[6, 7]))
            .gives_texts(&[1, 2], &["b", "_Unused"]);
        case()
            .floats("keys_floats", &[0.5, f32::NAN, 0.5])
            .floats("values_floats", &[1.0, 2.0, 3.0])
            .constant(floats(&[3], &[0.5, f32::NAN, 7.0]))
            .gives(&[3], &[3.0, 2.0, 0.0]);
    }

    #[test]
    fn classes_of_version_1() {
        let classes = || case().strings("classes_strings", &["a", "b"]);
        classes()
            .constant(texts(&[2], &["b", "c"]))
            .gives_ints(&[2], &[1, -1]);
        classes()
            .constant(ints(&[2], &[1, 2]))
            .gives_texts(&[2], &["b", "_Unused"]);
    }

    #[test]
    fn tensors_of_version_4() {
        let tensor = |data: Data| {
            let shape = vec![data.len()];
            Attribute::Tensor(Box::new(Tensor { shape, data }))
        };
        case()
            .attribute(
                "keys_tensor",
                tensor(Data::String(vec!["a".into(), "b".into()])),
            )
            .attribute("values_tensor", tensor(Data::I16(vec![4, 7])))
            .attribute("default_tensor", tensor(Data::I16(vec![42])))
            .constant(texts(&[3], &["b", "c", "a"]))
            .gives_ints(&[3], &[7, 42, 4]);
    }

    #[test]
    fn computed_elements() {
        case()
            .ints("keys_int64s", &[5, 6])
            .floats("values_floats", &[0.5, 1.5])
            .float("default_float", -2.0)
            .input(ints(&[3], &[6, 5, 1]))
            .gives(&[3], &[1.5, 0.5, -2.0]);
        case()
            .floats("keys_floats", &[f32::NAN, 1.0])
            .strings("values_strings", &["a", "b"])
            .input(floats(&[3], &[1.0, f32::NAN, 2.0]))
            .gives(&[3], &[1.0, 0.0, 2.0]);
        let many: Vec<i64> = (0..2000).collect();
        let many = case()
            .ints("keys_int64s", &many)
            .ints("values_int64s", &many);
        many.input(ints(&[1], &[1])).fails("more than 1024 keys");
    }

    #[test]
    fn faults() {
        case().fails("keys_* is missing");
        case()
            .ints("keys_int64s", &[1])
            .fails("values_* is missing");
        let two = case()
            .ints("keys_int64s", &[1])
            .floats("keys_floats", &[1.0]);
        two.fails("keys_* is given twice");
        let uneven = case()
            .ints("keys_int64s", &[1])
            .ints("values_int64s", &[1, 2]);
        uneven.fails("1 keys and 2 values");
        let ints_alone = case().ints("keys_int64s", &[1]).ints("values_int64s", &[1]);
        ints_alone
            .input(floats(&[1], &[1.0]))
            .fails("the keys are not");
    }
}
