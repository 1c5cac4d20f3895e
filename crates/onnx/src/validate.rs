//! Decoded messages to a validated [`Graph`].

use std::collections::{BTreeMap, HashSet};

use crate::decode;
use crate::error::Error;
use crate::external::External;
use crate::graph::{Graph, Port};
use crate::nodes::{label, nodes};
use crate::order;
use crate::ports::ports;
use crate::proto;
use crate::tensor::Tensor;

/// Versions of the default operator set that real exports use and the runtime knows.
const OPSETS: std::ops::RangeInclusive<i64> = 1..=27;
const MAX_NODES: usize = 1_000_000;

/// Validates `model`; `sha256` is the digest of its file.
pub(crate) fn graph(
    model: proto::Model,
    external: &mut External,
    sha256: String,
) -> Result<Graph, Error> {
    let graph = model.graph.ok_or(Error::NoGraph)?;
    if graph.node.is_empty() {
        return Err(Error::NoNodes);
    }
    if graph.node.len() > MAX_NODES {
        return Err(Error::TooManyNodes {
            count: graph.node.len(),
            limit: MAX_NODES,
        });
    }
    if graph.output.is_empty() {
        return Err(Error::NoOutputs);
    }
    if let Some(sparse) = graph.sparse_initializer.into_iter().next() {
        return Err(Error::Sparse {
            tensor: sparse.values.unwrap_or_default().name,
        });
    }
    let opsets = opsets(model.opset_import)?;
    refuse_functions(&graph.node, &model.functions)?;

    let mut constants = initialisers(graph.initializer, external)?;
    let fed = graph
        .input
        .into_iter()
        .filter(|input| !constants.contains_key(&input.name));
    let inputs = ports(fed, "an input")?;
    let outputs = ports(graph.output.into_iter(), "an output")?;
    let nodes = nodes(graph.node, &opsets, &mut constants, external)?;
    let given: Vec<&str> = names(&inputs)
        .chain(constants.keys().map(String::as_str))
        .collect();
    let nodes = order::sort(nodes, &given, &names(&outputs).collect::<Vec<_>>())?;
    if nodes.is_empty() {
        return Err(Error::NoNodes);
    }
    let producer = format!("{} {}", model.producer_name, model.producer_version)
        .trim()
        .into();
    Ok(Graph {
        name: graph.name,
        producer,
        opsets,
        inputs,
        outputs,
        nodes,
        constants,
        sha256,
    })
}

fn names(ports: &[Port]) -> impl Iterator<Item = &str> {
    ports.iter().map(|port| port.name.as_str())
}

/// Versions by domain; `ai.onnx` is the long name of the default domain.
fn opsets(imports: Vec<proto::OperatorSet>) -> Result<BTreeMap<String, i64>, Error> {
    let mut opsets = BTreeMap::new();
    for import in imports {
        let domain = short_domain(import.domain);
        match opsets.insert(domain.clone(), import.version) {
            Some(first) if first != import.version => {
                return Err(Error::OpsetConflict {
                    domain,
                    first,
                    second: import.version,
                });
            }
            _ => {}
        }
    }
    match opsets.get("") {
        Some(version) if !OPSETS.contains(version) => Err(Error::Opset {
            version: *version,
            min: *OPSETS.start(),
            max: *OPSETS.end(),
        }),
        _ => Ok(opsets),
    }
}

pub(crate) fn short_domain(domain: String) -> String {
    if domain == "ai.onnx" {
        String::new()
    } else {
        domain
    }
}

/// A model-local function would shadow the operator of its name, so a node that calls one cannot run as it stands.
fn refuse_functions(nodes: &[proto::Node], functions: &[proto::Function]) -> Result<(), Error> {
    let defined: HashSet<_> = functions
        .iter()
        .map(|f| (f.domain.as_str(), f.name.as_str()))
        .collect();
    match nodes
        .iter()
        .find(|node| defined.contains(&(node.domain.as_str(), node.op_type.as_str())))
    {
        Some(node) => Err(Error::LocalFunction {
            node: label(node).into(),
            function: format!("{}::{}", node.domain, node.op_type),
        }),
        None => Ok(()),
    }
}

fn initialisers(
    protos: Vec<proto::Tensor>,
    external: &mut External,
) -> Result<BTreeMap<String, Tensor>, Error> {
    let mut constants = BTreeMap::new();
    for mut proto in protos {
        let name = std::mem::take(&mut proto.name);
        if name.is_empty() {
            return Err(Error::Unnamed {
                what: "an initialiser",
            });
        }
        let tensor = decode::tensor(proto, &name, external)?;
        define(&mut constants, name, tensor)?;
    }
    Ok(constants)
}

