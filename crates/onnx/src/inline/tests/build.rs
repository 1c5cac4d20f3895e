//! Graphs and functions, written as lines.

use crate::budget::Budget;
use crate::error::Error;
use crate::external::External;
use crate::graph::{Graph, Node};
use crate::proto;
use crate::validate;

pub fn strings(text: &str) -> Vec<String> {
    let parts = text.split_whitespace();
    parts.map(|part| part.replace('_', "")).collect()
}

/// A node written `out out = Op in in`, `_` for an absent name; functions are in domain `f`.
pub fn node(line: &str) -> proto::Node {
    let (outputs, rest) = line.split_once(" = ").unwrap();
    let (op, inputs) = rest.split_once(' ').unwrap_or((rest, ""));
    let is_function = op.chars().all(|c| !c.is_lowercase());
    proto::Node {
        op_type: op.into(),
        domain: if is_function { "f" } else { "" }.into(),
        input: strings(inputs),
        output: strings(outputs),
        ..Default::default()
    }
}

pub fn nodes(lines: &[&str]) -> Vec<proto::Node> {
    lines.iter().map(|line| node(line)).collect()
}

/// A function written as its inputs, its outputs and its nodes.
pub fn function(name: &str, inputs: &str, outputs: &str, lines: &[&str]) -> proto::Function {
    proto::Function {
        name: name.into(),
        domain: "f".into(),
        input: strings(inputs),
        output: strings(outputs),
        node: nodes(lines),
        opset_import: vec![import("", 18)],
        ..Default::default()
    }
}

pub fn import(domain: &str, version: i64) -> proto::OperatorSet {
    proto::OperatorSet {
        domain: domain.into(),
        version,
    }
}

pub fn port(name: &str) -> proto::ValueInfo {
    let tensor = proto::TensorType {
        elem_type: 1,
        shape: None,
    };
    proto::ValueInfo {
        name: name.into(),
        r#type: Some(proto::Type {
            tensor: Some(tensor),
            ..Default::default()
        }),
    }
}

pub fn attribute(name: &str, kind: i32) -> proto::Attribute {
    proto::Attribute {
        name: name.into(),
        kind,
        ..Default::default()
    }
}

pub fn float(name: &str, value: f32) -> proto::Attribute {
    let f = Some(value);
    proto::Attribute {
        f,
        ..attribute(name, 1)
    }
}

/// Attribute `name` that refers to the function's `of`.
pub fn reference(name: &str, of: &str) -> proto::Attribute {
    let ref_attr_name = of.into();
    proto::Attribute {
        ref_attr_name,
        ..attribute(name, 1)
    }
}

pub fn branch(name: &str, lines: &[&str], output: &str) -> proto::Attribute {
    let graph = proto::Graph {
        node: nodes(lines),
        output: vec![port(output)],
        ..Default::default()
    };
    let g = Some(Box::new(graph));
    proto::Attribute {
        g,
        ..attribute(name, 5)
    }
}

pub fn with(node: proto::Node, attribute: Vec<proto::Attribute>) -> proto::Node {
    proto::Node { attribute, ..node }
}

/// From `x` to `y` at opset 18.
pub fn inlined(nodes: Vec<proto::Node>, functions: Vec<proto::Function>) -> Result<Graph, Error> {
    let graph = proto::Graph {
        node: nodes,
        input: vec![port("x")],
        output: vec![port("y")],
        ..Default::default()
    };
    let model = proto::Model {
        opset_import: vec![import("", 18), import("f", 1)],
        graph: Some(graph),
        functions,
        ..Default::default()
    };
    let external = &mut External::new(None);
    validate::model(model, external, &mut Budget::of(0), String::new())
}

/// The nodes as they are written in these tests.
pub fn lines(nodes: &[Node]) -> Vec<String> {
    let names = |names: &[String]| names.join(" ");
    let line = |node: &Node| {
        format!(
            "{} = {} {}",
            names(&node.outputs),
            node.op,
            names(&node.inputs)
        )
    };
    nodes.iter().map(line).collect()
}
