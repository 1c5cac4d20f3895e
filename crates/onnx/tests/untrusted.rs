//! Whole files through the public door: what we write comes back, and no damage to it makes the parser panic.

mod common;

use bytes::Bytes;
use common::{classifier, field, model};
use scoville_onnx::{
    Attribute, DType, Data, Dim, Error, Graph, Port, Tensor, encode, parse, sha256,
};

fn parsed(bytes: &[u8]) -> Result<Graph, Error> {
    parse(Bytes::copy_from_slice(bytes), None)
}

#[test]
fn what_is_written_comes_back() {
    let graph = classifier();
    let bytes = encode::to_bytes(&graph);
    let found = parsed(&bytes).unwrap();
    assert_eq!(found.sha256, sha256(&bytes));
    assert_eq!(
        found,
        Graph {
            sha256: found.sha256.clone(),
            ..graph
        }
    );
}

#[test]
fn every_type_comes_back() {
    let data = [
        Data::F32(vec![1.5]),
        Data::F64(vec![-1.5]),
        Data::F16(vec![0x3c01]),
        Data::BF16(vec![0x3f81]),
        Data::I64(vec![i64::MIN]),
        Data::I32(vec![i32::MIN]),
        Data::I16(vec![i16::MIN]),
        Data::I8(vec![i8::MIN]),
        Data::U64(vec![u64::MAX]),
        Data::U32(vec![u32::MAX]),
        Data::U16(vec![u16::MAX]),
        Data::U8(vec![u8::MAX]),
        Data::Bool(vec![true]),
        Data::String(vec!["é".into()]),
    ];
    let mut graph = classifier();
    let dtypes: Vec<DType> = data.iter().map(Data::dtype).collect();
    for (index, data) in data.into_iter().enumerate() {
        graph.constants.insert(
            format!("c{index}"),
            Tensor {
                shape: vec![1],
                data,
            },
        );
        let port = Port {
            name: format!("x{index}"),
            dtype: dtypes[index],
            shape: None,
        };
        graph.inputs.push(port);
    }
    graph.constants.insert(
        "none".into(),
        Tensor {
            shape: vec![0, 2],
            data: Data::F32(vec![]),
        },
    );
    graph.inputs.push(Port {
        shape: Some(vec![Dim::Unknown, Dim::Fixed(0)]),
        ..graph.inputs[0].clone()
    });
    graph.inputs.last_mut().unwrap().name = "unknown".into();
    let tensor = Tensor {
        shape: vec![1],
        data: Data::I64(vec![7]),
    };
    graph.nodes.push(common::node(
        "Custom",
        &["y", "", "x0"],
        "z",
        vec![
            ("string", Attribute::String("a".into())),
            ("strings", Attribute::Strings(vec!["a".into(), "".into()])),
            ("floats", Attribute::Floats(vec![1.0, -0.0])),
            ("empty", Attribute::Ints(vec![])),
            ("tensor", Attribute::Tensor(Box::new(tensor))),
            ("zero", Attribute::Int(0)),
        ],
    ));
    let last = graph.nodes.len() - 1;
    graph.nodes[last].domain = "org.example".into();
    graph.opsets.insert("org.example".into(), 1);
    let found = parsed(&encode::to_bytes(&graph)).unwrap();
    assert_eq!(
        found,
        Graph {
            sha256: found.sha256.clone(),
            ..graph
        }
    );
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

#[test]
fn damaged_files_never_panic() {
    let sound = encode::to_bytes(&classifier());
    let mut random = Random(1);
    let mut refused = 0;
    for round in 0..20_000 {
        let mut bytes = sound.clone();
        for _ in 0..=round % 4 {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes[at] = random.below(256) as u8,
                2 => bytes.insert(at, random.below(256) as u8),
                _ => drop(bytes.remove(at)),
            }
        }
        if let Err(error) = parsed(&bytes) {
            refused += 1;
            let message = error.to_string();
            assert!(!message.contains(|c: char| c.is_control()), "{message:?}");
        }
    }
    assert!(
        (10_000..20_000).contains(&refused),
        "{refused} of 20000 refused"
    );
}

#[test]
fn every_truncation_is_refused() {
    let sound = encode::to_bytes(&classifier());
    for end in 0..sound.len() {
        assert!(
            parsed(&sound[..end]).is_err(),
            "cut at {end} of {}",
            sound.len()
        );
    }
}

#[test]
fn noise_never_parses() {
    let mut random = Random(2);
    for _ in 0..5_000 {
        let bytes: Vec<u8> = (0..random.below(200))
            .map(|_| random.below(256) as u8)
            .collect();
        assert!(parsed(&bytes).is_err(), "{bytes:?}");
    }
}

