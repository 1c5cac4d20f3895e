//! Model-local functions, put in place of their calls.
//!
//! Each call becomes the nodes of the function's body, with names of their own. The inputs and outputs of the function take
//! the names that the call gives them, and attributes that refer to the function's take their values. What is copied is
//! counted and charged to the budget first, since a file of 2 KiB can name 2^64 nodes.

mod copy;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem::size_of;

use crate::attributes::MAX_ATTRIBUTES;
use crate::budget::{Budget, text};
use crate::error::Error;
use crate::nodes::label;
use crate::opsets::short_domain;
use crate::proto;
use crate::validate;

use copy::Frame;

/// Deepest chain of functions that call one another.
const MAX_CALLS: usize = 64;

/// Domain, name and overload.
type Key<'k> = (&'k str, &'k str, &'k str);

/// Replaces every call in `graph`, and adds to `opsets` what the bodies need.
pub(crate) fn functions(
    graph: &mut proto::Graph,
    functions: Vec<proto::Function>,
    opsets: &mut BTreeMap<String, i64>,
    budget: &mut Budget,
) -> Result<(), Error> {
    if functions.is_empty() {
        return Ok(());
    }
    let mut by_key = HashMap::with_capacity(functions.len());
    for (index, function) in functions.iter().enumerate() {
        if by_key.insert(function_key(function), index).is_some() {
            return Err(refuse(function, "it is defined twice; keep one"));
        }
    }
    let domains = functions.iter().map(|f| short_domain(&f.domain)).collect();
    let mut inliner = Inliner {
        functions: &functions,
        by_key,
        domains,
        opsets,
        budget,
        marker: "@".repeat(1 + leading_marks(graph)),
        calls: 0,
        nodes: validate::count(&graph.node),
        adopted: HashSet::new(),
        active: Vec::new(),
    };
    inliner.graph(graph, 0)
}

struct Inliner<'f> {
    functions: &'f [proto::Function],
    by_key: HashMap<Key<'f>, usize>,
    domains: HashSet<&'f str>,
    opsets: &'f mut BTreeMap<String, i64>,
    budget: &'f mut Budget,
    /// No name of the model begins with it, so what begins with it is new.
    marker: String,
    calls: usize,
    /// Nodes of the model, and those copied.
    nodes: usize,
    /// The functions whose versions were looked at.
    adopted: HashSet<usize>,
    /// The functions that are being inlined, outermost first.
    active: Vec<usize>,
}

impl<'f> Inliner<'f> {
    /// The model's graph or a subgraph of it, `depth` levels down: what is no call stays as it is.
    fn graph(&mut self, graph: &mut proto::Graph, depth: usize) -> Result<(), Error> {
        let attributes = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
        for subgraph in attributes.filter_map(|attribute| attribute.g.as_deref_mut()) {
            self.graph(subgraph, depth + 1)?;
        }
        let is_call = |node: &proto::Node| self.by_key.contains_key(&call_key(node));
        if !graph.node.iter().any(is_call) {
            return Ok(());
        }
        // A second list, which grows by doubling.
        let list = graph.node.len() * size_of::<proto::Node>();
        self.budget.charge(2 * list)?;
        for node in std::mem::take(&mut graph.node) {
            self.node(node, depth, &mut graph.node)?;
        }
        Ok(())
    }

    /// Adds `node` to `nodes`, or what it stands for. Its own subgraphs are done already.
    fn node(
        &mut self,
        node: proto::Node,
        depth: usize,
        nodes: &mut Vec<proto::Node>,
    ) -> Result<(), Error> {
        match self.by_key.get(&call_key(&node)) {
            Some(&index) => self.call(index, &node, depth, nodes),
            None => {
                nodes.push(node);
                Ok(())
            }
        }
    }

