//! Tables, end to end: a description, a model, and what is said of rows that were changed.

use scoville_onnx::{Attribute, Attributes, Data, Node, Tensor};

use crate::support::{Scratch, events, linear_model, node, of_kind, scored, scoville, stderr};

const SCHEMA: &str = r#"
[features]
classes = ["no", "yes"]
[[features.column]]
name = "age"
kind = "integer"
range = [0, 100]
may = "rise"
[[features.column]]
name = "sum"
kind = "numeric"
range = [-1, 1]
[[features.column]]
name = "town"
kind = "categorical"
categories = ["A", "B"]
immutable = true
"#;

/// Ages from 20 on; those above 40 are "yes".
fn table() -> String {
    let row = |i: usize| {
        let (age, town) = (20 + (i * 7) % 41, ["A", "B"][i % 2]);
        let sum = (i as f64 * 0.37).sin();
        format!(
            "{age},{sum:.3},{town},{}\n",
            ["no", "yes"][usize::from(age > 40)]
        )
    };
    "age,sum,town,label\n".to_owned() + &(0..80).map(row).collect::<String>()
}

fn ensemble() -> Node {
    let ints = |name: &str, values: &[i64]| (name.to_owned(), Attribute::Ints(values.to_vec()));
    let floats = |name: &str, values: &[f32]| (name.to_owned(), Attribute::Floats(values.to_vec()));
    let modes = ["BRANCH_LEQ", "LEAF", "LEAF"].map(String::from).to_vec();
    let attributes = [
        ints("nodes_treeids", &[0, 0, 0]),
        ints("nodes_nodeids", &[0, 1, 2]),
        ints("nodes_featureids", &[0, 0, 0]),
        ints("nodes_truenodeids", &[1, 0, 0]),
        ints("nodes_falsenodeids", &[2, 0, 0]),
        ("nodes_modes".into(), Attribute::Strings(modes)),
        // Exactly a value of the data: the model must get whole numbers as they are.
        floats("nodes_values", &[40.0, 0.0, 0.0]),
        ints("class_treeids", &[0, 0]),
        ints("class_nodeids", &[1, 2]),
        ints("class_ids", &[0, 1]),
        floats("class_weights", &[1.0, 1.0]),
        ints("classlabels_int64s", &[0, 1]),
        ("post_transform".into(), Attribute::String("NONE".into())),
    ];
    Node {
        domain: "ai.onnx.ml".into(),
        outputs: vec!["label".into(), "y".into()],
        attributes: Attributes::new("trees", attributes),
        ..node("TreeEnsembleClassifier", &["x"], "y")
    }
}

/// A tree of one split, at age 40.
fn tree() -> Vec<u8> {
    linear_model(|graph| {
        graph.nodes = vec![ensemble()];
        graph.constants.clear();
        graph.opsets.insert("ai.onnx.ml".into(), 3);
        graph.outputs[0].shape = None;
    })
}

fn files() -> (Scratch, String, String, String) {
    let scratch = Scratch::new(&format!("tabular-{:?}", std::thread::current().id()));
    let model = scratch.file("tree.onnx", tree());
    let data = format!("csv:{}", scratch.file("t.csv", table()));
    let features = scratch.file("features.toml", SCHEMA);
    (scratch, model, data, features)
}

