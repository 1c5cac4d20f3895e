//! The input gradient against central differences of the forward pass.

use std::path::Path;

use scoville_kernels::{Array, Device};
use scoville_onnx::Attribute;
use scoville_runtime::{Layout, Model, ModelSpec};

use crate::graphs::{Builder, cnn, random};
use crate::shared;

/// Weights of the logits in the objective, of both signs.
fn weights(count: usize) -> Vec<f32> {
    (0..count).map(|i| (1.0 + i as f32).sin()).collect()
}

fn array(model: &Model, rows: usize, values: &[f32]) -> Array {
    Array::from_vec(model.device(), rows, model.sample_len(), values.to_vec()).expect("fits")
}

/// The gradient of `sum(weights * logits)` by the input.
fn gradient(model: &Model, rows: usize, x: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let mut head = |logits: &Array| {
        Array::from_vec(
            &logits.device(),
            rows,
            logits.cols(),
            weights(rows * logits.cols()),
        )
    };
    let (logits, gradient) = model
        .gradient(&array(model, rows, x), &mut head)
        .expect("runs");
    assert_eq!(
        (gradient.rows(), gradient.cols()),
        (rows, model.sample_len())
    );
    (
        logits.to_vec().expect("reads"),
        gradient.to_vec().expect("reads"),
    )
}

fn objective(model: &Model, rows: usize, x: &[f32]) -> f64 {
    let logits = model
        .logits(&array(model, rows, x))
        .expect("runs")
        .to_vec()
        .expect("reads");
    let weights = weights(logits.len());
    logits
        .iter()
        .zip(weights)
        .map(|(&z, w)| f64::from(z) * f64::from(w))
        .sum()
}

/// Along the gradient itself and along random directions; piecewise linear networks bend, so the
/// step is short and the tolerance 2 % of the gradient's length.
fn assert_agrees(name: &str, model: &Model, x: &[f32], step: f64) {
    let rows = x.len() / model.sample_len();
    let (logits, gradient) = gradient(model, rows, x);
    let forward = shared::run(model, x, Model::logits);
    assert!(
        shared::relative_error(&logits, &forward) <= 1e-5,
        "{name}: logits differ on the tape"
    );
    let length = gradient
        .iter()
        .map(|&g| f64::from(g).powi(2))
        .sum::<f64>()
        .sqrt();
    assert!(length > 0.0, "{name}: the gradient is zero");
    let along_gradient: Vec<f64> = gradient.iter().map(|&g| f64::from(g) / length).collect();
    let directions = (0..3).map(|seed| {
        let d: Vec<f64> = random(seed, x.len())
            .iter()
            .map(|&r| f64::from(r) - 0.5)
            .collect();
        let norm = d.iter().map(|v| v * v).sum::<f64>().sqrt();
        d.iter().map(|v| v / norm).collect()
    });
    for direction in std::iter::once(along_gradient).chain(directions) {
        let moved = |sign: f64| {
            let moved = x
                .iter()
                .zip(&direction)
                .map(|(&v, d)| (f64::from(v) + sign * step * d) as f32);
            objective(model, rows, &moved.collect::<Vec<_>>())
        };
        let numeric = (moved(1.0) - moved(-1.0)) / (2.0 * step);
        let analytic: f64 = gradient
            .iter()
            .zip(&direction)
            .map(|(&g, d)| f64::from(g) * d)
            .sum();
        assert!(
            (numeric - analytic).abs() <= 0.02 * length,
            "{name}: {analytic} instead of {numeric}, gradient of length {length}"
        );
    }
}

