//! Which inner value holds a sample's features.

use scoville_onnx::Graph;

use crate::Error;

/// The layers whose input is taken where none is named.
const LAYERS: [&str; 3] = ["Gemm", "MatMul", "Conv"];

/// The value `named`, or what the last layer of weights reads; `None` if that is the input itself.
pub(crate) fn choose(graph: &Graph, named: Option<&str>) -> Result<Option<String>, Error> {
    let made = |name: &str| {
        graph
            .nodes
            .iter()
            .any(|node| node.outputs.iter().any(|o| o == name))
    };
    if let Some(name) = named {
        return match made(name) {
            true => Ok(Some(name.into())),
            false => Err(Error::Spec(format!(
                "no node that runs makes the layer `{name}`: `scoville inspect` lists the nodes"
            ))),
        };
    }
    let mut layers = graph.nodes.iter().rev();
    let last = layers.find(|node| node.domain.is_empty() && LAYERS.contains(&node.op.as_str()));
    let read = last.and_then(|node| node.inputs.first());
    Ok(read.filter(|name| made(name)).cloned())
}