#[test]
fn a_tree_is_attacked_without_gradients() {
    let (scratch, model, data, features) = files();
    let json = scratch.path("report.json");
    let html = scratch.path("report.html");
    let output = scoville(&[
        "assess",
        &model,
        "--data",
        &data,
        "--features",
        &features,
        "--device",
        "cpu",
        "--report-json",
        &json,
        "--report-html",
        &html,
    ]);
    assert!(
        matches!(output.status.code(), Some(0)),
        "{}",
        stderr(&output)
    );
    let events = events(&output);
    let input = &of_kind(&events, "run.started")[0]["target"]["input"];
    let words =
        "3 features in 4 elements: 1 categorical, 1 in steps, 1 immutable, 1 of one direction";
    assert_eq!(input, words);
    assert_eq!(of_kind(&events, "run.finished")[0]["clean"]["correct"], 80);

    // Age may only rise: the old stay "yes", and who is young needs 41 - age years.
    let white = scored(&events, "AML.T0043.000");
    let young = |most: i64| {
        (0..80)
            .filter(|i| (20 + (i * 7) % 41) <= 40 && 41 - (20 + (i * 7) % 41) <= most)
            .count()
    };
    for (point, years) in white["curve"]
        .as_array()
        .unwrap()
        .iter()
        .zip([1, 2, 5, 10, 20])
    {
        assert_eq!(point["successes"], young(years), "{years} years");
    }
    let checks = white["checks"].as_array().unwrap();
    let zero = checks
        .iter()
        .find(|c| c["code"] == "zero-gradients")
        .unwrap();
    assert_eq!(zero["outcome"], "not_run");

    let example = of_kind(&events, "sample.changed")[0];
    let changes = example["changes"].as_array().unwrap();
    assert_eq!(
        (changes.len(), &changes[0]["feature"], &changes[0]["after"]),
        (1, &"age".into(), &"41".into())
    );
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(report["examples"][0], {
        let mut example = example.clone();
        example.as_object_mut().unwrap().remove("event");
        example
    });
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(
        page.contains("<td>no → yes</td>") && page.contains("→ 41"),
        "{page}"
    );
}

/// "yes" above an age, which the sum moves a little; rows are taken as they stand.
fn linear(age: f32, by_sum: f32) -> Vec<u8> {
    linear_model(|graph| {
        graph.outputs[0].shape = None;
        let weights = vec![0.0, 0.1, 0.0, by_sum, 0.0, 0.0, 0.0, 0.0];
        for (name, shape, values) in [
            ("w", vec![4, 2], weights),
            ("b", vec![2], vec![0.0, -0.1 * age]),
        ] {
            let data = Data::F32(values);
            graph.constants.insert(name.into(), Tensor { shape, data });
        }
    })
}

