//! The convolutional networks of both devices against the same models with every node run by itself on the CPU.

use scoville_kernels::{Array, Device};
use scoville_onnx::{Attribute, Graph};
use scoville_runtime::{Model, ModelSpec};

use crate::gpu::gpu;
use crate::graphs::{Builder, random};
use crate::shared::{self, relative_error};

struct Answers {
    output: Vec<f32>,
    gradient: Vec<f32>,
    networks: usize,
    classes: usize,
}

/// Outputs and gradients of `rows` samples of noise.
fn answers(graph: Graph, plain: bool, device: &Device, rows: usize) -> Answers {
    let spec = ModelSpec {
        plain,
        ..ModelSpec::raw()
    };
    let model = Model::load(graph, &spec, device).expect("loads");
    let x = random(5, rows * model.sample_len());
    let output = shared::run(&model, &x, Model::output);
    let x = Array::from_vec(device, rows, model.sample_len(), x).expect("fits");
    let mut head = |logits: &Array| {
        let weight = |i: usize| (1.0 + (i % logits.cols()) as f32).sin();
        let weights = (0..rows * logits.cols()).map(weight).collect();
        Array::from_vec(device, rows, logits.cols(), weights)
    };
    let (_, gradient) = model.gradient(&x, &mut head).expect("runs");
    Answers {
        output,
        gradient: gradient.to_vec().expect("reads"),
        networks: model.inspect().expect("inspects").networks(),
        classes: model.classes(),
    }
}

fn largest(row: &[f32]) -> usize {
    let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(class, _)| class)
}

/// Values to 1e-4 and the same class for every sample. Gradients too, but where a rounding moves an activation across
/// its kink that sample's gradient is another; not more than one in eight, and one.
fn compare(name: &str, fast: &Answers, plain: &Answers, rows: usize) {
    let off = relative_error(&fast.output, &plain.output);
    assert!(off <= 1e-4, "{name}: values are off by {off}");
    let classes = fast.output.chunks(fast.classes);
    for (row, (a, b)) in classes.zip(plain.output.chunks(plain.classes)).enumerate() {
        assert_eq!(largest(a), largest(b), "{name}: the class of sample {row}");
    }
    let len = fast.gradient.len() / rows;
    let gradients = fast.gradient.chunks(len).zip(plain.gradient.chunks(len));
    let off = gradients.filter(|(a, b)| relative_error(a, b) > 1e-4);
    let off = off.count();
    assert!(
        off <= (rows / 8).max(1),
        "{name}: the gradients of {off} samples are off"
    );
    println!(
        "{name}: {} networks, {off} gradients across a kink",
        fast.networks
    );
}

#[test]
fn fast_and_plain_agree() {
    const ROWS: usize = 16;
    let Some(data) = shared::data() else { return };
    let models = [
        ("onnx/cifar10_resnet20.onnx", 1),
        ("onnx/cifar10_tf2onnx_nhwc.onnx", 1),
        ("onnx/mnist_cntk.onnx", 1),
        ("onnx/gtsrb_cnn_32.onnx", 1),
        (
            "vnncomp/vnncomp2021_cifar10_resnet/models/resnet_2b.onnx",
            1,
        ),
        ("vnncomp/vnncomp2022_oval21/models/cifar_deep_kw.onnx", 1),
        (
            "vnncomp/vnncomp2022_mnist_fc/models/mnist-net_256x4.onnx",
            1,
        ),
        ("vnncomp/vnncomp2023_vit/models/ibp_3_3_8.onnx", 0),
    ];
    for (name, networks) in models {
        let path = data.join(name);
        let graph = || scoville_onnx::load(&path).expect("loads");
        let [fast, plain] = [false, true].map(|plain| answers(graph(), plain, &Device::Cpu, ROWS));
        assert_eq!(plain.networks, 0, "{name}");
        assert!(fast.networks >= networks, "{name}: no network was found");
        compare(name, &fast, &plain, ROWS);
    }
}

