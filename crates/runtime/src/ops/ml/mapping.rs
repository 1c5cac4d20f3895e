//! Element-by-element mappings from keys to values: what LabelEncoder and CategoryMapper share.
//!
//! Known elements are looked up on the host. Numbers that a run computes are compared with every
//! key on the device; text that they are mapped to is the number of its key there, of which nothing
//! is known but that it is text.

use std::collections::HashMap;

use burn_backend::{
    Backend, FloatDType, TensorMetadata, get_or_init_device_settings, tensor::FloatTensor,
};
use scoville_onnx::DType;

use crate::Fault;
use crate::ops::Operator;
use crate::ops::samples::Samples;
use crate::value::{Elements, Fact, Facts, MAX_EXACT, Values};

/// Most keys that elements which a run computes are compared with.
const MAX_COMPARED: usize = 1024;

pub(super) struct Mapping {
    keys: Elements,
    places: HashMap<Key, usize>,
    values: Elements,
    /// One element.
    default: Elements,
    result: DType,
}

/// Floats by their bits: all NaN are one, and both zeros.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Int(i64),
    Float(u32),
    Text(String),
}

fn key(elements: &Elements, at: usize) -> Option<Key> {
    Some(match elements {
        Elements::Int(values) => Key::Int(*values.get(at)?),
        Elements::Float(values) => Key::Float(match *values.get(at)? {
            value if value.is_nan() => f32::NAN.to_bits(),
            value => (value + 0.0).to_bits(),
        }),
        Elements::Text(values) => Key::Text(values.get(at)?.clone()),
    })
}

impl Mapping {
    /// Of as many keys as values; of equal keys the last one counts.
    pub fn new(
        keys: Elements,
        values: Elements,
        default: Elements,
        result: DType,
    ) -> Result<Mapping, Fault> {
        if keys.len() != values.len() {
            return Err(Fault::shape(format!(
                "{} keys and {} values are not as many",
                keys.len(),
                values.len()
            )));
        }
        let place = |at| key(&keys, at).map(|key| (key, at));
        let places = (0..keys.len()).filter_map(place).collect();
        Ok(Mapping {
            places,
            keys,
            values,
            default,
            result,
        })
    }

    /// For each element of `known` the place of its value.
    fn places<'a>(&'a self, known: &'a Elements) -> impl Iterator<Item = Option<usize>> + 'a {
        (0..known.len()).map(|at| self.places.get(&key(known, at)?).copied())
    }

    fn of_known(&self, known: &Elements) -> Option<Elements> {
        fn pick<T: Clone>(
            places: impl Iterator<Item = Option<usize>>,
            values: &[T],
            default: &[T],
        ) -> Option<Vec<T>> {
            let value = |place: Option<usize>| match place {
                Some(place) => values.get(place).cloned(),
                None => default.first().cloned(),
            };
            places.map(value).collect()
        }
        let places = self.places(known);
        Some(match (&self.values, &self.default) {
            (Elements::Int(values), Elements::Int(default)) => {
                Elements::Int(pick(places, values, default)?)
            }
            (Elements::Float(values), Elements::Float(default)) => {
                Elements::Float(pick(places, values, default)?)
            }
            (Elements::Text(values), Elements::Text(default)) => {
                Elements::Text(pick(places, values, default)?)
            }
            _ => return None,
        })
    }

    /// Numeric keys with what they give in a run, in order, and last the default.
    fn numbers(&self) -> Result<(Vec<f32>, Vec<f32>), Fault> {
        if self.keys.len() > MAX_COMPARED {
            let what = format!("more than {MAX_COMPARED} keys of elements that a run computes");
            return Err(Fault::Unsupported(what));
        }
        let beyond = || Fault::Unsupported("a number beyond 2^24 in a run".into());
        let exact = |values: &[i64]| {
            let exact = values.iter().all(|v| v.unsigned_abs() <= MAX_EXACT as u64);
            let values = values.iter().map(|&v| v as f32).collect::<Vec<_>>();
            exact.then_some(values).ok_or_else(beyond)
        };
        let keys = match &self.keys {
            Elements::Float(keys) => keys.clone(),
            Elements::Int(keys) => exact(keys)?,
            Elements::Text(_) => {
                return Err(Fault::Backend("text is not computed in a run".into()));
            }
        };
        let number = |elements: &Elements, first: usize| match elements {
            Elements::Float(values) => Ok(values.clone()),
            Elements::Int(values) => exact(values),
            Elements::Text(texts) => Ok((first..first + texts.len()).map(|at| at as f32).collect()),
        };
        let mut values = number(&self.values, 0)?;
        values.extend(number(&self.default, keys.len())?);
        Ok((keys, values))
    }
}

impl<B: Backend> Operator<B> for Mapping {
    fn infer(&self, inputs: &Facts) -> Result<Vec<Fact>, Fault> {
        let x = inputs.any(0)?;
        let fits = match &self.keys {
            Elements::Float(_) => x.is_float(),
            Elements::Text(_) => x.dtype == DType::String,
            Elements::Int(_) => !x.is_float() && x.dtype != DType::String,
        };
        if !fits {
            return Err(Fault::shape(format!("the keys are not {}", x.dtype)));
        }
        let shape = x.shape().to_vec();
        if let Some(known) = x.elements() {
            let two = || Fault::shape("values and default are of two types");
            let values = self.of_known(known).ok_or_else(two)?;
            return Ok(vec![Fact::known(self.result, shape, values)]);
        }
        if x.dtype == DType::String {
            let what = "must be text that does not depend on the model's input";
            return Err(Fault::Input { index: 0, what });
        }
        self.numbers()?;
        Ok(vec![Fact::new(self.result, shape)])
    }

    fn forward(&self, mut inputs: Values<B>, _: &[Fact]) -> Result<Vec<FloatTensor<B>>, Fault> {
        let x = inputs.tensor(0)?;
        let bools = get_or_init_device_settings::<B>(&x.device()).bool_dtype;
        let (keys, values) = self.numbers()?;
        let default = values.last().copied().unwrap_or_default();
        let mut out = B::float_full(x.shape(), default.into(), inputs.device, FloatDType::F32);
        for (key, value) in keys.into_iter().zip(values) {
            let same = match key.is_nan() {
                true => B::float_is_nan(x.clone(), bools),
                false => B::float_equal_elem(x.clone(), key.into(), bools),
            };
            out = B::float_mask_fill(out, same, value.into());
        }
        Ok(vec![out])
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
