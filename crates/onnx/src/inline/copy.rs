//! Copies of what stands in a function's body, as one call sees it.

use std::collections::HashMap;
use std::mem::size_of;

use super::{Inliner, refuse};
use crate::budget::{self, text};
use crate::error::Error;
use crate::nodes::label;
use crate::proto;
use crate::validate;
use crate::wire::MAX_SUBGRAPHS;

/// One call: what the names of the body stand for.
pub(super) struct Frame<'c> {
    pub function: &'c proto::Function,
    /// The function's inputs and outputs, by the names that the call gives them.
    names: HashMap<&'c str, &'c str>,
    /// Outputs of the function that are inputs of it too, or given twice, and what the call calls them.
    copies: Vec<(&'c str, &'c str)>,
    /// Of every other name.
    prefix: String,
    /// The call, and the attributes that it sets.
    call: &'c proto::Node,
}

impl<'c> Frame<'c> {
    pub fn new(function: &'c proto::Function, call: &'c proto::Node, prefix: String) -> Self {
        let mut names = HashMap::new();
        let mut copies = Vec::new();
        for (index, input) in function.input.iter().enumerate() {
            names.insert(
                input.as_str(),
                call.input.get(index).map_or("", String::as_str),
            );
        }
        let outputs = function.output.iter().zip(&call.output);
        for (inner, outer) in outputs.filter(|(_, outer)| !outer.is_empty()) {
            if names.contains_key(inner.as_str()) {
                copies.push((inner.as_str(), outer.as_str()));
            } else {
                names.insert(inner, outer);
            }
        }
        Self {
            function,
            names,
            copies,
            prefix,
            call,
        }
    }

    /// What `name` of the body is called in the graph, in two parts.
    fn parts<'n>(&'n self, name: &'n str) -> (&'n str, &'n str) {
        match self.names.get(name) {
            _ if name.is_empty() => ("", ""),
            Some(outer) => ("", outer),
            None => (&self.prefix, name),
        }
    }

    /// The value of the function's attribute `name` in this call, if it has one.
    fn attribute(&self, name: &str) -> Option<&'c proto::Attribute> {
        let set = self.call.attribute.iter();
        set.chain(&self.function.attribute_proto)
            .find(|attribute| attribute.name == name)
    }
}

impl Inliner<'_> {
    /// A node of the body, its attributes resolved and the calls in its subgraphs replaced.
    pub(super) fn copy(
        &mut self,
        node: &proto::Node,
        frame: &Frame,
        depth: usize,
    ) -> Result<proto::Node, Error> {
        self.nodes += 1;
        validate::check_count(self.nodes)?;
        // Once in the list, once validated, and once in the tables of the sort.
        self.budget.charge(4 * size_of::<proto::Node>())?;
        let plain = [&node.op_type, &node.domain, &node.overload];
        let bytes: usize = plain.iter().map(|name| text(name.len())).sum();
        self.budget.charge(bytes)?;
        let mut attribute = Vec::with_capacity(node.attribute.len());
        for proto in &node.attribute {
            attribute.extend(self.attribute(proto, node, frame, depth)?);
        }
        let outer = label(frame.call);
        self.budget
            .charge(text(outer.len() + label(node).len()) + 1)?;
        Ok(proto::Node {
            input: self.names(&node.input, frame)?,
            output: self.names(&node.output, frame)?,
            name: format!("{outer}/{}", label(node)),
            op_type: node.op_type.clone(),
            attribute,
            domain: node.domain.clone(),
            overload: node.overload.clone(),
        })
    }

    /// An Identity for each output of the function that no node of its body can define under the call's name.
    pub(super) fn pass_through(
        &mut self,
        frame: &Frame,
        nodes: &mut Vec<proto::Node>,
    ) -> Result<(), Error> {
        for (inner, outer) in &frame.copies {
            let identity = proto::Node {
                input: vec![(*inner).into()],
                op_type: "Identity".into(),
                ..Default::default()
            };
            let mut node = self.copy(&identity, frame, 0)?;
            self.budget.charge(text(outer.len()))?;
            node.output = vec![(*outer).into()];
            nodes.push(node);
        }
        Ok(())
    }

    fn names(&mut self, names: &[String], frame: &Frame) -> Result<Vec<String>, Error> {
        names.iter().map(|name| self.name(name, frame)).collect()
    }

    fn name(&mut self, name: &str, frame: &Frame) -> Result<String, Error> {
        let (prefix, rest) = frame.parts(name);
        self.budget.charge(text(prefix.len() + rest.len()))?;
        Ok([prefix, rest].concat())
    }

    /// The attribute with its value in this call; none where it refers to one that has no value.
    fn attribute(
        &mut self,
        proto: &proto::Attribute,
        node: &proto::Node,
        frame: &Frame,
        depth: usize,
    ) -> Result<Option<proto::Attribute>, Error> {
        if proto.ref_attr_name.is_empty() {
            self.budget.charge(weight(proto))?;
            let graph = proto.g.as_deref();
            let g = graph.map(|graph| self.subgraph(graph, frame, depth + 1));
            let g = g.transpose()?.map(Box::new);
            return Ok(Some(proto::Attribute {
                g,
                ..shallow(proto)
            }));
        }
        let Some(value) = frame.attribute(&proto.ref_attr_name) else {
            return Ok(None);
        };
        if proto.kind != 0 && value.kind != 0 && proto.kind != value.kind {
            let why = format!(
                "its node {:.120?} needs attribute {:.120?} of type {}, but the call gives type {}; export the model again",
                label(node),
                proto.ref_attr_name,
                proto.kind,
                value.kind
            );
            return Err(refuse(frame.function, &why));
        }
        if value.g.is_some() {
            let why = "an attribute of it is a graph; export with the function inlined";
            return Err(refuse(frame.function, why));
        }
        self.budget.charge(weight(value) + text(proto.name.len()))?;
        Ok(Some(proto::Attribute {
            name: proto.name.clone(),
            ..shallow(value)
        }))
    }

    fn subgraph(
        &mut self,
        graph: &proto::Graph,
        frame: &Frame,
        depth: usize,
    ) -> Result<proto::Graph, Error> {
        if depth > MAX_SUBGRAPHS {
            let why = "once it is inlined, subgraphs are nested more than 16 deep; flatten the control flow before exporting";
            return Err(refuse(frame.function, why));
        }
        if !graph.sparse_initializer.is_empty() {
            let why = "a subgraph of it has sparse weights; store them as dense tensors";
            return Err(refuse(frame.function, why));
        }
        self.budget
            .charge(budget::SUBGRAPH + text(graph.name.len()))?;
        let mut nodes = Vec::with_capacity(graph.node.len());
        for node in &graph.node {
            let copy = self.copy(node, frame, depth)?;
            self.node(copy, depth, &mut nodes)?;
        }
        Ok(proto::Graph {
            name: graph.name.clone(),
            node: nodes,
            initializer: self.initialisers(&graph.initializer, frame)?,
            input: self.ports(&graph.input, frame)?,
            output: self.ports(&graph.output, frame)?,
            ..Default::default()
        })
    }

    fn initialisers(
        &mut self,
        tensors: &[proto::Tensor],
        frame: &Frame,
    ) -> Result<Vec<proto::Tensor>, Error> {
        let mut copies = Vec::with_capacity(tensors.len());
        for tensor in tensors {
            self.budget.charge(tensor_weight(tensor))?;
            copies.push(proto::Tensor {
                name: self.name(&tensor.name, frame)?,
                ..tensor.clone()
            });
        }
        Ok(copies)
    }

    fn ports(
        &mut self,
        ports: &[proto::ValueInfo],
        frame: &Frame,
    ) -> Result<Vec<proto::ValueInfo>, Error> {
        let mut copies = Vec::with_capacity(ports.len());
        for port in ports {
            self.budget.charge(port_weight(port))?;
            copies.push(proto::ValueInfo {
                name: self.name(&port.name, frame)?,
                r#type: port.r#type.clone(),
            });
        }
        Ok(copies)
    }
}

