//! Third-party models against onnxruntime 1.32 and published accuracies.

use std::collections::BTreeMap;
use std::path::Path;

use scoville_kernels::Device;
use scoville_runtime::{Error, Layout, Model, ModelSpec};

use crate::shared::{self, relative_error};

/// Every model of the shared data that loads. Add to it; nothing may leave it.
const LOADS: [&str; 20] = [
    "onnx/cifar10_resnet20.onnx",
    "onnx/cifar10_tf2onnx_nhwc.onnx",
    "onnx/gtsrb_cnn_32.onnx",
    "onnx/mnist_burn_bn.onnx",
    "onnx/mnist_cntk.onnx",
    "onnx/mnist_colt_0.1.onnx",
    "onnx/mnist_leocb_nhwc_gap.onnx",
    "onnx/mnist_rten_weak.onnx",
    "onnx/mnist_wonnx_opt.onnx",
    "vnncomp/vnncomp2021_cifar10_resnet/models/resnet_2b.onnx",
    "vnncomp/vnncomp2021_marabou_cifar10/models/cifar10_small.onnx",
    "vnncomp/vnncomp2021_verivital/models/Convnet_maxpool.onnx",
    "vnncomp/vnncomp2022_mnist_fc/models/mnist-net_256x2.onnx",
    "vnncomp/vnncomp2022_mnist_fc/models/mnist-net_256x4.onnx",
    "vnncomp/vnncomp2022_oval21/models/cifar_base_kw.onnx",
    "vnncomp/vnncomp2022_oval21/models/cifar_deep_kw.onnx",
    "vnncomp/vnncomp2022_sri_resnet_a/models/resnet_3b2_bn_mixup_adv_4.0_bs128_lr-1.onnx",
    "vnncomp/vnncomp2024_cora_mnist/models/mnist-point.onnx",
    "vnncomp/vnncomp2024_cora_mnist/models/mnist-trades.onnx",
    "vnncomp/vnncomp2024_safenlp/models/ruarobot_perturbations_0.onnx",
];

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
            match raw(&data, &name.to_string_lossy()) {
                Ok(model) => {
                    assert_outputs(onnx, &model, &x, &expected);
                    checked += x.len() / len;
                }
                Err(Error::UnsupportedOperators(_)) => {}
                Err(error) => panic!("{onnx}: {error}"),
            }
        }
    }
    println!("{checked} rows agree");
    assert!(checked >= 1091, "only {checked} rows were checked");
}

#[test]
fn every_reference_pair() {
    let Some(data) = shared::data() else { return };
    let folder = data.join("onnx/reference_io");
    for [name] in shared::csv(&folder.join("index.csv"), ["model"]) {
        let Ok(model) = raw(&data, &format!("onnx/{name}.onnx")) else {
            continue;
        };
        let x = shared::floats(&folder.join(format!("{name}.in.bin")));
        let expected = shared::floats(&folder.join(format!("{name}.out0.f32")));
        assert_outputs(&name, &model, &x, &expected);
    }
}

#[test]
fn what_loads_does_not_shrink() {
    let Some(data) = shared::data() else { return };
    let mut models = Vec::new();
    find(&data, &mut models);
    let mut loaded = Vec::new();
    for path in models {
        let name = path
            .strip_prefix(&data)
            .expect("inside")
            .to_string_lossy()
            .into_owned();
        match raw(&data, &name) {
            Ok(model) => {
                println!(
                    "{name:<90} {:>9} parameters {:>12} {:>3} classes; {}",
                    model.parameters(),
                    format!("{:?}", model.sample_shape()),
                    model.classes(),
                    model.notes().join("; ")
                );
                loaded.push(name);
            }
            Err(error) => println!("{name:<90} {error}"),
        }
    }
    for name in LOADS {
        assert!(
            loaded.iter().any(|loaded| loaded == name),
            "{name} no longer loads"
        );
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

/// Correct among the first 100 samples.
fn correct(model: &Model, x: &[f32], labels: &[u8]) -> usize {
    let logits = shared::run(model, x, Model::logits);
    let predicted = logits.chunks_exact(model.classes()).map(|row| {
        let best = row.iter().copied().fold(f32::MIN, f32::max);
        row.iter()
            .position(|&logit| logit == best)
            .expect("finite logits")
    });
    predicted
        .zip(labels)
        .filter(|(predicted, label)| *predicted == usize::from(**label))
        .count()
}

fn spec(mean: &[f32], std: &[f32]) -> ModelSpec {
    ModelSpec {
        mean: mean.to_vec(),
        std: std.to_vec(),
        ..ModelSpec::default()
    }
}

/// The data's README, images 0 to 99; for MNIST onnxruntime on the same images.
#[test]
fn accuracies_on_the_first_100() {
    let Some(data) = shared::data() else { return };
    let imagenet = spec(&[0.485, 0.456, 0.406], &[0.229, 0.224, 0.225]);
    let cifar_mean = [0.4914, 0.4822, 0.4465];
    let nhwc = ModelSpec {
        layout: Layout::Nhwc,
        ..ModelSpec::default()
    };
    let transposed = ModelSpec {
        shape: Some(vec![1, 28, 28]),
        transpose: true,
        ..ModelSpec::default()
    };
    let digits = ModelSpec {
        shape: Some(vec![1, 28, 28]),
        ..ModelSpec::default()
    };
    let bytes = ModelSpec {
        pixel_range: (0.0, 255.0),
        ..ModelSpec::default()
    };
    let (v, o) = ("vnncomp/", "onnx/");
    for (prefix, name, spec, expected) in [
        (
            v,
            "vnncomp2021_cifar10_resnet/models/resnet_2b",
            spec(&cifar_mean, &[0.2471, 0.2435, 0.2616]),
            77,
        ),
        (
            v,
            "vnncomp2021_marabou_cifar10/models/cifar10_small",
            nhwc.clone(),
            61,
        ),
        (
            v,
            "vnncomp2022_oval21/models/cifar_base_kw",
            spec(&[0.485, 0.456, 0.406], &[0.225]),
            73,
        ),
        (
            v,
            "vnncomp2022_oval21/models/cifar_deep_kw",
            spec(&[0.485, 0.456, 0.406], &[0.225]),
            58,
        ),
        (
            v,
            "vnncomp2022_sri_resnet_a/models/resnet_3b2_bn_mixup_adv_4.0_bs128_lr-1",
            spec(&cifar_mean, &[0.2023, 0.1994, 0.2010]),
            82,
        ),
        (o, "cifar10_resnet20", imagenet, 93),
        (o, "cifar10_tf2onnx_nhwc", nhwc, 75),
        (
            v,
            "vnncomp2022_mnist_fc/models/mnist-net_256x2",
            digits,
            100,
        ),
        (
            v,
            "vnncomp2024_cora_mnist/models/mnist-trades",
            transposed,
            100,
        ),
        (o, "mnist_burn_bn", spec(&[0.1307], &[0.3081]), 100),
        (o, "mnist_cntk", bytes, 99),
    ] {
        let path = data.join(format!("{prefix}{name}.onnx"));
        let model = shared::load(&path, &spec, &Device::Cpu).expect(name);
        let (x, labels) = match model.sample_len() {
            784 => shared::mnist(&data, 100),
            _ => shared::cifar(&data.join("cifar10/cifar10_test_exact.bin"), 100),
        };
        assert_eq!(correct(&model, &x, &labels), expected, "{name}");
    }
}
