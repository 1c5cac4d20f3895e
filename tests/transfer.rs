//! Transfer attacks: from a surrogate that the user gives, alone or with others, and from one that is trained.

use std::sync::atomic::AtomicBool;

use scoville_attacks::{Goal, Problem, Success, parse};
use scoville_data::glyphs::{Split, generate};
use scoville_kernels::{Array, Device, Loss, Norm};
use scoville_onnx::{Attribute, Attributes, Data, Tensor, encode};
use scoville_targets::{Ensemble, Gradients, Labels, Metered, ModelTarget, Scores, Spent};
use serde_json::Value;

use crate::devices::{gpu, target};
use crate::support::{
    Scratch, events, linear_data, linear_model, node, of_kind, scored, scoville, stderr,
};

const SAMPLES: usize = 40;
const MODEL: &[u8] = include_bytes!("../datasets/glyphs-cnn.onnx");

/// The built-in model so many times.
fn ensemble(members: usize) -> Metered<Ensemble> {
    let others = (1..members).map(|_| target(&Device::Cpu)).collect();
    Metered::new(Ensemble::new(target(&Device::Cpu), others))
}

struct Outcome {
    found: Vec<Success>,
    target: Spent,
    surrogate: Spent,
    labels: Vec<u32>,
}

fn transfer(attack: &str, rows: std::ops::Range<usize>, goal: Goal) -> Outcome {
    let (data, stop) = (generate(Split::Test, SAMPLES, 0), AtomicBool::new(false));
    let ids: Vec<u32> = rows.clone().map(|row| row as u32).collect();
    let at: Vec<usize> = rows.clone().collect();
    let problem = Problem {
        ids: &ids,
        x: &data.read(&at).unwrap(),
        y: &data.y[rows.clone()],
        norm: Norm::Linf,
        eps: 16.0 / 255.0,
        bounds: (0.0, 1.0),
        seed: 1,
        goal,
        constraints: None,
        stop: &stop,
    };
    let (judge, surrogate) = (Metered::new(target(&Device::Cpu)), ensemble(1));
    let found = parse(attack)
        .unwrap()
        .run(&judge, Some(&surrogate), &problem)
        .unwrap();
    Outcome {
        found,
        target: judge.spent(),
        surrogate: surrogate.spent(),
        labels: data.y[rows].to_vec(),
    }
}

#[test]
fn the_target_is_asked_once_a_sample_and_the_surrogate_runs_to_the_end() {
    let n = SAMPLES as u64;
    for (attack, gradients) in [
        ("transfer:mi-fgsm", 10),
        ("transfer:apgd-ce:steps=7:restarts=2", 14),
    ] {
        let run = transfer(attack, 0..SAMPLES, Goal::Any);
        assert_eq!(
            (run.target.queries, run.target.gradients),
            (n, 0),
            "{attack}"
        );
        assert_eq!(run.surrogate.gradients, gradients * n, "{attack}");
        // From a model to itself.
        assert!(
            run.found.len() > SAMPLES / 2,
            "{attack}: {}",
            run.found.len()
        );
        assert!(run.found.iter().all(|success| success.asked == 1));
    }
}

#[test]
fn the_class_aimed_at_is_the_targets() {
    let run = transfer("transfer:pgd:steps=20", 0..SAMPLES, Goal::Class(8));
    assert!(run.found.len() > SAMPLES / 8, "{}", run.found.len());
    assert!(
        run.found
            .iter()
            .all(|s| s.predicted == 8 && run.labels[s.row] != 8)
    );
}

#[test]
fn a_sample_fares_alone_as_in_a_batch() {
    for attack in ["transfer:pgd:steps=5", "transfer:fmn:steps=20"] {
        let broken = |rows: std::ops::Range<usize>| -> Vec<usize> {
            let found = transfer(attack, rows.clone(), Goal::Any).found;
            found.into_iter().map(|s| rows.start + s.row).collect()
        };
        let alone: Vec<usize> = (0..12).flat_map(|row| broken(row..row + 1)).collect();
        assert_eq!(broken(0..12), alone, "{attack}");
    }
}

