//! The promise on memory, measured: at most 64 MiB + 4 times the file, whatever the file holds.

mod common;
#[path = "common/peak.rs"]
mod peak;

use bytes::Bytes;
use common::{field, model};
use scoville_onnx::{Error, parse};

/// `count` copies of `unit`, in which `###` is replaced by a number of its own in base 64.
fn repeat(unit: &[u8], count: usize) -> Vec<u8> {
    let digits = |index: usize| [2, 1, 0].map(|place| b'0' + (index >> (6 * place) & 63) as u8);
    let at = unit.windows(3).position(|window| window == b"###").unwrap();
    let mut bytes = unit.repeat(count);
    for (index, copy) in bytes.chunks_mut(unit.len()).enumerate() {
        copy[at..at + 3].copy_from_slice(&digits(index));
    }
    bytes
}

type Build = fn(usize) -> Vec<u8>;

/// Ports `x` and `y`, a node between them, and more of the graph.
fn sound(more: Vec<u8>) -> Vec<u8> {
    let kind = field(2, &field(1, &[8, 1]));
    let port = |number, name: &[u8]| field(number, &[field(1, name), kind.clone()].concat());
    let node = field(
        1,
        &[field(1, b"x"), field(2, b"y"), field(4, b"A")].concat(),
    );
    model(&[node, port(11, b"x"), port(12, b"y"), more].concat())
}

fn in_node(more: Vec<u8>) -> Vec<u8> {
    sound(field(1, &[field(4, b"A"), more].concat()))
}

