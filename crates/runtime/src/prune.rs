//! Keeps what the outputs need, and names every operator that cannot run.

use std::collections::{BTreeMap, BTreeSet};

use scoville_onnx::{Graph, Node};

use crate::ops::Registry;
use crate::step::Host;
use crate::unroll::is_control;
use crate::value::is_float;
use crate::{Error, Unsupported, ops};

/// Drops the nodes and constants that no path leads from to an output.
pub(crate) fn prune(mut graph: Graph) -> Result<Graph, Error> {
    let mut needed: BTreeSet<String> = graph.outputs.iter().map(|port| port.name.clone()).collect();
    // Nodes stand in an order in which they can run, so backwards every reader comes before its
    // source.
    let mut kept: Vec<Node> = Vec::new();
    for node in graph.nodes.into_iter().rev() {
        if node.outputs.iter().any(|name| needed.contains(name)) {
            needed.extend(node.reads().map(str::to_owned));
            kept.push(node);
        }
    }
    kept.reverse();
    graph.nodes = kept;
    graph.constants.retain(|name, _| needed.contains(name));
    check_supported(&graph)?;
    Ok(graph)
}

fn check_supported(graph: &Graph) -> Result<(), Error> {
    let mut unsupported: BTreeMap<String, Unsupported> = BTreeMap::new();
    let mut missing = Vec::new();
    collect_missing(graph, &Registry::new(), &mut missing);
    for node in missing {
        let op = ops::qualified(node);
        unsupported
            .entry(op.clone())
            .or_insert_with(|| Unsupported {
                op,
                count: 0,
                node: node.name.clone(),
            })
            .count += 1;
    }
    if unsupported.is_empty() {
        return Ok(());
    }
    Err(Error::UnsupportedOperators(
        unsupported.into_values().collect(),
    ))
}

/// The nodes that cannot run, those of subgraphs included.
fn collect_missing<'g>(graph: &'g Graph, registry: &Registry<Host>, missing: &mut Vec<&'g Node>) {
    for node in &graph.nodes {
        if registry.find(node).is_none() && !is_control(node) {
            missing.push(node);
        }
        for body in node.subgraphs() {
            collect_missing(body, registry, missing);
        }
    }
}

/// Elements of all float constants: the model's parameters.
pub(crate) fn parameters(graph: &Graph) -> u64 {
    let floats = graph.constants.values().filter(|t| is_float(t.dtype()));
    floats.map(|tensor| tensor.len() as u64).sum()
}
