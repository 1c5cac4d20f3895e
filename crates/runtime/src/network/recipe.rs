//! What is known of a model before it is on a backend.

use scoville_onnx::{DType, Graph, Node};

use crate::Error;
use crate::ops::normalise::softmax::Normalised;
use crate::prologue::Prologue;
use crate::value::Fact;

/// What every backend needs to know of a model.
pub(crate) struct Recipe {
    /// The name of the graph.
    pub name: String,
    /// The name of the graph's only output.
    pub output: String,
    pub prologue: Prologue,
    pub softmax: Option<FinalSoftmax>,
    /// The name of the inner value that holds a sample's features.
    pub features: Option<String>,
    /// The batch that the export fixed.
    pub baked: Option<usize>,
    /// The type of the graph's input.
    pub dtype: DType,
    /// Most bytes that a run may hold, if the caller sets a limit.
    pub memory: Option<u64>,
}

impl Recipe {
    /// What the graph is fed for a batch of `n`.
    pub(super) fn feed(&self, n: usize) -> Fact {
        Fact::new(self.dtype, self.prologue.model_shape(n))
    }
}

/// A Softmax or LogSoftmax that makes the output.
pub(crate) struct FinalSoftmax {
    pub(super) op: String,
    /// Name of what it normalises.
    pub(super) input: String,
    pub(super) normalised: Normalised,
}

impl FinalSoftmax {
    /// The one that makes the graph's output, if any.
    pub fn of(graph: &Graph) -> Result<Option<FinalSoftmax>, Error> {
        let output = graph.outputs.first().map(|port| &port.name);
        let makes_output = |node: &&Node| node.outputs.first() == output;
        let Some(node) = graph.nodes.iter().find(makes_output) else {
            return Ok(None);
        };
        if !matches!(node.op.as_str(), "Softmax" | "LogSoftmax") {
            return Ok(None);
        }
        let opset = graph.opsets.get("").copied().unwrap_or(1);
        let normalised = Normalised::parse(node, opset)
            .map_err(|fault| Error::node(node, "its attributes", fault))?;
        let input = node.inputs.first().cloned().unwrap_or_default();
        Ok(Some(FinalSoftmax {
            op: node.op.clone(),
            input,
            normalised,
        }))
    }
}
