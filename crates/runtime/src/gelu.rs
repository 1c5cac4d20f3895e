//! Puts together what exporters write out as `x / 2 * (1 + erf(x / sqrt 2))`: it is Gelu, one operator.

use std::collections::{BTreeMap, BTreeSet};

use scoville_onnx::{Attributes, Graph, Node};

use crate::fold::readers;

/// How far a constant may be from its value, relatively: exports hold it in float32.
const CLOSE: f64 = 1e-6;

/// Puts Gelu in the place of each, where nothing else reads what is between and none of that is the value `kept`; gives how
/// many there were.
pub(crate) fn put_together(graph: &mut Graph, kept: Option<&str>) -> usize {
    let search = Search::new(graph);
    let erfs = graph.nodes.iter().filter(|node| node.op == "Erf");
    let wanted = |i: &usize| {
        let outputs = graph.nodes.get(*i).map(|node| node.outputs.as_slice());
        let mut outputs = outputs.into_iter().flatten();
        outputs.any(|name| Some(name.as_str()) == kept)
    };
    let found = erfs.filter_map(|erf| search.around(erf));
    let found: Vec<Found> = found
        .filter(|found| !found.inner.iter().any(wanted))
        .collect();
    let mut gone = BTreeSet::new();
    for Found { x, last, inner } in &found {
        gone.extend(inner.iter().copied());
        if let Some(node) = graph.nodes.get_mut(*last) {
            (node.op, node.inputs) = ("Gelu".into(), vec![x.clone()]);
            node.attributes = Attributes::new(&node.name, []);
        }
    }
    let mut index = 0..;
    graph
        .nodes
        .retain(|_| index.next().is_some_and(|i| !gone.contains(&i)));
    let read = readers(graph);
    graph.constants.retain(|name, _| read.contains_key(name));
    found.len()
}

struct Found {
    x: String,
    /// The node that makes the result.
    last: usize,
    inner: Vec<usize>,
}

struct Search<'a> {
    graph: &'a Graph,
    /// The node that makes each value.
    makers: BTreeMap<&'a str, usize>,
    /// The node that alone reads each value.
    only: BTreeMap<&'a str, usize>,
}

