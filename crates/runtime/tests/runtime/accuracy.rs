//! The accuracies that the shared data's README gives of third-party models.

use std::path::Path;

use scoville_kernels::Device;
use scoville_runtime::{Layout, Model, ModelSpec};

use crate::shared;

/// A model of the shared data, what it wants of pixels, and its published accuracies in percent: on
/// the first 100 images, the exact set and the JPEG copy of CIFAR-10, or on all MNIST test images.
struct Published {
    path: &'static str,
    spec: ModelSpec,
    percent: &'static [f64],
}

fn normalised(mean: &[f32], std: &[f32]) -> ModelSpec {
    ModelSpec {
        mean: mean.to_vec(),
        std: std.to_vec(),
        ..ModelSpec::default()
    }
}

fn all() -> Vec<Published> {
    let cifar_mean = [0.4914, 0.4822, 0.4465];
    let imagenet = [0.485, 0.456, 0.406];
    let sri = normalised(&cifar_mean, &[0.2023, 0.1994, 0.2010]);
    let kw = normalised(&imagenet, &[0.225]);
    let digits = normalised(&[0.1307], &[0.3081]);
    let nhwc = ModelSpec {
        layout: Layout::Nhwc,
        ..ModelSpec::default()
    };
    let shape = Some(vec![1, 28, 28]);
    let flat = ModelSpec {
        shape: shape.clone(),
        ..ModelSpec::default()
    };
    let transposed = ModelSpec {
        transpose: true,
        ..flat.clone()
    };
    let bytes = ModelSpec {
        pixel_range: (0.0, 255.0),
        ..ModelSpec::default()
    };
    let row = |path, spec: &ModelSpec, percent| Published {
        path,
        spec: spec.clone(),
        percent,
    };
    vec![
        row(
            "vnncomp/vnncomp2021_cifar10_resnet/models/resnet_2b.onnx",
            &normalised(&cifar_mean, &[0.2471, 0.2435, 0.2616]),
            &[77.0, 83.3, 68.1],
        ),
        row(
            "vnncomp/vnncomp2021_marabou_cifar10/models/cifar10_small.onnx",
            &nhwc,
            &[61.0, 72.0, 59.9],
        ),
        row(
            "vnncomp/vnncomp2022_oval21/models/cifar_base_kw.onnx",
            &kw,
            &[73.0, 70.5, 56.7],
        ),
        row(
            "vnncomp/vnncomp2022_oval21/models/cifar_deep_kw.onnx",
            &kw,
            &[58.0, 62.8, 51.9],
        ),
        row(
            "vnncomp/vnncomp2022_sri_resnet_a/models/resnet_3b2_bn_mixup_adv_4.0_bs128_lr-1.onnx",
            &sri,
            &[82.0, 90.1, 78.8],
        ),
        row(
            "vnncomp/vnncomp2023_vit/models/ibp_3_3_8.onnx",
            &sri,
            &[69.0, 84.1, 59.9],
        ),
        row(
            "onnx/cifar10_resnet20.onnx",
            &normalised(&imagenet, &[0.229, 0.224, 0.225]),
            &[93.0, 95.2, 78.1],
        ),
        row("onnx/cifar10_tf2onnx_nhwc.onnx", &nhwc, &[75.0, 78.7, 69.2]),
        row(
            "vnncomp/vnncomp2021_verivital/models/Convnet_maxpool.onnx",
            &flat,
            &[97.92],
        ),
        row(
            "vnncomp/vnncomp2022_mnist_fc/models/mnist-net_256x2.onnx",
            &flat,
            &[98.08],
        ),
        row(
            "vnncomp/vnncomp2022_mnist_fc/models/mnist-net_256x4.onnx",
            &flat,
            &[97.64],
        ),
        row(
            "vnncomp/vnncomp2024_cora_mnist/models/mnist-point.onnx",
            &transposed,
            &[98.17],
        ),
        row(
            "vnncomp/vnncomp2024_cora_mnist/models/mnist-trades.onnx",
            &transposed,
            &[98.85],
        ),
        row("onnx/mnist_cntk.onnx", &bytes, &[98.91]),
        row("onnx/mnist_burn_bn.onnx", &digits, &[99.16]),
        row("onnx/mnist_colt_0.1.onnx", &digits, &[99.16]),
        row("onnx/mnist_leocb_nhwc_gap.onnx", &nhwc, &[99.02]),
        row("onnx/mnist_rten_weak.onnx", &digits, &[77.21]),
        row("onnx/mnist_wonnx_opt.onnx", &bytes, &[98.91]),
    ]
}

/// Correct answers, a batch of 100 at a time.
fn correct(model: &Model, (x, labels): &(Vec<f32>, Vec<u8>)) -> usize {
    let batches = x.chunks(100 * model.sample_len()).zip(labels.chunks(100));
    batches
        .map(|(x, labels)| {
            let logits = shared::run(model, x, Model::logits);
            let rows = logits.chunks_exact(model.classes()).zip(labels);
            rows.filter(|(row, label)| arg_max(row) == usize::from(**label))
                .count()
        })
        .sum()
}

fn arg_max(row: &[f32]) -> usize {
    let best = row.iter().copied().fold(f32::MIN, f32::max);
    row.iter()
        .position(|&logit| logit == best)
        .expect("finite logits")
}

fn assert_accuracy(name: &str, model: &Model, data: &(Vec<f32>, Vec<u8>), percent: f64) {
    let (correct, n) = (correct(model, data), data.1.len());
    let expected = percent / 100.0 * n as f64;
    // The README rounds to a tenth or a hundredth of a percent.
    let rounding = if n < 10_000 { 0.0005 * n as f64 } else { 0.5 };
    assert!(
        (correct as f64 - expected).abs() <= 1.0 + rounding,
        "{name}: {correct} of {n} instead of {expected:.1}"
    );
}

fn load(data: &Path, published: &Published) -> Model {
    shared::load(&data.join(published.path), &published.spec, &Device::Cpu).expect(published.path)
}

#[test]
fn first_100_images_of_cifar10() {
    let Some(data) = shared::data() else { return };
    let images = shared::cifar(&data.join("cifar10/cifar10_test_exact.bin"), 100);
    for published in all()
        .iter()
        .filter(|published| published.percent.len() == 3)
    {
        let model = load(&data, published);
        let correct = correct(&model, &images);
        assert_eq!(correct as f64, published.percent[0], "{}", published.path);
    }
}

/// On all 10,000 digits of MNIST, and all sets of CIFAR-10.
#[test]
#[ignore = "takes minutes: ./test --full"]
fn every_published_accuracy() {
    let Some(data) = shared::data() else { return };
    let exact = shared::cifar(&data.join("cifar10/cifar10_test_exact.bin"), 414);
    let copy = shared::cifar(
        &data.join("cifar10/cifar10_jpegcopy_test_1000.bin.gz"),
        1000,
    );
    let digits = shared::mnist(&data, 10_000);
    for published in all() {
        let model = load(&data, &published);
        match published.percent {
            [percent] => assert_accuracy(published.path, &model, &digits, *percent),
            [_, on_exact, on_copy] => {
                assert_accuracy(published.path, &model, &exact, *on_exact);
                assert_accuracy(published.path, &model, &copy, *on_copy);
            }
            other => panic!("{}: {other:?}", published.path),
        }
    }
}
