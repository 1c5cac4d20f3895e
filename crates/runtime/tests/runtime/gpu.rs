//! The same small network on a GPU (the software one will do) and on the CPU.

use scoville_kernels::{Array, Device, DeviceSpec, adapters};
use scoville_runtime::{Model, ModelSpec};

use crate::graphs::{cnn, random};
use crate::shared::relative_error;

/// A GPU; no adapter at all fails the test, unless SCOVILLE_NO_GPU_TESTS=1 says that this is known.
fn gpu() -> Option<Device> {
    if std::env::var("SCOVILLE_NO_GPU_TESTS").is_ok_and(|value| value == "1") {
        println!("skipped: SCOVILLE_NO_GPU_TESTS=1");
        return None;
    }
    let all = adapters();
    let info = all.iter().find(|info| info.software).or(all.first());
    let info = info.expect("no adapter: install mesa-vulkan-drivers (lavapipe)");
    let spec: DeviceSpec = format!("{}:{}", info.api, info.index)
        .parse()
        .expect("a device");
    Some(Device::open(&spec).expect("opens"))
}

struct Results {
    logits: Vec<f32>,
    output: Vec<f32>,
    gradient: Vec<f32>,
    digest: String,
}

fn results(device: &Device, spec: &ModelSpec) -> Results {
    let model = Model::load(cnn(), spec, device).expect("loads");
    let rows = 3;
    let x = random(9, rows * model.sample_len());
    let x = Array::from_vec(device, rows, model.sample_len(), x).expect("fits");
    let before = model.weights_digest().expect("reads");
    let mut head = |logits: &Array| {
        let weights = (0..rows * 5).map(|i| (1.0 + i as f32).sin()).collect();
        Array::from_vec(&logits.device(), rows, 5, weights)
    };
    let (logits, gradient) = model.gradient(&x, &mut head).expect("runs");
    let results = Results {
        logits: logits.to_vec().expect("reads"),
        output: model.output(&x).expect("runs").to_vec().expect("reads"),
        gradient: gradient.to_vec().expect("reads"),
        digest: model.weights_digest().expect("reads"),
    };
    assert_eq!(results.digest, before, "running changed the weights");
    results
}

#[test]
fn gpu_and_cpu_agree() {
    let Some(gpu) = gpu() else { return };
    let normalised = ModelSpec {
        shape: Some(vec![2, 8, 8]),
        mean: vec![0.4, 0.5],
        std: vec![0.25],
        ..ModelSpec::default()
    };
    for spec in [ModelSpec::raw(), normalised] {
        let (on_cpu, on_gpu) = (results(&Device::Cpu, &spec), results(&gpu, &spec));
        for (what, got, expected) in [
            ("logits", &on_gpu.logits, &on_cpu.logits),
            ("output", &on_gpu.output, &on_cpu.output),
            ("gradient", &on_gpu.gradient, &on_cpu.gradient),
        ] {
            let error = relative_error(got, expected);
            assert!(error <= 1e-4, "{what}: off by {error}");
        }
        assert_eq!(on_gpu.digest, on_cpu.digest);
    }
}

#[test]
fn an_array_on_another_device_is_refused() {
    let Some(gpu) = gpu() else { return };
    let model = Model::load(cnn(), &ModelSpec::raw(), &Device::Cpu).expect("loads");
    let x = Array::<f32>::zeros(&gpu, 1, model.sample_len()).expect("fits");
    assert!(model.logits(&x).is_err());
}
