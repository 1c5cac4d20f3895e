//! The network as an ONNX graph.

use std::collections::BTreeMap;

use scoville_onnx::{
    Attribute, Attributes, DType, Data, Dim, Graph, Node, Port, Tensor, encode, parse,
};
use scoville_runtime::ModelSpec;

use crate::Error;
use crate::network::{Layer, Network};

const INPUT: &str = "sample";
pub(crate) const OUTPUT: &str = "logits";
const NAME: &str = "surrogate";
pub(crate) const PRODUCER: &str = "scoville";

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
        name: NAME.into(),
        producer: PRODUCER.into(),
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

/// Whether the graph is one of [`file`], and so takes samples as attacks see them.
pub fn takes_samples(graph: &Graph) -> bool {
    graph.name == NAME && graph.producer == PRODUCER
}

/// The graph, with what it wants of samples in it, as an ONNX file.
pub(crate) fn file(graph: &Graph, input: &ModelSpec) -> Vec<u8> {
    let mut graph = graph.clone();
    let channels = match input.shape.as_deref() {
        Some([channels, _, _]) => vec![*channels, 1, 1],
        _ => vec![1],
    };
    let mut value = INPUT.to_owned();
    let mut scaling = Nodes::default();
    for (op, constant, values) in [("Sub", "mean", &input.mean), ("Div", "std", &input.std)] {
        let tensor = Tensor {
            shape: channels.clone(),
            data: Data::F32(values.clone()),
        };
        graph.constants.insert(constant.into(), tensor);
        value = scaling.then(
            op,
            &value,
            &[constant.to_owned()],
            &format!("{INPUT}.{constant}"),
            &[],
        );
    }
    for input in graph.nodes.iter_mut().flat_map(|node| &mut node.inputs) {
        if input == INPUT {
            input.clone_from(&value);
        }
    }
    graph.nodes.splice(0..0, scaling.0);
    encode::to_bytes(&graph)
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

pub(crate) fn port(name: &str, sample: &[usize]) -> Port {
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
pub(crate) struct Nodes(pub Vec<Node>);

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
        self.then(op, &input, constants, &output, ints);
    }

    /// A node that makes `output`, which it gives, of `input`.
    fn then(
        &mut self,
        op: &str,
        input: &str,
        constants: &[String],
        output: &str,
        ints: &[(&str, Vec<i64>)],
    ) -> String {
        let attributes = ints
            .iter()
            .map(|(name, ints)| ((*name).into(), Attribute::Ints(ints.clone())));
        self.0.push(Node {
            name: output.into(),
            op: op.into(),
            domain: String::new(),
            inputs: [input.to_owned()]
                .into_iter()
                .chain(constants.iter().cloned())
                .collect(),
            outputs: vec![output.into()],
            attributes: Attributes::new(output, attributes),
        });
        output.into()
    }

    /// A node that makes `output` of `inputs`.
    pub fn make(&mut self, op: &str, inputs: &[&str], output: &str, ints: &[(&str, i64)]) {
        let attributes = ints
            .iter()
            .map(|(name, value)| ((*name).into(), Attribute::Int(*value)));
        self.0.push(Node {
            name: output.into(),
            op: op.into(),
            domain: String::new(),
            inputs: inputs.iter().map(|&input| input.into()).collect(),
            outputs: vec![output.into()],
            attributes: Attributes::new(output, attributes),
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