    fn call(
        &mut self,
        index: usize,
        call: &proto::Node,
        depth: usize,
        nodes: &mut Vec<proto::Node>,
    ) -> Result<(), Error> {
        let functions = self.functions;
        let Some(function) = functions.get(index) else {
            return Ok(());
        };
        if self.active.contains(&index) {
            return Err(refuse(
                function,
                "it calls itself, directly or through others; export without recursion",
            ));
        }
        if self.active.len() == MAX_CALLS {
            return Err(refuse(
                function,
                "functions call one another more than 64 deep; inline some of them before exporting",
            ));
        }
        self.check_call(function, call)?;
        if self.adopted.insert(index) {
            self.adopt_opsets(function)?;
        }
        self.calls += 1;
        let ports = function.input.len() + function.output.len();
        self.budget.charge(ports.saturating_mul(text(0)))?;
        self.budget.charge(text(self.marker.len() + 24))?;
        let prefix = format!("{}{}/", self.marker, self.calls);
        let frame = Frame::new(function, call, prefix);
        self.active.push(index);
        for node in &function.node {
            let copy = self.copy(node, &frame, depth)?;
            self.node(copy, depth, nodes)?;
        }
        self.active.pop();
        self.pass_through(&frame, nodes)
    }

    fn check_call(&self, function: &proto::Function, call: &proto::Node) -> Result<(), Error> {
        let counts = [
            ("inputs", call.input.len(), function.input.len()),
            ("outputs", call.output.len(), function.output.len()),
            ("attributes", call.attribute.len(), MAX_ATTRIBUTES),
        ];
        for (what, given, known) in counts {
            if given > known {
                let why = format!(
                    "node {:.120?} gives it {given} {what}, but it has at most {known}; export the model again",
                    label(call)
                );
                return Err(refuse(function, &why));
            }
        }
        if function.attribute_proto.len() > MAX_ATTRIBUTES {
            let why = "it has more than 256 attributes; export the model again";
            return Err(refuse(function, why));
        }
        Ok(())
    }

    /// A body keeps its meaning only at the versions that it was written for.
    fn adopt_opsets(&mut self, function: &proto::Function) -> Result<(), Error> {
        for import in &function.opset_import {
            let domain = short_domain(&import.domain);
            if !domain.is_empty() && self.domains.contains(domain) {
                continue;
            }
            match self.opsets.get(domain) {
                Some(version) if *version != import.version => {
                    let why = format!(
                        "it is written for version {} of domain {domain:.120?}, the model for version {version}; convert it with \
                         `onnx.version_converter` before exporting",
                        import.version
                    );
                    return Err(refuse(function, &why));
                }
                Some(_) => {}
                None => {
                    self.opsets.insert(domain.into(), import.version);
                }
            }
        }
        Ok(())
    }
}

fn function_key(function: &proto::Function) -> Key<'_> {
    let domain = short_domain(&function.domain);
    (domain, &function.name, &function.overload)
}

fn call_key(node: &proto::Node) -> Key<'_> {
    (short_domain(&node.domain), &node.op_type, &node.overload)
}

fn refuse(function: &proto::Function, why: &str) -> Error {
    Error::Function {
        function: format!("{}::{}", function.domain, function.name),
        why: why.into(),
    }
}

/// The most marks that a name in `graph` begins with.
fn leading_marks(graph: &proto::Graph) -> usize {
    let marks = |name: &str| name.bytes().take_while(|byte| *byte == b'@').count();
    let ports = graph.input.iter().chain(&graph.output);
    let sparse = graph.sparse_initializer.iter();
    let given = (ports.map(|port| &port.name))
        .chain(graph.initializer.iter().map(|tensor| &tensor.name))
        .chain(sparse.filter_map(|sparse| sparse.values.as_ref().map(|tensor| &tensor.name)));
    let used = graph
        .node
        .iter()
        .flat_map(|node| node.input.iter().chain(&node.output));
    let attributes = graph.node.iter().flat_map(|node| &node.attribute);
    let subgraphs = attributes.filter_map(|attribute| attribute.g.as_deref());
    let here = given.chain(used).map(|name| marks(name));
    here.chain(subgraphs.map(leading_marks)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests;