impl<'a> Search<'a> {
    fn new(graph: &'a Graph) -> Search<'a> {
        let nodes = || graph.nodes.iter().enumerate();
        let counts = readers(graph);
        let once = |name: &&str| counts.get(*name) == Some(&1);
        let made = nodes().flat_map(|(i, node)| node.outputs.iter().map(move |name| (&**name, i)));
        let read = nodes().flat_map(|(i, node)| node.inputs.iter().map(move |name| (&**name, i)));
        Search {
            graph,
            makers: made.collect(),
            only: read.filter(|(name, _)| once(name)).collect(),
        }
    }

    fn around(&self, erf: &'a Node) -> Option<Found> {
        let own = *self.makers.get(output(erf)?)?;
        let (inside, x) = self.scaled(erf.inputs.first()?, std::f64::consts::FRAC_1_SQRT_2)?;
        let plus = self.reader(output(erf)?, "Add")?;
        self.with(plus, output(erf)?, 1.0)?;
        let share = output(self.graph.nodes.get(plus)?)?;
        let product = self.reader(share, "Mul")?;
        let factors = &self.graph.nodes.get(product)?.inputs;
        let other = factors.iter().find(|name| *name != share)?;
        let mut inner = vec![own, inside, plus];
        let last = match self.scaled(other, 0.5) {
            Some((half, of)) if of == x => {
                inner.push(half);
                product
            }
            _ if other == x => {
                let made = output(self.graph.nodes.get(product)?)?;
                let last = *self.only.get(made)?;
                (self.factor(last, made)? - 0.5)
                    .abs()
                    .le(&CLOSE)
                    .then_some(())?;
                inner.push(product);
                last
            }
            _ => return None,
        };
        let x = x.to_owned();
        Some(Found { x, last, inner })
    }

    /// The node that makes `value`, which one node reads, as `factor` times another, and that one.
    fn scaled(&self, value: &str, factor: f64) -> Option<(usize, &'a str)> {
        self.only.get(value)?;
        let maker = *self.makers.get(value)?;
        let inputs = &self.graph.nodes.get(maker)?.inputs;
        let x = inputs.iter().find(|name| self.constant(name).is_none())?;
        let found = self.factor(maker, x)?;
        ((found / factor - 1.0).abs() <= CLOSE).then_some((maker, x))
    }

    /// What node `node` multiplies `x` by, if that is all that it does.
    fn factor(&self, node: usize, x: &str) -> Option<f64> {
        let node = self.graph.nodes.get(node)?;
        let [a, b] = node.inputs.as_slice() else {
            return None;
        };
        match node.op.as_str() {
            "Mul" if a == x => self.constant(b),
            "Mul" if b == x => self.constant(a),
            "Div" if a == x => Some(1.0 / self.constant(b)?),
            _ => None,
        }
    }

    /// Whether node `node` reads `x` and, beside it, the constant `value`.
    fn with(&self, node: usize, x: &str, value: f64) -> Option<()> {
        let inputs = &self.graph.nodes.get(node)?.inputs;
        let other = inputs.iter().find(|name| *name != x)?;
        ((self.constant(other)? - value).abs() <= CLOSE).then_some(())
    }

    fn reader(&self, value: &str, op: &str) -> Option<usize> {
        let reader = *self.only.get(value)?;
        (self.graph.nodes.get(reader)?.op == op).then_some(reader)
    }

    /// A constant of one float, in any rank that another tensor of a network has, too.
    fn constant(&self, name: &str) -> Option<f64> {
        let tensor = self.graph.constants.get(name)?;
        match tensor.to_f32()?.as_ref() {
            [value] if tensor.shape.len() <= 1 => Some(f64::from(*value)),
            _ => None,
        }
    }
}

fn output(node: &Node) -> Option<&str> {
    node.outputs.first().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use scoville_onnx::{Data, Port, Tensor};

    use super::*;

    /// Nodes as operator, inputs, output; names of numbers are constants.
    fn graph(nodes: &[(&str, [&str; 2], &str)]) -> Graph {
        let mut graph = Graph::default();
        for (op, inputs, output) in nodes {
            for input in inputs {
                if let Ok(value) = input.parse() {
                    let tensor = Tensor {
                        shape: vec![],
                        data: Data::F32(vec![value]),
                    };
                    graph.constants.insert((*input).into(), tensor);
                }
            }
            let inputs = inputs.iter().filter(|name| !name.is_empty());
            graph.nodes.push(Node {
                name: format!("make {output}"),
                op: (*op).into(),
                domain: String::new(),
                inputs: inputs.map(|name| name.to_string()).collect(),
                outputs: vec![(*output).into()],
                attributes: Attributes::new("", []),
            });
        }
        graph.outputs = vec![Port {
            name: "y".into(),
            dtype: scoville_onnx::DType::F32,
            shape: None,
        }];
        graph
    }

    fn left(nodes: &[(&str, [&str; 2], &str)]) -> Vec<String> {
        let mut graph = graph(nodes);
        put_together(&mut graph, Some("kept"));
        let text = |node: &Node| format!("{} {}", node.op, node.inputs.join(" "));
        graph.nodes.iter().map(text).collect()
    }

    const SHARE: [(&str, [&str; 2], &str); 3] = [
        ("Div", ["x", "1.4142135"], "d"),
        ("Erf", ["d", ""], "e"),
        ("Add", ["e", "1"], "a"),
    ];

    #[test]
    fn however_it_is_written() {
        let after = [("Mul", ["x", "a"], "m"), ("Mul", ["m", "0.5"], "y")];
        assert_eq!(left(&[&SHARE[..], &after].concat()), ["Gelu x"]);
        let before = [("Mul", ["0.5", "x"], "h"), ("Mul", ["a", "h"], "y")];
        assert_eq!(left(&[&SHARE[..], &before].concat()), ["Gelu x"]);
        let product = [("Mul", ["0.70710677", "x"], "d"), SHARE[1]];
        let sum = [("Add", ["1", "e"], "a"), ("Mul", ["a", "x"], "m")];
        let half = [("Div", ["m", "2"], "y")];
        let all = [&product[..], &sum, &half].concat();
        assert_eq!(left(&all), ["Gelu x"]);
    }

    #[test]
    fn what_is_something_else_stays() {
        let stays = |nodes: &[(&str, [&str; 2], &str)]| assert_eq!(left(nodes).len(), nodes.len());
        let after = [("Mul", ["x", "a"], "m"), ("Mul", ["m", "0.6"], "y")];
        stays(&[&SHARE[..], &after].concat());
        let other = [("Mul", ["z", "a"], "m"), ("Mul", ["m", "0.5"], "y")];
        stays(&[&SHARE[..], &other].concat());
        let kept = [("Mul", ["x", "a"], "kept"), ("Mul", ["kept", "0.5"], "y")];
        stays(&[&SHARE[..], &kept].concat());
        // Somebody else reads the share.
        let read = [
            ("Mul", ["x", "a"], "m"),
            ("Mul", ["m", "0.5"], "g"),
            ("Add", ["g", "a"], "y"),
        ];
        stays(&[&SHARE[..], &read].concat());
        let wide = [("Div", ["x", "1.5"], "d"), SHARE[1], SHARE[2]];
        let after = [("Mul", ["x", "a"], "m"), ("Mul", ["m", "0.5"], "y")];
        stays(&[&wide[..], &after].concat());
    }
}
