//! Files that were made to do harm: each is refused with the reason, within a second and within the promise on memory.

#[path = "../common/mod.rs"]
mod common;
mod external;
mod formats;
mod graphs;
#[path = "../common/peak.rs"]
mod peak;
mod tensors;
mod wire;

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{field, int, model};
use scoville_onnx::parse;

/// What it is, the file, and a part of the message that refuses it.
type Case = (&'static str, Vec<u8>, &'static str);

#[test]
fn hostile_files_are_refused_fast_and_in_little_memory() {
    let _alone = peak::alone();
    parse(sound(b"").into(), None).unwrap();
    let tables = [
        formats::cases(),
        wire::cases(),
        graphs::cases(),
        tensors::cases(),
    ];
    assert!(tables.iter().map(Vec::len).sum::<usize>() >= 40);
    for case in tables.into_iter().flatten() {
        refuse(case, None);
    }
}

#[cfg(unix)]
#[test]
fn hostile_external_data_are_refused_fast_and_in_little_memory() {
    let _alone = peak::alone();
    let root = external::folder();
    for case in external::cases(&root) {
        refuse(case, Some(&root.join("model")));
    }
    std::fs::remove_dir_all(root).unwrap();
}

fn refuse((name, file, expected): Case, dir: Option<&Path>) {
    // The files beside the model count for nothing: what they cost their sender may be nothing too.
    let limit = (64 << 20) + 4 * file.len();
    let start = Instant::now();
    let (result, peak) = peak::of(file, |file| parse(Bytes::from(file), dir));
    let took = start.elapsed();
    let message = result.expect_err(name).to_string();
    assert!(message.contains(expected), "{name}: {message}");
    assert!(!message.contains(char::is_control), "{name}: {message:?}");
    assert!(
        message.len() < 1000,
        "{name}: {} bytes of message",
        message.len()
    );
    assert!(took < Duration::from_secs(1), "{name}: {took:?}");
    assert!(peak <= limit, "{name}: {peak} bytes, {limit} promised");
}

/// `y = Relu(x)` and more of the graph.
fn sound(more: &[u8]) -> Vec<u8> {
    model(&[node("Relu", &["x"], &["y"], b""), ports(), more.to_vec()].concat())
}

/// Input `x` and output `y`.
fn ports() -> Vec<u8> {
    [port(11, "x"), port(12, "y")].concat()
}

/// An input (11) or output (12), float32 of unknown rank.
fn port(number: u64, name: &str) -> Vec<u8> {
    let kind = field(2, &field(1, &int(1, 1)));
    field(number, &[field(1, name.as_bytes()), kind].concat())
}

fn node(op: &str, inputs: &[&str], outputs: &[&str], more: &[u8]) -> Vec<u8> {
    field(1, &node_body(op, inputs, outputs, more))
}

fn node_body(op: &str, inputs: &[&str], outputs: &[&str], more: &[u8]) -> Vec<u8> {
    let names = |number, names: &[&str]| {
        let fields = names.iter().map(|name| field(number, name.as_bytes()));
        fields.collect::<Vec<_>>().concat()
    };
    let op = field(4, op.as_bytes());
    [names(1, inputs), names(2, outputs), op, more.to_vec()].concat()
}

/// An attribute of a node, its type and value given as fields.
fn attribute(name: &str, kind: i64, value: &[u8]) -> Vec<u8> {
    let name = field(1, name.as_bytes());
    field(5, &[name, int(20, kind), value.to_vec()].concat())
}

/// An attribute that is a graph.
fn subgraph(name: &str, graph: &[u8]) -> Vec<u8> {
    attribute(name, 5, &field(6, graph))
}

/// An initialiser `w`.
fn initialiser(dtype: i64, dims: &[i64], data: &[u8]) -> Vec<u8> {
    named("w", dtype, dims, data)
}

fn named(name: &str, dtype: i64, dims: &[i64], data: &[u8]) -> Vec<u8> {
    let dims: Vec<_> = dims.iter().map(|&dim| int(1, dim)).collect();
    let head = [dims.concat(), int(2, dtype), field(8, name.as_bytes())];
    field(5, &[head.concat(), data.to_vec()].concat())
}
