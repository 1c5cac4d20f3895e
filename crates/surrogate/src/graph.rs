//! The network as an ONNX graph.

use std::collections::BTreeMap;

use scoville_onnx::{
    Attribute, Attributes, DType, Data, Dim, Graph, Node, Port, Tensor, encode, parse,
};
use scoville_runtime::ModelSpec;

use crate::Error;
use crate::network::{Layer, Network};

const INPUT: &str = "sample";
const OUTPUT: &str = "logits";

/// As the runtime reads it from a file.
pub(crate) fn graph(network: &Network) -> Result<Graph, Error> {
    let mut nodes = Nodes::default();
    for (at, layer) in network.layers.iter().enumerate() {
        nodes.layer(at, *layer);
    }
    let constants = names(network)
        .zip(&network.parameters)
        .map(|(name, parameter)| {
            let tensor = Tensor {
                shape: parameter.shape.clone(),
                data: Data::F32(parameter.value.clone()),
            };
            (name, tensor)
        });
    let graph = Graph {
        name: "surrogate".into(),
        producer: "scoville".into(),
        opsets: BTreeMap::from([(String::new(), 17)]),
        inputs: vec![port(INPUT, &network.sample)],
        outputs: vec![port(OUTPUT, &[network.classes])],
        nodes: nodes.0,
        constants: constants.collect(),
        dropped_outputs: Vec::new(),
        sha256: String::new(),
    };
    Ok(parse(encode::to_bytes(&graph).into(), None)?)
}

/// What it wants of pixels.
pub(crate) fn input(network: &Network) -> ModelSpec {
    ModelSpec {
        shape: Some(network.sample.clone()),
        mean: network.mean.clone(),
        std: network.std.clone(),
        ..ModelSpec::default()
    }
}

fn port(name: &str, sample: &[usize]) -> Port {
    let batch = Dim::Named("batch".into());
    Port {
        name: name.into(),
        dtype: DType::F32,
        shape: Some(
            [batch]
                .into_iter()
                .chain(sample.iter().map(|&d| Dim::Fixed(d)))
                .collect(),
        ),
    }
}

/// Names of the parameters, in their order.
fn names(network: &Network) -> impl Iterator<Item = String> + '_ {
    let layers = network.layers.iter().enumerate();
    let with_weights = layers.filter(|(_, layer)| layer.shapes().is_some());
    with_weights.flat_map(|(at, _)| [weight(at), bias(at)])
}

fn weight(at: usize) -> String {
    format!("layer{at}.weight")
}

fn bias(at: usize) -> String {
    format!("layer{at}.bias")
}

#[derive(Default)]
struct Nodes(Vec<Node>);

impl Nodes {
    fn layer(&mut self, at: usize, layer: Layer) {
        match layer {
            Layer::Shrink(k) => self.add("AveragePool", at, &[], &window(k)),
            Layer::Convolution { .. } => {
                self.add("Conv", at, &[weight(at), bias(at)], &[("pads", vec![1; 4])]);
                self.add("Relu", at, &[], &[]);
                self.add("MaxPool", at, &[], &window(2));
            }
            Layer::Dense { last, .. } => {
                self.add("Flatten", at, &[], &[]);
                self.add("Gemm", at, &[weight(at), bias(at)], &[]);
                match last {
                    true => self.end(),
                    false => self.add("Relu", at, &[], &[]),
                }
            }
        }
    }

    /// A node that takes what the last one gave.
    fn add(&mut self, op: &str, at: usize, constants: &[String], ints: &[(&str, Vec<i64>)]) {
        let before = self.0.last().and_then(|node| node.outputs.first());
        let input = before.map_or(INPUT.to_owned(), Clone::clone);
        let output = format!("layer{at}.{}", op.to_lowercase());
        let attributes = ints
            .iter()
            .map(|(name, ints)| ((*name).into(), Attribute::Ints(ints.clone())));
        self.0.push(Node {
            name: output.clone(),
            op: op.into(),
            domain: String::new(),
            inputs: [input]
                .into_iter()
                .chain(constants.iter().cloned())
                .collect(),
            outputs: vec![output.clone()],
            attributes: Attributes::new(&output, attributes),
        });
    }

    fn end(&mut self) {
        if let Some(node) = self.0.last_mut() {
            node.outputs = vec![OUTPUT.into()];
        }
    }
}

fn window(k: usize) -> [(&'static str, Vec<i64>); 2] {
    let square = vec![k as i64; 2];
    [("kernel_shape", square.clone()), ("strides", square)]
}
