//! Control flow: graphs inside nodes, what they may read, and what they may not.

mod common;

use common::node;
use scoville_onnx::{Attribute, DType, Data, Error, Graph, Node, Port, Tensor, encode, parse};

fn port(name: &str, dtype: DType) -> Port {
    Port {
        name: name.into(),
        dtype,
        shape: None,
    }
}

/// A subgraph of these nodes without inputs.
fn branch(nodes: Vec<Node>, output: &str) -> Graph {
    Graph {
        name: output.into(),
        nodes,
        outputs: vec![port(output, DType::F32)],
        ..Graph::default()
    }
}

fn conditional(condition: &str, output: &str, then: Graph, otherwise: Graph) -> Node {
    let graphs = vec![
        ("then_branch", Attribute::Graph(Box::new(then))),
        ("else_branch", Attribute::Graph(Box::new(otherwise))),
    ];
    node("If", &[condition], output, graphs)
}

/// y = c ? Relu(h) : k, where h = Neg(x) and k is a constant of the branch.
fn model() -> Graph {
    model_with(branch(vec![node("Relu", &["h"], "r", vec![])], "r"))
}

/// The same with another first branch.
fn model_with(then: Graph) -> Graph {
    let mut otherwise = branch(vec![], "k");
    let scalar = Tensor {
        shape: vec![],
        data: Data::F32(vec![f32::NEG_INFINITY]),
    };
    otherwise.constants.insert("k".into(), scalar);
    Graph {
        name: "g".into(),
        opsets: [(String::new(), 16)].into(),
        inputs: vec![port("x", DType::F32), port("c", DType::Bool)],
        outputs: vec![port("y", DType::F32)],
        nodes: vec![
            node("Neg", &["x"], "h", vec![]),
            conditional("c", "y", then, otherwise),
        ],
        ..Graph::default()
    }
}

fn parsed(graph: &Graph) -> Result<Graph, Error> {
    parse(encode::to_bytes(graph).into(), None)
}

#[test]
fn what_is_written_comes_back() {
    let graph = model();
    let found = parsed(&graph).unwrap();
    let sha256 = found.sha256.clone();
    assert_eq!(found, Graph { sha256, ..graph });
    let node = &found.nodes[1];
    assert_eq!(node.reads().collect::<Vec<_>>(), ["c", "h"]);
    assert_eq!(node.subgraphs().count(), 2);
    let then = node.attributes.graph("then_branch").unwrap().unwrap();
    assert_eq!(then.captures(), ["h"]);
    assert!(node.attributes.graph("body").unwrap().is_none());
    assert!(found.captures().is_empty());
}

#[test]
fn names_across_levels() {
    let relu = |input: &str, output: &str| node("Relu", &[input], output, vec![]);
    let with_input = |name: &str| Graph {
        inputs: vec![port(name, DType::F32)],
        ..branch(vec![relu(name, "r")], "r")
    };
    let inner = |read: &str| {
        let deep = || branch(vec![relu(read, "d")], "d");
        branch(vec![conditional("c", "r", deep(), deep())], "r")
    };
    let cases: Vec<(&str, Graph, Option<&str>)> = vec![
        ("two levels up", model_with(inner("h")), None),
        (
            "the other branch's name again",
            model_with(branch(vec![relu("x", "k")], "k")),
            None,
        ),
        (
            "the output of the node itself again",
            model_with(branch(vec![relu("x", "y")], "y")),
            None,
        ),
        ("an input of its own", model_with(with_input("i")), None),
        (
            "undefined",
            model_with(branch(vec![relu("ghost", "r")], "r")),
            Some("node \"If_y\" reads \"ghost\", which nothing defines"),
        ),
        (
            "undefined two levels down",
            model_with(inner("ghost")),
            Some("\"ghost\""),
        ),
        (
            "of the other branch",
            model_with(branch(vec![relu("k", "r")], "r")),
            Some("\"k\""),
        ),
        (
            "shadows an outer input",
            model_with(with_input("x")),
            Some("\"x\" is defined more than once"),
        ),
        (
            "shadows an outer node",
            model_with(branch(vec![relu("x", "h")], "h")),
            Some("\"h\" is defined more than once"),
        ),
        (
            "defined twice inside",
            model_with(branch(vec![relu("x", "r"), relu("h", "r")], "r")),
            Some("\"r\" is defined more than once"),
        ),
        (
            "cycle inside",
            model_with(branch(vec![relu("s", "r"), relu("r", "s")], "r")),
            Some("cycle"),
        ),
        (
            "reads what depends on it",
            model_with(branch(vec![relu("y", "r")], "r")),
            Some("node \"If_y\" depends on its own output"),
        ),
        (
            "outer value as output",
            model_with(branch(vec![], "h")),
            Some("output \"h\" of a subgraph is not defined in it"),
        ),
    ];
    for (name, graph, expected) in cases {
        match (parsed(&graph), expected) {
            (Ok(_), None) => {}
            (Err(error), Some(expected)) if error.to_string().contains(expected) => {}
            (found, _) => panic!("{name}: {found:?}"),
        }
    }
}

#[test]
fn a_node_comes_after_what_its_subgraph_reads() {
    let mut graph = model();
    graph.nodes.reverse();
    let found = parsed(&graph).unwrap();
    let ops: Vec<_> = found.nodes.iter().map(|node| node.op.as_str()).collect();
    assert_eq!(ops, ["Neg", "If"]);
}

#[test]
fn an_initialiser_takes_no_input_of_a_subgraph_away() {
    let mut body = Graph {
        inputs: vec![port("i", DType::F32)],
        ..branch(vec![], "i")
    };
    parsed(&model_with(body.clone())).unwrap();
    let scalar = Tensor {
        shape: vec![],
        data: Data::F32(vec![0.0]),
    };
    body.constants.insert("i".into(), scalar);
    let error = parsed(&model_with(body)).unwrap_err();
    assert!(matches!(error, Error::Duplicate { .. }), "{error}");
}

#[test]
fn sixteen_levels_and_no_more() {
    let nested = |levels: usize| {
        let leaf = branch(vec![node("Relu", &["x"], "v0", vec![])], "v0");
        (1..levels).fold(leaf, |inner, level| {
            let output = format!("v{level}");
            let graphs = vec![("body", Attribute::Graph(Box::new(inner)))];
            branch(vec![node("Loop", &["x"], &output, graphs)], &output)
        })
    };
    parsed(&model_with(nested(16))).unwrap();
    let error = parsed(&model_with(nested(17))).unwrap_err().to_string();
    assert!(error.contains("more than 16 deep at byte"), "{error}");
}
