//! Bad input: one clear message, the right exit code, no panic.

use scoville_onnx::{Data, Tensor};

use crate::support::{Scratch, command, linear_data, linear_model, node, scoville, stderr, stdout};

/// Runs and checks exit code and words of the message.
#[track_caller]
fn fails(args: &[&str], code: i32, says: &[&str]) {
    let output = scoville(args);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{message}");
    assert!(message.starts_with("error: "), "{message}");
    assert!(
        !message.contains("panicked") && !message.contains("RUST_BACKTRACE"),
        "{message}"
    );
    assert_eq!(message.matches("error: ").count(), 1, "{message}");
    for words in says {
        assert!(message.contains(words), "{words:?} is not in: {message}");
    }
    assert!(stdout(&output).is_empty(), "nothing goes to stdout");
}

fn assess<'a>(model: &'a str, data: &'a str) -> Vec<&'a str> {
    vec!["assess", model, "--data", data, "--device", "cpu"]
}

#[test]
fn models_that_cannot_be_used() {
    let scratch = Scratch::new("bad-models");
    let data = linear_data(&scratch, 6);
    let good = linear_model(|_| ());
    fails(
        &assess("no-such.onnx", &data),
        3,
        &["cannot read no-such.onnx: "],
    );
    let cases: [(&str, Vec<u8>, &[&str]); 9] = [
        ("empty.onnx", vec![], &["empty"]),
        (
            "truncated.onnx",
            good[..good.len() / 2].to_vec(),
            &["truncated.onnx"],
        ),
        (
            "text.onnx",
            b"this is no model at all, only words".to_vec(),
            &["ONNX"],
        ),
        (
            "model.pt",
            b"PK\x03\x04archive/data.pkl".to_vec(),
            &["export", "ONNX"],
        ),
        (
            "model.pkl",
            b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00}".to_vec(),
            &["pickle", "export"],
        ),
        (
            "unsupported.onnx",
            linear_model(|g| {
                g.nodes = vec![
                    node("Gemm", &["x", "w", "b"], "h"),
                    node("Det", &["h"], "i"),
                    node("NonMaxSuppression", &["i"], "y"),
                ];
            }),
            &["Det", "NonMaxSuppression"],
        ),
        (
            "nan.onnx",
            linear_model(|g| {
                let Some(Data::F32(w)) = g.constants.get_mut("w").map(|t| &mut t.data) else {
                    panic!()
                };
                w[5] = f32::NAN;
            }),
            &["NaN", "w"],
        ),
        (
            "one-output.onnx",
            linear_model(|g| {
                g.constants.insert(
                    "w".into(),
                    Tensor {
                        shape: vec![4, 1],
                        data: Data::F32(vec![1.0; 4]),
                    },
                );
                g.constants.insert(
                    "b".into(),
                    Tensor {
                        shape: vec![1],
                        data: Data::F32(vec![0.0]),
                    },
                );
                g.outputs[0].shape = None;
            }),
            &["1 output", "two"],
        ),
        (
            "mismatch.onnx",
            linear_model(|g| {
                g.constants.get_mut("w").unwrap().shape = vec![3, 4];
            }),
            &["Gemm"],
        ),
    ];
    for (name, bytes, says) in cases {
        let model = scratch.file(name, bytes);
        fails(&assess(&model, &data), 3, says);
    }
}