#[test]
fn a_gpu_transfers_what_the_cpu_does() {
    let Some(gpu) = gpu() else { return };
    let (data, stop) = (generate(Split::Test, 16, 0), AtomicBool::new(false));
    let ids: Vec<u32> = (0..16).collect();
    let problem = Problem {
        ids: &ids,
        x: &data.read_all().unwrap(),
        y: &data.y,
        norm: Norm::Linf,
        eps: 12.0 / 255.0,
        bounds: (0.0, 1.0),
        seed: 1,
        goal: Goal::Any,
        constraints: None,
        stop: &stop,
    };
    let broken = |device: &Device| -> Vec<usize> {
        let surrogate = Ensemble::new(target(device), vec![target(device)]);
        let attack = parse("transfer:mi-fgsm").unwrap();
        let found = attack.run(&target(device), Some(&surrogate), &problem);
        found.unwrap().into_iter().map(|s| s.row).collect()
    };
    let cpu = broken(&Device::Cpu);
    assert!(!cpu.is_empty() && cpu.len() < 16, "{cpu:?}");
    assert_eq!(cpu, broken(&gpu));
}

#[test]
fn without_a_surrogate_there_is_no_transfer() {
    let (data, stop) = (generate(Split::Test, 1, 0), AtomicBool::new(false));
    let problem = Problem {
        ids: &[0],
        x: &data.read_all().unwrap(),
        y: &data.y,
        norm: Norm::Linf,
        eps: 0.1,
        bounds: (0.0, 1.0),
        seed: 1,
        goal: Goal::Any,
        constraints: None,
        stop: &stop,
    };
    let error = parse("transfer")
        .unwrap()
        .run(&target(&Device::Cpu), None, &problem);
    assert!(
        error
            .unwrap_err()
            .to_string()
            .starts_with("transfer:mi-fgsm runs on a surrogate")
    );
}

/// Models that differ: one sees less contrast.
fn two() -> Ensemble {
    let graph = scoville_onnx::parse(MODEL.into(), None).unwrap();
    let spec = scoville_runtime::ModelSpec {
        shape: Some(vec![1, 28, 28]),
        pixel_range: (0.2, 0.8),
        ..Default::default()
    };
    let dull = scoville_runtime::Model::load(graph, &spec, &Device::Cpu).unwrap();
    Ensemble::new(target(&Device::Cpu), vec![ModelTarget::new(dull)])
}

#[test]
fn an_ensemble_is_the_mean_of_its_members_logits() {
    let data = generate(Split::Test, 4, 0);
    let array = |x: Vec<f32>| Array::from_vec(&Device::Cpu, 4, 784, x).unwrap();
    let x = array(data.read_all().unwrap());
    let y = Array::from_vec(&Device::Cpu, 4, 1, data.y.clone()).unwrap();
    let ensemble = two();
    let members: Vec<Vec<f32>> = ensemble
        .members()
        .map(|m| m.scores(&x).unwrap().to_vec().unwrap())
        .collect();
    let mean = ensemble.scores(&x).unwrap().to_vec().unwrap();
    for ((mean, a), b) in mean.iter().zip(&members[0]).zip(&members[1]) {
        assert!((mean - 0.5 * (a + b)).abs() < 1e-4);
    }
    assert!(
        members[0]
            .iter()
            .zip(&members[1])
            .any(|(a, b)| (a - b).abs() > 0.1)
    );
    let seen = ensemble.gradient(&x, &y, Loss::Margin).unwrap();
    assert_eq!(
        seen.predicted.to_vec().unwrap(),
        ensemble.labels(&x).unwrap().to_vec().unwrap()
    );
    // The loss along the gradient, by a central difference.
    let (gradient, x) = (seen.gradient.to_vec().unwrap(), x.to_vec().unwrap());
    let along = |step: f32| {
        let moved = x.iter().zip(&gradient).map(|(x, g)| x + step * g).collect();
        ensemble
            .gradient(&array(moved), &y, Loss::Margin)
            .unwrap()
            .loss
            .to_vec()
            .unwrap()
    };
    let (ahead, behind) = (along(1e-4), along(-1e-4));
    for row in 0..4 {
        let slope = (ahead[row] - behind[row]) / 2e-4;
        let norm: f32 = gradient[row * 784..][..784].iter().map(|g| g * g).sum();
        assert!((slope - norm).abs() < 0.05 * norm, "{slope} {norm}");
    }
}

