//! Any bytes as a model: load, validate, unroll, infer, fold, run one sample and its gradient.
//!
//! Whatever comes is an error or an answer. A panic is a finding, also one inside burn that the
//! runtime would contain.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scoville_kernels::{Array, Device};
use scoville_onnx::{Dim, Graph};
use scoville_runtime::{Model, ModelSpec};

/// Larger runs only cost time here.
const MEMORY: u64 = 16 << 20;

fuzz_target!(|bytes: &[u8]| {
    let Ok(graph) = scoville_onnx::parse(bytes.to_vec().into(), None) else {
        return;
    };
    let spec = ModelSpec {
        shape: open_shape(&graph),
        memory: Some(MEMORY),
        ..ModelSpec::raw()
    };
    let Ok(model) = Model::load(graph, &spec, &Device::Cpu) else {
        return;
    };
    let len = model.sample_len();
    let Ok(x) = Array::from_vec(&Device::Cpu, 1, len, vec![0.5; len]) else {
        return;
    };
    let mut head = |logits: &Array| Array::filled(&Device::Cpu, 1, logits.cols(), 1.0f32);
    let _ = model.gradient(&x, &mut head);
    let _ = model.output(&x);
});

/// Where the graph leaves a size open: 3.
fn open_shape(graph: &Graph) -> Option<Vec<usize>> {
    let (_, sample) = graph.inputs.first()?.shape.as_ref()?.split_first()?;
    let size = |dim: &Dim| match dim {
        Dim::Fixed(size) => *size,
        _ => 3,
    };
    Some(sample.iter().map(size).collect())
}