#[test]
fn the_gpu_agrees() {
    const ROWS: usize = 4;
    let (Some(data), Some(gpu)) = (shared::data(), gpu()) else {
        return;
    };
    let models = [
        "onnx/cifar10_resnet20.onnx",
        "onnx/mnist_cntk.onnx",
        "onnx/gtsrb_cnn_32.onnx",
        "vnncomp/vnncomp2021_cifar10_resnet/models/resnet_2b.onnx",
        "vnncomp/vnncomp2022_oval21/models/cifar_deep_kw.onnx",
        "vnncomp/vnncomp2022_mnist_fc/models/mnist-net_256x4.onnx",
    ];
    for name in models {
        let path = data.join(name);
        let graph = || scoville_onnx::load(&path).expect("loads");
        let fast = answers(graph(), false, &gpu, ROWS);
        assert!(fast.networks >= 1, "{name}: no network was found");
        let plain = answers(graph(), true, &Device::Cpu, ROWS);
        compare(name, &fast, &plain, ROWS);
    }
}

fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

/// A convolution of 3 x 3 that keeps the size, and a rectifier.
fn block(builder: Builder, from: &str, name: &str, channels: [usize; 2]) -> Builder {
    let [inputs, filters] = channels;
    let [w, c] = ["w", "c"].map(|prefix| format!("{prefix}{name}"));
    builder
        .weights(&w, &[filters, inputs, 3, 3])
        .node_with("Conv", &[from, &w], &c, &[("pads", ints(&[1; 4]))])
        .node("Relu", &[&c], name)
}

/// Both ways of `graph` agree, and so many networks are found.
fn agrees(graph: Graph, networks: usize) {
    let plain = answers(graph.clone(), true, &Device::Cpu, 3);
    for device in std::iter::once(Device::Cpu).chain(gpu()) {
        let fast = answers(graph.clone(), false, &device, 3);
        assert_eq!(fast.networks, networks, "{device:?}");
        let off = relative_error(&fast.output, &plain.output);
        assert!(off <= 1e-5, "{device:?}: values are off by {off}");
        let off = relative_error(&fast.gradient, &plain.gradient);
        assert!(off <= 1e-5, "{device:?}: gradients are off by {off}");
    }
}

#[test]
fn a_whole_classifier_is_one_network() {
    let b = Builder::fixed(&[1, 3, 8, 8]);
    let b = block(b, "x", "a", [3, 16]);
    let b = block(b, "a", "b", [16, 16]);
    let b = b
        .node("Add", &["a", "b"], "sum")
        .node("GlobalAveragePool", &["sum"], "mean")
        // The shape of the flattened value is computed, as PyTorch exports it.
        .node("Shape", &["mean"], "shape")
        .ints("first", &[0])
        .node("Gather", &["shape", "first"], "batch")
        .ints("rest", &[-1])
        .node_with(
            "Concat",
            &["batch", "rest"],
            "target",
            &[("axis", Attribute::Int(0))],
        )
        .node("Reshape", &["mean", "target"], "flat")
        .weights("w", &[16, 5])
        .weights("v", &[5])
        .node("Gemm", &["flat", "w", "v"], "logits");
    agrees(b.build(), 1);
}

#[test]
fn constants_for_each_channel_belong_to_the_network() {
    let b = Builder::fixed(&[1, 3, 6, 6])
        .floats("means", &[3, 1, 1], &[0.4, 0.5, 0.6])
        .floats("scales", &[1, 3, 1, 1], &[4.0, 3.0, 2.0])
        .node("Sub", &["x", "means"], "centred")
        .node("Mul", &["centred", "scales"], "scaled");
    let b = block(b, "scaled", "a", [3, 12])
        .node_with(
            "MaxPool",
            &["a"],
            "p",
            &[
                ("kernel_shape", ints(&[3, 3])),
                ("strides", ints(&[2, 2])),
                ("ceil_mode", Attribute::Int(1)),
            ],
        )
        .node("Flatten", &["p"], "flat")
        .weights("w", &[108, 4])
        .node("MatMul", &["flat", "w"], "product")
        .weights("v", &[4])
        .node("Add", &["product", "v"], "logits");
    agrees(b.build(), 1);
}