#[test]
fn a_surrogate_alone_shows_its_inner_layer_and_several_show_none() {
    assert!(
        !transfer("feature-adversary", 0..SAMPLES, Goal::Any)
            .found
            .is_empty()
    );
    assert!(ensemble(1).inside().is_some() && ensemble(2).inside().is_none());
}

#[test]
fn members_that_are_alike_change_nothing() {
    let data = generate(Split::Test, 4, 0);
    let x = Array::from_vec(&Device::Cpu, 4, 784, data.read_all().unwrap()).unwrap();
    let y = Array::from_vec(&Device::Cpu, 4, 1, data.y.clone()).unwrap();
    let gradient = |members| {
        let seen = ensemble(members)
            .gradient(&x, &y, Loss::CrossEntropy)
            .unwrap();
        seen.gradient.to_vec().unwrap()
    };
    let most = gradient(1).into_iter().map(f32::abs).fold(0.0, f32::max);
    for (one, three) in gradient(1).into_iter().zip(gradient(3)) {
        assert!((one - three).abs() <= 1e-4 * most, "{one} {three}");
    }
}

#[test]
fn a_run_books_transfer_apart() {
    let scratch = Scratch::new("transfer");
    let surrogate = scratch.file("surrogate.onnx", MODEL);
    let output = scoville(&[
        "assess",
        "--device",
        "cpu",
        "--limit",
        "40",
        "--eps-ladder",
        "16/255",
        "--surrogate",
        &surrogate,
        "--attacks",
        "mi-fgsm:steps=5,transfer:mi-fgsm:steps=5",
    ]);
    let events = events(&output);
    let started = &of_kind(&events, "run.started")[0]["surrogates"][0];
    assert_eq!(
        (started["name"].as_str(), started["training"].is_null()),
        (Some("surrogate.onnx"), true)
    );
    let transfer = scored(&events, "AML.T0043.002");
    let budget = &transfer["budgets"][0];
    assert_eq!(
        (transfer["gradients"].as_u64(), transfer["queries"].as_u64()),
        (Some(0), budget["samples"].as_u64())
    );
    assert_eq!(
        budget["surrogate_gradients"].as_u64(),
        budget["samples"].as_u64().map(|n| 5 * n)
    );
    let of = |id: &str| {
        scored(&events, id)["curve"][0]["successes"]
            .as_u64()
            .unwrap()
    };
    assert!(of("AML.T0043.002") > 0 && of("AML.T0043.002") <= of("AML.T0043.000"));
    assert_eq!(transfer["curve"][0]["queries"]["median"], 1);
    assert_eq!(
        transfer["curve"][0]["by_attack"][0]["attack"],
        "transfer:mi-fgsm"
    );
}

/// The built-in model with each class in the place of the next.
fn permuted() -> Vec<u8> {
    let mut graph = scoville_onnx::parse(MODEL.into(), None).unwrap();
    let mut gather = node("Gather", &[&graph.outputs[0].name, "order"], "permuted");
    gather.attributes = Attributes::new("Gather", [("axis".into(), Attribute::Int(1))]);
    graph.nodes.push(gather);
    let order = Tensor {
        shape: vec![10],
        data: Data::I64((1..11).map(|class| class % 10).collect()),
    };
    graph.constants.insert("order".into(), order);
    graph.outputs[0].name = "permuted".into();
    encode::to_bytes(&graph)
}

