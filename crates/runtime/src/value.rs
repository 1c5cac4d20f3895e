//! What flows along the edges of a graph: before a run [`Fact`]s, in a run [`Value`]s.
//!
//! Whatever a run computes is a float32 tensor on the device; where the graph has integers or
//! booleans there, the tensor holds whole numbers, exact up to 2^24. Shapes, axes and indices never
//! go to the device: they are [`Elements`], known before the run and exact. Half and double
//! precision are computed in float32.

use std::fmt;
use std::sync::Arc;

use burn_backend::tensor::FloatTensor;
use burn_backend::{Backend, TensorData, TensorMetadata};
use scoville_onnx::{DType, Data, Tensor};

use crate::{Error, Fault};

/// Integers up to this magnitude are exact in float32.
pub(crate) const MAX_EXACT: i64 = 1 << 24;
/// Most elements of a constant that are kept on the host beside its tensor.
const MAX_KNOWN: usize = 1 << 16;

/// Elements known before the run, in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Elements {
    /// Of any float type.
    Float(Vec<f32>),
    /// Of any integer type; booleans are 0 and 1.
    Int(Vec<i64>),
    Text(Vec<String>),
}

impl Elements {
    pub fn len(&self) -> usize {
        match self {
            Elements::Float(values) => values.len(),
            Elements::Int(values) => values.len(),
            Elements::Text(values) => values.len(),
        }
    }
}

/// What is known of a value before anything runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fact {
    pub dtype: DType,
    shape: Vec<usize>,
    known: Option<Arc<Elements>>,
}

impl Fact {
    /// A value that a run computes.
    pub fn new(dtype: DType, shape: Vec<usize>) -> Fact {
        Fact {
            dtype,
            shape,
            known: None,
        }
    }

    /// A float32 tensor that a run computes.
    pub fn float(shape: Vec<usize>) -> Fact {
        Fact::new(DType::F32, shape)
    }

    /// Elements that are known; there are as many as `shape` says.
    pub fn known(dtype: DType, shape: Vec<usize>, elements: Elements) -> Fact {
        let known = Some(Arc::new(elements));
        Fact {
            dtype,
            shape,
            known,
        }
    }

    /// Known int64 of `shape`.
    pub fn ints(shape: Vec<usize>, values: Vec<i64>) -> Fact {
        Fact::known(DType::I64, shape, Elements::Int(values))
    }

    /// A known list of int64.
    pub fn list(values: Vec<i64>) -> Fact {
        Fact::ints(vec![values.len()], values)
    }

