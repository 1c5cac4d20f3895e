//! Gradients through `Sign`: the straight-through estimator (Bengio, Leonard and Courville 2013) as ONNX nodes.
//!
//! `Sign(x)` becomes `Sign(x) + s - floor(2^20 s) / 2^20` with `s = Softsign(x)`. Floor passes no gradient, so the value is that
//! of the sign to 1e-6 and the derivative that of softsign, `1 / (1 + |x|)^2`: what is near its threshold counts most.

use scoville_onnx::{Attributes, Data, Graph, Node, Tensor};

/// The graph with every `Sign` of its top level made differentiable; `None` where there is none.
pub(crate) fn through_signs(graph: &Graph) -> Option<Graph> {
    let is_sign = |node: &Node| node.op == "Sign" && node.domain.is_empty();
    graph.nodes.iter().any(is_sign).then(|| {
        let mut graph = graph.clone();
        let nodes = std::mem::take(&mut graph.nodes);
        graph.nodes = nodes
            .into_iter()
            .flat_map(|node| match is_sign(&node) {
                true => straightened(&node),
                false => vec![node],
            })
            .collect();
        for (name, value) in [(FINE, 1048576.0), (COARSE, 1.0 / 1048576.0)] {
            let tensor = Tensor {
                shape: Vec::new(),
                data: Data::F32(vec![value]),
            };
            graph.constants.insert(name.into(), tensor);
        }
        graph
    })
}

const FINE: &str = "scoville.straight.fine";
const COARSE: &str = "scoville.straight.coarse";

fn straightened(sign: &Node) -> Vec<Node> {
    let (Some(x), Some(y)) = (sign.inputs.first(), sign.outputs.first()) else {
        return vec![sign.clone()];
    };
    let name = |part: &str| format!("{y}/scoville.straight.{part}");
    let node = |op: &str, inputs: &[&str], output: &str| Node {
        name: output.into(),
        op: op.into(),
        domain: String::new(),
        inputs: inputs.iter().map(|&input| input.into()).collect(),
        outputs: vec![output.into()],
        attributes: Attributes::new(output, []),
    };
    let [hard, soft, scaled, whole, still, moves] =
        ["hard", "soft", "scaled", "whole", "still", "moves"].map(name);
    vec![
        node("Sign", &[x], &hard),
        node("Softsign", &[x], &soft),
        node("Mul", &[&soft, FINE], &scaled),
        node("Floor", &[&scaled], &whole),
        node("Mul", &[&whole, COARSE], &still),
        node("Sub", &[&soft, &still], &moves),
        node("Add", &[&hard, &moves], y),
    ]
}