/// The shift behind a product is its own only where nobody else reads the product, by whatever name, and where nothing is
/// lost by adding them first.
#[test]
fn a_shift_is_taken_into_the_product_before_it_where_it_may() {
    let product = |b: Builder| {
        b.weights("w", &[6, 2, 3, 3])
            .node_with("Conv", &["x", "w"], "c", &[("pads", ints(&[1; 4]))])
            .weights("v", &[6, 1, 1])
    };
    for shifted in ["c", "same"] {
        let b = product(Builder::fixed(&[1, 2, 6, 6]))
            .node("Identity", &["c"], "same")
            .node("Add", &[shifted, "v"], "e")
            .node("Relu", &["c"], "r")
            .node("Add", &["r", "e"], "sum")
            .node("Flatten", &["sum"], "logits");
        agrees(b.build(), 1);
    }
    // Adding this and taking it away rounds to whole numbers.
    let large = [12_582_912.0; 6];
    let b = product(Builder::fixed(&[1, 2, 6, 6]))
        .floats("large", &[6, 1, 1], &large)
        .node("Add", &["c", "v"], "e")
        .node("Add", &["e", "large"], "up")
        .node("Sub", &["up", "large"], "whole")
        .node("Flatten", &["whole"], "logits");
    let answers = answers(b.build(), false, &Device::Cpu, 3);
    assert_eq!(answers.networks, 1);
    assert!(answers.output.iter().all(|value| value.fract() == 0.0));
    assert!(answers.output.iter().any(|value| *value != 0.0));
}

#[test]
fn what_is_read_elsewhere_ends_a_network() {
    let b = block(Builder::fixed(&[1, 2, 6, 6]), "x", "a", [2, 8]);
    let b = block(b, "a", "b", [8, 8]).node("Softplus", &["a"], "t");
    let b = block(b, "t", "c", [8, 8])
        .node("Add", &["b", "c"], "sum")
        .node("Flatten", &["sum"], "logits");
    agrees(b.build(), 3);
}

#[test]
fn without_a_product_there_is_no_network() {
    let b = Builder::fixed(&[1, 4])
        .node("Relu", &["x"], "r")
        .node("Sigmoid", &["r"], "s")
        .floats("half", &[1], &[0.5])
        .node("Mul", &["s", "half"], "logits");
    agrees(b.build(), 0);
    let b = Builder::fixed(&[1, 4])
        .node("Relu", &["x"], "r")
        .node("Sigmoid", &["r"], "logits");
    agrees(b.build(), 0);
}

/// SiLU as exporters write it, squeeze and excitation, and functions that bend.
#[test]
fn gates_belong_to_the_network() {
    for gate_first in [false, true] {
        let product = |b: Builder, x: &str, gate: &str, name: &str| {
            let inputs = if gate_first { [gate, x] } else { [x, gate] };
            b.node("Mul", &inputs, name)
        };
        let b = Builder::fixed(&[1, 2, 6, 6])
            .weights("w", &[18, 2, 3, 3])
            .node_with("Conv", &["x", "w"], "c", &[("pads", ints(&[1; 4]))])
            .node("Sigmoid", &["c"], "s");
        let b = product(b, "c", "s", "silu")
            .node("GlobalAveragePool", &["silu"], "mean")
            .weights("down", &[4, 18, 1, 1])
            .node("Conv", &["mean", "down"], "few")
            .node("HardSwish", &["few"], "bent")
            .weights("up", &[18, 4, 1, 1])
            .node("Conv", &["bent", "up"], "many")
            .node("HardSigmoid", &["many"], "gate");
        let b = product(b, "silu", "gate", "excited")
            .node("Tanh", &["excited"], "t")
            .node("Erf", &["t"], "e")
            .node("Flatten", &["e"], "logits");
        agrees(b.build(), 1);
    }
    // A mask of pixels is no factor for each channel, even where there are as many of them.
    let b = Builder::fixed(&[1, 2, 2, 2])
        .weights("w", &[4, 2, 1, 1])
        .node("Conv", &["x", "w"], "c")
        .node("GlobalAveragePool", &["c"], "mean")
        .ints("as", &[1, 1, 2, 2])
        .node("Reshape", &["mean", "as"], "mask")
        .node("Mul", &["c", "mask"], "masked")
        .node("Flatten", &["masked"], "logits");
    agrees(b.build(), 1);
}

