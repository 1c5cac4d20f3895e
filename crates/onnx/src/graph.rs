//! A validated model, as it stands in memory.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use crate::attributes::{Attribute, Attributes};
use crate::dtype::DType;
use crate::tensor::Tensor;

/// An inference graph in which every value is defined once, and before the nodes that read it.
///
/// The branches and bodies of control flow are graphs too. Such a subgraph may read, by name, what the enclosing graphs
/// define before the node that holds it, but its outputs are its own. It may have no nodes; `producer`, `opsets` and `sha256`,
/// which are those of the model, are empty in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Graph {
    pub name: String,
    /// Exporter and its version, as the file states them.
    pub producer: String,
    /// Operator set version of each domain; the default domain is `""`.
    pub opsets: BTreeMap<String, i64>,
    /// What the caller feeds: inputs that an initialiser sets are `constants` instead. Of a subgraph, all of them.
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
    /// Outputs of the model that are no plain tensors and so were left out: name and why, for people to read. Never written.
    pub dropped_outputs: Vec<String>,
    /// In an order in which they can run. `Constant` nodes are in `constants` instead.
    pub nodes: Vec<Node>,
    /// Initialisers and the values of `Constant` nodes, by name.
    pub constants: BTreeMap<String, Tensor>,
    /// SHA-256 of the file in hex. External data are not in it.
    pub sha256: String,
}

impl Graph {
    /// What a subgraph reads of the enclosing graphs, each name once, in the order of the first read. Empty for a model.
    pub fn captures(&self) -> Vec<&str> {
        let ports = self.inputs.iter().map(|port| &port.name);
        let produced = self.nodes.iter().flat_map(|node| &node.outputs);
        let own = ports.chain(self.constants.keys()).chain(produced);
        let mut known: HashSet<&str> = own.map(String::as_str).collect();
        let reads = self.nodes.iter().flat_map(Node::reads);
        reads.filter(|name| known.insert(name)).collect()
    }
}

/// An input or output of the graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    pub name: String,
    /// `F32`, with no `shape`, also for a subgraph's port of which the file states no type: there it says nothing.
    pub dtype: DType,
    /// `None` where even the rank is unknown.
    pub shape: Option<Vec<Dim>>,
}

/// One dimension of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    Fixed(usize),
    /// The same name stands for the same size, as in `batch`.
    Named(String),
    Unknown,
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Fixed(size) => write!(f, "{size}"),
            Dim::Named(name) => f.write_str(name),
            Dim::Unknown => f.write_str("?"),
        }
    }
}

/// One call of an operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The file's name for it, or its first output where the file has none.
    pub name: String,
    pub op: String,
    /// `""` for the default domain.
    pub domain: String,
    /// `""` stands for an optional input that is absent.
    pub inputs: Vec<String>,
    /// `""` stands for an optional output that nobody reads.
    pub outputs: Vec<String>,
    pub attributes: Attributes,
}

impl Node {
    /// The branches or the body of control flow, in the order of the attributes.
    pub fn subgraphs(&self) -> impl Iterator<Item = &Graph> {
        self.attributes.iter().filter_map(|(_, value)| match value {
            Attribute::Graph(graph) => Some(&**graph),
            _ => None,
        })
    }

    /// Every value that the node needs: its inputs, but for absent ones, and what its subgraphs capture.
    pub fn reads(&self) -> impl Iterator<Item = &str> {
        let inputs = self.inputs.iter().map(String::as_str);
        let captured = self.subgraphs().flat_map(Graph::captures);
        inputs.filter(|input| !input.is_empty()).chain(captured)
    }
}
