//! A control node where it stands: what its names mean, and its attributes.

use std::collections::HashMap;

use scoville_onnx::{Graph, Node};

use crate::ops::Context;
use crate::{Error, Fault};

/// What the names of a graph stand for, within those of the enclosing graphs.
#[derive(Default)]
pub(super) struct Scope<'s> {
    pub names: HashMap<String, String>,
    /// `None` for the outermost graph, whose names stand for themselves.
    pub outer: Option<&'s Scope<'s>>,
}

impl Scope<'_> {
    pub fn resolve(&self, name: &str) -> String {
        match (self.names.get(name), self.outer) {
            (Some(flat), _) => flat.clone(),
            (None, Some(outer)) => outer.resolve(name),
            (None, None) => name.into(),
        }
    }
}

/// A control node in its place: flat names of what it reads and makes.
pub(super) struct Call<'c> {
    pub node: &'c Node,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    pub scope: &'c Scope<'c>,
    pub context: &'c Context<'c>,
}

impl Call<'_> {
    pub fn fault(&self, fault: Fault) -> Error {
        Error::node(self.node, "its inputs", fault)
    }

    pub fn input(&self, index: usize) -> Option<&str> {
        let name = self.inputs.get(index).map(String::as_str);
        name.filter(|name| !name.is_empty())
    }

    pub fn int(&self, name: &str, default: i64) -> Result<i64, Error> {
        let value = self.node.attributes.int_or(name, default);
        value.map_err(|error| self.fault(error.into()))
    }

    pub fn ints(&self, name: &str) -> Result<&[i64], Error> {
        let values = self.node.attributes.ints(name);
        Ok(values
            .map_err(|error| self.fault(error.into()))?
            .unwrap_or(&[]))
    }

    pub fn subgraph(&self, name: &str) -> Result<&Graph, Error> {
        let graph = self.node.attributes.graph(name);
        let graph = graph.map_err(|error| self.fault(error.into()))?;
        graph.ok_or_else(|| self.fault(Fault::Shape(format!("attribute {name} is missing"))))
    }
}

/// A value that must be the same for every batch, and what it is.
pub(super) type Probe = (String, Vec<i64>);