#[test]
fn channels_that_are_moved_belong_to_the_network() {
    let axis = [("axis", Attribute::Int(1))];
    let b = block(Builder::fixed(&[1, 2, 5, 5]), "x", "a", [2, 20]);
    let b = block(b, "a", "b", [20, 12])
        .node_with("Concat", &["a", "b"], "both", &axis)
        // A shuffle: 2 groups of 16.
        .ints("groups", &[1, 2, 16, 5, 5])
        .node("Reshape", &["both", "groups"], "r")
        .node_with(
            "Transpose",
            &["r"],
            "t",
            &[("perm", ints(&[0, 2, 1, 3, 4]))],
        )
        .ints("whole", &[1, 32, 5, 5])
        .node("Reshape", &["t", "whole"], "shuffled")
        .ints("from", &[1])
        .ints("to", &[-3])
        .ints("along", &[1])
        .ints("by", &[2])
        .node("Slice", &["shuffled", "from", "to", "along", "by"], "cut")
        .ints("parts", &[5, 9])
        .node_with("Split", &["cut", "parts"], "left", &axis)
        .and_outputs(&["right"]);
    let b = block(b, "left", "l", [5, 9])
        .node("Add", &["l", "right"], "sum")
        .node("Flatten", &["sum"], "logits");
    agrees(b.build(), 1);
    // Nobody reads the second half.
    let b = block(Builder::fixed(&[1, 2, 4, 4]), "x", "a", [2, 8])
        .ints("halves", &[3, 5])
        .node_with("Split", &["a", "halves"], "half", &axis)
        .and_outputs(&["other"]);
    agrees(
        block(b, "half", "b", [3, 4])
            .node("Flatten", &["b"], "logits")
            .build(),
        1,
    );
    let b = block(Builder::fixed(&[1, 2, 4, 4]), "x", "a", [2, 8])
        .ints("halves", &[3, 5])
        .node_with("Split", &["a", "halves"], "half", &axis)
        .and_outputs(&["other"])
        .node("Flatten", &["half"], "logits");
    agrees(b.build(), 1);
    // Axes that are no channels': the network ends before.
    let b = block(Builder::fixed(&[1, 2, 4, 4]), "x", "a", [2, 4])
        .node_with("Transpose", &["a"], "t", &[("perm", ints(&[0, 2, 1, 3]))])
        .node_with(
            "Concat",
            &["t", "t"],
            "rows",
            &[("axis", Attribute::Int(2))],
        )
        .ints("first", &[0])
        .ints("third", &[2])
        .ints("along", &[3])
        .node("Slice", &["rows", "first", "third", "along"], "cut")
        .node("Flatten", &["cut"], "logits");
    agrees(b.build(), 1);
    // What was 16 channels lies as 4 now: half of them are no channels of the network.
    let b = block(Builder::fixed(&[1, 2, 4, 4]), "x", "a", [2, 4])
        .ints("as", &[1, 16, 2, 2])
        .node("Reshape", &["a", "as"], "many")
        .ints("first", &[0])
        .ints("eighth", &[8])
        .ints("along", &[1])
        .node("Slice", &["many", "first", "eighth", "along"], "half")
        .node("Flatten", &["half"], "logits");
    agrees(b.build(), 1);
}

/// Both ways agree on the CPU; on a GPU networks whose channels come last stay burn's.
fn agrees_on_the_cpu(graph: Graph, networks: usize) {
    let [fast, plain] = [false, true].map(|plain| answers(graph.clone(), plain, &Device::Cpu, 3));
    assert_eq!(fast.networks, networks);
    let off = relative_error(&fast.output, &plain.output);
    assert!(off <= 1e-5, "values are off by {off}");
    let off = relative_error(&fast.gradient, &plain.gradient);
    assert!(off <= 1e-5, "gradients are off by {off}");
}

