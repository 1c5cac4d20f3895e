//! Whole files through the public door: what we write comes back, and no damage to it makes the parser panic.

mod common;

use bytes::Bytes;
use common::{classifier, field, oddities};
use scoville_onnx::{
    Attribute, DType, Data, Dim, Error, Graph, Port, Tensor, encode, parse, parse_tensor, sha256,
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
        Data::I4(vec![-8]),
        Data::U4(vec![15]),
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
    let sound = [encode::to_bytes(&classifier()), oddities()];
    let mut random = Random(1);
    for sound in sound {
        let refused =
            (0..20_000).filter(|round| is_refused(damaged(&sound, 1 + round % 4, &mut random)));
        let refused = refused.count();
        assert!(
            (10_000..20_000).contains(&refused),
            "{refused} of 20000 refused"
        );
    }
}

/// `sound` with so many bits or bytes changed, put in or taken out.
fn damaged(sound: &[u8], times: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    for _ in 0..times {
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.below(256) as u8,
            2 => bytes.insert(at, random.below(256) as u8),
            _ => drop(bytes.remove(at)),
        }
    }
    bytes
}

fn is_refused(bytes: Vec<u8>) -> bool {
    let Err(error) = parsed(&bytes) else {
        return false;
    };
    let message = error.to_string();
    assert!(!message.contains(|c: char| c.is_control()), "{message:?}");
    true
}

#[test]
fn oddities_come_out_plain() {
    let graph = parsed(&oddities()).unwrap();
    let ops: Vec<_> = graph.nodes.iter().map(|node| node.op.as_str()).collect();
    assert_eq!(ops, ["Elu", "Neg", "If"]);
    assert_eq!(graph.nodes[0].attributes.float("alpha").unwrap(), Some(0.5));
    assert_eq!(
        graph.constants["w"].to_f32().unwrap(),
        [0.0, 0.0, 2.0, 0.0].as_slice()
    );
    assert_eq!(graph.constants["q"].data, Data::I4(vec![1, 2, 3]));
    let then = graph.nodes[2]
        .attributes
        .graph("then_branch")
        .unwrap()
        .unwrap();
    assert_eq!((then.nodes.len(), then.captures()), (2, vec!["h"]));
    // Written and read again, with the function gone.
    let again = parsed(&encode::to_bytes(&graph)).unwrap();
    let sha256 = again.sha256.clone();
    assert_eq!(again, Graph { sha256, ..graph });
}

#[test]
fn single_tensors() {
    let tensor = |data: &[u8]| {
        [
            common::int(1, 2),
            common::int(2, 1),
            field(8, b"t"),
            field(9, data),
        ]
        .concat()
    };
    let nan = [0, 0, 0xc0, 0x7f, 0, 0, 0x80, 0xff];
    let (name, found) = parse_tensor(tensor(&nan).into()).unwrap();
    let values = found.to_f32().unwrap();
    assert!(name == "t" && values[0].is_nan() && values[1] == f32::NEG_INFINITY);
    let external = [tensor(b""), common::int(14, 1)].concat();
    let cases = [
        (tensor(&nan[..4]), "\"t\" should hold 2 elements"),
        (tensor(&nan)[..9].to_vec(), "truncated"),
        (field(7, &vec![0; 8 << 20]), "bytes of memory"),
        (external, "not read from a folder"),
        (b"\x80\x04\x95".to_vec(), "truncated"),
    ];
    for (bytes, expected) in cases {
        let error = parse_tensor(bytes.into()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn every_truncation_is_refused() {
    let sound = encode::to_bytes(&classifier());
    for end in 0..sound.len() {
        let cut = parsed(&sound[..end]);
        assert!(cut.is_err(), "cut at {end} of {}", sound.len());
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
