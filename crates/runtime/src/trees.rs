//! Decision trees that a model consists of, for attacks that read them: no gradient passes through them.

use scoville_onnx::{Graph, Node};

use crate::ops::class_trees;
use crate::prologue::Prologue;

/// Operators that keep the order of a row's scores.
const KEEP_ORDER: [&str; 6] = [
    "Identity",
    "Cast",
    "Softmax",
    "LogSoftmax",
    "Reshape",
    "Normalizer",
];
/// Operators that leave the input as it is.
const KEEP_INPUT: [&str; 3] = ["Identity", "Cast", "Reshape"];

/// An ensemble of trees, which takes a sample as attacks see it: the class is that of the largest score, `base` and the
/// weights of the leaves that the sample reaches, added up.
#[derive(Debug, Clone, PartialEq)]
pub struct Trees {
    pub nodes: Vec<TreeNode>,
    /// The first node of each tree.
    pub roots: Vec<usize>,
    /// One a class.
    pub base: Vec<f32>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum TreeNode {
    /// Goes `below` where the feature is at most the threshold, or less than it if `strict`, else `above`.
    Split {
        feature: usize,
        threshold: f32,
        strict: bool,
        below: usize,
        above: usize,
    },
    /// Weights of some classes.
    Leaf(Vec<(usize, f32)>),
}

impl Trees {
    /// The trees that `graph` is, if its first output is theirs and they take its input. Splits are never strict, and
    /// thresholds are those of the elements that attacks see.
    pub(crate) fn of(graph: &Graph, prologue: &Prologue) -> Option<Trees> {
        let input = &graph.inputs.first()?.name;
        let mut value = graph.outputs.first()?.name.as_str();
        let ensemble = loop {
            let node = source(graph, value)?;
            if !KEEP_ORDER.contains(&node.op.as_str()) {
                break node;
            }
            value = node.inputs.first()?;
        };
        let scores = ensemble.outputs.last()?;
        let mut value_in = ensemble.inputs.first()?.as_str();
        while value_in != input {
            let node = source(graph, value_in)?;
            if !KEEP_INPUT.contains(&node.op.as_str()) {
                return None;
            }
            value_in = node.inputs.first()?;
        }
        if scores != value {
            return None;
        }
        class_trees(ensemble).ok()??.of_elements(prologue)
    }

    fn of_elements(mut self, prologue: &Prologue) -> Option<Trees> {
        let &[elements] = prologue.sample() else {
            return None;
        };
        for node in &mut self.nodes {
            if let TreeNode::Split {
                feature,
                threshold,
                strict,
                ..
            } = node
            {
                if *feature >= elements {
                    return None;
                }
                let below = |x: f32| {
                    let value = prologue.element(*feature, x);
                    value < *threshold || (!*strict && value == *threshold)
                };
                *threshold = last(below);
                *strict = false;
            }
        }
        Some(self)
    }
}

fn source<'a>(graph: &'a Graph, value: &str) -> Option<&'a Node> {
    let mut nodes = graph.nodes.iter();
    nodes.find(|node| node.outputs.iter().any(|output| output == value))
}

/// The largest number of [0, 1] for which `below` holds, where it holds up to some number; -1 where for none.
fn last(below: impl Fn(f32) -> bool) -> f32 {
    if below(1.0) {
        return 1.0;
    }
    // Numbers that are not negative are in the order of their bits.
    let (mut low, mut high) = (0, 1.0f32.to_bits());
    while low < high {
        let middle = low + (high - low) / 2;
        match below(f32::from_bits(middle)) {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    match low {
        0 => -1.0,
        first_above => f32::from_bits(first_above - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_below_is_exact() {
        for t in [0.0f32, 1e-20, 0.25, 0.1, 0.999_999_94, 1.0] {
            assert_eq!(last(|x| x <= t), t);
        }
        assert_eq!(last(|_| false), -1.0);
        assert_eq!(last(|_| true), 1.0);
        let half = last(|x| x < 0.5);
        assert_eq!(half.next_up(), 0.5);
        // Ages from 17 to 90, at most 38.5.
        let age = last(|x| 17.0 + 73.0 * x <= 38.5);
        assert!(17.0 + 73.0 * age <= 38.5 && 17.0 + 73.0 * age.next_up() > 38.5);
    }
}
