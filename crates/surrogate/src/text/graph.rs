//! The network as an ONNX graph of token ids. Its first layer, of shares of words, is a table with a row a word: their mean.

use std::collections::BTreeMap;

use scoville_onnx::{DType, Data, Dim, Graph, Port, Tensor, encode, parse};

use crate::Error;
use crate::graph::{Nodes, OUTPUT, PRODUCER, port};
use crate::network::{Layer, Network};

const INPUT: &str = "ids";
const NAME: &str = "surrogate of texts";

/// For texts of `length` ids, of which 0 stands for none.
pub(super) fn graph(network: &Network, length: usize) -> Result<Graph, Error> {
    let [weight, bias, rest @ ..] = network.parameters.as_slice() else {
        return Err(Error::Shape(network.sample.clone()));
    };
    let width = bias.value.len();
    let (mean, std) = (network.mean[0], network.std[0]);
    // A last column counts: 1 for a word, 0 where there is none.
    let mut table = vec![0.0; width + 1];
    for row in weight.value.chunks_exact(width) {
        table.extend(row.iter().map(|w| w / std));
        table.push(1.0);
    }
    let moved = (0..width).map(|i| {
        let column = weight.value.iter().skip(i).step_by(width);
        let sum: f64 = column.map(|&w| f64::from(w)).sum();
        (f64::from(bias.value[i]) - sum * f64::from(mean / std)) as f32
    });
    let moved: Vec<f32> = moved.collect();
    let rows = table.len() / (width + 1);
    let whole = |value: usize| Tensor {
        shape: vec![1],
        data: Data::I64(vec![value as i64]),
    };
    let mut constants = BTreeMap::from([
        ("embedding.weight".into(), floats(&[rows, width + 1], table)),
        ("embedding.bias".into(), floats(&[width], moved)),
        ("one".into(), floats(&[1], vec![1.0])),
        ("words".into(), whole(1)),
        ("start".into(), whole(0)),
        ("width".into(), whole(width)),
        ("end".into(), whole(width + 1)),
    ]);
    let mut nodes = Nodes::default();
    nodes.make("Gather", &["embedding.weight", INPUT], "rows", &[]);
    nodes.make("ReduceSum", &["rows", "words"], "sum", &[("keepdims", 0)]);
    nodes.make("Slice", &["sum", "start", "width", "words"], "total", &[]);
    nodes.make("Slice", &["sum", "width", "end", "words"], "count", &[]);
    nodes.make("Max", &["count", "one"], "some", &[]);
    nodes.make("Div", &["total", "some"], "mean", &[]);
    nodes.make("Add", &["mean", "embedding.bias"], "embedded", &[]);
    nodes.make("Relu", &["embedded"], "layer0", &[]);
    let layers = network.layers.iter().enumerate().skip(1);
    for ((at, layer), pair) in layers.zip(rest.chunks_exact(2)) {
        let [weight, bias] = ["weight", "bias"].map(|what| format!("layer{at}.{what}"));
        for (name, parameter) in [&weight, &bias].into_iter().zip(pair) {
            let value = floats(&parameter.shape, parameter.value.clone());
            constants.insert(name.clone(), value);
        }
        let [from, sums, to] = [
            format!("layer{}", at - 1),
            format!("sums{at}"),
            format!("layer{at}"),
        ];
        match layer {
            Layer::Dense { last: true, .. } => {
                nodes.make("Gemm", &[&from, &weight, &bias], OUTPUT, &[])
            }
            _ => {
                nodes.make("Gemm", &[&from, &weight, &bias], &sums, &[]);
                nodes.make("Relu", &[&sums], &to, &[]);
            }
        }
    }
    let graph = Graph {
        name: NAME.into(),
        producer: PRODUCER.into(),
        opsets: BTreeMap::from([(String::new(), 17)]),
        inputs: vec![Port {
            dtype: DType::I64,
            shape: Some(vec![Dim::Named("batch".into()), Dim::Fixed(length)]),
            name: INPUT.into(),
        }],
        outputs: vec![port(OUTPUT, &[network.classes])],
        nodes: nodes.0,
        constants,
        dropped_outputs: Vec::new(),
        sha256: String::new(),
    };
    Ok(parse(encode::to_bytes(&graph).into(), None)?)
}

fn floats(shape: &[usize], values: Vec<f32>) -> Tensor {
    Tensor {
        shape: shape.to_vec(),
        data: Data::F32(values),
    }
}
