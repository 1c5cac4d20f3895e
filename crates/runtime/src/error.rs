use std::fmt;

use scoville_kernels::tells_of_memory;
use scoville_onnx::Node;

/// Why a model could not be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The graph itself is bad.
    #[error(transparent)]
    Onnx(#[from] scoville_onnx::Error),
    /// The device or an array on it.
    #[error(transparent)]
    Kernels(#[from] scoville_kernels::Error),
    /// Every operator of the graph that is not implemented, not only the first.
    #[error(
        "the model needs {} that Scoville does not run: {}; export it with other operators",
        count(.0.len(), "operator"),
        list(.0)
    )]
    UnsupportedOperators(Vec<Unsupported>),
    /// One node: an attribute, a missing input, or shapes that do not fit together.
    #[error("node {node} ({op}) on {inputs}: {fault}")]
    Node {
        /// The node's name, or that of its first output where it has none.
        node: String,
        /// The operator.
        op: String,
        /// The shapes of the inputs.
        inputs: String,
        /// What is wrong.
        fault: Box<Fault>,
    },
    /// A constant of a type that no operator here takes.
    #[error(
        "constant {tensor} of type {dtype} is not supported; export the model with float32 weights"
    )]
    Constant {
        /// The constant's name.
        tensor: String,
        /// Its element type.
        dtype: String,
    },
    /// The graph's input or output is not that of a classifier of one float tensor.
    #[error("the model's {port}: {what}")]
    Interface {
        /// Which input or output.
        port: String,
        /// What is wrong with it and how to mend it.
        what: String,
    },
    /// The input specification does not fit the model.
    #[error("input specification: {0}")]
    Spec(String),
    /// An array given to the model has the wrong shape.
    #[error("{what} is {rows} x {cols}, but {expected} is needed")]
    Array {
        /// Which array.
        what: &'static str,
        /// Its rows.
        rows: usize,
        /// Its columns.
        cols: usize,
        /// What was expected.
        expected: String,
    },
    /// Running would take more memory than the device has for it.
    #[error(
        "{value} would take {bytes} bytes on a batch of {batch}, more than the {limit} that there \
         are for it on this device; use a smaller batch"
    )]
    TooLarge {
        /// The value that is too large.
        value: String,
        /// Its bytes.
        bytes: u128,
        /// The batch asked for.
        batch: usize,
        /// The device's limit.
        limit: u64,
    },
    /// Too much would be computed before a run.
    #[error(
        "node {node}: what is computed before a run would take more than {limit} bytes; export the \
         model with its constants folded"
    )]
    Folding {
        /// The node at which the limit is passed.
        node: String,
        /// The limit.
        limit: u64,
    },
    /// Burn or a network of ours panicked, or the device failed.
    #[error("the backend failed during {during}: {message}")]
    Backend {
        /// Forward, backward or load.
        during: &'static str,
        /// What the backend said.
        message: String,
    },
}

/// An operator that is not implemented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// `domain.Operator`, or the bare name in the default domain.
    pub op: String,
    /// How many nodes use it.
    pub count: usize,
    /// The first such node.
    pub node: String,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}, e.g. {})",
            self.op,
            count(self.count, "node"),
            self.node
        )
    }
}

/// What is wrong with one node, said by its operator; the program adds node and shapes.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// An attribute of the wrong type.
    #[error(transparent)]
    Attribute(#[from] scoville_onnx::Error),
    /// A required input is absent or of the wrong kind.
    #[error("input {index} {what}")]
    Input {
        /// Position in the node's inputs.
        index: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The shapes do not fit the operator.
    #[error("{0}")]
    Shape(String),
    /// A form of the operator that is not implemented.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// The device failed while a constant was moved to it or a node ran.
    #[error("{0}")]
    Backend(String),
    /// A network of ours could not run on it.
    #[error(transparent)]
    Kernels(#[from] scoville_kernels::Error),
}

impl Error {
    /// A fault of `node` while it looked at `inputs`.
    pub(crate) fn node(node: &Node, inputs: &str, fault: Fault) -> Error {
        Error::Node {
            node: node.name.clone(),
            op: node.op.clone(),
            inputs: inputs.into(),
            fault: Box::new(fault),
        }
    }
}

impl Fault {
    /// A shape fault.
    pub(crate) fn shape(what: impl Into<String>) -> Fault {
        Fault::Shape(what.into())
    }
}

impl Error {
    /// Whether a smaller batch may help.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Error::TooLarge { .. } => true,
            Error::Kernels(error) => error.is_out_of_memory(),
            Error::Backend { message, .. } => tells_of_memory(message),
            Error::Node { fault, .. } => match fault.as_ref() {
                Fault::Kernels(error) => error.is_out_of_memory(),
                Fault::Backend(message) => tells_of_memory(message),
                _ => false,
            },
            _ => false,
        }
    }
}

fn count(n: usize, noun: &str) -> String {
    if n == 1 {
        format!("1 {noun}")
    } else {
        format!("{n} {noun}s")
    }
}

fn list(unsupported: &[Unsupported]) -> String {
    let parts: Vec<String> = unsupported.iter().map(Unsupported::to_string).collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_ran_out_of_memory_is_told_from_others() {
        let node = |fault| Error::Node {
            node: "n".into(),
            op: "Conv".into(),
            inputs: String::new(),
            fault: Box::new(fault),
        };
        let too_large = scoville_kernels::Error::TooLarge { bytes: 2, limit: 1 };
        assert!(node(Fault::Kernels(too_large)).is_out_of_memory());
        assert!(node(Fault::Backend("Out of memory".into())).is_out_of_memory());
        assert!(!node(Fault::Backend("lost".into())).is_out_of_memory());
        assert!(!node(Fault::shape("out of memory")).is_out_of_memory());
    }
}