#[test]
fn data_that_cannot_be_used() {
    let scratch = Scratch::new("bad-data");
    let model = scratch.file("linear.onnx", linear_model(|_| ()));
    let values = |n: usize| vec![0u8; n * 16];
    let source = |x: &str, y: &str| format!("f32:{},{}", scratch.path(x), scratch.path(y));
    scratch.file("x.f32", values(3));
    scratch.file("short.f32", &values(3)[..40]);
    scratch.file("none.f32", []);
    scratch.file(
        "nan.f32",
        [0.5f32, f32::NAN, 0.5, 0.5].map(f32::to_le_bytes).concat(),
    );
    scratch.file(
        "wide.f32",
        [0.5f32, 7.0, 0.5, 0.5].map(f32::to_le_bytes).concat(),
    );
    scratch.file("y.csv", "0\n1\n2\n");
    scratch.file("one.csv", "0\n");
    scratch.file("none.csv", "");
    scratch.file("beyond.csv", "0\n1\n3\n");
    scratch.file("words.csv", "0\ncat\n2\n");
    let cases: [(&str, &str, &[&str]); 8] = [
        ("missing.f32", "y.csv", &["cannot read", "missing.f32: "]),
        ("x.f32", "missing.csv", &["missing.csv"]),
        ("short.f32", "y.csv", &["short.f32"]),
        ("none.f32", "none.csv", &["no samples"]),
        ("x.f32", "one.csv", &["3 samples", "1 label"]),
        ("x.f32", "beyond.csv", &["label 3", "3 classes"]),
        ("x.f32", "words.csv", &["cat"]),
        ("nan.f32", "one.csv", &["nan.f32"]),
    ];
    for (x, y, says) in cases {
        fails(&assess(&model, &source(x, y)), 3, says);
    }
    fails(
        &assess(&model, &source("wide.f32", "one.csv")),
        3,
        &["7", "[0,1]"],
    );
    fails(
        &["assess", "--shape", "1,2", "--device", "cpu"],
        2,
        &["input specification", "[1, 2]", "[1, 28, 28]"],
    );
    // 28 x 28 pixels a sample for a model of 4 features.
    fails(
        &assess(&model, "glyphs:test:10"),
        3,
        &["28, 28", "wants [4]"],
    );
}

