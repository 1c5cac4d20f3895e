//! A validated model, as it stands in memory.

use std::collections::BTreeMap;

use crate::attributes::Attributes;
use crate::dtype::DType;
use crate::tensor::Tensor;

/// An inference graph in which every value is defined once, and before the nodes that read it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Graph {
    pub name: String,
    /// Exporter and its version, as the file states them.
    pub producer: String,
    /// Operator set version of each domain; the default domain is `""`.
    pub opsets: BTreeMap<String, i64>,
    /// What the caller feeds: inputs that an initialiser sets are `constants` instead.
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
    /// In an order in which they can run. `Constant` nodes are in `constants` instead.
    pub nodes: Vec<Node>,
    /// Initialisers and the values of `Constant` nodes, by name.
    pub constants: BTreeMap<String, Tensor>,
    /// SHA-256 of the file in hex. External data are not in it.
    pub sha256: String,
}

/// An input or output of the graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    pub name: String,
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
