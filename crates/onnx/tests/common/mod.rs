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

/// A file of what [`classifier`] has none of: a branch that captures, a function with an attribute, sparse and int4 weights.
pub fn oddities() -> Vec<u8> {
    let text = |number, text: &str| field(number, text.as_bytes());
    let port = |number, name: &str| {
        let kind = field(2, &field(1, &int(1, 1)));
        field(number, &[text(1, name), kind].concat())
    };
    let node = |op: &str, input: &str, output: &str, more: Vec<u8>| {
        [text(1, input), text(2, output), text(4, op), more].concat()
    };
    let graph = |name: &str, graph: Vec<u8>| {
        let items = [text(1, name), int(20, 5), field(6, &graph)];
        field(5, &items.concat())
    };
    let then = [field(1, &node("Elu2", "h", "t", vec![])), port(12, "t")].concat();
    let otherwise = [
        field(1, &node("Neg", "w", "e", vec![])),
        field(12, &text(1, "e")),
    ]
    .concat();
    let branches = [graph("then_branch", then), graph("else_branch", otherwise)].concat();
    let reference = [text(1, "alpha"), int(20, 1), text(21, "slope")].concat();
    let slope = [text(1, "slope"), vec![0x15, 0, 0, 0, 0x3f], int(20, 1)].concat();
    let function = [
        text(1, "Elu2"),
        text(4, "a"),
        text(5, "b"),
        field(7, &node("Elu", "a", "c", field(5, &reference))),
        field(7, &node("Neg", "c", "b", vec![])),
        field(9, &int(2, 13)),
        field(11, &slope),
    ];
    let values = [
        int(1, 1),
        int(2, 1),
        text(8, "w"),
        field(4, &[0, 0, 0, 0x40]),
    ]
    .concat();
    let indices = [int(1, 1), int(2, 7), int(7, 2)].concat();
    let sparse = [field(1, &values), field(2, &indices), int(3, 2), int(3, 2)].concat();
    let int4 = [int(1, 3), int(2, 22), text(8, "q"), field(9, &[0x21, 0x03])].concat();
    let nodes = [
        field(1, &node("Elu2", "x", "h", vec![])),
        field(1, &node("If", "c", "y", branches)),
    ];
    let ports = [port(11, "x"), port(11, "c"), port(12, "y")].concat();
    let weights = [field(5, &int4), field(15, &sparse)].concat();
    let body = model(&[nodes.concat(), ports, weights].concat());
    [body, field(25, &function.concat())].concat()
}
