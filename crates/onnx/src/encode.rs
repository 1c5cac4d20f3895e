//! A [`Graph`] as an ONNX file.

use bytes::Bytes;
use prost::Message;

use crate::attributes::Attribute;
use crate::graph::{Dim, Graph, Node, Port};
use crate::nibbles;
use crate::proto;
use crate::tensor::{Data, Tensor};

/// Of 2021: old readers take it, and newer ones take it with operator sets that are newer than it.
const IR_VERSION: i64 = 8;

/// The file's bytes: constants as initialisers, numbers as little-endian `raw_data`. `graph.sha256` is not written.
/// `onnx.checker` wants `graph.name` not to be empty. A `Graph` that [`parse`](crate::parse) returned comes back the same.
pub fn to_bytes(graph: &Graph) -> Vec<u8> {
    let opset = |(domain, version): (&String, &i64)| proto::OperatorSet {
        domain: domain.clone(),
        version: *version,
    };
    let model = proto::Model {
        ir_version: Some(IR_VERSION),
        producer_name: graph.producer.clone(),
        opset_import: graph.opsets.iter().map(opset).collect(),
        graph: Some(body(graph)),
        ..Default::default()
    };
    model.encode_to_vec()
}

fn body(graph: &Graph) -> proto::Graph {
    let constants = graph.constants.iter();
    proto::Graph {
        name: graph.name.clone(),
        node: graph.nodes.iter().map(node).collect(),
        initializer: constants.map(|(name, value)| tensor(name, value)).collect(),
        input: graph.inputs.iter().map(port).collect(),
        output: graph.outputs.iter().map(port).collect(),
        ..Default::default()
    }
}

fn node(node: &Node) -> proto::Node {
    proto::Node {
        input: node.inputs.clone(),
        output: node.outputs.clone(),
        name: node.name.clone(),
        op_type: node.op.clone(),
        attribute: node
            .attributes
            .iter()
            .map(|(name, value)| attribute(name, value))
            .collect(),
        domain: node.domain.clone(),
        ..Default::default()
    }
}

fn attribute(name: &str, value: &Attribute) -> proto::Attribute {
    let bytes = |text: &String| Bytes::copy_from_slice(text.as_bytes());
    let named = |kind| proto::Attribute {
        name: name.into(),
        kind,
        ..Default::default()
    };
    match value {
        Attribute::Float(x) => proto::Attribute {
            f: Some(*x),
            ..named(1)
        },
        Attribute::Int(x) => proto::Attribute {
            i: Some(*x),
            ..named(2)
        },
        Attribute::String(x) => proto::Attribute {
            s: Some(bytes(x)),
            ..named(3)
        },
        Attribute::Tensor(x) => proto::Attribute {
            t: Some(Box::new(tensor("", x))),
            ..named(4)
        },
        Attribute::Graph(x) => proto::Attribute {
            g: Some(Box::new(body(x))),
            ..named(5)
        },
        Attribute::Floats(x) => proto::Attribute {
            floats: x.clone(),
            ..named(6)
        },
        Attribute::Ints(x) => proto::Attribute {
            ints: x.clone(),
            ..named(7)
        },
        Attribute::Strings(x) => proto::Attribute {
            strings: x.iter().map(bytes).collect(),
            ..named(8)
        },
    }
}

fn port(port: &Port) -> proto::ValueInfo {
    let dimension = |dim: &Dim| match dim {
        Dim::Fixed(size) => proto::Dimension {
            value: Some(*size as i64),
            ..Default::default()
        },
        Dim::Named(param) => proto::Dimension {
            value: None,
            param: param.clone(),
        },
        Dim::Unknown => proto::Dimension::default(),
    };
    let shape = |dims: &Vec<Dim>| proto::Shape {
        dim: dims.iter().map(dimension).collect(),
    };
    let tensor = proto::TensorType {
        elem_type: port.dtype.code(),
        shape: port.shape.as_ref().map(shape),
    };
    proto::ValueInfo {
        name: port.name.clone(),
        r#type: Some(proto::Type {
            tensor: Some(tensor),
            ..Default::default()
        }),
    }
}

fn tensor(name: &str, tensor: &Tensor) -> proto::Tensor {
    proto::Tensor {
        name: name.into(),
        dims: tensor.shape.iter().map(|&dim| dim as i64).collect(),
        data_type: tensor.dtype().code(),
        raw_data: raw(&tensor.data),
        string_data: strings(&tensor.data),
        ..Default::default()
    }
}

fn raw(data: &Data) -> Option<Bytes> {
    fn bytes<T: Copy, const N: usize>(values: &[T], write: fn(T) -> [u8; N]) -> Option<Bytes> {
        Some(values.iter().flat_map(|&value| write(value)).collect())
    }
    match data {
        Data::F32(v) => bytes(v, f32::to_le_bytes),
        Data::F64(v) => bytes(v, f64::to_le_bytes),
        Data::F16(v) | Data::BF16(v) | Data::U16(v) => bytes(v, u16::to_le_bytes),
        Data::I64(v) => bytes(v, i64::to_le_bytes),
        Data::I32(v) => bytes(v, i32::to_le_bytes),
        Data::I16(v) => bytes(v, i16::to_le_bytes),
        Data::I8(v) => bytes(v, i8::to_le_bytes),
        Data::U64(v) => bytes(v, u64::to_le_bytes),
        Data::U32(v) => bytes(v, u32::to_le_bytes),
        Data::U8(v) => bytes(v, u8::to_le_bytes),
        Data::Bool(v) => bytes(v, |value| [u8::from(value)]),
        Data::String(_) => None,
        Data::I4(v) => Some(nibbles::packed(v.iter().map(|&value| value as u8)).into()),
        Data::U4(v) => Some(nibbles::packed(v.iter().copied()).into()),
    }
}

fn strings(data: &Data) -> Vec<Bytes> {
    match data {
        Data::String(v) => v
            .iter()
            .map(|text| Bytes::copy_from_slice(text.as_bytes()))
            .collect(),
        _ => Vec::new(),
    }
}