#[test]
fn command_lines_that_are_wrong() {
    let scratch = Scratch::new("bad-usage");
    let model = scratch.file("linear.onnx", linear_model(|_| ()));
    let data = linear_data(&scratch, 6);
    let with = |extra: &[&'static str]| [assess(&model, &data), extra.to_vec()].concat();
    let cases: [(&[&'static str], &[&str]); 34] = [
        (&["--eps-ladder", "0"], &["eps", "above 0"]),
        (&["--eps-ladder", "-1/255"], &["above 0"]),
        (&["--eps-ladder", "2"], &["at most 1"]),
        (&["--no-such-flag"], &["--no-such-flag"]),
        (
            &["--attacks", "pgdd"],
            &["`pgdd`", "did you mean pgd?", "`scoville attacks`"],
        ),
        (
            &["--attacks", "harmless"],
            &["`harmless`; `scoville attacks`"],
        ),
        (&["--attacks", "pgd:steps=0"], &["steps"]),
        (
            &["--target-class", "10"],
            &["--target-class", "class 10", "3 classes"],
        ),
        (
            &["--target-class", "dog", "--classes", "cat,fox,cow"],
            &["no class `dog`", "cat, fox, cow"],
        ),
        (
            &["--attacks", "autoattack", "--norm", "l0"],
            &["autoattack:standard cannot run in l0"],
        ),
        (
            &["--target-class", "1", "--targets", "all"],
            &["cannot be used with"],
        ),
        (&["--targets", "third"], &["least-likely"]),
        (&["--attacks", "autoattack:fast"], &["autoattack:standard"]),
        (&["--attacks", "autoattack"], &["apgd-t", "4 classes"]),
        (&["--attacks", "corrupt-fog"], &["images", "[4]"]),
        (&["--attacks", "corrupt-fog,pgd"], &["severity", "apart"]),
        (
            &["--attacks", "corrupt-fog", "--norm", "l2"],
            &["--norm l2", "severity", "leave it out"],
        ),
        (
            &["--norm", "l0", "--eps-ladder", "0.5"],
            &["whole number of changed elements"],
        ),
        (
            &["--attacks", "corrupt-fog", "--eps-ladder", "0.5"],
            &["whole number from 1 to 5"],
        ),
        (&["--fail-on", "severe"], &["severe"]),
        (&["--fail-on", "AML.T0024=5"], &["AML.T0024"]),
        (&["--until-width", "0"], &["width"]),
        (&["--limit", "0"], &["at least 1"]),
        (&["--norm", "l7"], &["l7", "wasserstein"]),
        (
            &["--norm", "wasserstein"],
            &["images", "[4]", "--norm linf"],
        ),
        (
            &["--norm", "wasserstein", "--attacks", "wasserstein,pgd"],
            &[
                "pgd cannot run in wasserstein",
                "in wasserstein run wasserstein",
            ],
        ),
        (
            &["--attacks", "wasserstein"],
            &["wasserstein cannot run in linf, but in wasserstein;"],
        ),
        (&["--std", "0"], &["std", "positive"]),
        (&["--mean", "0.1,0.2"], &["mean has 2 values", "4 channels"]),
        (&["--mean", "white"], &["`white` is no number"]),
        (&["--seed", "abc"], &["`abc` is no whole number"]),
        (&["--report-json", "-"], &["--report-json", "name a file"]),
        (&["--device", "cpu"], &["--device", "cpu", "once"]),
        (&["--classes", "a,b"], &["2 class names", "3 classes"]),
    ];
    for (extra, says) in cases {
        fails(&with(extra), 2, says);
    }
    fails(
        &with(&["--report-html", "/no/such/folder/report.html"]),
        2,
        &["cannot write /no/such/folder/report.html: "],
    );
    fails(&with(&["--raw"]), 2, &["--mean"]);
    fails(&with(&["--batch", "1000000000000"]), 2, &["4096"]);
    fails(&with(&["--batch", "many"]), 2, &["many", "auto"]);
    let same = scratch.path("report");
    fails(
        &[
            &assess(&model, &data)[..],
            &["--report-json", &same, "--report-html", &same],
        ]
        .concat(),
        2,
        &["same file"],
    );
    assert!(!std::path::Path::new(&same).exists());
    fails(&["assess", &model], 2, &["--data"]);
    fails(
        &["assess", &model, "--data", "parquet:x"],
        2,
        &["parquet", "cifar10"],
    );
    fails(&["assess", "--device", "quantum"], 2, &["quantum"]);
    fails(&["assess", "--device", "cpu,quantum"], 2, &["quantum"]);
    fails(
        &["predict", "--device", "cpu,cpu"],
        2,
        &["several devices", "one"],
    );
    fails(
        &["assess", "--device", "vulkan:99", "--limit", "1"],
        4,
        &["vulkan"],
    );
}

#[test]
fn flags_in_the_environment_may_be_numbers_or_words() {
    let answer = |value: &str| {
        let mut command = command(&["predict", "--limit", "1", "--mean", "0", "--device", "cpu"]);
        let output = command.env("SCOVILLE_TRANSPOSE", value).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    assert_eq!(answer("1"), answer("yes"));
    assert_eq!(answer("0"), answer("false"));
    assert_ne!(answer("1"), answer("0"));
}

#[test]
fn target_files_that_are_wrong() {
    let scratch = Scratch::new("bad-target");
    let data = linear_data(&scratch, 6);
    let no_model = scratch.file("none.toml", "[model]\nmean = [0.5]\n");
    fails(&assess(&no_model, &data), 3, &["path"]);
    scratch.file("m.onnx", linear_model(|_| ()));
    let raw = scratch.file("raw.toml", "[model]\npath = \"m.onnx\"\nraw = true\n");
    fails(&assess(&raw, &data), 2, &["raw"]);
    let typo = scratch.file("typo.toml", "[model]\npath = \"m.onnx\"\nmeen = [0.5]\n");
    fails(&assess(&typo, &data), 3, &["meen"]);
    fails(&assess("missing.toml", &data), 3, &["missing.toml"]);
}
