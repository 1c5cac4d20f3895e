//! Devices: what is listed, and that CPU and wgpu agree sample by sample.

#[path = "../crates/campaign/tests/manifest/mod.rs"]
mod manifest;

use std::sync::atomic::AtomicBool;

use scoville_attacks::evasion::gradients::{
    acg::acg, apgd::apgd, fgsm::fgsm, mi_fgsm::mi_fgsm, pgd::pgd,
};
use scoville_attacks::evasion::{
    nearest::fab::{Fab, Rivals},
    scores::square::Square,
};
use scoville_attacks::{BlackBox, Goal, Problem, WhiteBox, black_box, parse, white_box};
use scoville_campaign::Plan;
use scoville_data::glyphs::{Split, generate};
use scoville_kernels::{Array, Device, Loss, Norm, adapters};
use scoville_report::event::Event;
use scoville_runtime::{Model, ModelSpec};
use scoville_targets::{Ensemble, Labels, Metered, ModelTarget, Scores};

use crate::support::{scoville, stdout};
use manifest::manifest;

const MODEL: &[u8] = include_bytes!("../datasets/glyphs-cnn.onnx");

pub fn gpu() -> Option<Device> {
    let spec = adapter()?.parse().unwrap();
    Some(Device::open(&spec).unwrap())
}

/// The first adapter of this machine, software or not. Without one the test fails, unless it is told that there is none.
pub fn adapter() -> Option<String> {
    if let Some(adapter) = adapters().first() {
        return Some(format!("{}:{}", adapter.api, adapter.index));
    }
    assert!(
        std::env::var_os("SCOVILLE_NO_GPU_TESTS").is_some(),
        "no adapter: install mesa-vulkan-drivers, or set SCOVILLE_NO_GPU_TESTS=1"
    );
    println!("skipped: no adapter");
    None
}

pub fn target(device: &Device) -> ModelTarget {
    let graph = scoville_onnx::parse(MODEL.into(), None).unwrap();
    let spec = ModelSpec {
        shape: Some(vec![1, 28, 28]),
        ..ModelSpec::default()
    };
    ModelTarget::new(Model::load(graph, &spec, device).unwrap())
}

/// Which of the samples an attack breaks on a device.
fn broken(device: &Device, norm: Norm, eps: f64, attack: &Attack) -> Vec<usize> {
    let data = generate(Split::Test, 24, 0);
    let ids: Vec<u32> = (0..24).collect();
    let stop = AtomicBool::new(false);
    let problem = Problem {
        ids: &ids,
        x: &data.read_all().unwrap(),
        y: &data.y,
        norm,
        eps,
        bounds: (0.0, 1.0),
        seed: 5,
        goal: Goal::Any,
        constraints: None,
        stop: &stop,
    };
    let target = target(device);
    let found = match attack {
        Attack::White(attack) => white_box(attack.as_ref(), &target, &problem),
        Attack::Black(attack) => black_box(attack.as_ref(), &target, &problem),
    };
    let mut rows: Vec<usize> = found.unwrap().into_iter().map(|s| s.row).collect();
    rows.sort_unstable();
    rows
}

enum Attack {
    White(Box<dyn WhiteBox>),
    Black(Box<dyn BlackBox>),
}

#[test]
fn cpu_and_wgpu_give_the_same_verdict_per_sample() {
    let Some(gpu) = gpu() else { return };
    let data = generate(Split::Test, 24, 0);
    let clean = |device: &Device| {
        let x = Array::from_vec(device, 24, 784, data.read_all().unwrap()).unwrap();
        target(device).labels(&x).unwrap().to_vec().unwrap()
    };
    assert_eq!(clean(&Device::Cpu), clean(&gpu));
    let attacks = [
        Attack::White(Box::new(fgsm())),
        // More than ten steps, so that finished samples leave the batch on the GPU too.
        Attack::White(Box::new(pgd(15, 0.25, 1))),
        Attack::White(Box::new(mi_fgsm(15, 1.0))),
        Attack::White(Box::new(acg(15, 1))),
        Attack::White(Box::new(apgd(Loss::CrossEntropy, 15, 1))),
        Attack::White(Box::new(apgd(Loss::TargetedDlr, 11, 2))),
        Attack::White(Box::new(Fab {
            steps: 11,
            rivals: Rivals::Each(1),
            restarts: 2,
        })),
        Attack::White(Box::new(Fab {
            steps: 5,
            rivals: Rivals::Nearest(3),
            restarts: 2,
        })),
        Attack::Black(Box::new(Square {
            queries: 40,
            schedule: 1.0,
        })),
    ];
    for (norm, eps) in [(Norm::Linf, 12.0 / 255.0), (Norm::L2, 1.0)] {
        for (i, attack) in attacks.iter().enumerate() {
            let (cpu, wgpu) = (
                broken(&Device::Cpu, norm, eps, attack),
                broken(&gpu, norm, eps, attack),
            );
            assert_eq!(cpu, wgpu, "attack {i} in {norm}");
            assert!(
                cpu.len() < 24,
                "attack {i} in {norm}: a verdict that is always the same proves nothing"
            );
        }
    }
}