    /// Known float32 of `shape`.
    pub fn floats(shape: Vec<usize>, values: Vec<f32>) -> Fact {
        Fact::known(DType::F32, shape, Elements::Float(values))
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn is_float(&self) -> bool {
        is_float(self.dtype)
    }

    /// The elements, where they are known.
    pub fn elements(&self) -> Option<&Elements> {
        self.known.as_deref()
    }

    pub fn is_known(&self) -> bool {
        self.known.is_some()
    }

    /// Whether both hold the very same known elements, not only equal ones.
    pub fn same_elements(&self, other: &Fact) -> bool {
        let both = self.known.as_ref().zip(other.known.as_ref());
        both.is_some_and(|(a, b)| Arc::ptr_eq(a, b))
    }

    /// The integers or booleans, where they are known.
    pub fn known_ints(&self) -> Option<&[i64]> {
        match self.elements()? {
            Elements::Int(values) => Some(values),
            _ => None,
        }
    }

    /// The floats, where they are known.
    pub fn known_floats(&self) -> Option<&[f32]> {
        match self.elements()? {
            Elements::Float(values) => Some(values),
            _ => None,
        }
    }

    /// The strings, where they are known.
    pub fn known_text(&self) -> Option<&[String]> {
        match self.elements()? {
            Elements::Text(values) => Some(values),
            _ => None,
        }
    }

    /// The floats, where they are known, without a copy where nothing else holds them.
    fn into_floats(self) -> Option<Vec<f32>> {
        match Arc::unwrap_or_clone(self.known?) {
            Elements::Float(values) => Some(values),
            _ => None,
        }
    }

    /// The same elements in another shape of the same count.
    pub fn reshaped(&self, shape: Vec<usize>) -> Fact {
        Fact {
            shape,
            ..self.clone()
        }
    }

    /// The same type in another shape, with elements that a run computes.
    pub fn with_shape(&self, shape: Vec<usize>) -> Fact {
        Fact::new(self.dtype, shape)
    }

    /// What a tensor of the file or of a caller is; `None` for integers beyond int64.
    pub fn of_tensor(tensor: &Tensor) -> Option<Fact> {
        Fact::from_tensor(tensor.clone())
    }

    /// As [`of_tensor`](Self::of_tensor), without a copy of float32.
    pub fn from_tensor(tensor: Tensor) -> Option<Fact> {
        let dtype = tensor.dtype();
        let elements = match tensor.data {
            Data::F32(values) => Elements::Float(values),
            Data::F64(values) => Elements::Float(values.into_iter().map(|v| v as f32).collect()),
            Data::Bool(values) => Elements::Int(values.into_iter().map(i64::from).collect()),
            Data::String(values) => Elements::Text(values),
            _ => match tensor.to_f32() {
                Some(values) => Elements::Float(values.into_owned()),
                None => Elements::Int(tensor.to_i64()?.into_owned()),
            },
        };
        Some(Fact::known(dtype, tensor.shape, elements))
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.dtype {
            DType::F32 => write!(f, "{:?}", self.shape),
            dtype => write!(f, "{dtype}{:?}", self.shape),
        }
    }
}

/// Whether the type is computed as float32.
pub(crate) fn is_float(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F64 | DType::F16 | DType::BF16)
}

/// A node's inputs before the run; an absent optional input is `None`.
pub(crate) struct Facts(pub Vec<Option<Fact>>);

impl Facts {
    /// How many inputs the node has, absent ones included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Input `index`, if the node has it.
    pub fn get(&self, index: usize) -> Option<&Fact> {
        self.0.get(index).and_then(Option::as_ref)
    }

    /// Input `index`, of any type.
    pub fn any(&self, index: usize) -> Result<&Fact, Fault> {
        self.get(index).ok_or(Fault::Input {
            index,
            what: "is missing",
        })
    }

    /// The shape of input `index`, of any type but text.
    pub fn shape(&self, index: usize) -> Result<&[usize], Fault> {
        match self.any(index)? {
            fact if fact.dtype == DType::String => Err(Fault::Input {
                index,
                what: "holds text, numbers are needed",
            }),
            fact => Ok(fact.shape()),
        }
    }

    /// The shape of float input `index`.
    pub fn float(&self, index: usize) -> Result<&[usize], Fault> {
        match self.any(index)? {
            fact if fact.is_float() => Ok(fact.shape()),
            _ => Err(Fault::Input {
                index,
                what: "does not hold floats, which are needed",
            }),
        }
    }

    /// The shape of float input `index` where the node has it.
    pub fn optional_float(&self, index: usize) -> Result<Option<&[usize]>, Fault> {
        self.get(index).map(|_| self.float(index)).transpose()
    }

    /// The known integers of input `index`.
    pub fn ints(&self, index: usize) -> Result<&[i64], Fault> {
        let what = match self.any(index)? {
            fact if fact.is_float() => "holds floats, integers are needed",
            _ => "must be integers that do not depend on the model's input",
        };
        let known = self.any(index)?.known_ints();
        known.ok_or(Fault::Input { index, what })
    }

    /// The known integers of input `index` where the node has it.
    pub fn optional_ints(&self, index: usize) -> Result<Option<&[i64]>, Fault> {
        self.get(index).map(|_| self.ints(index)).transpose()
    }

