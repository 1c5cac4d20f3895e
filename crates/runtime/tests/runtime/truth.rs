//! Third-party models against onnxruntime 1.32 and published accuracies.

use std::collections::BTreeMap;
use std::path::Path;

use scoville_kernels::Device;
use scoville_runtime::{Error, Model, ModelSpec};

use crate::shared::{self, relative_error};

fn raw(data: &Path, name: &str) -> Result<Model, Error> {
    shared::load(&data.join(name), &ModelSpec::raw(), &Device::Cpu)
}

/// Outputs of `x` in one batch and one by one, both against `expected`.
fn assert_outputs(name: &str, model: &Model, x: &[f32], expected: &[f32]) {
    let together = relative_error(&shared::run(model, x, Model::output), expected);
    assert!(together <= 1e-4, "{name}: off by {together} in a batch");
    let apart: Vec<f32> = x
        .chunks_exact(model.sample_len())
        .flat_map(|sample| shared::run(model, sample, Model::output))
        .collect();
    let apart = relative_error(&apart, expected);
    assert!(apart <= 1e-4, "{name}: off by {apart} one by one");
    println!("{name}: off by {together:.1e} in a batch, {apart:.1e} one by one");
}

#[test]
fn every_nominal_output() {
    let Some(data) = shared::data() else { return };
    let folders = std::fs::read_dir(data.join("vnncomp")).expect("a folder");
    let mut checked = 0;
    for folder in folders.map(|entry| entry.expect("an entry").path()) {
        let x = shared::floats(&folder.join("nominal.f32"));
        let expected = shared::floats(&folder.join("nominal_out.f32"));
        let rows = shared::csv(&folder.join("instances.csv"), ["onnx", "f32_offset"]);
        let classes = expected.len() / rows.len();
        let mut by_model: BTreeMap<&str, (Vec<f32>, Vec<f32>)> = BTreeMap::new();
        let len = x.len() / rows.len();
        for ([onnx, offset], expected) in rows.iter().zip(expected.chunks_exact(classes)) {
            let offset: usize = offset.parse().expect("a number");
            let rows = by_model.entry(onnx).or_default();
            rows.0.extend_from_slice(&x[offset..offset + len]);
            rows.1.extend_from_slice(expected);
        }
        for (onnx, (x, expected)) in by_model {
            let name = folder.join(onnx);
            let model = raw(&data, &name.to_string_lossy()).expect(onnx);
            assert_outputs(onnx, &model, &x, &expected);
            checked += x.len() / len;
        }
    }
    assert_eq!(checked, 1321, "every instance has a nominal output");
}

#[test]
fn every_reference_pair() {
    let Some(data) = shared::data() else { return };
    for (name, model, x, expected) in shared::reference_pairs(&data, &Device::Cpu) {
        assert_outputs(&name, &model, &x, &expected);
    }
}

/// Every model but the one of text, which `text` tests.
#[test]
fn every_model_loads() {
    let Some(data) = shared::data() else { return };
    let mut models = Vec::new();
    find(&data, &mut models);
    models.retain(|path| !path.ends_with("sms_spam_tfidf_lr.onnx"));
    assert!(models.len() >= 26, "only {} models", models.len());
    for path in models {
        let name = path.strip_prefix(&data).expect("inside").to_string_lossy();
        let shape = match &*name {
            "onnx/text_byte_bilstm_tract.onnx" => Some(vec![16]),
            "text/sentiment_embed/sentiment_model.onnx" => Some(vec![20]),
            _ => None,
        };
        let spec = ModelSpec {
            shape,
            ..ModelSpec::raw()
        };
        let model = shared::load(&path, &spec, &Device::Cpu).expect(&name);
        println!(
            "{name:<90} {:>9} parameters {:>12} {:>5} outputs; {}",
            model.parameters(),
            format!("{:?}", model.sample_shape()),
            model.classes(),
            model.notes().join("; ")
        );
        let slow = model
            .notes()
            .iter()
            .any(|note| note.contains("one by one, which is slow"));
        assert!(!slow, "{name}: {:?}", model.notes());
    }
}

fn find(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            find(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "onnx")
        {
            found.push(path);
        }
    }
    found.sort();
}

/// One reference input of each model, and one nominal point of each verification model, on a GPU.
#[test]
#[ignore = "takes minutes on a software GPU: ./test --full"]
fn references_on_a_gpu() {
    let Some(data) = shared::data() else { return };
    let Some(gpu) = crate::gpu::gpu() else { return };
    for (name, model, x, expected) in shared::reference_pairs(&data, &gpu) {
        assert_gpu(&name, &model, &x, &expected);
    }
    let folders = std::fs::read_dir(data.join("vnncomp")).expect("a folder");
    for folder in folders.map(|entry| entry.expect("an entry").path()) {
        let rows = shared::csv(&folder.join("instances.csv"), ["onnx", "f32_offset"]);
        let x = shared::floats(&folder.join("nominal.f32"));
        let expected = shared::floats(&folder.join("nominal_out.f32"));
        let (len, classes) = (x.len() / rows.len(), expected.len() / rows.len());
        let mut seen = std::collections::BTreeSet::new();
        for (i, [onnx, offset]) in rows.iter().enumerate() {
            if !seen.insert(onnx.clone()) {
                continue;
            }
            let offset: usize = offset.parse().expect("a number");
            let model = shared::load(&folder.join(onnx), &ModelSpec::raw(), &gpu).expect(onnx);
            let expected = &expected[i * classes..(i + 1) * classes];
            assert_gpu(onnx, &model, &x[offset..offset + len], expected);
        }
    }
}

fn assert_gpu(name: &str, model: &Model, x: &[f32], expected: &[f32]) {
    let error = relative_error(&shared::run(model, x, Model::output), expected);
    println!("{name}: off by {error:.1e} on {:?}", model.device());
    assert!(error <= 1e-4, "{name}: off by {error} on a GPU");
}
