//! The CPU's convolutional networks against the same models with every node run by itself.

use scoville_kernels::{Array, Device};
use scoville_runtime::{Model, ModelSpec};

use crate::graphs::random;
use crate::shared::{self, relative_error};

struct Answers {
    output: Vec<f32>,
    gradient: Vec<f32>,
    networks: usize,
    classes: usize,
}

/// Outputs and gradients of `rows` samples of noise.
fn answers(path: &std::path::Path, plain: bool, rows: usize) -> Answers {
    let spec = ModelSpec {
        plain,
        ..ModelSpec::raw()
    };
    let model = shared::load(path, &spec, &Device::Cpu).expect("loads");
    let x = random(5, rows * model.sample_len());
    let output = shared::run(&model, &x, Model::output);
    let x = Array::from_vec(&Device::Cpu, rows, model.sample_len(), x).expect("fits");
    let mut head = |logits: &Array| {
        let weight = |i: usize| (1.0 + (i % logits.cols()) as f32).sin();
        let weights = (0..rows * logits.cols()).map(weight).collect();
        Array::from_vec(&Device::Cpu, rows, logits.cols(), weights)
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
/// its kink that sample's gradient is another; not more than one in eight.
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
        let [fast, plain] = [false, true].map(|plain| answers(&path, plain, ROWS));
        assert_eq!(plain.networks, 0, "{name}");
        assert!(fast.networks >= networks, "{name}: no network was found");
        let off = relative_error(&fast.output, &plain.output);
        assert!(off <= 1e-4, "{name}: values are off by {off}");
        let rows = fast
            .output
            .chunks(fast.classes)
            .zip(plain.output.chunks(plain.classes));
        for (row, (a, b)) in rows.enumerate() {
            assert_eq!(largest(a), largest(b), "{name}: the class of sample {row}");
        }
        let len = fast.gradient.len() / ROWS;
        let rows = fast.gradient.chunks(len).zip(plain.gradient.chunks(len));
        let off = rows.filter(|(a, b)| relative_error(a, b) > 1e-4).count();
        assert!(
            off <= ROWS / 8,
            "{name}: the gradients of {off} samples are off"
        );
        println!(
            "{name}: {} networks, {off} gradients across a kink",
            fast.networks
        );
    }
}
