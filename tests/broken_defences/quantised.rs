//! The built-in model in integers of 8 bits, as static quantisation writes it.

use scoville_data::glyphs::{Split, generate};
use scoville_kernels::{Array, Device};
use scoville_onnx::{Attributes, Data, Graph, Node, Tensor};
use scoville_runtime::{Model, ModelSpec};

/// Samples whose activations say how far each layer reaches.
const CALIBRATION: usize = 40;

/// Convolutions and dense layers become QLinearConv and QGemm; their rectifiers are the zero points of what they give.
pub fn quantise(graph: &mut Graph) {
    let mut quantised = Quantised::of(graph);
    quantised.image();
    quantised.convolution("image", "conv1", "relu1");
    quantised.kept("relu1", "pool1");
    quantised.convolution("pool1", "conv2", "relu2");
    quantised.kept("relu2", "pool2");
    quantised.kept("pool2", "flat");
    quantised.dense("flat", "dense1", Some("relu3"));
    quantised.dense("relu3", "dense2", None);
    let Quantised { made, .. } = quantised;
    *graph = made;
    graph.opsets.insert("com.microsoft".into(), 1);
}

struct Quantised {
    floats: Graph,
    made: Graph,
}

impl Quantised {
    fn of(graph: &Graph) -> Self {
        let mut made = graph.clone();
        made.nodes.clear();
        made.constants.clear();
        let mut quantised = Self {
            floats: graph.clone(),
            made,
        };
        quantised.constant("zero", &[], Data::U8(vec![0]));
        quantised.constant("weight zero", &[], Data::I8(vec![0]));
        quantised
    }

    fn image(&mut self) {
        self.scale("image", 1.0 / 255.0);
        self.node(
            "QuantizeLinear",
            &["image", "image scale", "zero"],
            "image q",
        );
    }

    fn convolution(&mut self, from: &str, layer: &str, to: &str) {
        let bias = self.weights(from, layer);
        self.scale(to, self.largest(to) / 255.0);
        let inputs = operands(from, layer)
            .into_iter()
            .chain(result(to))
            .chain([bias]);
        self.node(
            "QLinearConv",
            &inputs.collect::<Vec<_>>(),
            &format!("{to} q"),
        );
        self.made.nodes.last_mut().unwrap().attributes = self.float(layer).attributes.clone();
    }

    /// Gives the logits, which are floats, where it is the last.
    fn dense(&mut self, from: &str, layer: &str, to: Option<&str>) {
        let bias = self.weights(from, layer);
        let mut inputs = operands(from, layer).to_vec();
        inputs.push(bias);
        let output = match to {
            Some(to) => {
                self.scale(to, self.largest(to) / 255.0);
                inputs.extend(result(to));
                format!("{to} q")
            }
            None => "logits".into(),
        };
        self.node("QGemm", &inputs, &output);
        self.made.nodes.last_mut().unwrap().domain = "com.microsoft".into();
    }

    /// The node of floats that makes `to` of `from`, on what is quantised.
    fn kept(&mut self, from: &str, to: &str) {
        self.scale(to, self.scale_of(from));
        let node = Node {
            inputs: vec![format!("{from} q")],
            outputs: vec![format!("{to} q")],
            ..self.float(to).clone()
        };
        self.made.nodes.push(node);
    }

    /// The weights and the bias of a layer that reads `from`, the bias by its name.
    fn weights(&mut self, from: &str, layer: &str) -> String {
        let floats = |what: &str| {
            let tensor = &self.floats.constants[&format!("{layer}.{what}")];
            (tensor.shape.clone(), tensor.to_f32().unwrap().into_owned())
        };
        let ((shape, weights), (_, bias)) = (floats("weight"), floats("bias"));
        let step = weights.iter().fold(0.0_f32, |most, w| most.max(w.abs())) / 127.0;
        let whole = weights.iter().map(|w| (w / step).round() as i8).collect();
        let sums = self.scale_of(from) * step;
        let bias: Vec<i32> = bias.iter().map(|b| (b / sums).round() as i32).collect();
        let name = format!("{layer} bias");
        self.constant(&format!("{layer} weight"), &shape, Data::I8(whole));
        self.constant(&name, &[bias.len()], Data::I32(bias));
        self.scale(layer, step);
        name
    }

    /// The largest activation of a layer of the floats.
    fn largest(&self, layer: &str) -> f32 {
        let spec = ModelSpec {
            shape: Some(vec![1, 28, 28]),
            layer: Some(layer.into()),
            ..ModelSpec::default()
        };
        let model = Model::load(self.floats.clone(), &spec, &Device::Cpu).unwrap();
        let x = generate(Split::Train, CALIBRATION, 0).read_all().unwrap();
        let x = Array::from_vec(&Device::Cpu, CALIBRATION, 784, x).unwrap();
        let activations = model.features(&x).unwrap().to_vec().unwrap();
        activations.into_iter().fold(0.0, f32::max)
    }

    fn float(&self, output: &str) -> &Node {
        let mut nodes = self.floats.nodes.iter();
        nodes.find(|node| node.outputs == [output]).unwrap()
    }

    fn scale(&mut self, value: &str, scale: f32) {
        self.constant(&format!("{value} scale"), &[], Data::F32(vec![scale]));
    }

    fn scale_of(&self, value: &str) -> f32 {
        let scale = &self.made.constants[&format!("{value} scale")];
        scale.to_f32().unwrap()[0]
    }

    fn constant(&mut self, name: &str, shape: &[usize], data: Data) {
        let shape = shape.to_vec();
        self.made
            .constants
            .insert(name.into(), Tensor { shape, data });
    }

    fn node<S: AsRef<str>>(&mut self, op: &str, inputs: &[S], output: &str) {
        self.made.nodes.push(Node {
            name: output.into(),
            op: op.into(),
            domain: String::new(),
            inputs: inputs.iter().map(|input| input.as_ref().into()).collect(),
            outputs: vec![output.into()],
            attributes: Attributes::new(output, []),
        });
    }
}

/// What a layer reads: values and weights, each with its scale and its zero point.
fn operands(from: &str, layer: &str) -> [String; 6] {
    [
        format!("{from} q"),
        format!("{from} scale"),
        "zero".into(),
        format!("{layer} weight"),
        format!("{layer} scale"),
        "weight zero".into(),
    ]
}

/// The scale and the zero point of what a layer gives.
fn result(to: &str) -> [String; 2] {
    [format!("{to} scale"), "zero".into()]
}