/// The attribute without its graph, which may be too large to clone unseen.
fn shallow(proto: &proto::Attribute) -> proto::Attribute {
    proto::Attribute {
        name: proto.name.clone(),
        f: proto.f,
        i: proto.i,
        s: proto.s.clone(),
        t: proto.t.clone(),
        g: None,
        floats: proto.floats.clone(),
        ints: proto.ints.clone(),
        strings: proto.strings.clone(),
        kind: proto.kind,
        ref_attr_name: String::new(),
    }
}

/// What a copy of the attribute without its graph costs: itself, and what validation makes of it.
fn weight(proto: &proto::Attribute) -> usize {
    let texts = proto.strings.iter().chain(&proto.s);
    let lists = 4 * proto.floats.len() + 8 * proto.ints.len();
    3 * size_of::<proto::Attribute>()
        + text(proto.name.len())
        + texts.map(|bytes| text(bytes.len())).sum::<usize>()
        + 2 * lists
        + proto.t.as_deref().map_or(0, tensor_weight)
}

fn tensor_weight(proto: &proto::Tensor) -> usize {
    let texts = proto.string_data.iter().chain(&proto.raw_data);
    let entries = proto.external_data.iter();
    let wide = [
        proto.dims.len(),
        proto.int64_data.len(),
        proto.double_data.len(),
        proto.uint64_data.len(),
    ];
    let narrow = proto.float_data.len() + proto.int32_data.len();
    3 * size_of::<proto::Tensor>()
        + text(proto.name.len())
        + texts.map(|bytes| text(bytes.len())).sum::<usize>()
        + entries
            .map(|entry| text(entry.key.len() + entry.value.len()))
            .sum::<usize>()
        + 2 * (8 * wide.into_iter().sum::<usize>() + 4 * narrow)
}

fn port_weight(proto: &proto::ValueInfo) -> usize {
    let kind = proto.r#type.as_ref();
    let shape = kind.and_then(|kind| kind.tensor.as_ref()?.shape.as_ref());
    let dims = shape.map_or(&[][..], |shape| &shape.dim);
    let dim = |dim: &proto::Dimension| 3 * size_of::<proto::Dimension>() + text(dim.param.len());
    3 * size_of::<proto::ValueInfo>() + dims.iter().map(dim).sum::<usize>()
}
