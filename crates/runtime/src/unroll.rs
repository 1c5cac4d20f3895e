//! If, Loop and Scan with conditions and counts that are known before a run: their subgraphs become
//! plain nodes.
//!
//! Shapes decide many conditions, so this runs with the facts of the exported input. What was
//! decided is guarded: `scoville.Guard` refuses a batch for which it would be decided otherwise.

use std::collections::{BTreeMap, HashMap};

use scoville_onnx::{Attribute, Attributes, Data, Graph, Node, Tensor};

use crate::ops::Context;
use crate::step::{Host, Registries, Slots, Step};
use crate::value::{Fact, Facts};
use crate::{Error, Fault};

/// Most nodes of an unrolled graph.
const MAX_NODES: usize = 200_000;

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

/// What the names of a graph stand for, within those of the enclosing graphs.
#[derive(Default)]
struct Scope<'s> {
    names: HashMap<String, String>,
    /// `None` for the outermost graph, whose names stand for themselves.
    outer: Option<&'s Scope<'s>>,
}

impl Scope<'_> {
    fn resolve(&self, name: &str) -> String {
        match (self.names.get(name), self.outer) {
            (Some(flat), _) => flat.clone(),
            (None, Some(outer)) => outer.resolve(name),
            (None, None) => name.into(),
        }
    }
}

/// A control node in its place: flat names of what it reads and makes.
struct Call<'c> {
    node: &'c Node,
    inputs: Vec<String>,
    outputs: Vec<String>,
    scope: &'c Scope<'c>,
    context: &'c Context<'c>,
}

impl Call<'_> {
    fn fault(&self, fault: Fault) -> Error {
        Error::node(self.node, "its inputs", fault)
    }

    fn input(&self, index: usize) -> Option<&str> {
        let name = self.inputs.get(index).map(String::as_str);
        name.filter(|name| !name.is_empty())
    }

    fn int(&self, name: &str, default: i64) -> Result<i64, Error> {
        let value = self.node.attributes.int_or(name, default);
        value.map_err(|error| self.fault(error.into()))
    }

    fn ints(&self, name: &str) -> Result<&[i64], Error> {
        let values = self.node.attributes.ints(name);
        Ok(values
            .map_err(|error| self.fault(error.into()))?
            .unwrap_or(&[]))
    }

    fn subgraph(&self, name: &str) -> Result<&Graph, Error> {
        let graph = self.node.attributes.graph(name);
        let graph = graph.map_err(|error| self.fault(error.into()))?;
        graph.ok_or_else(|| self.fault(Fault::Shape(format!("attribute {name} is missing"))))
    }
}

/// A value that must be the same for every batch, and what it is.
type Probe = (String, Vec<i64>);