/// In this process, where the kernels are tuned already.
#[test]
fn two_models_on_one_gpu_give_the_verdicts_of_one() {
    let Some(gpu) = gpu() else { return };
    let curves = |targets: &[Metered<ModelTarget>]| {
        let attacks = ["pgd:steps=5", "square:queries=20", "transfer:pgd:steps=5"]
            .map(|name| parse(name).unwrap());
        let mut plan = Plan::new(attacks.into(), Norm::Linf, vec![0.02, 0.1]).unwrap();
        plan.batch = 4;
        let data = generate(Split::Test, 24, 0);
        let mut curves = Vec::new();
        let mut emit = |event: &Event| {
            if let Event::TechniqueScored(scored) = event {
                curves.push(scored.curve.clone());
            }
            Ok(())
        };
        let (manifest, stop) = (manifest(targets, &data), AtomicBool::new(false));
        let surrogate = |_| Metered::new(Ensemble::new(target(&gpu), vec![target(&gpu)]));
        let surrogates: Vec<_> = targets.iter().map(surrogate).collect();
        let models = (targets, surrogates.as_slice());
        scoville_campaign::run(&plan, models, &data, manifest, &stop, &mut emit).unwrap();
        curves
    };
    let metered = || Metered::new(target(&gpu));
    let one = curves(&[metered()]);
    assert!(one[0][0].successes > 0 && one[0][1].successes < 24);
    assert_eq!(curves(&[metered(), metered()]), one);
}

#[test]
fn scores_are_logits_and_labels_their_arg_max() {
    let target = target(&Device::Cpu);
    let data = generate(Split::Test, 50, 0);
    let x = Array::from_vec(&Device::Cpu, 50, 784, data.read_all().unwrap()).unwrap();
    let scores = target.scores(&x).unwrap().to_vec().unwrap();
    let labels = target.labels(&x).unwrap().to_vec().unwrap();
    for (row, label) in scores.chunks_exact(10).zip(labels) {
        assert!(row.iter().all(|v| *v <= row[label as usize]));
    }
}

#[test]
fn devices_are_listed_and_auto_is_never_software() {
    let output = scoville(&["devices", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let lines: Vec<serde_json::Value> = stdout(&output)
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(lines[0]["device"], "cpu");
    let auto: Vec<_> = lines.iter().filter(|l| l["auto"] == true).collect();
    assert_eq!(auto.len(), 1, "{lines:?}");
    assert_eq!(auto[0]["software"], false);
    assert!(stdout(&scoville(&["devices"])).contains("--device auto takes"));
}

#[test]
fn doctor_finds_the_cpu_in_order() {
    let output = scoville(&["doctor", "--device", "cpu"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for check in ["kernel", "forward pass", "input gradient"] {
        assert!(text.contains(check), "{text}");
    }
}

#[test]
fn techniques_and_attacks_are_listed() {
    let text = stdout(&scoville(&["techniques"]));
    let known = [
        "AML.T0015",
        "AML.T0041",
        "AML.T0043.000",
        "AML.T0043.001",
        "AML.T0043.002",
        "AML.T0043.003",
    ];
    assert!(text.contains("AML.T0000"));
    let measured = stdout(&scoville(&["techniques", "--measured", "--json"]));
    assert_eq!(measured.lines().count(), known.len(), "{measured}");
    for id in known {
        assert!(text.contains(id) && measured.contains(id), "{id}");
    }
    let attacks = stdout(&scoville(&["attacks", "--json"]));
    let (rows, suites) = (scoville_attacks::rows(), scoville_attacks::suites());
    // And a line for `transfer:` before any of them.
    assert_eq!(attacks.lines().count(), rows.len() + suites.len() + 1);
    for (name, said) in [
        ("apgd-ce", ["restarts", "eot", "Croce 2020"]),
        (
            "corrupt-fog",
            ["AML.T0043.003", "Manual Modification", "severity"],
        ),
        (
            "autoattack",
            ["autoattack:standard", "autoattack:rand", "fab-t"],
        ),
        ("transfer", ["--surrogate", "AML.T0043.002", "alone"]),
    ] {
        let text = stdout(&scoville(&["attacks", name]));
        assert!(said.iter().all(|word| text.contains(word)), "{text}");
    }
    let unknown = scoville(&["attacks", "agpd-ce"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("apgd-ce"));
}