#[test]
fn a_surrogate_unlike_the_target_is_told_of_transfer_alone() {
    let scratch = Scratch::new("permuted");
    let surrogate = scratch.file("permuted.onnx", permuted());
    let run = |attacks: &str| {
        let output = scoville(&[
            "assess",
            "--device",
            "cpu",
            "--limit",
            "40",
            "--eps-ladder",
            "8/255,32/255",
            "--surrogate",
            &surrogate,
            "--attacks",
            attacks,
        ]);
        events(&output)
    };
    let found = |events: &[Value], id: &str| {
        let checks = scored(events, id)["checks"].as_array().unwrap().clone();
        let mut checks = checks.into_iter();
        checks.find(|check| check["code"] == "surrogate-disagrees")
    };
    let both = run("mi-fgsm:steps=3,transfer:mi-fgsm:steps=3");
    let transfer = found(&both, "AML.T0043.002").unwrap();
    assert_eq!(transfer["outcome"], "warned");
    let detail = transfer["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("the surrogate agrees with the target on 0 of 32 "),
        "{detail}"
    );
    assert_eq!(scored(&both, "AML.T0043.002")["grade"], "C");
    assert_eq!(found(&both, "AML.T0043.000"), None);
    assert_eq!(found(&both, "AML.T0015"), None);
    let mut warnings = of_kind(&both, "warning").into_iter();
    let warning = warnings.find(|w| w["code"] == "surrogate-disagrees");
    assert_eq!(warning.unwrap()["technique"], "AML.T0043.002");
    let alone = run("transfer:mi-fgsm:steps=3");
    assert_eq!(found(&alone, "AML.T0015").unwrap()["outcome"], "warned");
}

#[test]
fn a_surrogate_is_trained_on_samples_that_are_not_attacked() {
    let output = scoville(&[
        "assess",
        "--device",
        "cpu",
        "--limit",
        "100",
        "--eps-ladder",
        "32/255",
        "--surrogate",
        "trained:queries=120",
        "--attacks",
        "fgsm,transfer:mi-fgsm",
    ]);
    let events = events(&output);
    let training = &of_kind(&events, "run.started")[0]["surrogates"][0]["training"];
    let count = |key: &str| training[key].as_u64().unwrap();
    assert_eq!(
        (
            count("queries"),
            count("samples"),
            count("held_out"),
            count("synthetic")
        ),
        (120, 40, 10, 70)
    );
    assert!(count("agreed") > 2, "chance is a tenth: {training}");
    let finished = of_kind(&events, "run.finished")[0];
    // The other half is attacked, and what training asked is on the meter.
    assert_eq!(finished["clean"]["samples"], 50);
    let asked: u64 = ["AML.T0043.000", "AML.T0043.002"]
        .iter()
        .map(|id| scored(&events, id)["queries"].as_u64().unwrap())
        .sum();
    assert!(finished["totals"]["queries"].as_u64().unwrap() >= 120 + 50 + asked);
    assert!(
        scored(&events, "AML.T0043.002")["curve"][0]["successes"]
            .as_u64()
            .unwrap()
            > 0
    );
    assert!(stderr(&output).contains("training a surrogate on 120 labels"));
}