#[derive(Default)]
struct Unroller {
    prefix: String,
    counter: usize,
    done: Vec<Node>,
    constants: BTreeMap<String, Tensor>,
    facts: HashMap<String, Fact>,
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
        let step = Step::<Host>::parse(&node, context, registries, &mut Slots::default())?;
        let facts = node.inputs.iter().map(|name| self.facts.get(name).cloned());
        let facts = Facts(facts.collect());
        let known = |(name, fact): (&String, &Option<Fact>)| name.is_empty() || fact.is_some();
        if node.inputs.iter().zip(&facts.0).all(known) {
            let outputs = step.infer(facts)?;
            let made = node.outputs.iter().cloned().zip(outputs);
            self.facts.extend(made.filter(|(name, _)| !name.is_empty()));
        }
        self.done.push(node);
        Ok(())
    }

    fn control(&mut self, call: Call) -> Result<(), Error> {
        match call.node.op.as_str() {
            "If" => self.branch(&call),
            "Loop" => self.repeat(&call),
            _ => self.scan(&call),
        }
    }

    /// If: the branch that the condition names.
    fn branch(&mut self, call: &Call) -> Result<(), Error> {
        let condition = call.inputs.first().cloned().unwrap_or_default();
        let taken = self.known(call, &condition, "a condition")?;
        let name = if taken != 0 {
            "then_branch"
        } else {
            "else_branch"
        };
        let made = self.body(call, call.subgraph(name)?, &[])?;
        self.finish(call, made, &[(condition, vec![taken])])
    }

    /// Loop: the body as often as the count says and while the condition holds. Carried values
    /// first, then those that each round adds a row to.
    fn repeat(&mut self, call: &Call) -> Result<(), Error> {
        let body = call.subgraph("body")?;
        let mut probes = Vec::new();
        let rounds = match call.input(0) {
            Some(name) => {
                let rounds = self.known(call, name, "a number of rounds")?;
                probes.push((name.into(), vec![rounds]));
                rounds
            }
            None => i64::MAX,
        };
        let mut condition = match call.input(1) {
            Some(name) => name.to_owned(),
            None => self.constant("true", boolean(true)),
        };
        let mut carried: Vec<String> = call.inputs.iter().skip(2).cloned().collect();
        let mut rows: Vec<Vec<String>> = Vec::new();
        for round in 0..rounds {
            let holds = self.known(call, &condition, "a loop's condition")?;
            probes.push((condition.clone(), vec![holds]));
            if holds == 0 {
                break;
            }
            let number = self.constant("round", integer(round));
            let inputs = [vec![number, condition], carried.clone()].concat();
            let mut made = self.body(call, body, &inputs)?.into_iter();
            condition = made.next().unwrap_or_default();
            carried = made.by_ref().take(carried.len()).collect();
            rows.push(made.collect());
        }
        let stacked = self.stack(
            call,
            rows,
            body.outputs.len().saturating_sub(1 + carried.len()),
        )?;
        self.finish(call, [carried, stacked].concat(), &probes)
    }

    /// Scan: the body for each slice of the scanned inputs. State first, then what is stacked.
    fn scan(&mut self, call: &Call) -> Result<(), Error> {
        if call.context.opset < 9 {
            return Err(call.fault(Fault::Unsupported("Scan before opset 9".into())));
        }
        let body = call.subgraph("body")?;
        let scanned = usize::try_from(call.int("num_scan_inputs", 0)?).unwrap_or(0);
        let states = call
            .inputs
            .len()
            .checked_sub(scanned)
            .filter(|_| scanned > 0);
        let states = states.ok_or_else(|| {
            call.fault(Fault::Shape(format!(
                "{scanned} scanned inputs are not there"
            )))
        })?;
        let (axes, directions) = (
            call.ints("scan_input_axes")?,
            call.ints("scan_input_directions")?,
        );
        let mut state = call.inputs.get(..states).unwrap_or_default().to_vec();
        let sources: Vec<String> = call.inputs.iter().skip(states).cloned().collect();
        let mut probes = Vec::new();
        let mut rounds = None;
        for (i, source) in sources.iter().enumerate() {
            let axis = axes.get(i).copied().unwrap_or(0);
            let size = self.size(call, source, axis)?;
            if *rounds.get_or_insert(size) != size {
                let what = "the scanned inputs have several lengths";
                return Err(call.fault(Fault::Shape(what.into())));
            }
            let shape = self.node("Shape", vec![source.clone()], Vec::new(), call)?;
            let at = self.constant("axis", integer(axis));
            let length = self.node("Gather", vec![shape, at], Vec::new(), call)?;
            probes.push((length, vec![size as i64]));
        }
        let mut rows = Vec::new();
        for round in 0..rounds.unwrap_or(0) {
            let mut inputs = state.clone();
            for (i, source) in sources.iter().enumerate() {
                let backwards = directions.get(i) == Some(&1);
                let at = if backwards {
                    -1 - round as i64
                } else {
                    round as i64
                };
                let at = self.constant("slice", integer(at));
                let axis = Attribute::Int(axes.get(i).copied().unwrap_or(0));
                let attributes = vec![("axis".into(), axis)];
                inputs.push(self.node("Gather", vec![source.clone(), at], attributes, call)?);
            }
            let mut made = self.body(call, body, &inputs)?.into_iter();
            state = made.by_ref().take(states).collect();
            rows.push(made.collect());
        }
        let stacked = self.stack(call, rows, body.outputs.len().saturating_sub(states))?;
        self.finish(call, [state, stacked].concat(), &probes)
    }

    /// The known size of `axis` of the value `name`.
    fn size(&self, call: &Call, name: &str, axis: i64) -> Result<usize, Error> {
        let unknown = || {
            let what = "scanning what depends on itself".into();
            call.fault(Fault::Unsupported(what))
        };
        let shape = self.facts.get(name).map(Fact::shape).ok_or_else(unknown)?;
        let axis = crate::ops::axis(axis, shape.len()).map_err(|fault| call.fault(fault))?;
        shape.get(axis).copied().ok_or_else(unknown)
    }

    /// Stacks what each round made, `columns` values a round, along a new axis.
    fn stack(
        &mut self,
        call: &Call,
        rows: Vec<Vec<String>>,
        columns: usize,
    ) -> Result<Vec<String>, Error> {
        let of_scan = |name: &str| match call.node.op.as_str() {
            "Scan" => call.ints(name),
            _ => Ok(&[][..]),
        };
        let (axes, directions) = (
            of_scan("scan_output_axes")?,
            of_scan("scan_output_directions")?,
        );
        let mut stacked = Vec::new();
        for column in 0..columns {
            let axis = axes.get(column).copied().unwrap_or(0);
            let mut parts = Vec::new();
            for row in &rows {
                let value = row.get(column).cloned().unwrap_or_default();
                parts.push(self.unsqueeze(call, value, axis)?);
            }
            if parts.is_empty() {
                let what = "a loop of no rounds that collects values".into();
                return Err(call.fault(Fault::Unsupported(what)));
            }
            if directions.get(column) == Some(&1) {
                parts.reverse();
            }
            let axis = vec![("axis".into(), Attribute::Int(axis))];
            stacked.push(self.node("Concat", parts, axis, call)?);
        }
        Ok(stacked)
    }

    fn unsqueeze(&mut self, call: &Call, value: String, axis: i64) -> Result<String, Error> {
        if call.context.opset < 13 {
            let axes = vec![("axes".into(), Attribute::Ints(vec![axis]))];
            return self.node("Unsqueeze", vec![value], axes, call);
        }
        let axes = self.constant("axes", list(vec![axis]));
        self.node("Unsqueeze", vec![value, axes], Vec::new(), call)
    }

    /// The one known integer or boolean called `name`.
    fn known(&self, call: &Call, name: &str, what: &str) -> Result<i64, Error> {
        let fact = self.facts.get(name).and_then(Fact::known_ints);
        fact.and_then(|values| values.first().copied())
            .ok_or_else(|| {
                let what = format!("{what} that depends on the model's input");
                call.fault(Fault::Unsupported(what))
            })
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

fn boolean(value: bool) -> Tensor {
    Tensor {
        shape: Vec::new(),
        data: Data::Bool(vec![value]),
    }
}

fn integer(value: i64) -> Tensor {
    Tensor {
        shape: Vec::new(),
        data: Data::I64(vec![value]),
    }
}

fn list(values: Vec<i64>) -> Tensor {
    Tensor {
        shape: vec![values.len()],
        data: Data::I64(values),
    }
}