pub(crate) fn define(
    constants: &mut BTreeMap<String, Tensor>,
    name: String,
    tensor: Tensor,
) -> Result<(), Error> {
    if constants.contains_key(&name) {
        return Err(Error::Duplicate { value: name });
    }
    constants.insert(name, tensor);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> proto::ValueInfo {
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

    fn initialiser(name: &str) -> proto::Tensor {
        proto::Tensor {
            name: name.into(),
            data_type: 1,
            float_data: vec![2.0],
            ..Default::default()
        }
    }

    fn node(op: &str, input: &[&str], output: &str) -> proto::Node {
        proto::Node {
            op_type: op.into(),
            input: input.iter().map(|name| (*name).into()).collect(),
            output: vec![output.into()],
            ..Default::default()
        }
    }

    /// y = x * w.
    fn model(edit: impl FnOnce(&mut proto::Model, &mut proto::Graph)) -> Result<Graph, Error> {
        let mut graph = proto::Graph {
            name: "g".into(),
            node: vec![node("Mul", &["x", "w"], "y")],
            initializer: vec![initialiser("w")],
            input: vec![value("x")],
            output: vec![value("y")],
            ..Default::default()
        };
        let opset = proto::OperatorSet {
            domain: String::new(),
            version: 13,
        };
        let mut model = proto::Model {
            opset_import: vec![opset],
            ..Default::default()
        };
        edit(&mut model, &mut graph);
        model.graph = Some(graph);
        super::graph(model, &mut External::new(None), String::new())
    }

    type Edit = fn(&mut proto::Model, &mut proto::Graph);

    #[test]
    fn good_models() {
        let cases: &[(&str, Edit)] = &[
            ("as it is", |_, _| {}),
            (
                "initialiser that is an input, as before IR version 4",
                |_, g| g.input.push(value("w")),
            ),
            ("long name of the default domain", |m, _| {
                m.opset_import[0].domain = "ai.onnx".into()
            }),
            ("opset given twice alike", |m, _| {
                m.opset_import.push(m.opset_import[0].clone())
            }),
            ("Constant node", |_, g| {
                let value = proto::Attribute {
                    name: "value_float".into(),
                    f: Some(2.0),
                    ..Default::default()
                };
                g.initializer.clear();
                g.node.push(proto::Node {
                    attribute: vec![value],
                    ..node("Constant", &[], "w")
                });
            }),
            ("function that no node calls", |m, _| {
                m.functions.push(proto::Function {
                    name: "F".into(),
                    domain: "local".into(),
                });
            }),
        ];
        for (name, edit) in cases {
            let graph = model(edit).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(graph.inputs.len(), 1, "{name}");
            assert_eq!(
                graph.opsets,
                BTreeMap::from([(String::new(), 13)]),
                "{name}"
            );
            assert_eq!(graph.constants["w"].to_f32().unwrap(), vec![2.0], "{name}");
            assert_eq!(
                (graph.nodes.len(), graph.nodes[0].name.as_str()),
                (1, "y"),
                "{name}"
            );
        }
    }

    #[test]
    fn bad_models_are_refused() {
        let cases: &[(&str, Edit, &str)] = &[
            ("no nodes", |_, g| g.node.clear(), "no nodes"),
            (
                "a million and one nodes",
                |_, g| g.node = vec![proto::Node::default(); 1_000_001],
                "limit of 1000000",
            ),
            ("no outputs", |_, g| g.output.clear(), "no outputs"),
            (
                "no opset",
                |m, _| m.opset_import.clear(),
                "no opset version for domain \"\"",
            ),
            (
                "opset 5",
                |m, _| m.opset_import[0].version = 5,
                "opset 5 is not supported (supported: 6 to 24)",
            ),
            (
                "opset 25",
                |m, _| m.opset_import[0].version = 25,
                "opset 25",
            ),
            (
                "opset -1",
                |m, _| m.opset_import[0].version = -1,
                "opset -1",
            ),
            (
                "opsets at odds",
                |m, _| {
                    m.opset_import.push(proto::OperatorSet {
                        domain: "ai.onnx".into(),
                        version: 14,
                    })
                },
                "imported twice, at versions 13 and 14",
            ),
            (
                "foreign domain",
                |_, g| g.node[0].domain = "com.microsoft".into(),
                "domain \"com.microsoft\"",
            ),
            (
                "local function",
                |m, g| {
                    m.functions.push(proto::Function {
                        name: "F".into(),
                        domain: "local".into(),
                    });
                    g.node[0].domain = "local".into();
                    g.node[0].op_type = "F".into();
                },
                "node \"y\" calls the model-local function \"local::F\"",
            ),
            (
                "no operator",
                |_, g| g.node[0].op_type.clear(),
                "node \"y\" has no operator",
            ),
            (
                "input twice",
                |_, g| g.input.push(value("x")),
                "\"x\" is defined more than once",
            ),
            (
                "output twice",
                |_, g| g.output.push(value("y")),
                "\"y\" is defined more than once",
            ),
            (
                "initialiser twice",
                |_, g| g.initializer.push(initialiser("w")),
                "\"w\" is defined more than once",
            ),
            (
                "node defines an initialiser",
                |_, g| g.node.push(node("Relu", &["x"], "w")),
                "\"w\" is defined",
            ),
            (
                "input without a name",
                |_, g| g.input.push(value("")),
                "an input without a name",
            ),
            (
                "output without a name",
                |_, g| g.output.push(value("")),
                "an output without a name",
            ),
            (
                "initialiser without a name",
                |_, g| g.initializer.push(initialiser("")),
                "an initialiser without",
            ),
            (
                "missing initialiser",
                |_, g| g.initializer.clear(),
                "node \"y\" reads \"w\"",
            ),
            (
                "undefined output",
                |_, g| g.output.push(value("z")),
                "output \"z\"",
            ),
            ("cycle", |_, g| g.node[0].input[0] = "y".into(), "cycle"),
            (
                "NaN",
                |_, g| g.initializer[0].float_data[0] = f32::NAN,
                "tensor \"w\" are not finite: 1 NaN",
            ),
            (
                "sparse initialiser",
                |_, g| {
                    g.sparse_initializer.push(proto::SparseTensor {
                        values: Some(initialiser("s")),
                    })
                },
                "sparse tensor \"s\"",
            ),
        ];
        for (name, edit, expected) in cases {
            let error = model(edit).expect_err(name).to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
        let no_graph = super::graph(
            proto::Model::default(),
            &mut External::new(None),
            String::new(),
        );
        assert!(matches!(no_graph, Err(Error::NoGraph)));
    }
}
