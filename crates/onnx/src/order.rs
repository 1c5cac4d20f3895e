//! Order of the nodes: every value defined once, and before it is read (Kahn's algorithm).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::error::Error;
use crate::graph::Node;

/// Whether a graph is the model's or inside a node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Model,
    Subgraph,
}

/// What defines a value.
#[derive(Clone, Copy)]
enum Source {
    /// An input or a constant.
    Given,
    Node(usize),
}

/// The nodes in an order in which they can run; those already in order stay as they are. `given` are inputs and constants.
/// The nodes of a subgraph may read what is not defined here.
pub(crate) fn sort(
    nodes: Vec<Node>,
    given: &[&str],
    outputs: &[&str],
    level: Level,
) -> Result<Vec<Node>, Error> {
    let order = {
        let sources = sources(&nodes, given)?;
        if let Some(output) = outputs
            .iter()
            .find(|output| !sources.contains_key(**output))
        {
            let value = (*output).into();
            return Err(match level {
                Level::Model => Error::UndefinedOutput { value },
                Level::Subgraph => Error::OuterOutput { value },
            });
        }
        order(&nodes, &dependencies(&nodes, &sources, level)?)?
    };
    let mut nodes: Vec<_> = nodes.into_iter().map(Some).collect();
    Ok(order
        .into_iter()
        .filter_map(|index| nodes[index].take())
        .collect())
}

fn sources<'a>(nodes: &'a [Node], given: &[&'a str]) -> Result<HashMap<&'a str, Source>, Error> {
    let produced = nodes.iter().enumerate().flat_map(|(index, node)| {
        let outputs = node.outputs.iter().filter(|output| !output.is_empty());
        outputs.map(move |output| (output.as_str(), Source::Node(index)))
    });
    let mut sources = HashMap::new();
    for (value, source) in given
        .iter()
        .map(|value| (*value, Source::Given))
        .chain(produced)
    {
        if sources.insert(value, source).is_some() {
            return Err(Error::Duplicate {
                value: value.into(),
            });
        }
    }
    Ok(sources)
}

/// For each node, the nodes whose outputs it reads.
fn dependencies(
    nodes: &[Node],
    sources: &HashMap<&str, Source>,
    level: Level,
) -> Result<Vec<Vec<usize>>, Error> {
    let of = |node: &Node| {
        let mut needed = Vec::new();
        for read in node.reads() {
            match sources.get(read) {
                Some(Source::Node(index)) => needed.push(*index),
                Some(Source::Given) => {}
                None if level == Level::Subgraph => {}
                None => {
                    let (node, value) = (node.name.clone(), read.into());
                    return Err(Error::UndefinedInput { node, value });
                }
            }
        }
        Ok(needed)
    };
    nodes.iter().map(of).collect()
}

fn order(nodes: &[Node], needed: &[Vec<usize>]) -> Result<Vec<usize>, Error> {
    let mut readers = vec![Vec::new(); nodes.len()];
    let mut waiting: Vec<usize> = needed.iter().map(Vec::len).collect();
    for (reader, sources) in needed.iter().enumerate() {
        sources
            .iter()
            .for_each(|&source| readers[source].push(reader));
    }
    let is_ready = |index: &usize| needed[*index].is_empty();
    let mut ready: BinaryHeap<_> = (0..nodes.len()).filter(is_ready).map(Reverse).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for &reader in &readers[index] {
            waiting[reader] -= 1;
            if waiting[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    match waiting.iter().position(|&count| count > 0) {
        Some(stuck) => Err(Error::Cycle {
            node: nodes[on_cycle(stuck, needed, &waiting)].name.clone(),
        }),
        None => Ok(order),
    }
}

/// A node on the cycle that `stuck` waits for: each step goes to a node that is stuck too, so the first that comes again is
/// on it.
fn on_cycle(stuck: usize, needed: &[Vec<usize>], waiting: &[usize]) -> usize {
    let is_stuck = |index: &&usize| waiting[**index] > 0;
    let mut seen = vec![false; needed.len()];
    let mut index = stuck;
    while !std::mem::replace(&mut seen[index], true) {
        index = needed[index]
            .iter()
            .find(is_stuck)
            .copied()
            .unwrap_or(index);
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes written `out = in in`.
    fn nodes(lines: &[&str]) -> Vec<Node> {
        let node = |line: &&str| {
            let (output, inputs) = line.split_once(" =").unwrap();
            Node {
                name: format!("node_{output}"),
                op: "Sum".into(),
                domain: String::new(),
                inputs: inputs
                    .split_whitespace()
                    .map(|input| input.replace('_', ""))
                    .collect(),
                outputs: vec![output.into()],
                attributes: Default::default(),
            }
        };
        lines.iter().map(node).collect()
    }

    fn sorted(lines: &[&str]) -> Result<String, Error> {
        let order = sort(nodes(lines), &["x", "w"], &["y"], Level::Model)?;
        Ok(order.iter().map(|node| node.outputs[0].as_str()).collect())
    }

    #[test]
    fn nodes_move_only_where_they_must() {
        let cases: &[(&[&str], &str)] = &[
            (&["y = x"], "y"),
            (&["b = x", "a = x w", "y = a b"], "bay"),
            (&["y = a b", "b = a", "a = x"], "aby"),
            (&["a = x", "y = b b", "c = x", "b = a"], "acby"),
            (&["a = _ x", "y = a _"], "ay"),
        ];
        for (lines, expected) in cases {
            assert_eq!(sorted(lines).unwrap(), *expected, "{lines:?}");
        }
    }

    #[test]
    fn bad_graphs_are_refused() {
        let cases: &[(&str, &[&str], &str)] = &[
            (
                "undefined input",
                &["y = x ghost"],
                "node \"node_y\" reads \"ghost\"",
            ),
            (
                "undefined output",
                &["a = x"],
                "output \"y\" is defined by no node",
            ),
            (
                "two nodes define y",
                &["y = x", "y = w"],
                "\"y\" is defined more than once",
            ),
            (
                "a node defines an input",
                &["x = w", "y = x"],
                "\"x\" is defined more than once",
            ),
            (
                "reads itself",
                &["y = y"],
                "node \"node_y\" depends on its own output",
            ),
            ("cycle of two", &["a = y", "y = a"], "cycle"),
            (
                "the node named is on the cycle",
                &["y = b", "b = c", "c = b x"],
                "node \"node_b\"",
            ),
        ];
        for (name, lines, expected) in cases {
            let error = sorted(lines).expect_err(name).to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }

    #[test]
    fn duplicate_inputs_are_refused() {
        let error = sort(vec![], &["x", "x"], &[], Level::Model).unwrap_err();
        assert!(matches!(error, Error::Duplicate { .. }));
    }

    #[test]
    fn a_long_chain_sorts_in_reverse() {
        let chain = (0..20_000)
            .rev()
            .map(|i| format!("v{} = v{i}", i + 1))
            .collect::<Vec<_>>();
        let lines: Vec<_> = chain.iter().map(String::as_str).collect();
        let order = sort(nodes(&lines), &["v0"], &["v20000"], Level::Model).unwrap();
        assert_eq!((order[0].outputs[0].as_str(), order.len()), ("v1", 20_000));
    }
}