/// Layer normalisation, a product, a shift, Gelu written out, a product, a factor; `x` has 6 channels as the last axis.
fn inverted(b: Builder, x: &str, name: &str) -> Builder {
    let name_of = |what: &str| format!("{what}{name}");
    let [n, w, p, v, s, d, e, o, m, g, u, q] =
        ["n", "w", "p", "v", "s", "d", "e", "o", "m", "g", "u", "q"].map(name_of);
    b.weights(&name_of("scale"), &[6])
        .weights(&name_of("bias"), &[6])
        .node(
            "LayerNormalization",
            &[x, &name_of("scale"), &name_of("bias")],
            &n,
        )
        .weights(&w, &[6, 20])
        .node("MatMul", &[&n, &w], &p)
        .weights(&v, &[20])
        .node("Add", &[&v, &p], &s)
        .floats("root", &[], &[std::f32::consts::SQRT_2])
        .node("Div", &[&s, "root"], &d)
        .node("Erf", &[&d], &e)
        .floats("one", &[], &[1.0])
        .node("Add", &[&e, "one"], &o)
        .node("Mul", &[&s, &o], &m)
        .floats("half", &[], &[0.5])
        .node("Mul", &[&m, "half"], &g)
        .weights(&u, &[20, 6])
        .node("MatMul", &[&g, &u], &q)
        .weights(&name_of("factor"), &[6])
        .node("Mul", &[&q, &name_of("factor")], name)
}

/// A block of ConvNeXt: its channels come last inside alone, so that it runs on a GPU, too.
#[test]
fn channels_may_come_last_within_a_network() {
    let b = Builder::fixed(&[1, 2, 5, 4])
        .weights("stem", &[6, 2, 1, 1])
        .node("Conv", &["x", "stem"], "c")
        .weights("deep", &[6, 1, 3, 3])
        .node_with(
            "Conv",
            &["c", "deep"],
            "wide",
            &[("pads", ints(&[1; 4])), ("group", Attribute::Int(6))],
        )
        .node_with(
            "Transpose",
            &["wide"],
            "last",
            &[("perm", ints(&[0, 2, 3, 1]))],
        );
    let b = inverted(b, "last", "y")
        .node_with(
            "Transpose",
            &["y"],
            "first",
            &[("perm", ints(&[0, 3, 1, 2]))],
        )
        .node("Add", &["first", "c"], "sum")
        .node("GlobalAveragePool", &["sum"], "mean")
        .node("Flatten", &["mean"], "logits");
    agrees(b.build(), 1);
}

/// Where what comes last has no network, the one before ends with its channels first, as a GPU has them.
#[test]
fn channels_that_come_last_behind_a_network_do_not_spoil_it() {
    let b = block(Builder::fixed(&[1, 2, 4, 3]), "x", "a", [2, 6])
        .node_with(
            "Transpose",
            &["a"],
            "last",
            &[("perm", ints(&[0, 2, 3, 1]))],
        )
        .ints("flat", &[1, 72])
        .node("Reshape", &["last", "flat"], "r")
        .weights("w", &[72, 5])
        .node("MatMul", &["r", "w"], "logits");
    agrees(b.build(), 2);
}

/// Tokens, as in a transformer: a network for what lies between its attentions.
#[test]
fn channels_may_come_last_at_its_ends() {
    let tokens = |b: Builder| {
        b.weights("stem", &[6, 2, 2, 2])
            .node_with("Conv", &["x", "stem"], "c", &[("strides", ints(&[2; 2]))])
            .ints("flat", &[1, 6, 6])
            .node("Reshape", &["c", "flat"], "r")
            .node_with("Transpose", &["r"], "t", &[("perm", ints(&[0, 2, 1]))])
            // What no network knows.
            .node("Softplus", &["t"], "odd")
    };
    let b = inverted(tokens(Builder::fixed(&[1, 2, 4, 6])), "odd", "y")
        .node("Add", &["y", "odd"], "shifted")
        .weights("rms", &[6])
        .node("SimplifiedLayerNormalization", &["shifted", "rms"], "sum")
        .node_with(
            "ReduceMean",
            &["sum"],
            "logits",
            &[("axes", ints(&[1])), ("keepdims", Attribute::Int(0))],
        );
    agrees_on_the_cpu(b.build(), 2);
    // Where as many tokens as channels are turned, nothing is taken for the other.
    let b = inverted(tokens(Builder::fixed(&[1, 2, 4, 6])), "odd", "y")
        .node_with("Transpose", &["y"], "turned", &[("perm", ints(&[0, 2, 1]))])
        .weights("mix", &[6, 6])
        .node("MatMul", &["turned", "mix"], "mixed")
        .node("Flatten", &["mixed"], "logits");
    agrees_on_the_cpu(b.build(), 3);
}
