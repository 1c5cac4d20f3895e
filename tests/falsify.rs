//! `scoville falsify`: verdicts, files and exit codes, and the published verdicts of `../shared`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Scratch, events, linear_model, scoville, shared, stderr, stdout};

/// A property of [`linear_model`]: inputs in a box about 0.5, and what the outputs must do.
fn property(eps: f64, output: &str) -> String {
    let declared = (0..4)
        .map(|i| format!("(declare-const X_{i} Real)\n"))
        .chain((0..3).map(|j| format!("(declare-const Y_{j} Real)\n")));
    let bounds = (0..4).map(|i| {
        let (low, high) = (0.5 - eps, 0.5 + eps);
        format!("(assert (>= X_{i} {low}))\n(assert (<= X_{i} {high}))\n")
    });
    declared.chain(bounds).collect::<String>() + output
}

/// At 0.5 everywhere the outputs are 1.0, -0.45 and 1.15 or so: this holds in a wide box only.
const SECOND_WINS: &str = "(assert (and (>= Y_1 Y_0) (>= Y_1 Y_2)))";

fn one(scratch: &Scratch, text: &str, extra: &[&str]) -> std::process::Output {
    let model = scratch.file("m.onnx", linear_model(|_| {}));
    let property = scratch.file("p.vnnlib", text);
    scoville(&[&["falsify", &model, &property, "--device", "cpu"], extra].concat())
}