#[test]
fn small_graphs() {
    let model = Model::load(cnn(), &ModelSpec::raw(), &Device::Cpu).expect("loads");
    assert_agrees("cnn", &model, &random(1, 3 * model.sample_len()), 1e-2);

    // Through the prologue: mean, std, range, NHWC, transpose.
    let spec = ModelSpec {
        shape: Some(vec![2, 8, 8]),
        mean: vec![100.0, 120.0],
        std: vec![50.0, 60.0],
        pixel_range: (0.0, 255.0),
        ..ModelSpec::default()
    };
    let model = Model::load(cnn(), &spec, &Device::Cpu).expect("loads");
    assert_agrees(
        "normalised",
        &model,
        &random(2, 2 * model.sample_len()),
        1e-3,
    );

    let nhwc = Builder::fixed(&[1, 3, 4, 2])
        .node_with(
            "Transpose",
            &["x"],
            "t",
            &[("perm", Attribute::Ints(vec![0, 3, 1, 2]))],
        )
        .weights("w", &[3, 2, 3, 3])
        .node("Conv", &["t", "w"], "c")
        .node("Tanh", &["c"], "h")
        .node("Flatten", &["h"], "y")
        .build();
    let spec = ModelSpec {
        layout: Layout::Nhwc,
        transpose: true,
        ..ModelSpec::default()
    };
    let model = Model::load(nhwc, &spec, &Device::Cpu).expect("loads");
    assert_eq!(model.sample_shape(), [2, 4, 3]);
    assert_agrees("nhwc", &model, &random(3, 2 * model.sample_len()), 1e-2);
}

#[test]
fn samples_that_run_one_by_one_have_gradients() {
    let graph = Builder::fixed(&[1, 6])
        .node_with("Softmax", &["x"], "s", &[("axis", Attribute::Int(0))])
        .weights("w", &[6, 3])
        .node("MatMul", &["x", "w"], "m")
        .node("Sigmoid", &["m"], "a")
        .weights("v", &[6, 3])
        .node("MatMul", &["s", "v"], "b")
        .node("Add", &["a", "b"], "y")
        .build();
    let model = Model::load(graph, &ModelSpec::raw(), &Device::Cpu).expect("loads");
    assert!(
        model.notes().iter().any(|note| note.contains("one by one")),
        "{:?}",
        model.notes()
    );
    assert_agrees("one by one", &model, &random(4, 4 * 6), 1e-2);
}

#[test]
fn third_party_models() {
    let Some(data) = shared::data() else { return };
    let (pixels, _) = shared::cifar(&data.join("cifar10/cifar10_test_exact.bin"), 2);
    let (digits, _) = shared::mnist(&data, 2);
    let load = |name: &str, spec: ModelSpec| {
        shared::load(&data.join(Path::new(name)), &spec, &Device::Cpu).expect(name)
    };
    let resnet = load(
        "vnncomp/vnncomp2021_cifar10_resnet/models/resnet_2b.onnx",
        ModelSpec::default(),
    );
    assert_agrees("resnet_2b", &resnet, &pixels, 1e-2);
    let resnet20 = load("onnx/cifar10_resnet20.onnx", ModelSpec::default());
    assert_agrees("cifar10_resnet20", &resnet20, &pixels, 1e-2);
    let nhwc = ModelSpec {
        layout: Layout::Nhwc,
        ..ModelSpec::default()
    };
    assert_agrees(
        "tf2onnx",
        &load("onnx/cifar10_tf2onnx_nhwc.onnx", nhwc),
        &pixels,
        1e-2,
    );
    let bn = load("onnx/mnist_burn_bn.onnx", ModelSpec::default());
    assert_agrees("mnist_burn_bn", &bn, &digits, 1e-2);
    let fc = load(
        "vnncomp/vnncomp2022_mnist_fc/models/mnist-net_256x2.onnx",
        ModelSpec::default(),
    );
    assert_agrees("mnist-net_256x2", &fc, &digits, 1e-2);
    let pooled = load("onnx/mnist_cntk.onnx", ModelSpec::default());
    // Not digits: on their background windows of a pooling tie, and there a maximum has no
    // derivative.
    assert_agrees("mnist_cntk", &pooled, &random(6, 2 * 784), 1e-2);
}

#[test]
fn a_head_that_fails_or_misfits_is_an_error() {
    let model = Model::load(cnn(), &ModelSpec::raw(), &Device::Cpu).expect("loads");
    let x = array(&model, 1, &random(1, model.sample_len()));
    let mut narrow = |_: &Array| Array::filled(&Device::Cpu, 1, 4, 1.0f32);
    let error = model
        .gradient(&x, &mut narrow)
        .expect_err("4 of 5 classes")
        .to_string();
    assert!(error.contains("1 x 4, but 1 x 5"), "{error}");
    let mut failing = |_: &Array| Array::from_vec(&Device::Cpu, 1, 5, vec![0.0f32; 4]);
    assert!(model.gradient(&x, &mut failing).is_err());
}
