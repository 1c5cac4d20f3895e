//! Decoded messages to a validated [`Graph`].

use std::collections::BTreeMap;

use crate::budget::Budget;
use crate::decode;
use crate::error::Error;
use crate::external::External;
use crate::graph::{Graph, Port};
use crate::inline;
use crate::nodes::nodes;
use crate::opsets::opsets;
use crate::order::{self, Level};
use crate::outputs::outputs;
use crate::ports::ports;
use crate::proto;
use crate::scope;
use crate::sparse;
use crate::tensor::Tensor;

/// Most nodes of a model, its subgraphs included.
pub(crate) const MAX_NODES: usize = 1_000_000;

/// What validation needs at every level of a graph.
pub(crate) struct Context<'a, 'd> {
    pub opsets: &'a BTreeMap<String, i64>,
    pub external: &'a mut External<'d>,
    pub budget: &'a mut Budget,
}

/// Validates `model`; `sha256` is the digest of its file.
pub(crate) fn model(
    model: proto::Model,
    external: &mut External,
    budget: &mut Budget,
    sha256: String,
) -> Result<Graph, Error> {
    let mut graph = model.graph.ok_or(Error::NoGraph)?;
    if graph.node.is_empty() {
        return Err(Error::NoNodes);
    }
    check_count(count(&graph.node))?;
    if graph.output.is_empty() {
        return Err(Error::NoOutputs);
    }
    let mut opsets = opsets(model.opset_import)?;
    inline::functions(&mut graph, model.functions, &mut opsets, budget)?;
    let mut context = Context {
        opsets: &opsets,
        external,
        budget,
    };
    let graph = body(graph, Level::Model, &mut context)?;
    if graph.nodes.is_empty() {
        return Err(Error::NoNodes);
    }
    scope::refuse_shadows(&graph)?;
    let producer = format!("{} {}", model.producer_name, model.producer_version)
        .trim()
        .into();
    Ok(Graph {
        producer,
        opsets,
        sha256,
        ..graph
    })
}

/// Validates a branch or body of control flow, but for what it reads of the enclosing graphs.
pub(crate) fn subgraph(graph: proto::Graph, context: &mut Context) -> Result<Graph, Error> {
    body(graph, Level::Subgraph, context)
}

fn body(graph: proto::Graph, level: Level, context: &mut Context) -> Result<Graph, Error> {
    let mut constants = initialisers(graph.initializer, graph.sparse_initializer, context)?;
    let mut inputs = graph.input;
    // What a subgraph is fed goes by position, so an initialiser cannot stand in for one of its inputs.
    if level == Level::Model {
        inputs.retain(|input| !constants.contains_key(&input.name));
    }
    let inputs = ports(inputs, "an input", level)?;
    let mut nodes = nodes(graph.node, &mut constants, context)?;
    let (outputs, dropped_outputs) = match level {
        Level::Model => outputs(graph.output, &mut nodes)?,
        Level::Subgraph => (ports(graph.output, "an output", level)?, Vec::new()),
    };
    let given: Vec<&str> = names(&inputs)
        .chain(constants.keys().map(String::as_str))
        .collect();
    let nodes = order::sort(nodes, &given, &names(&outputs).collect::<Vec<_>>(), level)?;
    Ok(Graph {
        name: graph.name,
        inputs,
        outputs,
        dropped_outputs,
        nodes,
        constants,
        ..Graph::default()
    })
}

fn names(ports: &[Port]) -> impl Iterator<Item = &str> {
    ports.iter().map(|port| port.name.as_str())
}

/// Number of nodes, with those of subgraphs.
pub(crate) fn count(nodes: &[proto::Node]) -> usize {
    let attributes = nodes.iter().flat_map(|node| &node.attribute);
    let subgraphs = attributes.filter_map(|attribute| attribute.g.as_deref());
    nodes.len() + subgraphs.map(|graph| count(&graph.node)).sum::<usize>()
}

pub(crate) fn check_count(count: usize) -> Result<(), Error> {
    if count > MAX_NODES {
        return Err(Error::TooManyNodes {
            count,
            limit: MAX_NODES,
        });
    }
    Ok(())
}

fn initialisers(
    protos: Vec<proto::Tensor>,
    sparse: Vec<proto::SparseTensor>,
    context: &mut Context,
) -> Result<BTreeMap<String, Tensor>, Error> {
    let mut constants = BTreeMap::new();
    for mut proto in protos {
        let name = std::mem::take(&mut proto.name);
        let tensor = decode::weight(proto, &name, context.external)?;
        define(&mut constants, name, tensor)?;
    }
    for proto in sparse {
        let (name, tensor) = sparse::dense(proto, context)?;
        define(&mut constants, name, tensor)?;
    }
    Ok(constants)
}

pub(crate) fn define(
    constants: &mut BTreeMap<String, Tensor>,
    name: String,
    tensor: Tensor,
) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::Unnamed {
            what: "an initialiser",
        });
    }
    if constants.contains_key(&name) {
        return Err(Error::Duplicate { value: name });
    }
    constants.insert(name, tensor);
    Ok(())
}

#[cfg(test)]
impl Context<'_, '_> {
    /// Runs `test` at opset 13.
    pub fn test<T>(test: impl FnOnce(&mut Context) -> T) -> T {
        test(&mut Context {
            opsets: &BTreeMap::from([(String::new(), 13)]),
            external: &mut External::new(None),
            budget: &mut Budget::of(0),
        })
    }
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
        super::model(
            model,
            &mut External::new(None),
            &mut Budget::of(0),
            String::new(),
        )
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
                "foreign domain",
                |_, g| g.node[0].domain = "com.microsoft".into(),
                "domain \"com.microsoft\"",
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
                "sparse initialiser without indices",
                |_, g| {
                    g.sparse_initializer.push(proto::SparseTensor {
                        values: Some(initialiser("s")),
                        ..Default::default()
                    })
                },
                "undefined",
            ),
        ];
        for (name, edit, expected) in cases {
            let error = model(edit).expect_err(name).to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
        let no_graph = super::model(
            proto::Model::default(),
            &mut External::new(None),
            &mut Budget::of(0),
            String::new(),
        );
        assert!(matches!(no_graph, Err(Error::NoGraph)));
    }
}