#[test]
fn rows_that_fool_another_model_are_valid_rows() {
    let (scratch, _, data, features) = files();
    let model = scratch.file("model.onnx", linear(40.5, 0.0));
    let other = scratch.file("other.onnx", linear(43.0, 0.3));
    let saved = scratch.path("trained.onnx");
    let run = |arguments: &[&str]| {
        let fixed = ["assess", &model, "--data", &data, "--features", &features];
        let attacks = ["--attacks", "apgd-ce:steps=5,transfer:mi-fgsm"];
        let rest = ["--device", "cpu", "--eps-ladder", "0.05,0.2"];
        let output = scoville(&[&fixed[..], &rest, &attacks, arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        events(&output)
    };
    let successes = |events: &[serde_json::Value], technique: &str| {
        let curve = &scored(events, technique)["curve"];
        [0, 1].map(|rung| curve[rung]["successes"].as_u64().unwrap())
    };
    let given = run(&["--surrogate", &other]);
    // Age alone may rise, by whole years: what the other model knows is enough.
    let own = successes(&given, "AML.T0043.000");
    assert_eq!(successes(&given, "AML.T0043.002"), own);
    assert!(own[0] > 0 && own[1] > own[0], "{own:?}");
    let changed = of_kind(&given, "sample.changed").into_iter();
    let transferred = changed.filter(|e| e["attack"] == "transfer:mi-fgsm");
    let mut rows = 0;
    for change in transferred.flat_map(|e| e["changes"].as_array().unwrap().clone()) {
        rows += 1;
        let after = change["after"].as_str().unwrap();
        let valid = match change["feature"].as_str().unwrap() {
            "age" => after.parse::<u32>().is_ok(),
            name => name == "sum" && after.parse::<f64>().is_ok(),
        };
        assert!(valid, "{change}");
    }
    assert!(rows > 0);

    let trained = run(&[
        "--surrogate",
        "trained:queries=60",
        "--save-surrogate",
        &saved,
    ]);
    let training = &of_kind(&trained, "run.started")[0]["surrogates"][0]["training"];
    assert_eq!(
        (&training["queries"], &training["held_out"]),
        (&60.into(), &8.into())
    );
    assert!(successes(&trained, "AML.T0043.002")[1] > 0);
    let again = run(&["--surrogate", &saved]);
    assert!(successes(&again, "AML.T0043.002")[1] > 0);
}

#[test]
fn a_surrogate_of_other_columns_is_refused() {
    let (scratch, _, data, features) = files();
    let model = scratch.file("model.onnx", linear(40.5, 0.0));
    let more = SCHEMA.replace("[0, 100]", "[0, 120]");
    let toml = format!("[model]\npath = \"model.onnx\"\n{more}");
    let other = scratch.file("other.toml", toml);
    let ranges = scratch.file("wide.toml", more);
    let plain = scratch.file("plain.csv", "age,label\n30,no\n50,yes\n");
    let plain = format!("csv:{plain}");
    for (arguments, says) in [
        (vec!["--surrogate", &*other], "its [features] are others"),
        (
            vec!["--surrogate", "trained", "--surrogate-data", &plain],
            "column",
        ),
        (
            vec!["--surrogate", &model, "--save-surrogate", &ranges],
            "nothing to write",
        ),
    ] {
        let fixed = ["assess", &model, "--data", &data, "--features", &features];
        let output = scoville(&[&fixed, arguments.as_slice()].concat());
        assert!(matches!(output.status.code(), Some(2 | 3)), "{arguments:?}");
        let message = stderr(&output);
        assert!(message.contains(says), "{arguments:?}: {message}");
    }
}

#[test]
fn gradients_that_are_not_there_are_told() {
    let (_scratch, model, data, features) = files();
    let output = scoville(&[
        "assess",
        &model,
        "--data",
        &data,
        "--features",
        &features,
        "--device",
        "cpu",
        "--attacks",
        "apgd-ce:steps=5",
    ]);
    let events = events(&output);
    let white = scored(&events, "AML.T0043.000");
    assert_eq!(white["grade"], "C", "{white}");
    assert!(
        of_kind(&events, "warning")
            .iter()
            .any(|w| w["code"] == "zero-gradients")
    );
    let notes = of_kind(&events, "run.started")[0]["target"]["notes"].to_string();
    assert!(notes.contains("no gradient passes through"), "{notes}");
}

#[test]
fn what_does_not_fit_is_told() {
    let (scratch, model, data, features) = files();
    let bad = scratch.file("bad.csv", "age,sum,town,label\n30,0,A,no\n200,0,B,yes\n");
    let none = scratch.file("none.toml", "[model]\npath = \"tree.onnx\"\n");
    let linear = scratch.file("linear.onnx", linear_model(|_| {}));
    let bad = format!("csv:{bad}");
    for (args, code, says) in [
        (
            vec![&*model, "--data", &bad, "--features", &features],
            3,
            "line 3: column age: 200 is beyond 0..100",
        ),
        (
            vec![&*model, "--data", &data],
            3,
            "line 2: column town: \"A\" is no number; text needs a schema, --features",
        ),
        (
            vec![&*model, "--data", &data, "--features", &none],
            3,
            "no section [features]",
        ),
        (
            vec![&*model, "--data", "glyphs:test", "--features", &features],
            3,
            "--features describes a table",
        ),
        (
            vec![
                &*linear,
                "--data",
                &data,
                "--features",
                &features,
                "--attacks",
                "leaf-tuple",
            ],
            2,
            "reads decision trees",
        ),
        (
            vec![
                &*model,
                "--data",
                &data,
                "--features",
                &features,
                "--mean",
                "0.5",
            ],
            2,
            "those of images",
        ),
    ] {
        let output = scoville(&[&["assess"], args.as_slice()].concat());
        assert_eq!(
            output.status.code(),
            Some(code),
            "{args:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(says),
            "{args:?}: {}",
            stderr(&output)
        );
    }
}