#[test]
fn a_counterexample_is_written_in_vnncomps_format() {
    let scratch = Scratch::new("falsify-sat");
    let out = scratch.path("result.txt");
    let output = one(&scratch, &property(0.5, SECOND_WINS), &["--out", &out]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let [row] = events(&output).try_into().unwrap();
    assert_eq!(row["verdict"], "sat");
    let margin = row["margin"].as_f64().unwrap();

    assert_eq!(stderr(&output), format!("wrote {out}\n"));
    let text = fs::read_to_string(out).unwrap();
    let body = text
        .strip_prefix("sat\n(")
        .and_then(|text| text.strip_suffix(")\n"))
        .unwrap();
    let pairs = body
        .lines()
        .map(|line| line.trim_matches(['(', ')']).split_once(' ').unwrap());
    let values: BTreeMap<&str, f64> = pairs
        .map(|(name, value)| (name, value.parse().unwrap()))
        .collect();
    assert_eq!(
        values.keys().copied().collect::<Vec<_>>(),
        ["X_0", "X_1", "X_2", "X_3", "Y_0", "Y_1", "Y_2"]
    );
    assert!((0..4).all(|i| (0.0..=1.0).contains(&values[format!("X_{i}").as_str()])));
    let second = values["Y_1"];
    assert_eq!((second - values["Y_0"]).min(second - values["Y_2"]), margin);
    assert!(margin >= 0.0);
}

#[test]
fn nothing_found_is_unknown_and_no_failure() {
    let scratch = Scratch::new("falsify-unknown");
    let out = scratch.file("result.txt", "sat\n((X_0 of an earlier run))\n");
    let output = one(&scratch, &property(0.01, SECOND_WINS), &["--out", &out]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(events(&output)[0]["verdict"], "unknown");
    assert!(events(&output)[0]["margin"].as_f64().unwrap() < 0.0);
    assert_eq!(fs::read_to_string(out).unwrap(), "unknown\n");

    let table = one(
        &scratch,
        &property(0.01, SECOND_WINS),
        &["--format", "table"],
    );
    assert!(stdout(&table).contains("no proof"), "{}", stdout(&table));
}

#[test]
fn what_cannot_be_used_has_its_exit_code() {
    let scratch = Scratch::new("falsify-errors");
    let wrong = one(&scratch, &property(0.1, "(assert (>= Y_0 oops))"), &[]);
    assert_eq!(wrong.status.code(), Some(3));
    let error = events(&wrong)[0]["error"].as_str().unwrap().to_owned();
    assert!(
        error.contains("p.vnnlib: line 16, column 17: `oops`"),
        "{error}"
    );

    let other = property(0.1, "").replace("(declare-const Y_2 Real)\n", "");
    let other = one(&scratch, &other, &[]);
    assert_eq!(other.status.code(), Some(3));
    assert!(
        stdout(&other).contains("4 inputs and 2 outputs, the model has 4 and 3"),
        "{}",
        stdout(&other)
    );

    let missing = scratch.path("none.csv");
    for (args, code) in [
        (&["falsify"][..], 2),
        (&["falsify", "m.onnx"], 2),
        (&["falsify", "m.onnx", "p.vnnlib", "--timeout", "0"], 2),
        (
            &["falsify", "m.onnx", "p.vnnlib", "--instances", &missing],
            2,
        ),
        (&["falsify", "--instances", &missing], 3),
    ] {
        assert_eq!(scoville(args).status.code(), Some(code), "{args:?}");
    }
    for (table, says) in [
        ("", "no instances in "),
        (
            "onnx,goal,adversarial_labels,dim,f32_offset\n",
            "no instances in ",
        ),
        ("row,onnx\n0,m.onnx\n", "line 1: the column goal is missing"),
    ] {
        let table = scratch.file("table.csv", table);
        let output = scoville(&["falsify", "--instances", &table]);
        assert_eq!(output.status.code(), Some(3), "{table}");
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
}

#[test]
fn a_table_runs_on_past_a_wrong_row() {
    let scratch = Scratch::new("falsify-table");
    scratch.file("m.onnx", linear_model(|_| {}));
    scratch.file("wide.vnnlib", property(0.5, SECOND_WINS));
    scratch.file("narrow.vnnlib", property(0.01, SECOND_WINS));
    let table = scratch.file(
        "t.csv",
        "m.onnx,wide.vnnlib,60\nnone.onnx,wide.vnnlib,60\nm.onnx,narrow.vnnlib,60\n",
    );
    let out = scratch.path("found");
    let output = scoville(&[
        "falsify",
        "--instances",
        &table,
        "--out",
        &out,
        "--device",
        "cpu",
    ]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).contains("1 of 3 instances"),
        "{}",
        stderr(&output)
    );
    let verdicts: Vec<Value> = events(&output)
        .iter()
        .map(|row| row["verdict"].clone())
        .collect();
    assert_eq!(verdicts, ["sat", "error", "unknown"]);
    let point = fs::read(Path::new(&out).join("0.f32")).unwrap();
    assert_eq!(point.len(), 4 * 4);
    assert!(!Path::new(&out).join("2.f32").exists());
    assert_eq!(
        fs::read_to_string(Path::new(&out).join("2.txt")).unwrap(),
        "unknown\n"
    );
}

/// Easy ones and hard ones: sign activations behind a softmax, one target that must win, a proof that there is none.
#[test]
fn published_files_get_their_verdicts() {
    let Some(shared) = shared() else { return };
    let data = shared.join("data/vnncomp").canonicalize().unwrap();
    let signs =
        "vnncomp2023_traffic_signs/models/3_30_30_QConv_16_3_QConv_32_2_Dense_43_ep_30.onnx";
    let rows = [
        (
            signs,
            "vnncomp2023_traffic_signs/vnnlib/model_30_idx_7040_eps_1.00000.vnnlib",
            "sat",
        ),
        (
            "vnncomp2024_cora_mnist/models/mnist-point.onnx",
            "vnncomp2024_cora_mnist/vnnlib/mnist-img0.vnnlib",
            "sat",
        ),
        (
            "vnncomp2022_mnist_fc/models/mnist-net_256x2.onnx",
            "vnncomp2022_mnist_fc/vnnlib/prop_0_0.03.vnnlib",
            "unknown",
        ),
        (
            "vnncomp2022_sri_resnet_a/models/resnet_3b2_bn_mixup_adv_4.0_bs128_lr-1.onnx",
            "vnncomp2022_sri_resnet_a/vnnlib/cifar10_spec_idx_1551_eps_0.00198.vnnlib",
            "sat",
        ),
        (
            "vnncomp2024_safenlp/models/ruarobot_perturbations_0.onnx",
            "vnncomp2024_safenlp/vnnlib/hyperrectangle_3607.vnnlib",
            "unknown",
        ),
    ];
    // The files are compressed there, and the table names them as VNN-COMP's do.
    let line = |(model, property, _): &(&str, &str, &str)| {
        assert!(
            data.join(model).is_file() && data.join(format!("{property}.gz")).is_file(),
            "{model} {property}"
        );
        format!(
            "{},{},600\n",
            data.join(model).display(),
            data.join(property).display()
        )
    };
    let scratch = Scratch::new("falsify-shared");
    let table = scratch.file("t.csv", rows.iter().map(line).collect::<String>());
    let output = scoville(&["falsify", "--instances", &table, "--device", "cpu"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    for (row, (_, property, verdict)) in events(&output).iter().zip(rows) {
        assert_eq!(row["verdict"], verdict, "{property}: {row}");
    }
}

/// Every instance runs; every one with a counter-example that was verified or agreed on is falsified, and none that is proved.
#[test]
#[ignore = "slow: ./test --full"]
fn every_published_instance_gets_its_verdict() {
    let Some(shared) = shared() else { return };
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let sets = fs::read_dir(shared.join("data/vnncomp")).unwrap();
    for set in sets.map(|entry| entry.unwrap().path()) {
        let table = set.join("instances.csv");
        let output = scoville(&[
            "falsify",
            "--instances",
            &table.display().to_string(),
            "--device",
            "cpu",
        ]);
        assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
        let truth = verdicts(&fs::read_to_string(&table).unwrap());
        assert_eq!(events(&output).len(), truth.len(), "{}", set.display());
        for row in events(&output) {
            let known = &truth[row["row"].as_u64().unwrap() as usize];
            let ours = row["verdict"].as_str().unwrap();
            *counts.entry((known.clone(), ours.into())).or_default() += 1;
            let agrees = matches!(
                (known.as_str(), ours),
                ("sat", "sat") | ("unsat", "unknown") | ("unknown", _)
            );
            assert!(agrees, "{}: {known} but {row}", set.display());
        }
    }
    let count = |known: &str, ours: &str| counts.get(&(known.into(), ours.into())).copied();
    assert_eq!(
        (count("sat", "sat"), count("unsat", "unknown")),
        (Some(689), Some(434)),
        "{counts:?}"
    );
}

/// The column `verdict`. A quoted field before it holds commas.
fn verdicts(table: &str) -> Vec<String> {
    let plain = |line: &str| -> Vec<String> {
        let unquoted = line.split('"').enumerate();
        let text: String = unquoted
            .map(|(i, part)| {
                if i % 2 == 1 {
                    part.replace(',', ";")
                } else {
                    part.into()
                }
            })
            .collect();
        text.split(',').map(String::from).collect()
    };
    let mut lines = table.lines().map(plain);
    let at = lines
        .next()
        .unwrap()
        .iter()
        .position(|name| name == "verdict")
        .unwrap();
    lines.map(|fields| fields[at].clone()).collect()
}
