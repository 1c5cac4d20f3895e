//! Trains the built-in model and writes it as ONNX:
//!
//! ```text
//! cargo run --release -p scoville -p scoville-runtime --example train-glyphs -- datasets/glyphs-cnn.onnx
//! ```
//!
//! Two convolutions and two dense layers on 28x28 glyphs, cross-entropy, Adam (Kingma & Ba 2015), no defence of any
//! kind. The seed is fixed; another processor may round sums differently, so the file can differ in the last bits.

use std::collections::BTreeMap;

use burn_autodiff::Autodiff;
use burn_backend::ops::{ActivationOps, ConvOptions, FloatTensorOps, ModuleOps};
use burn_backend::tensor::FloatTensor;
use burn_backend::{AutodiffBackend, Shape, TensorData};
use burn_cubecl::cubecl::future::block_on;
use burn_flex::{Flex, FlexDevice};
use scoville_data::{Dataset, glyphs};
use scoville_onnx::{Attribute, Attributes, DType, Data, Dim, Graph, Node, Port, Tensor, encode};

type B = Autodiff<Flex>;

const TRAIN: usize = 30_000;
const TEST: usize = 10_000;
const EPOCHS: usize = 6;
const BATCH: usize = 64;
const CLASSES: usize = 10;

/// Name and shape of every parameter, in the order of the layers.
const SHAPES: [(&str, &[usize]); 8] = [
    ("conv1.weight", &[8, 1, 3, 3]),
    ("conv1.bias", &[8]),
    ("conv2.weight", &[16, 8, 3, 3]),
    ("conv2.bias", &[16]),
    ("dense1.weight", &[784, 64]),
    ("dense1.bias", &[64]),
    ("dense2.weight", &[64, CLASSES]),
    ("dense2.bias", &[CLASSES]),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args()
        .nth(1)
        .ok_or("usage: train-glyphs OUT.onnx")?;
    let train = glyphs::generate(glyphs::Split::Train, TRAIN, 0);
    let test = glyphs::generate(glyphs::Split::Test, TEST, 0);
    let mut random = Random(1);
    let mut parameters: Vec<Parameter> = SHAPES
        .iter()
        .map(|(_, shape)| Parameter::new(shape, &mut random))
        .collect();
    let steps = EPOCHS * (TRAIN / BATCH);
    let mut step = 0;
    for epoch in 1..=EPOCHS {
        let mut order: Vec<usize> = (0..TRAIN).collect();
        (1..TRAIN)
            .rev()
            .for_each(|i| order.swap(i, random.below(i + 1)));
        for rows in order.chunks_exact(BATCH) {
            step += 1;
            // The rate falls to nothing along a half cosine.
            let phase = std::f32::consts::PI * step as f32 / steps as f32;
            learn(
                &mut parameters,
                &train,
                rows,
                1e-3 * (1.0 + phase.cos()),
                step,
            );
        }
        println!(
            "epoch {epoch}: test accuracy {:.2} %",
            100.0 * accuracy(&parameters, &test)
        );
    }
    std::fs::write(&path, encode::to_bytes(&graph(&parameters)))?;
    println!("wrote {path}, {} bytes", std::fs::metadata(&path)?.len());
    Ok(())
}

/// A parameter with the two moments that Adam keeps.
struct Parameter {
    shape: Vec<usize>,
    value: Vec<f32>,
    mean: Vec<f32>,
    square: Vec<f32>,
}

impl Parameter {
    /// He's uniform initialisation for weights (He et al. 2015), zero for biases.
    fn new(shape: &[usize], random: &mut Random) -> Self {
        let n = shape.iter().product();
        let fan_in: usize = match shape {
            [_, rest @ ..] if rest.len() == 3 => rest.iter().product(),
            [inputs, _] => *inputs,
            _ => 0,
        };
        let bound = if fan_in == 0 {
            0.0
        } else {
            (6.0 / fan_in as f32).sqrt()
        };
        let value = (0..n)
            .map(|_| bound * (2.0 * random.unit() - 1.0))
            .collect();
        Self {
            shape: shape.to_vec(),
            value,
            mean: vec![0.0; n],
            square: vec![0.0; n],
        }
    }

    fn tensor(&self) -> FloatTensor<B> {
        tensor(self.value.clone(), &self.shape)
    }

    fn update(&mut self, gradient: &[f32], rate: f32, step: i32) {
        let (b1, b2) = (0.9f32, 0.999f32);
        let rate = rate * (1.0 - b2.powi(step)).sqrt() / (1.0 - b1.powi(step));
        for (i, &g) in gradient.iter().enumerate() {
            self.mean[i] = b1 * self.mean[i] + (1.0 - b1) * g;
            self.square[i] = b2 * self.square[i] + (1.0 - b2) * g * g;
            self.value[i] -= rate * self.mean[i] / (self.square[i].sqrt() + 1e-8);
        }
    }
}

fn tensor(values: Vec<f32>, shape: &[usize]) -> FloatTensor<B> {
    B::float_from_data(
        TensorData::new(values, Shape::from(shape.to_vec())),
        &FlexDevice,
    )
}

fn read(tensor: FloatTensor<Flex>) -> Vec<f32> {
    let data = block_on(Flex::float_into_data(tensor)).expect("the CPU reads its own memory");
    data.try_to_vec().expect("float data")
}

