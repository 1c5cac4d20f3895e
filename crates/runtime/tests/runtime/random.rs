//! Models that answer at random.

use scoville_kernels::{Array, Device};
use scoville_onnx::{Dim, Graph};
use scoville_runtime::{Model, ModelSpec};

use crate::graphs::{Builder, random};
use crate::shared;

const CLASSES: usize = 4;

/// A convolution whose input, and so whose every answer, is noisy.
fn noisy() -> Graph {
    Builder::new(&[Dim::Unknown, Dim::Fixed(1), Dim::Fixed(6), Dim::Fixed(6)])
        .weights("w", &[3, 1, 3, 3])
        .weights("v", &[48, CLASSES])
        .node("RandomNormalLike", &["x"], "noise")
        .node("Add", &["x", "noise"], "shaken")
        .node("Conv", &["shaken", "w"], "c")
        .node("Relu", &["c"], "r")
        .node("Flatten", &["r"], "f")
        .node("MatMul", &["f", "v"], "y")
        .build()
}

#[test]
fn every_run_draws_again_and_every_load_the_same() {
    let load = || Model::load(noisy(), &ModelSpec::raw(), &Device::Cpu).expect("loads");
    let (model, again) = (load(), load());
    let x = random(3, 5 * model.sample_len());
    let first = shared::run(&model, &x, Model::output);
    let second = shared::run(&model, &x, Model::output);
    assert_ne!(first, second);
    assert_eq!(first, shared::run(&again, &x, Model::output));
    assert_eq!(second, shared::run(&again, &x, Model::output));
    // The rows of a batch meet different noise, too.
    let same: Vec<f32> = x[..model.sample_len()].repeat(2);
    let rows = shared::run(&model, &same, Model::output);
    assert_ne!(rows[..CLASSES], rows[CLASSES..]);
}

#[test]
fn noise_passes_the_gradient_of_what_it_is_added_to_and_the_fast_path_is_taken() {
    let model = Model::load(noisy(), &ModelSpec::raw(), &Device::Cpu).expect("loads");
    assert_eq!(model.inspect().expect("inspects").networks(), 1);
    let x = random(4, 2 * model.sample_len());
    let x = Array::from_vec(&Device::Cpu, 2, model.sample_len(), x).expect("fits");
    let mut ones = |logits: &Array| Array::filled(&Device::Cpu, 2, logits.cols(), 1.0);
    let (_, gradient) = model.gradient(&x, &mut ones).expect("runs");
    assert!(gradient.to_vec().expect("reads").iter().any(|&g| g != 0.0));
}