fn initialiser(dtype: u8, data: Vec<u8>, count: usize) -> Vec<u8> {
    let mut dims = vec![8];
    let mut rest = count;
    while rest >= 0x80 {
        dims.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    dims.push(rest as u8);
    sound(field(
        5,
        &[dims, vec![0x10, dtype], field(8, b"w"), data].concat(),
    ))
}

const PATTERNS: &[(&str, Build)] = &[
    ("empty nodes", |n| sound(field(1, b"").repeat(n))),
    ("nodes with nothing but an operator", |n| {
        sound(field(1, &field(4, b"A")).repeat(n))
    }),
    ("nodes", |n| {
        sound(repeat(
            &field(
                1,
                &[field(1, b"x"), field(2, b"###"), field(4, b"A")].concat(),
            ),
            n,
        ))
    }),
    ("nodes with an attribute", |n| {
        let attribute = field(5, &[field(1, b"a"), vec![0x18, 1]].concat());
        sound(repeat(
            &field(1, &[field(2, b"###"), field(4, b"A"), attribute].concat()),
            n,
        ))
    }),
    ("Constant nodes", |n| {
        let attribute = field(5, &[field(1, b"value_int"), vec![0x18, 1]].concat());
        sound(repeat(
            &field(
                1,
                &[field(2, b"###"), field(4, b"Constant"), attribute].concat(),
            ),
            n,
        ))
    }),
    ("nodes with a tensor", |n| {
        let attribute = field(5, &[field(1, b"t"), field(5, &[0x10, 1, 8, 0])].concat());
        sound(repeat(
            &field(1, &[field(2, b"###"), field(4, b"A"), attribute].concat()),
            n,
        ))
    }),
    ("chain of nodes", |n| {
        let unit = [
            field(1, b"x"),
            field(1, b"y"),
            field(1, b"x"),
            field(1, b"y"),
            field(2, b"###"),
            field(4, b"A"),
        ];
        sound(repeat(&field(1, &unit.concat()), n))
    }),
    ("external data", |n| {
        sound(field(
            5,
            &[
                vec![0x10, 1, 0x70, 1],
                field(8, b"w"),
                field(13, b"").repeat(n),
            ]
            .concat(),
        ))
    }),
    ("attributes", |n| {
        in_node(repeat(
            &field(5, &[field(1, b"###"), vec![0x18, 1]].concat()),
            n,
        ))
    }),
    ("inputs of a node", |n| in_node(field(1, b"x").repeat(n))),
    ("absent inputs of a node", |n| {
        in_node(field(1, b"").repeat(n))
    }),
    ("outputs of a node", |n| {
        in_node(repeat(&field(2, b"###"), n))
    }),
    ("inputs of the graph", |n| {
        sound(repeat(
            &field(
                11,
                &[field(1, b"###"), field(2, &field(1, &[8, 1]))].concat(),
            ),
            n,
        ))
    }),
    ("scalars", |n| {
        let tensor = [vec![0x10, 2], field(5, &[1]), field(8, b"###")].concat();
        sound(repeat(&field(5, &tensor), n))
    }),
    ("packed int64", |n| initialiser(7, field(7, &vec![0; n]), n)),
    ("unpacked int64", |n| initialiser(7, [0x38, 0].repeat(n), n)),
    ("packed int8", |n| initialiser(3, field(5, &vec![0; n]), n)),
    ("packed bool", |n| initialiser(9, field(5, &vec![0; n]), n)),
    ("packed float", |n| {
        initialiser(1, field(4, &vec![0; 4 * n]), n)
    }),
    ("raw float", |n| {
        initialiser(1, field(9, &vec![0; 4 * n]), n)
    }),
    ("raw float16", |n| {
        initialiser(10, field(9, &vec![0; 2 * n]), n)
    }),
    ("strings", |n| initialiser(8, field(6, b"").repeat(n), n)),
    ("ints", |n| {
        in_node(field(
            5,
            &[field(1, b"a"), field(8, &vec![0; n]), vec![0xa0, 1, 7]].concat(),
        ))
    }),
    ("strings of an attribute", |n| {
        in_node(field(
            5,
            &[field(1, b"a"), field(9, b"").repeat(n), vec![0xa0, 1, 8]].concat(),
        ))
    }),
    ("empty subgraphs", |n| {
        let attribute = field(5, &[field(1, b"g"), field(6, b"")].concat());
        sound(repeat(
            &field(1, &[field(2, b"###"), field(4, b"A"), attribute].concat()),
            n,
        ))
    }),
    ("subgraphs that capture", |n| {
        let inner = field(
            1,
            &[field(1, b"x"), field(2, b"z"), field(4, b"A")].concat(),
        );
        let attribute = field(5, &[field(1, b"g"), field(6, &inner)].concat());
        sound(repeat(
            &field(1, &[field(2, b"###"), field(4, b"A"), attribute].concat()),
            n,
        ))
    }),
    ("a subgraph of many nodes, 16 deep", |n| {
        let unit = [field(1, b"x"), field(2, b"###"), field(4, b"A")].concat();
        let nodes = repeat(&field(1, &unit), n);
        let nested = (0..16).fold(nodes, |inner, _| {
            let attribute = field(5, &[field(1, b"g"), field(6, &inner)].concat());
            field(1, &[field(4, b"A"), attribute].concat())
        });
        sound(nested)
    }),
    ("a subgraph of many captures", |n| {
        let mut names = repeat(&field(1, b"###"), n);
        names.extend(field(4, b"A"));
        let inner = field(1, &names);
        let attribute = field(5, &[field(1, b"g"), field(6, &inner)].concat());
        let mut made = repeat(&field(2, b"###"), n);
        made.extend(field(4, b"A"));
        sound(
            [
                field(1, &made),
                field(1, &[field(4, b"A"), attribute].concat()),
            ]
            .concat(),
        )
    }),
    ("ports of a subgraph", |n| {
        let ports = repeat(&field(11, &field(1, b"###")), n);
        in_node(field(5, &[field(1, b"g"), field(6, &ports)].concat()))
    }),
    ("a sparse tensor", |n| {
        let values = [
            common::int(1, 1),
            vec![0x10, 3],
            field(8, b"w"),
            field(5, &[1]),
        ];
        let indices = [common::int(1, 1), vec![0x10, 7], field(7, &[0])];
        let dims = common::int(3, 256 * n as i64);
        let tensors = [
            field(1, &values.concat()),
            field(2, &indices.concat()),
            dims,
        ];
        sound([field(15, &tensors.concat()), field(2, &vec![b'a'; n])].concat())
    }),
    ("values of a sparse tensor", |n| {
        let count = common::int(1, n as i64);
        let values = [
            count.clone(),
            vec![0x10, 3],
            field(8, b"w"),
            field(9, &vec![1; n]),
        ];
        let numbers: Vec<_> = (0..n as i64).flat_map(i64::to_le_bytes).collect();
        let indices = [count, vec![0x10, 7], field(9, &numbers)];
        let dims = common::int(3, n as i64);
        let tensors = [
            field(1, &values.concat()),
            field(2, &indices.concat()),
            dims,
        ];
        sound(field(15, &tensors.concat()))
    }),
    ("raw int4", |n| {
        initialiser(22, field(9, &vec![0; n]), 2 * n)
    }),
    ("packed int4", |n| {
        initialiser(22, field(5, &vec![0; n]), 2 * n)
    }),
    ("functions that nothing calls", |n| {
        let function = repeat(&field(25, &field(1, b"###")), n);
        [sound(vec![]), function].concat()
    }),
    ("opsets of a function", |n| {
        let imports = repeat(&field(9, &[field(1, b"###"), vec![0x10, 1]].concat()), n);
        let function = field(25, &[field(1, b"A"), imports].concat());
        [sound(vec![]), function].concat()
    }),
    ("calls of a function", |n| {
        let call = repeat(&field(1, &[field(2, b"###"), field(4, b"A")].concat()), n);
        let node = field(7, &[field(2, b"t"), field(4, b"B")].concat());
        let function = field(25, &[field(1, b"A"), field(5, b"u"), node].concat());
        [sound(call), function].concat()
    }),
    ("calls of a function of 32 nodes", |n| {
        let call = repeat(
            &field(1, &[field(3, b"###"), field(4, b"A")].concat()),
            n / 32,
        );
        let unit = [field(1, b"x"), field(2, b"###"), field(4, b"B")].concat();
        let body = repeat(&field(7, &unit), 32);
        let function = field(25, &[field(1, b"A"), body].concat());
        [sound(call), function].concat()
    }),
    ("one call of a function of many nodes", |n| {
        let unit = [field(1, b"x"), field(2, b"###"), field(4, b"B")].concat();
        let body = repeat(&field(7, &unit), n);
        [sound(vec![]), field(25, &[field(1, b"A"), body].concat())].concat()
    }),
    ("one call of a function with a large constant", |n| {
        let tensor = [
            vec![0x10, 3],
            common::int(1, n as i64),
            field(9, &vec![1; n]),
        ]
        .concat();
        let attribute = field(5, &[field(1, b"value"), field(5, &tensor)].concat());
        let node = field(
            7,
            &[field(2, b"t"), field(4, b"Constant"), attribute].concat(),
        );
        [sound(vec![]), field(25, &[field(1, b"A"), node].concat())].concat()
    }),
    ("a long name", |n| in_node(field(3, &vec![b'a'; 10 * n]))),
    ("opsets", |n| {
        [
            repeat(&field(8, &[field(1, b"###"), vec![0x10, 1]].concat()), n),
            sound(vec![]),
        ]
        .concat()
    }),
    ("dimensions", |n| {
        sound(field(
            11,
            &field(2, &field(1, &field(2, &field(1, b"").repeat(n)))),
        ))
    }),
];

/// Each pattern grows until the guard refuses it, or to 1 MiB: the worst is just below the guard's limit.
#[test]
fn memory_stays_within_the_promise() {
    for (name, build) in PATTERNS {
        let mut count = 60_000;
        while let Some(file_bytes) = measure(name, *build, count)
            && file_bytes < 1 << 20
        {
            count += count / 2;
        }
    }
}

#[test]
fn large_data_stay_within_the_promise() {
    let large =
        |name: &&str| ["packed float", "raw float", "raw float16", "a long name"].contains(name);
    for (name, build) in PATTERNS.iter().filter(|(name, _)| large(name)) {
        assert!(measure(name, *build, 4 << 20).is_some_and(|file_bytes| file_bytes >= 8 << 20));
    }
}

#[test]
fn weights_beside_the_file_are_held_once() {
    let _alone = peak::alone();
    const BYTES: usize = 32 << 20;
    let dir = std::env::temp_dir().join(format!("scoville-once-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("w.bin"), vec![1; BYTES]).unwrap();
    let entry = [field(1, b"location"), field(2, b"w.bin")].concat();
    let file = initialiser(1, [field(13, &entry), vec![0x70, 1]].concat(), BYTES / 4);
    let (result, peak) = peak::of(file, |file| parse(file.into(), Some(&dir)));
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(result.unwrap().constants["w"].len(), BYTES / 4);
    assert!(peak < BYTES + BYTES / 8, "{peak}");
}

/// Holds the peak while parsing to the promise. The size of the file, or `None` if the guard refused it.
fn measure(name: &str, build: Build, count: usize) -> Option<usize> {
    let _alone = peak::alone();
    let file = build(count);
    let file_bytes = file.len();
    let (result, peak) = peak::of(file, |file| parse(Bytes::from(file), None));
    let limit = (64 << 20) + 4 * file_bytes;
    assert!(
        peak <= limit,
        "{name} x {count}: {peak} bytes for a file of {file_bytes}"
    );
    let refused = matches!(result, Err(Error::Amplification { .. }));
    (!refused).then_some(file_bytes)
}
