//! Small graphs built in the test.

use std::collections::BTreeMap;

use scoville_onnx::{Attribute, Attributes, DType, Data, Dim, Graph, Node, Port, Tensor};

/// A graph of one float input `x` and one output, the last node's.
#[derive(Clone)]
pub struct Builder(Graph);

impl Builder {
    pub fn new(input: &[Dim]) -> Builder {
        let port = Port {
            name: "x".into(),
            dtype: DType::F32,
            shape: Some(input.to_vec()),
        };
        Builder(Graph {
            name: "test".into(),
            opsets: BTreeMap::from([(String::new(), 17)]),
            inputs: vec![port],
            ..Graph::default()
        })
    }

    /// Fixed sizes, the batch included.
    pub fn fixed(input: &[usize]) -> Builder {
        Builder::new(
            &input
                .iter()
                .map(|&size| Dim::Fixed(size))
                .collect::<Vec<_>>(),
        )
    }

    pub fn floats(self, name: &str, shape: &[usize], values: &[f32]) -> Builder {
        self.constant(name, shape, Data::F32(values.to_vec()))
    }

    /// Pseudo-random weights in [-0.5, 0.5).
    pub fn weights(self, name: &str, shape: &[usize]) -> Builder {
        let seed = name
            .bytes()
            .fold(7, |seed, byte| seed * 31 + u64::from(byte));
        let values = random(seed, shape.iter().product());
        let values: Vec<f32> = values.into_iter().map(|value| value - 0.5).collect();
        self.floats(name, shape, &values)
    }

    pub fn ints(self, name: &str, values: &[i64]) -> Builder {
        self.constant(name, &[values.len()], Data::I64(values.to_vec()))
    }

    pub fn constant(mut self, name: &str, shape: &[usize], data: Data) -> Builder {
        let shape = shape.to_vec();
        self.0.constants.insert(name.into(), Tensor { shape, data });
        self
    }

    /// A node that makes `output`; `op` with its domain, unless that is the default one.
    pub fn node(self, op: &str, inputs: &[&str], output: &str) -> Builder {
        self.node_with(op, inputs, output, &[])
    }

    pub fn node_with(
        mut self,
        op: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, Attribute)],
    ) -> Builder {
        let name = format!("make {output}");
        let attributes = Attributes::new(
            &name,
            attributes.iter().map(|(k, v)| (k.to_string(), v.clone())),
        );
        let (domain, op) = op.rsplit_once('.').unwrap_or(("", op));
        self.0.nodes.push(Node {
            name,
            op: op.into(),
            domain: domain.into(),
            inputs: inputs.iter().map(|name| name.to_string()).collect(),
            outputs: vec![output.into()],
            attributes,
        });
        self
    }

    /// Outputs of the last node besides its first.
    pub fn and_outputs(mut self, names: &[&str]) -> Builder {
        let last = self.0.nodes.last_mut().expect("a node");
        last.outputs
            .extend(names.iter().map(|name| name.to_string()));
        self
    }

    pub fn build(mut self) -> Graph {
        let name = self.0.nodes.last().expect("a node").outputs[0].clone();
        self.0.outputs = vec![Port {
            name,
            dtype: DType::F32,
            shape: None,
        }];
        self.0
    }
}

/// Numbers in [0, 1): a linear congruential generator's high bits.
pub fn random(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed;
    let next = || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// A small convolutional classifier of 5 classes on [1, 2, 8, 8], with the joints of a real one.
/// One convolution only: on a software GPU burn compiles every candidate kernel of each, for many
/// seconds.
pub fn cnn() -> Graph {
    let pads = |n: i64| Attribute::Ints(vec![n; 4]);
    let strides = |n: i64| Attribute::Ints(vec![n; 2]);
    Builder::fixed(&[1, 2, 8, 8])
        .weights("w1", &[4, 2, 3, 3])
        .weights("b1", &[4])
        .node_with("Conv", &["x", "w1", "b1"], "c1", &[("pads", pads(1))])
        .floats("scale", &[4], &[0.5, 1.0, 1.5, 2.0])
        .floats("bias", &[4], &[0.1, -0.2, 0.3, 0.0])
        .floats("mean", &[4], &[0.0, 0.5, -0.5, 0.1])
        .floats("var", &[4], &[1.0, 2.0, 0.5, 0.25])
        .node(
            "BatchNormalization",
            &["c1", "scale", "bias", "mean", "var"],
            "n1",
        )
        .node("Relu", &["n1"], "r1")
        .node("Tanh", &["n1"], "t1")
        .node("Add", &["r1", "t1"], "a1")
        .node_with(
            "MaxPool",
            &["a1"],
            "p1",
            &[("kernel_shape", strides(2)), ("strides", strides(2))],
        )
        .ints("flat", &[1, -1])
        .node("Reshape", &["p1", "flat"], "f1")
        .weights("w3", &[5, 64])
        .weights("b3", &[5])
        .node_with(
            "Gemm",
            &["f1", "w3", "b3"],
            "logits",
            &[("transB", Attribute::Int(1))],
        )
        .node("Softmax", &["logits"], "y")
        .build()
}
