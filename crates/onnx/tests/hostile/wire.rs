//! Bytes that are no sound protobuf, or grow when decoded.

use super::{Case, attribute, field, initialiser, int, model, node, ports, sound, subgraph};
use crate::common::varint;

/// `op` within `op`, each in the graph of the other's attribute.
fn nested(op: &str, name: &str, depth: usize) -> Vec<u8> {
    let wrap = |inner: Vec<u8>, _| node(op, &["x"], &["y"], &subgraph(name, &inner));
    (0..depth).fold(Vec::new(), wrap)
}

/// Message `number` within itself.
fn deep(number: u64, depth: usize) -> Vec<u8> {
    (0..depth).fold(Vec::new(), |body, _| field(number, &body))
}

pub fn cases() -> Vec<Case> {
    let whole = sound(b"");
    let cut = |bytes: usize| whole[..whole.len() - bytes].to_vec();
    let claims =
        |length: u64| [int(1, 8), varint(7 << 3 | 2), varint(length), vec![0; 18]].concat();
    let name = |bytes: &[u8]| sound(&field(1, &[field(3, bytes), field(4, b"A")].concat()));
    let list = |number, bytes: &[u8]| initialiser(7, &[1], &field(number, bytes));
    let ints = |bytes: &[u8]| sound(&node("A", &[], &[], &attribute("a", 7, &field(8, bytes))));
    vec![
        ("cut by one byte", cut(1), "truncated"),
        ("cut in half", cut(whole.len() / 2), "truncated"),
        ("cut inside a number", vec![8, 0xff], "truncated"),
        (
            "29 bytes that claim 200 GB",
            claims(200_000_000_000),
            "truncated",
        ),
        ("length of 2^63", claims(1 << 63), "truncated"),
        (
            "over-long varint",
            [&[8][..], &[0xff; 20]].concat(),
            "varint without an end",
        ),
        (
            "field longer than its message",
            [field(7, &field(1, &[0x0a, 9, 8, 8])), field(2, b"padding")].concat(),
            "longer than its message",
        ),
        ("unknown wire type", vec![8, 8, 0x0f], "unknown wire type"),
        ("group", vec![8, 8, 0x3b, 0x3c], "unknown wire type"),
        (
            "field number 0",
            vec![8, 8, 2, 0],
            "field number out of range",
        ),
        (
            "graph as a number",
            vec![8, 8, 0x38, 1],
            "not a valid ONNX file",
        ),
        (
            "packed floats of 3 bytes",
            sound(&initialiser(1, &[1], &field(4, &[0; 3]))),
            "not a valid ONNX file",
        ),
        (
            "name that is not UTF-8",
            name(b"\xff\xfe"),
            "not a valid ONNX file",
        ),
        (
            "If nested 5,000 deep",
            sound(&nested("If", "then_branch", 5_000)),
            "more than 16 deep",
        ),
        (
            "Loop nested 5,000 deep",
            sound(&nested("Loop", "body", 5_000)),
            "more than 16 deep",
        ),
        (
            "17 levels",
            sound(&nested("If", "else_branch", 17)),
            "more than 16 deep",
        ),
        (
            "5,000 levels in a function",
            [whole.clone(), field(25, &nested_in_function())].concat(),
            "more than 16 deep",
        ),
        (
            "type nested 5,000 deep",
            model(
                &[
                    node("A", &["x"], &["y"], b""),
                    field(12, &[field(1, b"s"), field(2, &deep(4, 5_000))].concat()),
                ]
                .concat(),
            ),
            "\"s\" has the sequence type",
        ),
        ("graph nested 5,000 deep", deep(7, 5_000), "no nodes"),
        (
            "a million empty nodes",
            model(&field(1, b"").repeat(1_000_000)),
            "bytes of memory",
        ),
        (
            "a million nodes with names",
            model(&[node("A", &[], &[], b"").repeat(1_000_000), ports()].concat()),
            "bytes of memory",
        ),
        (
            "packed zeros",
            sound(&list(7, &vec![0; 8 << 20])),
            "bytes of memory",
        ),
        (
            "unpacked zeros",
            sound(&initialiser(7, &[1], &[0x38, 0].repeat(8 << 20))),
            "bytes of memory",
        ),
        (
            "packed dimensions",
            sound(&list(1, &vec![0; 8 << 20])),
            "bytes of memory",
        ),
        (
            "attribute of packed zeros",
            ints(&vec![0; 8 << 20]),
            "bytes of memory",
        ),
        (
            "a million empty subgraphs",
            sound(&node(
                "A",
                &[],
                &[],
                &field(5, &field(6, b"").repeat(200_000)),
            )),
            "bytes of memory",
        ),
        (
            "a million empty functions",
            [whole.clone(), field(25, b"").repeat(1_000_000)].concat(),
            "bytes of memory",
        ),
        (
            "a million opsets",
            [field(8, b"").repeat(1_000_000), whole.clone()].concat(),
            "bytes of memory",
        ),
        (
            "10,000 attributes of a node",
            sound(&node("A", &[], &[], &attribute("a", 2, b"").repeat(10_000))),
            "more than 256 attributes",
        ),
    ]
}

/// The body of a function whose node holds 5,000 levels of subgraphs.
fn nested_in_function() -> Vec<u8> {
    let graph = nested("If", "then_branch", 5_000);
    let attribute = subgraph("then_branch", &graph);
    field(7, &[field(4, b"If"), attribute].concat())
}
