//! If, Loop and Scan with conditions and counts that are known before a run: their subgraphs become
//! plain nodes.
//!
//! Shapes decide many conditions, so this runs with the facts of the exported input. What was
//! decided is guarded: `scoville.Guard` refuses a batch for which it would be decided otherwise.

mod call;
mod flow;

use std::collections::{BTreeMap, HashMap};

use call::{Call, Probe, Scope};
use scoville_onnx::{Attribute, Attributes, Graph, Node, Tensor};

use crate::ops::Context;
use crate::step::{Host, Registries, Slots, Step};
use crate::value::{Fact, Facts};
use crate::{Error, Fault};

/// Most nodes of an unrolled graph.
const MAX_NODES: usize = 200_000;
/// Most rounds of one loop.
const MAX_ROUNDS: usize = 10_000;
/// Most bytes of known elements that are remembered.
const MAX_KNOWN_BYTES: usize = 64 << 20;

/// The operators that this module replaces.
pub(crate) const CONTROL: [&str; 3] = ["If", "Loop", "Scan"];

/// Whether `node` is one that this module replaces.
pub(crate) fn is_control(node: &Node) -> bool {
    let default_domain = matches!(node.domain.as_str(), "" | "ai.onnx");
    default_domain && CONTROL.contains(&node.op.as_str())
}

/// `graph` without control flow, for inputs that are `feeds`.
pub(crate) fn unroll(graph: Graph, feeds: &[Fact]) -> Result<Graph, Error> {
    if !graph.nodes.iter().any(is_control) {
        return Ok(graph);
    }
    let mut unroller = Unroller {
        prefix: free_prefix(&graph),
        ..Unroller::default()
    };
    for (name, tensor) in &graph.constants {
        unroller.learn(name, tensor);
    }
    for (port, feed) in graph.inputs.iter().zip(feeds) {
        unroller.facts.insert(port.name.clone(), feed.clone());
    }
    let context = Context::new(&graph);
    unroller.nodes(&graph.nodes, &mut Scope::default(), &context)?;
    let mut constants = unroller.constants;
    constants.extend(graph.constants);
    Ok(Graph {
        nodes: unroller.done,
        constants,
        ..graph
    })
}

/// A start of names that no value of `graph` has.
fn free_prefix(graph: &Graph) -> String {
    fn clashes(graph: &Graph, prefix: &str) -> bool {
        let starts = |name: &String| name.starts_with(prefix);
        graph.constants.keys().any(starts)
            || graph.inputs.iter().any(|port| starts(&port.name))
            || graph.nodes.iter().any(|node| {
                let inside = |graph: &Graph| clashes(graph, prefix);
                node.outputs.iter().any(starts) || node.subgraphs().any(inside)
            })
    }
    let mut prefix = String::from("unrolled");
    while clashes(graph, &prefix) {
        prefix.push('_');
    }
    prefix
}

#[derive(Default)]
struct Unroller {
    prefix: String,
    counter: usize,
    done: Vec<Node>,
    constants: BTreeMap<String, Tensor>,
    facts: HashMap<String, Fact>,
    known_bytes: usize,
    registries: Option<Registries<Host>>,
    /// The flat names of a subgraph's constants, by its address: every instance shares them.
    hoisted: HashMap<*const Graph, HashMap<String, String>>,
}

impl Unroller {
    fn fresh(&mut self, name: &str) -> String {
        self.counter += 1;
        format!("{} {} {name}", self.prefix, self.counter)
    }

    fn learn(&mut self, name: &str, tensor: &Tensor) {
        const SMALL: usize = 1 << 16;
        let fact = match tensor.len() <= SMALL {
            true => Fact::of_tensor(tensor),
            false => Some(Fact::new(tensor.dtype(), tensor.shape.clone())),
        };
        self.facts.extend(fact.map(|fact| (name.into(), fact)));
    }

    /// Keeps what is known of a value; its elements only while there is room.
    fn remember(&mut self, name: &str, fact: Fact) {
        if name.is_empty() {
            return;
        }
        let room = self.known_bytes <= MAX_KNOWN_BYTES;
        let fact = match (fact.is_known(), room) {
            (true, true) => {
                self.known_bytes += 8 * fact.len();
                fact
            }
            (true, false) => fact.with_shape(fact.shape().to_vec()),
            (false, _) => fact,
        };
        self.facts.insert(name.into(), fact);
    }

    /// A new constant; its name comes back.
    fn constant(&mut self, name: &str, tensor: Tensor) -> String {
        let name = self.fresh(name);
        self.learn(&name, &tensor);
        self.constants.insert(name.clone(), tensor);
        name
    }

    /// A new node of the newest meaning of `op`; its output's name comes back.
    fn node(
        &mut self,
        op: &str,
        inputs: Vec<String>,
        attributes: Vec<(String, Attribute)>,
        call: &Call,
    ) -> Result<String, Error> {
        let output = self.fresh(op);
        let (domain, op) = op.split_once('.').unwrap_or(("", op));
        let name = format!("{} in {}", op, call.node.name);
        let node = Node {
            attributes: Attributes::new(&name, attributes),
            name,
            op: op.into(),
            domain: domain.into(),
            inputs,
            outputs: vec![output.clone()],
        };
        self.emit(node, call.context)?;
        Ok(output)
    }