    /// The known floats of input `index`.
    pub fn floats(&self, index: usize) -> Result<&[f32], Fault> {
        self.any(index)?.known_floats().ok_or(Fault::Input {
            index,
            what: "must be floats that do not depend on the model's input",
        })
    }

    /// The known floats of input `index` where the node has it.
    pub fn optional_floats(&self, index: usize) -> Result<Option<&[f32]>, Fault> {
        self.get(index).map(|_| self.floats(index)).transpose()
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self
            .0
            .iter()
            .map(|fact| fact.as_ref().map_or("-".into(), Fact::to_string))
            .collect();
        f.write_str(&parts.join(" x "))
    }
}

/// A value in a run: on the device, or known, or both.
#[derive(Debug, Clone)]
pub(crate) struct Value<B: Backend> {
    pub fact: Fact,
    /// `None` where the elements are known and no operator has asked for them on the device.
    pub tensor: Option<FloatTensor<B>>,
}

impl<B: Backend> Value<B> {
    /// What a run computed.
    pub fn new(fact: Fact, tensor: FloatTensor<B>) -> Value<B> {
        let tensor = Some(tensor);
        Value { fact, tensor }
    }

    /// What is known.
    pub fn known(fact: Fact) -> Value<B> {
        Value { fact, tensor: None }
    }

    /// A constant of the graph: floats go to `device`, and small ones are known too. Integers and
    /// text are known, large integers on the device instead where that is exact.
    pub fn constant(name: &str, tensor: Tensor, device: &B::Device) -> Result<Value<B>, Error> {
        let refuse = Error::Constant {
            tensor: name.into(),
            dtype: tensor.dtype().to_string(),
        };
        let fact = Fact::from_tensor(tensor).ok_or(refuse)?;
        let small = fact.len() <= MAX_KNOWN;
        if small && !fact.is_float() || fact.dtype == DType::String {
            return Ok(Value::known(fact));
        }
        let open = fact.with_shape(fact.shape.clone());
        if !small && fact.is_float() {
            let values = fact.into_floats().unwrap_or_default();
            let tensor = tensor_of::<B>(values, &open.shape, device);
            return Ok(Value::new(open, tensor));
        }
        match upload::<B>(&fact, device) {
            Ok(tensor) if small => Ok(Value::new(fact, tensor)),
            Ok(tensor) => Ok(Value::new(open, tensor)),
            Err(_) => Ok(Value::known(fact)),
        }
    }
}

/// The known elements of `fact` as a tensor on `device`.
pub(crate) fn upload<B: Backend>(
    fact: &Fact,
    device: &B::Device,
) -> Result<FloatTensor<B>, &'static str> {
    let values = match fact.elements() {
        Some(Elements::Float(values)) => values.clone(),
        Some(Elements::Int(values)) => values
            .iter()
            .map(|&value| (value.unsigned_abs() <= MAX_EXACT as u64).then_some(value as f32))
            .collect::<Option<_>>()
            .ok_or("holds integers beyond 2^24, which are not exact on the device")?,
        Some(Elements::Text(_)) => return Err("holds text, numbers are needed"),
        None => return Err("is missing"),
    };
    Ok(tensor_of::<B>(values, &fact.shape, device))
}

/// Moves `values` to `device`.
fn tensor_of<B: Backend>(values: Vec<f32>, shape: &[usize], device: &B::Device) -> FloatTensor<B> {
    B::float_from_data(TensorData::new(values, on_device(shape)), device)
}

/// The shape that a tensor has on the device: a scalar is a list of one there, because burn's GPU
/// backends cannot allocate tensors without axes.
pub(crate) fn on_device(shape: &[usize]) -> Vec<usize> {
    match shape {
        [] => vec![1],
        shape => shape.to_vec(),
    }
}