#[test]
fn a_surrogate_is_kept_and_taken_again() {
    let scratch = Scratch::new("saved-surrogate");
    let (saved, model) = (scratch.path("s.onnx"), scratch.file("target.onnx", MODEL));
    let run = |arguments: &[&str]| {
        let fixed = [
            "assess",
            "--device",
            "cpu",
            "--limit",
            "40",
            "--eps-ladder",
            "32/255",
        ];
        let output = scoville(&[&fixed, arguments, &["--attacks", "transfer:mi-fgsm"]].concat());
        let events = events(&output);
        assert!(!events.is_empty(), "{}", stderr(&output));
        let surrogate = of_kind(&events, "run.started")[0]["surrogates"][0].clone();
        let curve = &scored(&events, "AML.T0043.002")["curve"][0];
        (surrogate, curve["successes"].as_u64().unwrap())
    };
    let trained = "trained:queries=120";
    let (first, _) = run(&["--surrogate", trained, "--save-surrogate", &saved]);
    let (again, broken) = run(&["--surrogate", &saved]);
    assert_eq!(again["name"], "s.onnx");
    assert!(again["training"].is_null() && broken > 0, "{again}");
    // Means and deviations are constants of the file.
    assert_eq!(
        again["parameters"].as_u64(),
        first["parameters"].as_u64().map(|n| n + 2)
    );
    // It is fed as it was, whatever the target wants.
    let fed = [
        "--data",
        "glyphs:test",
        "--mean",
        "0.01",
        "--pixel-range",
        "0..1",
    ];
    let (beside, same) = run(&[&[&*model][..], &fed, &["--surrogate", &saved]].concat());
    assert_eq!(beside["input"], again["input"]);
    assert!(same > 0 && !beside["input"].as_str().unwrap().contains("mean"));
}

#[test]
fn what_cannot_be_is_refused() {
    let scratch = Scratch::new("no-transfer");
    let linear = scratch.file("linear.onnx", linear_model(|_| ()));
    let data = linear_data(&scratch, 40);
    let toml = scratch.file("empty.toml", "[model]\nmean = [0.5]\n");
    for (arguments, code, message) in [
        (
            vec!["--attacks", "transfer"],
            2,
            "name a model with --surrogate",
        ),
        (
            vec!["--attacks", "pgd", "--surrogate", &linear],
            2,
            "no attack of this run uses the surrogate",
        ),
        (
            vec!["--attacks", "transfer:square", "--surrogate", &linear],
            2,
            "needs gradients",
        ),
        (vec!["--surrogate", "trained:epochs=3"], 2, "queries=N"),
        (
            vec!["--surrogate", "trained,trained"],
            2,
            "one surrogate can be trained",
        ),
        (
            vec!["--surrogate", &linear, "--surrogate-data", "glyphs:train:9"],
            2,
            "trains nothing",
        ),
        (
            vec!["--surrogate", &linear, "--save-surrogate", "s.onnx"],
            2,
            "nothing to write",
        ),
        (
            vec![
                "--surrogate",
                "trained",
                "--save-surrogate",
                "nowhere/s.onnx",
            ],
            2,
            "nowhere/s.onnx",
        ),
        (
            vec![
                "--surrogate",
                "trained",
                "--surrogate-data",
                "glyphs:test:40",
            ],
            2,
            "no samples but those of --data",
        ),
        (vec!["--surrogate", "nowhere.onnx"], 3, "nowhere.onnx"),
        (vec!["--surrogate", &linear], 2, "linear.onnx"),
        (vec!["--surrogate", &toml], 3, "names no model"),
    ] {
        let output = scoville(
            &[
                &["assess", "--device", "cpu", "--limit", "40"],
                arguments.as_slice(),
            ]
            .concat(),
        );
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(message),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
    let fewer = linear_model(|graph| {
        graph.nodes[0].inputs.truncate(2);
        let weights = graph.constants.get_mut("w").unwrap();
        *weights = scoville_onnx::Tensor {
            shape: vec![4, 2],
            data: scoville_onnx::Data::F32(vec![0.5; 8]),
        };
    });
    let fewer = scratch.file("fewer.onnx", fewer);
    let output = scoville(&[
        "assess",
        &linear,
        "--data",
        &data,
        "--device",
        "cpu",
        "--surrogate",
        &fewer,
    ]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("fewer.onnx: it has 2 classes and the target 3"),
        "{}",
        stderr(&output)
    );
}