    /// Appends what `nodes` stand for.
    fn nodes(&mut self, nodes: &[Node], scope: &mut Scope, context: &Context) -> Result<(), Error> {
        for node in nodes {
            let present = |name: &String| !name.is_empty();
            let flat = |name: &String| match present(name) {
                true => scope.resolve(name),
                false => String::new(),
            };
            let inputs = node.inputs.iter().map(flat).collect();
            let outputs: Vec<String> = match scope.outer {
                None => node.outputs.clone(),
                Some(_) => {
                    let fresh = |name: &String| match present(name) {
                        true => self.fresh(name),
                        false => String::new(),
                    };
                    node.outputs.iter().map(fresh).collect()
                }
            };
            if is_control(node) {
                self.control(Call {
                    node,
                    inputs,
                    outputs: outputs.clone(),
                    scope,
                    context,
                })?;
            } else {
                let outputs = outputs.clone();
                let node = node.clone();
                self.emit(
                    Node {
                        inputs,
                        outputs,
                        ..node
                    },
                    context,
                )?;
            }
            let made = node.outputs.iter().cloned().zip(outputs);
            scope.names.extend(made.filter(|(name, _)| present(name)));
        }
        Ok(())
    }

    /// Appends a plain node, and infers what it makes as far as that is possible.
    fn emit(&mut self, node: Node, context: &Context) -> Result<(), Error> {
        if self.done.len() >= MAX_NODES {
            let what = format!("unrolling to more than {MAX_NODES} nodes");
            return Err(Error::node(&node, "its inputs", Fault::Unsupported(what)));
        }
        let registries = self.registries.get_or_insert_with(Registries::new);
        let step = Step::<Host>::parse(0, &node, context, registries, &mut Slots::default())?;
        let facts = node.inputs.iter().map(|name| self.facts.get(name).cloned());
        let facts = Facts(facts.collect());
        let known = |(name, fact): (&String, &Option<Fact>)| name.is_empty() || fact.is_some();
        if node.inputs.iter().zip(&facts.0).all(known) {
            let outputs = step.infer(facts)?;
            for (name, fact) in node.outputs.iter().zip(outputs) {
                self.remember(name, fact);
            }
        }
        self.done.push(node);
        Ok(())
    }

    /// Appends an instance of `body` with `inputs`; the flat names of its outputs come back.
    fn body(&mut self, call: &Call, body: &Graph, inputs: &[String]) -> Result<Vec<String>, Error> {
        if body.inputs.len() != inputs.len() {
            let what = format!(
                "its subgraph takes {} inputs, it is given {}",
                body.inputs.len(),
                inputs.len()
            );
            return Err(call.fault(Fault::Shape(what)));
        }
        let mut names = self.hoist(body);
        let ports = body.inputs.iter().map(|port| port.name.clone());
        names.extend(ports.zip(inputs.iter().cloned()));
        let mut scope = Scope {
            names,
            outer: Some(call.scope),
        };
        self.nodes(&body.nodes, &mut scope, call.context)?;
        let outputs = body.outputs.iter();
        Ok(outputs.map(|port| scope.resolve(&port.name)).collect())
    }

    /// The flat names of the constants of `body`.
    fn hoist(&mut self, body: &Graph) -> HashMap<String, String> {
        if let Some(names) = self.hoisted.get(&std::ptr::from_ref(body)) {
            return names.clone();
        }
        let mut names = HashMap::new();
        for (name, tensor) in &body.constants {
            names.insert(name.clone(), self.constant(name, tensor.clone()));
        }
        self.hoisted.insert(body, names.clone());
        names
    }