/// A node's inputs in a run, in the order of the node.
#[derive(Clone)]
pub(crate) struct Values<'d, B: Backend> {
    pub inputs: Vec<Option<Value<B>>>,
    pub device: &'d B::Device,
    /// Whether what goes by steps is to move: see [`stand_in`](crate::ops::stand_in).
    pub stand_ins: bool,
}

impl<B: Backend> Values<'_, B> {
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    fn value(&mut self, index: usize) -> Result<&mut Value<B>, Fault> {
        self.inputs
            .get_mut(index)
            .and_then(Option::as_mut)
            .ok_or(Fault::Input {
                index,
                what: "is missing",
            })
    }

    /// What is known of input `index`, if the node has it.
    pub fn fact(&self, index: usize) -> Option<&Fact> {
        self.inputs.get(index)?.as_ref().map(|value| &value.fact)
    }

    /// Takes input `index` as a tensor, whatever its type.
    pub fn tensor(&mut self, index: usize) -> Result<FloatTensor<B>, Fault> {
        let device = self.device;
        let value = self.value(index)?;
        match value.tensor.take() {
            Some(tensor) => Ok(tensor),
            None => upload::<B>(&value.fact, device).map_err(|what| Fault::Input { index, what }),
        }
    }

    /// Takes input `index` as a tensor where the node has it.
    pub fn optional_tensor(&mut self, index: usize) -> Result<Option<FloatTensor<B>>, Fault> {
        match self.inputs.get(index) {
            Some(Some(_)) => self.tensor(index).map(Some),
            _ => Ok(None),
        }
    }

    /// The known integers of input `index`.
    pub fn ints(&self, index: usize) -> Result<&[i64], Fault> {
        self.fact(index)
            .and_then(Fact::known_ints)
            .ok_or(Fault::Input {
                index,
                what: "must be integers that do not depend on the model's input",
            })
    }

    /// The known integers of input `index` where the node has it.
    pub fn optional_ints(&self, index: usize) -> Result<Option<&[i64]>, Fault> {
        self.fact(index).map(|_| self.ints(index)).transpose()
    }

    /// The known floats of input `index`.
    pub fn floats(&self, index: usize) -> Result<&[f32], Fault> {
        self.fact(index)
            .and_then(Fact::known_floats)
            .ok_or(Fault::Input {
                index,
                what: "must be floats that do not depend on the model's input",
            })
    }

    /// Moves `values` to the device.
    pub fn upload(&self, shape: &[usize], values: Vec<f32>) -> FloatTensor<B> {
        tensor_of::<B>(values, shape, self.device)
    }

    /// The shape of input `index`.
    pub fn shape(&self, index: usize) -> Result<Vec<usize>, Fault> {
        let value = self.inputs.get(index).and_then(Option::as_ref);
        value
            .map(|value| value.fact.shape().to_vec())
            .ok_or(Fault::Input {
                index,
                what: "is missing",
            })
    }
}

/// The elements of a tensor, read back.
pub(crate) fn read<B: Backend>(tensor: FloatTensor<B>) -> Result<Vec<f32>, Fault> {
    let shape = tensor.shape();
    if shape.num_elements() == 0 {
        return Ok(Vec::new());
    }
    let data = burn_backend::try_read_sync(B::float_into_data(tensor))
        .ok_or_else(|| Fault::Backend("the device cannot be read at once".into()))?
        .map_err(|error| Fault::Backend(error.to_string()))?;
    data.try_into_vec::<f32>()
        .map_err(|error| Fault::Backend(format!("{error:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_of_the_file_are_not_copied() {
        let values = vec![0.5; 3];
        let at = values.as_ptr();
        let tensor = Tensor {
            shape: vec![3],
            data: Data::F32(values),
        };
        let fact = Fact::from_tensor(tensor).expect("a fact");
        let copied = fact.clone().into_floats().expect("floats");
        assert_ne!(copied.as_ptr(), at, "the fact still holds them");
        let moved = fact.into_floats().expect("floats");
        assert_eq!(moved.as_ptr(), at);
    }
}
