//! Outputs of the model: those that are plain tensors, or become such.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, quote};
use crate::graph::{Node, Port};
use crate::order::Level;
use crate::ports::{check_names, port, untyped};
use crate::proto;

/// The ports, and what was left out with the reason. An output that `ZipMap` makes of a tensor of scores, as skl2onnx
/// exports it, is that tensor instead, and the node goes. Other outputs that are no plain tensors are left out as long as
/// an output remains.
pub(crate) fn outputs(
    protos: Vec<proto::ValueInfo>,
    nodes: &mut Vec<Node>,
) -> Result<(Vec<Port>, Vec<String>), Error> {
    check_names(&protos, "an output")?;
    let mut zipped = zipped(nodes);
    let mut names: HashSet<String> = match zipped.is_empty() {
        true => HashSet::new(),
        false => protos.iter().map(|proto| proto.name.clone()).collect(),
    };
    let (mut ports, mut dropped, mut first) = (Vec::new(), Vec::new(), None);
    let mut gone = HashSet::new();
    for proto in protos {
        if let Some(scores) = zipped.remove(&proto.name) {
            if names.insert(scores.clone()) {
                ports.push(untyped(scores));
            } else {
                let why = format!(
                    "{}: the output {} in maps",
                    quote(&proto.name),
                    quote(&scores)
                );
                dropped.push(why);
            }
            gone.insert(proto.name);
            continue;
        }
        match port(proto, Level::Model) {
            Ok(port) => ports.push(port),
            Err(error @ Error::NotATensor { .. }) => {
                if let Error::NotATensor { value, kind } = &error {
                    dropped.push(format!("{}: of {kind} type, no plain tensor", quote(value)));
                }
                first.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    if let (true, Some(error)) = (ports.is_empty(), first) {
        return Err(error);
    }
    remove(nodes, gone);
    Ok((ports, dropped))
}

/// The tensor behind each value that a `ZipMap` makes.
fn zipped(nodes: &[Node]) -> HashMap<String, String> {
    let zip_maps = nodes.iter().filter(|node| is_zip_map(node));
    let names = zip_maps.filter_map(|node| {
        let scores = node.inputs.first().filter(|input| !input.is_empty())?;
        Some((node.outputs.first()?.clone(), scores.clone()))
    });
    names.collect()
}

fn is_zip_map(node: &Node) -> bool {
    node.op == "ZipMap" && node.domain == "ai.onnx.ml"
}

/// Takes the `ZipMap` nodes away whose outputs are `gone`, unless another node reads them.
fn remove(nodes: &mut Vec<Node>, mut gone: HashSet<String>) {
    if gone.is_empty() {
        return;
    }
    for read in nodes.iter().flat_map(Node::reads) {
        gone.remove(read);
    }
    nodes.retain(|node| {
        let output = node.outputs.first();
        !(is_zip_map(node) && output.is_some_and(|output| gone.contains(output)))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Port;

    fn node(op: &str, input: &str, output: &str) -> Node {
        Node {
            name: op.into(),
            op: op.into(),
            domain: "ai.onnx.ml".into(),
            inputs: vec![input.into()],
            outputs: vec![output.into()],
            attributes: Default::default(),
        }
    }

    fn tensor(name: &str) -> proto::ValueInfo {
        let kind = proto::TensorType {
            elem_type: 7,
            shape: None,
        };
        of_type(
            name,
            proto::Type {
                tensor: Some(kind),
                ..Default::default()
            },
        )
    }

    fn sequence(name: &str) -> proto::ValueInfo {
        of_type(
            name,
            proto::Type {
                sequence: Some(Default::default()),
                ..Default::default()
            },
        )
    }

    fn of_type(name: &str, kind: proto::Type) -> proto::ValueInfo {
        proto::ValueInfo {
            name: name.into(),
            r#type: Some(kind),
        }
    }

    type Found = Result<(String, Vec<String>, usize), Error>;

    fn found(protos: Vec<proto::ValueInfo>, mut nodes: Vec<Node>) -> Found {
        let (ports, dropped) = outputs(protos, &mut nodes)?;
        let port = |port: &Port| format!("{} {}", port.name, port.dtype);
        let ports: Vec<_> = ports.iter().map(port).collect();
        Ok((ports.join(", "), dropped, nodes.len()))
    }

    #[test]
    fn scores_come_out_of_their_maps() {
        let nodes = || vec![node("LinearClassifier", "x", "s"), node("ZipMap", "s", "p")];
        let (ports, dropped, left) = found(vec![tensor("l"), sequence("p")], nodes()).unwrap();
        assert_eq!((ports.as_str(), left), ("l int64, s float32", 1));
        assert!(dropped.is_empty());
        let (ports, dropped, left) = found(vec![sequence("p"), tensor("s")], nodes()).unwrap();
        assert_eq!((ports.as_str(), left), ("s int64", 1));
        assert_eq!(dropped, ["\"p\": the output \"s\" in maps"]);
        let mut read = nodes();
        read.push(node("SequenceAt", "p", "q"));
        let (ports, _, left) = found(vec![sequence("p")], read).unwrap();
        assert_eq!((ports.as_str(), left), ("s float32", 3));
    }

    #[test]
    fn what_is_no_tensor_is_left_out_unless_nothing_is_left() {
        let (ports, dropped, _) = found(vec![sequence("q\n"), tensor("y")], vec![]).unwrap();
        assert_eq!(ports, "y int64");
        assert_eq!(dropped, ["\"q\\n\": of sequence type, no plain tensor"]);
        let error = found(vec![sequence("q"), sequence("r")], vec![]).unwrap_err();
        assert!(
            error.to_string().contains("\"q\" has the sequence type"),
            "{error}"
        );
        let error = found(vec![tensor("y"), tensor("y")], vec![]).unwrap_err();
        assert!(matches!(error, Error::Duplicate { .. }), "{error}");
    }
}