/// Node `op` from `x` to `y` with further fields.
fn node(op: &str, more: &[u8]) -> Vec<u8> {
    let body = [
        field(1, b"x"),
        field(2, b"y"),
        field(4, op.as_bytes()),
        more.to_vec(),
    ]
    .concat();
    field(1, &body)
}

/// Input `x` and output `y`, float32 of unknown rank.
fn ports() -> Vec<u8> {
    let kind = field(2, &field(1, &[8, 1]));
    let value = |number, name: &[u8]| field(number, &[field(1, name), kind.clone()].concat());
    [value(11, b"x"), value(12, b"y")].concat()
}

#[test]
fn crafted_files_are_refused_with_the_reason() {
    let nested =
        |number: u64, depth: usize| (0..depth).fold(Vec::new(), |body, _| field(number, &body));
    let subgraphs = |depth: usize| {
        (0..depth).fold(Vec::new(), |body, _| {
            field(6, &field(1, &field(5, &[field(1, b"a"), body].concat())))
        })
    };
    let with = |graph: Vec<u8>| model(&[ports(), graph].concat());
    let initialiser = |body: &[u8]| with([node("Relu", b""), field(5, body)].concat());
    let attribute = |body: &[u8]| {
        with(node(
            "Relu",
            &field(5, &[field(1, b"a"), body.to_vec()].concat()),
        ))
    };
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", vec![], "empty"),
        ("IR version alone", vec![8, 8], "no graph"),
        ("empty graph", model(b""), "no nodes"),
        (
            "node without outputs of the graph",
            model(&node("Relu", b"")),
            "no outputs",
        ),
        (
            "length of 2^62",
            [&[8, 8, 0x3a][..], &huge].concat(),
            "truncated",
        ),
        (
            "wrong wire type",
            vec![8, 8, 0x12, 1, b'a', 0x38, 1],
            "not a valid ONNX file",
        ),
        (
            "name that is not UTF-8",
            with(node("\u{0}", &field(3, b"\xff"))),
            "not a valid ONNX file",
        ),
        (
            "packed floats of 3 bytes",
            initialiser(&[vec![0x10, 1], field(4, &[0; 3])].concat()),
            "not a valid ONNX file",
        ),
        (
            "29 bytes that claim 2^60 floats",
            initialiser(
                &[
                    vec![8],
                    vec![0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10],
                    vec![0x10, 1],
                    field(8, b"w"),
                ]
                .concat(),
            ),
            "but holds 0",
        ),
        (
            "negative dimension",
            initialiser(&[vec![8], vec![0xff; 9], vec![1, 0x10, 1], field(8, b"w")].concat()),
            "negative",
        ),
        (
            "NaN",
            initialiser(&[vec![0x10, 1], field(8, b"w"), field(9, &[0, 0, 0xc0, 0x7f])].concat()),
            "1 NaN",
        ),
        (
            "type 99",
            initialiser(&[vec![0x10, 99], field(8, b"w")].concat()),
            "unknown code 99",
        ),
        (
            "external data in memory",
            initialiser(
                &[
                    vec![8, 1, 0x10, 1, 0x70, 1],
                    field(8, b"w"),
                    field(
                        13,
                        &[field(1, b"location"), field(2, b"/etc/passwd")].concat(),
                    ),
                ]
                .concat(),
            ),
            "/etc/passwd",
        ),
        (
            "subgraph nested 5,000 deep",
            attribute(&subgraphs(5_000)),
            "more than 16 deep",
        ),
        (
            "type nested 5,000 deep",
            with(
                [
                    node("Relu", b""),
                    field(12, &[field(1, b"s"), field(2, &nested(4, 5_000))].concat()),
                ]
                .concat(),
            ),
            "sequence",
        ),
        ("message nested 5,000 deep", nested(7, 5_000), "no nodes"),
        ("attribute without a value", attribute(b""), "no value"),
        (
            "a million nodes of two bytes",
            model(&field(1, b"").repeat(1_000_000)),
            "bytes of memory",
        ),
        (
            "undefined input",
            with(field(
                1,
                &[field(1, b"ghost"), field(2, b"y"), field(4, b"Relu")].concat(),
            )),
            "\"ghost\"",
        ),
        (
            "two nodes define y",
            with([node("Relu", b""), node("Relu", b"")].concat()),
            "more than once",
        ),
        ("group", vec![8, 8, 0x3b, 0x3c], "wire type"),
        (
            "pickle",
            b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x02os".to_vec(),
            "torch.onnx.export",
        ),
        ("zip", b"PK\x03\x04\x14\0\0\0".to_vec(), "zip archive"),
        ("text", b"import torch\n".to_vec(), "unknown format"),
        ("zeros", vec![0; 100], "unknown format"),
    ];
    assert!(parsed(&with(node("Relu", b""))).is_ok());
    for (name, bytes, expected) in cases {
        let error = parsed(&bytes).expect_err(name).to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
}
