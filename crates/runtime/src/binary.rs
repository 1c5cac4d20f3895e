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

#[cfg(test)]
mod tests {
    use scoville_kernels::{Array, Device};
    use scoville_onnx::DType;

    use super::*;
    use crate::{Model, ModelSpec};

    fn sigmoid(cols: usize) -> Graph {
        let port = |name: &str| Port {
            name: name.into(),
            dtype: DType::F32,
            shape: Some(vec![Dim::Unknown, Dim::Fixed(cols)]),
        };
        Graph {
            opsets: [(String::new(), 17)].into(),
            inputs: vec![port("x")],
            outputs: vec![port("p")],
            nodes: vec![Node {
                name: "p".into(),
                op: "Sigmoid".into(),
                domain: String::new(),
                inputs: vec!["x".into()],
                outputs: vec!["p".into()],
                attributes: Attributes::default(),
            }],
            ..Graph::default()
        }
    }

    #[test]
    fn one_probability_becomes_two_scores() {
        let graph = two_scores(sigmoid(1), Some("p"));
        let model = Model::load(graph, &ModelSpec::raw(), &Device::Cpu).expect("it loads");
        let x = Array::from_vec(&Device::Cpu, 2, 1, vec![-1.5, 30.0]).expect("it fits");
        let scores = model.logits(&x).and_then(|scores| Ok(scores.to_vec()?));
        assert_eq!(scores.expect("it runs"), [0.0, -1.5, 0.0, 30.0]);
    }

    #[test]
    fn other_outputs_stay() {
        assert_eq!(two_scores(sigmoid(2), None), sigmoid(2));
        assert_eq!(two_scores(sigmoid(1), Some("q")), sigmoid(1));
    }
}
