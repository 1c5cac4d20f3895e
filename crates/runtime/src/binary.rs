//! A classifier of two classes with one output, the probability of class 1.

use scoville_onnx::{Attributes, Data, Dim, Graph, Node, Port, Tensor};

const FACTORS: &str = "scores of 0 and z";
const SCORES: &str = "two scores";

/// `graph` with two scores in place of the one that a final Sigmoid makes: 0, and the z that the Sigmoid takes. As it was where its
/// output is no such one.
pub fn two_scores(mut graph: Graph, output: Option<&str>) -> Graph {
    let Some((logit, mut scores)) = final_sigmoid(&graph, output) else {
        return graph;
    };
    scores.name = SCORES.into();
    scores.shape = None;
    let factors = Tensor {
        shape: vec![1, 2],
        data: Data::F32(vec![0.0, 1.0]),
    };
    graph.constants.insert(FACTORS.into(), factors);
    graph.nodes.push(Node {
        name: SCORES.into(),
        op: "MatMul".into(),
        domain: String::new(),
        inputs: vec![logit, FACTORS.into()],
        outputs: vec![SCORES.into()],
        attributes: Attributes::default(),
    });
    graph.outputs = vec![scores];
    graph
}

/// What a Sigmoid that makes the one score of each sample takes, and the output that it makes.
fn final_sigmoid(graph: &Graph, output: Option<&str>) -> Option<(String, Port)> {
    let port = match output {
        Some(name) => graph.outputs.iter().find(|port| port.name == name)?,
        None => graph.outputs.first()?,
    };
    let one = matches!(port.shape.as_deref(), Some([_, Dim::Fixed(1)]));
    let sigmoid = graph.nodes.iter().find(|node| {
        node.op == "Sigmoid" && node.domain.is_empty() && node.outputs.first() == Some(&port.name)
    });
    let logit = sigmoid.filter(|_| one)?.inputs.first()?;
    Some((logit.clone(), port.clone()))
}
