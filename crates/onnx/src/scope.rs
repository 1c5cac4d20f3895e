//! Names across nested graphs.

use std::collections::HashSet;

use crate::error::Error;
use crate::graph::Graph;

/// Refuses a value inside a subgraph with the name of one that an enclosing graph defines before the node that holds it.
pub(crate) fn refuse_shadows(graph: &Graph) -> Result<(), Error> {
    if graph
        .nodes
        .iter()
        .all(|node| node.subgraphs().next().is_none())
    {
        return Ok(());
    }
    visit(graph, &mut HashSet::new())
}

fn visit<'g>(graph: &'g Graph, visible: &mut HashSet<&'g str>) -> Result<(), Error> {
    let mut own = Vec::new();
    let mut define = |name: &'g str, visible: &mut HashSet<&'g str>| {
        if !visible.insert(name) {
            return Err(Error::Duplicate { value: name.into() });
        }
        own.push(name);
        Ok(())
    };
    let inputs = graph.inputs.iter().map(|port| &port.name);
    for name in inputs.chain(graph.constants.keys()) {
        define(name, visible)?;
    }
    for node in &graph.nodes {
        for subgraph in node.subgraphs() {
            visit(subgraph, visible)?;
        }
        for name in node.outputs.iter().filter(|name| !name.is_empty()) {
            define(name, visible)?;
        }
    }
    for name in own {
        visible.remove(name);
    }
    Ok(())
}