    /// Hands `made` to the outputs, behind a guard for each probe.
    fn finish(&mut self, call: &Call, made: Vec<String>, probes: &[Probe]) -> Result<(), Error> {
        if made.len() < call.outputs.len() {
            let what = format!("its subgraph makes {} outputs", made.len());
            return Err(call.fault(Fault::Shape(what)));
        }
        // What this made itself is the same for every batch.
        let open = |(probe, _): &&Probe| !self.constants.contains_key(probe);
        let probes: Vec<Probe> = probes.iter().filter(open).cloned().collect();
        for (mut value, output) in made.into_iter().zip(&call.outputs) {
            if output.is_empty() {
                continue;
            }
            for (probe, expected) in &probes {
                let expected = vec![("values".into(), Attribute::Ints(expected.clone()))];
                let inputs = vec![value, probe.clone()];
                value = self.node("scoville.Guard", inputs, expected, call)?;
            }
            let name = call.node.name.clone();
            let node = Node {
                attributes: Attributes::new(&name, Vec::new()),
                name,
                op: "Identity".into(),
                domain: String::new(),
                inputs: vec![value],
                outputs: vec![output.clone()],
            };
            self.emit(node, call.context)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use scoville_onnx::{DType, Data, Port};

    use super::*;

    fn port(name: &str) -> Port {
        Port {
            name: name.into(),
            dtype: DType::F32,
            shape: None,
        }
    }

    fn node(op: &str, inputs: &[&str], output: &str) -> Node {
        Node {
            name: format!("make {output}"),
            op: op.into(),
            domain: String::new(),
            inputs: inputs.iter().map(|name| (*name).into()).collect(),
            outputs: vec![output.into()],
            attributes: Attributes::default(),
        }
    }

    fn with(mut node: Node, attributes: Vec<(&str, Attribute)>) -> Node {
        let attributes = attributes.into_iter().map(|(n, a)| (n.into(), a));
        node.attributes = Attributes::new(&node.name, attributes);
        node
    }

    fn graph(inputs: &[&str], nodes: Vec<Node>, outputs: &[&str]) -> Graph {
        Graph {
            opsets: [(String::new(), 13)].into(),
            inputs: inputs.iter().map(|name| port(name)).collect(),
            outputs: outputs.iter().map(|name| port(name)).collect(),
            nodes,
            ..Graph::default()
        }
    }

    fn ints(shape: &[usize], values: &[i64]) -> Tensor {
        Tensor {
            shape: shape.to_vec(),
            data: Data::I64(values.to_vec()),
        }
    }

    fn body(graph: Graph) -> Attribute {
        Attribute::Graph(Box::new(graph))
    }

    /// y = x + x if the batch is 1, else x * x.
    fn branching() -> Graph {
        let condition = vec![
            with(
                node("Shape", &["x"], "size"),
                vec![("end", Attribute::Int(1))],
            ),
            node("Equal", &["size", "one"], "is_one"),
        ];
        let branch = |op| body(graph(&[], vec![node(op, &["x", "x"], "b")], &["b"]));
        let choice = with(
            node("If", &["is_one"], "y"),
            vec![
                ("then_branch", branch("Add")),
                ("else_branch", branch("Mul")),
            ],
        );
        let mut graph = graph(&["x"], [condition, vec![choice]].concat(), &["y"]);
        graph.opsets = [(String::new(), 15)].into();
        graph.constants.insert("one".into(), ints(&[1], &[1]));
        graph
    }

    fn unrolled(graph: Graph, batch: usize) -> Result<Vec<String>, Error> {
        let graph = unroll(graph, &[Fact::float(vec![batch, 2])])?;
        Ok(graph.nodes.into_iter().map(|node| node.op).collect())
    }

    #[test]
    fn a_branch_is_taken_and_guarded() {
        let one = unrolled(branching(), 1).expect("unrolls");
        assert_eq!(one, ["Shape", "Equal", "Add", "Guard", "Identity"]);
        let two = unrolled(branching(), 2).expect("unrolls");
        assert_eq!(two, ["Shape", "Equal", "Mul", "Guard", "Identity"]);
    }

    /// Doubles x `rounds` times and collects each state.
    fn looping(rounds: i64) -> Graph {
        let step = graph(
            &["i", "go", "state"],
            vec![
                node("Identity", &["go"], "still"),
                node("Add", &["state", "state"], "next"),
                node("Identity", &["next"], "row"),
            ],
            &["still", "next", "row"],
        );
        let mut repeat = with(
            node("Loop", &["n", "", "x"], "y"),
            vec![("body", body(step))],
        );
        repeat.outputs.push("rows".into());
        let mut graph = graph(&["x"], vec![repeat], &["y", "rows"]);
        graph.constants.insert("n".into(), ints(&[], &[rounds]));
        graph
    }

    #[test]
    fn a_loop_is_repeated_and_its_rows_are_stacked() {
        let feed = Fact::float(vec![1, 2]);
        let graph = unroll(looping(3), &[feed]).expect("unrolls");
        let count = |op: &str| graph.nodes.iter().filter(|node| node.op == op).count();
        assert_eq!(
            (count("Add"), count("Unsqueeze"), count("Concat")),
            (3, 3, 1)
        );
        let made: Vec<_> = graph.nodes.iter().flat_map(|node| &node.outputs).collect();
        assert!(made.contains(&&"y".to_owned()) && made.contains(&&"rows".to_owned()));
    }

    #[test]
    fn what_cannot_be_unrolled_is_refused() {
        let error = unrolled(looping(1 << 40), 1).expect_err("too many rounds");
        assert!(
            error.to_string().contains("more than 10000 rounds"),
            "{error}"
        );
        let mut open = looping(3);
        open.nodes[0].inputs[0] = "x".into();
        let error = unrolled(open, 1).expect_err("an open count");
        assert!(
            error.to_string().contains("depends on the model's input"),
            "{error}"
        );
        let error = unrolled(looping(0), 1).expect_err("no rows to stack");
        assert!(error.to_string().contains("no rounds"), "{error}");
    }
}