fn forward(x: FloatTensor<B>, p: &[FloatTensor<B>], n: usize) -> FloatTensor<B> {
    let layer = |x, w: usize| {
        let same = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
        let x = B::relu(B::conv2d(x, p[w].clone(), Some(p[w + 1].clone()), same));
        B::max_pool2d(x, [2, 2], [2, 2], [0, 0], [1, 1], false)
    };
    let row = |b: usize, width: usize| B::float_reshape(p[b].clone(), Shape::from(vec![1, width]));
    let x = layer(layer(x, 0), 2);
    let x = B::float_reshape(x, Shape::from(vec![n, 784]));
    let x = B::relu(B::float_add(B::float_matmul(x, p[4].clone()), row(5, 64)));
    B::float_add(B::float_matmul(x, p[6].clone()), row(7, CLASSES))
}

fn images(data: &Dataset, rows: &[usize]) -> FloatTensor<B> {
    let x = data.read(rows).expect("glyphs are drawn");
    tensor(x, &[rows.len(), 1, 28, 28])
}

fn learn(parameters: &mut [Parameter], data: &Dataset, rows: &[usize], rate: f32, step: i32) {
    let leaves: Vec<_> = parameters
        .iter()
        .map(|p| B::float_set_require_grad(p.tensor(), true))
        .collect();
    let logits = forward(images(data, rows), &leaves, rows.len());
    let values = read(B::inner(logits.clone()));
    // d cross-entropy / d logits is softmax minus the one-hot label; times the logits it is a root with that gradient.
    let mut slope = Vec::with_capacity(values.len());
    for (logits, &row) in values.chunks_exact(CLASSES).zip(rows) {
        let label = data.y[row] as usize;
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = logits.iter().map(|z| (z - most).exp()).sum();
        slope.extend(logits.iter().enumerate().map(|(class, z)| {
            ((z - most).exp() / sum - f32::from(class == label)) / rows.len() as f32
        }));
    }
    let root = B::float_mul(logits, tensor(slope, &[rows.len(), CLASSES]));
    let gradients = B::backward(root);
    for (parameter, leaf) in parameters.iter_mut().zip(&leaves) {
        let gradient = B::grad(leaf, &gradients).expect("every parameter has a gradient");
        parameter.update(&read(gradient), rate, step);
    }
}

fn accuracy(parameters: &[Parameter], data: &Dataset) -> f64 {
    let leaves: Vec<_> = parameters.iter().map(Parameter::tensor).collect();
    let rows: Vec<usize> = (0..data.len()).collect();
    let correct: usize = rows
        .chunks(500)
        .map(|rows| {
            let logits = read(B::inner(forward(images(data, rows), &leaves, rows.len())));
            let answers = logits.chunks_exact(CLASSES).map(|row| {
                (0..CLASSES)
                    .max_by(|&a, &b| row[a].total_cmp(&row[b]))
                    .unwrap_or(0)
            });
            answers
                .zip(rows)
                .filter(|&(answer, &row)| answer == data.y[row] as usize)
                .count()
        })
        .sum();
    correct as f64 / data.len() as f64
}

fn graph(parameters: &[Parameter]) -> Graph {
    let constants: BTreeMap<String, Tensor> = SHAPES
        .iter()
        .zip(parameters)
        .map(|(&(name, shape), p)| {
            (
                name.into(),
                Tensor {
                    shape: shape.to_vec(),
                    data: Data::F32(p.value.clone()),
                },
            )
        })
        .collect();
    let node = |op: &str, inputs: &[&str], output: &str, attributes: Vec<(&str, Attribute)>| Node {
        name: output.into(),
        op: op.into(),
        domain: String::new(),
        inputs: inputs.iter().map(|&i| i.into()).collect(),
        outputs: vec![output.into()],
        attributes: Attributes::new(output, attributes.into_iter().map(|(k, v)| (k.into(), v))),
    };
    let pads = || vec![("pads", Attribute::Ints(vec![1, 1, 1, 1]))];
    let halve = || {
        let two = || Attribute::Ints(vec![2, 2]);
        vec![("kernel_shape", two()), ("strides", two())]
    };
    let port = |name: &str, sample: &[usize]| Port {
        name: name.into(),
        dtype: DType::F32,
        shape: Some(
            std::iter::once(Dim::Named("batch".into()))
                .chain(sample.iter().map(|&d| Dim::Fixed(d)))
                .collect(),
        ),
    };
    Graph {
        name: "glyphs-cnn".into(),
        producer: "scoville train-glyphs".into(),
        opsets: BTreeMap::from([(String::new(), 17)]),
        inputs: vec![port("image", &[1, 28, 28])],
        outputs: vec![port("logits", &[CLASSES])],
        nodes: vec![
            node(
                "Conv",
                &["image", "conv1.weight", "conv1.bias"],
                "conv1",
                pads(),
            ),
            node("Relu", &["conv1"], "relu1", vec![]),
            node("MaxPool", &["relu1"], "pool1", halve()),
            node(
                "Conv",
                &["pool1", "conv2.weight", "conv2.bias"],
                "conv2",
                pads(),
            ),
            node("Relu", &["conv2"], "relu2", vec![]),
            node("MaxPool", &["relu2"], "pool2", halve()),
            node("Flatten", &["pool2"], "flat", vec![]),
            node(
                "Gemm",
                &["flat", "dense1.weight", "dense1.bias"],
                "dense1",
                vec![],
            ),
            node("Relu", &["dense1"], "relu3", vec![]),
            node(
                "Gemm",
                &["relu3", "dense2.weight", "dense2.bias"],
                "logits",
                vec![],
            ),
        ],
        constants,
        dropped_outputs: Vec::new(),
        sha256: String::new(),
    }
}

/// SplitMix64 (Steele, Lea & Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 24) as f32
    }

    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }
}
