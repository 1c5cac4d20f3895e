//! What flows along the edges of a graph: at inference [`Fact`]s, at run time [`Value`]s.

use std::fmt;

use burn_backend::tensor::FloatTensor;
use burn_backend::{Backend, TensorData, TensorMetadata};
use scoville_onnx::{Data, Tensor};

use crate::{Error, Fault};

/// Integers known at inference: shapes, axes, indices. They never go to the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ints {
    pub shape: Vec<usize>,
    pub values: Vec<i64>,
}

impl Ints {
    /// A one-dimensional list.
    pub fn list(values: Vec<i64>) -> Ints {
        Ints {
            shape: vec![values.len()],
            values,
        }
    }
}

/// What is known of a value before anything runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact {
    /// A float32 tensor of this shape.
    Float(Vec<usize>),
    /// Integers, values and all.
    Int(Ints),
}

impl Fact {
    pub fn shape(&self) -> &[usize] {
        match self {
            Fact::Float(shape) => shape,
            Fact::Int(ints) => &ints.shape,
        }
    }

    /// The same elements in another shape of the same count.
    pub fn reshaped(&self, shape: Vec<usize>) -> Fact {
        match self {
            Fact::Float(_) => Fact::Float(shape),
            Fact::Int(ints) => Fact::Int(Ints {
                shape,
                values: ints.values.clone(),
            }),
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fact::Float(shape) => write!(f, "{shape:?}"),
            Fact::Int(ints) => write!(f, "int{:?}", ints.shape),
        }
    }
}

/// A node's inputs at inference; an absent optional input is `None`.
pub(crate) struct Facts(pub Vec<Option<Fact>>);

impl Facts {
    /// Input `index`, if the node has it.
    pub fn get(&self, index: usize) -> Option<&Fact> {
        self.0.get(index).and_then(Option::as_ref)
    }

    /// Input `index`, of any kind.
    pub fn any(&self, index: usize) -> Result<&Fact, Fault> {
        self.get(index).ok_or(Fault::Input {
            index,
            what: "is missing",
        })
    }

    /// The shape of float input `index`.
    pub fn float(&self, index: usize) -> Result<&[usize], Fault> {
        match self.any(index)? {
            Fact::Float(shape) => Ok(shape),
            Fact::Int(_) => Err(Fault::Input {
                index,
                what: "holds integers, floats are needed",
            }),
        }
    }

    /// The shape of float input `index` where the node has it.
    pub fn optional_float(&self, index: usize) -> Result<Option<&[usize]>, Fault> {
        self.get(index).map(|_| self.float(index)).transpose()
    }

    /// The integers of input `index`.
    pub fn ints(&self, index: usize) -> Result<&Ints, Fault> {
        match self.any(index)? {
            Fact::Int(ints) => Ok(ints),
            Fact::Float(_) => Err(Fault::Input {
                index,
                what: "holds floats, integers are needed",
            }),
        }
    }

    /// The integers of input `index` where the node has it.
    pub fn optional_ints(&self, index: usize) -> Result<Option<&Ints>, Fault> {
        self.get(index).map(|_| self.ints(index)).transpose()
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

/// A value at run time.
#[derive(Debug, Clone)]
pub(crate) enum Value<B: Backend> {
    /// A tensor on the device.
    Float(FloatTensor<B>),
    /// Integers on the host.
    Int(Ints),
}

impl<B: Backend> Value<B> {
    /// A constant of the graph: floats go to `device`, integers and booleans stay on the host.
    pub fn constant(name: &str, tensor: &Tensor, device: &B::Device) -> Result<Value<B>, Error> {
        let shape = tensor.shape.clone();
        if let Some(values) = tensor.to_f32() {
            let data = TensorData::new(values.into_owned(), shape);
            return Ok(Value::Float(B::float_from_data(data, device)));
        }
        let values = match (tensor.to_i64(), &tensor.data) {
            (Some(values), _) => values.into_owned(),
            (None, Data::Bool(values)) => values.iter().map(|&b| b.into()).collect(),
            (None, data) => {
                let dtype = data.dtype().to_string();
                return Err(Error::Constant {
                    tensor: name.into(),
                    dtype,
                });
            }
        };
        Ok(Value::Int(Ints { shape, values }))
    }

    /// What inference needs to know of it.
    pub fn fact(&self) -> Fact {
        match self {
            Value::Float(tensor) => Fact::Float(tensor.shape().to_vec()),
            Value::Int(ints) => Fact::Int(ints.clone()),
        }
    }
}

/// A node's inputs at run time, in the order of the node.
pub(crate) struct Values<B: Backend>(pub Vec<Option<Value<B>>>);

impl<B: Backend> Values<B> {
    /// Takes float input `index`.
    pub fn float(&mut self, index: usize) -> Result<FloatTensor<B>, Fault> {
        match self.0.get_mut(index).and_then(Option::take) {
            Some(Value::Float(tensor)) => Ok(tensor),
            Some(Value::Int(_)) => Err(Fault::Input {
                index,
                what: "holds integers, floats are needed",
            }),
            None => Err(Fault::Input {
                index,
                what: "is missing",
            }),
        }
    }

    /// Takes float input `index` where the node has it.
    pub fn optional_float(&mut self, index: usize) -> Result<Option<FloatTensor<B>>, Fault> {
        match self.0.get(index) {
            Some(Some(_)) => self.float(index).map(Some),
            _ => Ok(None),
        }
    }

    /// Takes the integers of input `index` where the node has it.
    pub fn optional_ints(&mut self, index: usize) -> Result<Option<Ints>, Fault> {
        match self.0.get(index) {
            Some(Some(_)) => self.ints(index).map(Some),
            _ => Ok(None),
        }
    }

    /// Takes the integers of input `index`.
    pub fn ints(&mut self, index: usize) -> Result<Ints, Fault> {
        match self.0.get_mut(index).and_then(Option::take) {
            Some(Value::Int(ints)) => Ok(ints),
            Some(Value::Float(_)) => Err(Fault::Input {
                index,
                what: "holds floats, integers are needed",
            }),
            None => Err(Fault::Input {
                index,
                what: "is missing",
            }),
        }
    }
}
