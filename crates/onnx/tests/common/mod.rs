//! What the integration tests share: a graph with a bit of everything, and a writer of wire format.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;

use scoville_onnx::{Attribute, Attributes, DType, Data, Dim, Graph, Node, Port, Tensor};

/// A varint.
pub fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A length-delimited protobuf field.
pub fn field(number: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = varint(number << 3 | 2);
    bytes.extend(varint(body.len() as u64));
    bytes.extend_from_slice(body);
    bytes
}

/// A number as a protobuf field.
pub fn int(number: u64, value: i64) -> Vec<u8> {
    [varint(number << 3), varint(value as u64)].concat()
}

/// A model file around the fields of its graph: IR version 8, opset 13.
pub fn model(graph: &[u8]) -> Vec<u8> {
    [vec![8, 8], field(8, &[0x10, 13]), field(7, graph)].concat()
}

pub fn node(op: &str, inputs: &[&str], output: &str, attributes: Vec<(&str, Attribute)>) -> Node {
    let items = attributes
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    let name = format!("{op}_{output}");
    Node {
        attributes: Attributes::new(&name, items),
        name,
        op: op.into(),
        domain: String::new(),
        inputs: inputs.iter().map(|input| (*input).into()).collect(),
        outputs: vec![output.into()],
    }
}

/// A small classifier: Conv, Clip with an open bound, Flatten, Gemm, Softmax.
pub fn classifier() -> Graph {
    let ramp = |n: usize| Data::F32((0..n).map(|i| i as f32 / 16.0 - 1.0).collect());
    let tensor = |shape: &[usize], data| Tensor {
        shape: shape.into(),
        data,
    };
    let port = |name: &str, shape: Vec<Dim>| Port {
        name: name.into(),
        dtype: DType::F32,
        shape: Some(shape),
    };
    let batch = || Dim::Named("batch".into());
    let pads = Attribute::Ints(vec![1; 4]);
    Graph {
        name: "classifier".into(),
        producer: "scoville 0.1".into(),
        opsets: BTreeMap::from([(String::new(), 13)]),
        inputs: vec![port(
            "x",
            vec![batch(), Dim::Fixed(1), Dim::Fixed(4), Dim::Fixed(4)],
        )],
        outputs: vec![port("y", vec![batch(), Dim::Fixed(3)])],
        nodes: vec![
            node("Conv", &["x", "w1", "b1"], "c", vec![("pads", pads)]),
            node("Clip", &["c", "", "max"], "r", vec![]),
            node("Flatten", &["r"], "f", vec![("axis", Attribute::Int(1))]),
            node(
                "Gemm",
                &["f", "w2"],
                "g",
                vec![("alpha", Attribute::Float(0.5))],
            ),
            node("Softmax", &["g"], "y", vec![("axis", Attribute::Int(-1))]),
        ],
        constants: BTreeMap::from([
            ("w1".into(), tensor(&[2, 1, 3, 3], ramp(18))),
            ("b1".into(), tensor(&[2], ramp(2))),
            ("max".into(), tensor(&[], Data::F32(vec![f32::INFINITY]))),
            ("w2".into(), tensor(&[32, 3], ramp(96))),
        ]),
        ..Graph::default()
    }
}
