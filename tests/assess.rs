//! `scoville assess` and `predict` as a user runs them.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::devices::adapter;
use crate::support::{
    Scratch, command, events, linear_data, linear_model, of_kind, scored, scoville, stderr, stdout,
};

const QUICK: [&str; 9] = [
    "assess",
    "--device",
    "cpu",
    "--limit",
    "64",
    "--eps-ladder",
    "2/255,16/255",
    "--attacks",
    "pgd:steps=10,square:queries=50",
];

fn quick<'a>(extra: &[&'a str]) -> Vec<&'a str> {
    [&QUICK[..], extra].concat()
}

/// The same on another number of samples than 64.
fn quick_on<'a>(samples: &'a str, extra: &[&'a str]) -> Vec<&'a str> {
    let replaced = quick(extra).into_iter();
    let replaced = replaced.map(|word| if word == "64" { samples } else { word });
    replaced.collect()
}

#[test]
fn the_built_in_model_is_accurate_and_not_robust() {
    let output = scoville(&quick(&[]));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let events = events(&output);
    assert_eq!(events[0]["event"], "run.started");
    let last = events.last().unwrap();
    assert_eq!(last["event"], "run.finished");
    assert_eq!(last["ended"], "completed");
    assert!(last["clean"]["correct"].as_u64().unwrap() >= 60, "{last}");
    for technique in ["AML.T0043.000", "AML.T0043.001", "AML.T0015"] {
        let scored = scored(&events, technique);
        assert!(scored["score"].as_f64().unwrap() > 0.0, "{scored}");
        let curve = scored["curve"].as_array().unwrap();
        let rate = |point: &Value| point["rate"].as_f64().unwrap();
        assert!(rate(&curve[0]) <= rate(&curve[1]));
    }
    // The union breaks at least what each technique does.
    let successes = |technique: &str, at: usize| {
        scored(&events, technique)["curve"][at]["successes"]
            .as_u64()
            .unwrap()
    };
    for at in [0, 1] {
        let parts = successes("AML.T0043.000", at).max(successes("AML.T0043.001", at));
        assert!(successes("AML.T0015", at) >= parts);
    }
    assert!(
        successes("AML.T0043.000", 1) >= 55,
        "eps 16/255 breaks nearly all"
    );
}

/// A mean of gradients that are all the same costs time and is said to change nothing.
#[test]
fn a_mean_of_equal_gradients_is_noted() {
    let notes = |attack: &str| {
        let mut words = quick_on("4", &[]);
        *words.last_mut().unwrap() = attack;
        let output = scoville(&words);
        assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
        events(&output)[0]["target"]["notes"].to_string()
    };
    assert!(notes("pgd:steps=2:eot=3").contains("3 gradients that are all the same"));
    assert!(!notes("pgd:steps=2").contains("all the same"));
}

#[test]
fn samples_of_the_class_aimed_at_are_left_out() {
    let run = |extra: &[&str]| {
        let output = scoville(&quick(extra));
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        events(&output)
    };
    let curve = |events: &[Value]| scored(events, "AML.T0015")["curve"][1].clone();
    let (any, aimed) = (run(&[]), run(&["--target-class", "3"]));
    let samples = |point: &Value| point["samples"].as_u64().unwrap();
    assert_eq!(samples(&curve(&any)), 64);
    assert!((40..64).contains(&samples(&curve(&aimed))));
    let rate = |events: &[Value]| curve(events)["rate"].as_f64().unwrap();
    assert!(rate(&aimed) < rate(&any));
    assert_eq!(aimed[0]["plan"]["goal"], "class 3");
    let names = ["--classes", "a,b,c,d,e,f,g,h,i,j", "--target-class", "d"];
    assert_eq!(curve(&run(&names)), curve(&aimed));
    let hardest = run(&["--targets", "least-likely"]);
    assert!(rate(&hardest) <= rate(&run(&["--targets", "second"])));
    assert_eq!(samples(&curve(&hardest)), 64);
}

#[test]
fn the_built_in_model_keeps_its_promises() {
    const MODEL: &[u8] = include_bytes!("../datasets/glyphs-cnn.onnx");
    assert!(MODEL.len() <= 500_000);
    let args = [
        "predict",
        "--device",
        "cpu",
        "--data",
        "glyphs:test:10000",
        "--batch",
        "500",
    ];
    let answers = events(&scoville(&args));
    let correct = answers
        .iter()
        .filter(|a| a["label"] == a["predicted"])
        .count();
    assert_eq!(answers.len(), 10_000);
    assert!(correct >= 9_700, "{correct} of 10,000");
}

#[test]
fn the_meter_is_exact() {
    // One query asks each correct sample once, and each find is verified once.
    let args = [
        "assess",
        "--device",
        "cpu",
        "--limit",
        "64",
        "--eps-ladder",
        "1",
        "--attacks",
        "square:queries=1",
    ];
    let events = events(&scoville(&args));
    let technique = scored(&events, "AML.T0043.001");
    let point = &technique["curve"][0];
    let (correct, broken) = (
        point["correct"].as_u64().unwrap(),
        point["successes"].as_u64().unwrap(),
    );
    assert_eq!(technique["queries"].as_u64().unwrap(), correct + broken);
    assert_eq!(technique["gradients"], 0);
    // The probe asks 32 samples twice, and at three points of noise. The rest are the clean questions.
    let totals = &events.last().unwrap()["totals"];
    assert_eq!(
        totals["queries"].as_u64().unwrap(),
        64 + correct + broken + 5 * 32
    );
    assert_eq!(totals["gradients"], 0);
}

#[test]
fn the_same_seed_gives_the_same_bytes_but_for_times() {
    let run = |seed| {
        let output = scoville(&quick(&["--seed", seed]));
        let mut events = events(&output);
        events.iter_mut().for_each(forget_times);
        events
    };
    let first = run("3");
    assert_eq!(first, run("3"));
    let mut other = run("4");
    other[0]["seed"] = first[0]["seed"].clone();
    other[0]["command"] = first[0]["command"].clone();
    assert_ne!(first, other);
}

fn forget_times(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("seconds");
            map.values_mut().for_each(forget_times);
        }
        Value::Array(list) => list.iter_mut().for_each(forget_times),
        _ => {}
    }
}

#[test]
fn every_sample_has_a_verdict_and_every_attack_its_budget() {
    let scratch = Scratch::new("verdicts");
    let json = scratch.path("r.json");
    let output = scoville(&quick(&["--batch", "16", "--report-json", &json]));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let events = events(&output);
    let rounds = of_kind(&events, "samples.judged");
    assert_eq!(rounds.len(), 3);
    let column = |name: &str| -> Vec<Value> {
        let columns = rounds.iter().map(|r| r[name].as_array().unwrap().clone());
        columns.flatten().collect()
    };
    let mut samples: Vec<u64> = column("sample")
        .iter()
        .map(|v| v.as_u64().unwrap())
        .collect();
    samples.sort_unstable();
    assert_eq!(samples, (0..64).collect::<Vec<_>>());

    // The verdicts add up to the curve of the union.
    let rungs: Vec<Option<u64>> = column("rung").iter().map(Value::as_u64).collect();
    let curve = scored(&events, "AML.T0015")["curve"].clone();
    for at in [0, 1] {
        let broken = rungs.iter().flatten().filter(|&&r| r <= at).count();
        assert_eq!(curve[at as usize]["successes"], broken);
    }
    let right = column("label").into_iter().zip(column("predicted"));
    let right: Vec<bool> = right.map(|(label, answer)| label == answer).collect();
    assert_eq!(curve[0]["correct"], right.iter().filter(|&&r| r).count());
    let ladder = &events[0]["plan"]["eps_ladder"];
    let (distances, attacks) = (column("distance"), column("attack"));
    for i in 0..64 {
        let Some(rung) = rungs[i] else {
            assert!(distances[i].is_null() && attacks[i].is_null());
            continue;
        };
        let eps = ladder[rung as usize].as_f64().unwrap();
        assert!(right[i] && distances[i].as_f64().unwrap() <= eps + 1e-7);
        assert!(attacks[i].as_u64().unwrap() < 2);
    }

    for technique in ["AML.T0043.000", "AML.T0043.001"] {
        let scored = scored(&events, technique);
        let budget = &scored["budgets"][0];
        assert_eq!(budget["samples"], scored["curve"][0]["correct"]);
        assert_eq!(budget["broken"], scored["curve"][1]["successes"]);
        for spent in ["queries", "gradients"] {
            assert_eq!(budget[spent], scored[spent]);
        }
        let number = |name: &str| budget[name].as_u64().unwrap();
        let asked = number("queries") + number("gradients");
        assert!(number("calls") > 0 && number("calls") < asked);
    }

    let report: Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    for name in ["sample", "label", "predicted", "rung", "attack", "distance"] {
        assert_eq!(
            report["samples"][name],
            Value::Array(column(name)),
            "{name}"
        );
    }
    assert_eq!(report["attacks"].as_array().unwrap().len(), 2);
}

#[test]
fn several_devices_give_the_scores_of_one() {
    let Some(adapter) = adapter() else { return };
    let curves = |extra: &[&str]| {
        let output = scoville(&quick(extra));
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let events = events(&output);
        let devices = events[0]["devices"].as_array().unwrap();
        assert_eq!(devices[0], events[0]["device"]);
        let scored = of_kind(&events, "technique.scored").into_iter();
        let curves: Vec<Value> = scored.map(|e| e["curve"].clone()).collect();
        (devices.len(), curves)
    };
    let one = curves(&["--batch", "16"]);
    // Beside the one that `QUICK` names.
    let two = curves(&["--batch", "16", "--device", &adapter]);
    assert_eq!((one.0, two.0), (1, 2));
    assert_eq!(one.1, two.1);
}

#[test]
fn a_gate_that_is_breached_exits_with_100_and_says_why() {
    for (threshold, limit, code, gate) in [
        ("low", "64", 100, "failed"),
        ("AML.T0043.000=0.1", "64", 100, "failed"),
        ("AML.T0043.000=10", "64", 0, "passed"),
        ("low", "10", 5, "not_decided"),
    ] {
        let output = scoville(&quick_on(limit, &["--fail-on", threshold]));
        assert_eq!(output.status.code(), Some(code), "{threshold}");
        let end = events(&output).pop().unwrap();
        assert_eq!(end["gate"]["outcome"], gate, "{end}");
        let finished = events(&output).pop().unwrap();
        assert_eq!(finished["exit_code"], code);
        assert_eq!(
            finished["breaches"].as_array().unwrap().is_empty(),
            code != 100
        );
    }
}

#[test]
fn too_few_samples_are_inconclusive() {
    let args = [
        "assess",
        "--device",
        "cpu",
        "--limit",
        "10",
        "--eps-ladder",
        "0.1",
        "--attacks",
        "fgsm",
    ];
    let output = scoville(&args);
    assert_eq!(output.status.code(), Some(5));
    let events = events(&output);
    let scored = scored(&events, "AML.T0043.000");
    assert_eq!(
        (&scored["grade"], &scored["score"]),
        (&Value::from("D"), &Value::Null)
    );
    let verdict = events.last().unwrap()["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("No score: ") && verdict.matches(':').count() == 1);
    // It is said before the run, and where it is seen.
    let kinds = events.iter().map(|e| e["event"].as_str().unwrap());
    let kinds: Vec<&str> = kinds.filter(|kind| *kind != "technique.started").collect();
    assert_eq!(kinds[..3], ["run.started", "warning", "technique.progress"]);
    assert!(stderr(&output).contains("warning  few-samples: 10 samples are attacked"));

    let trained = ["--limit", "40", "--surrogate", "trained:queries=100"];
    let output = scoville(
        &[
            &args[..3],
            &trained,
            &args[5..7],
            &["--attacks", "transfer:fgsm"],
        ]
        .concat(),
    );
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    let said = "20 samples are attacked, as 20 of 40 are set aside for the surrogate";
    assert!(stderr(&output).contains(said), "{}", stderr(&output));
}

#[test]
fn a_wanted_width_ends_the_run() {
    let args = [
        "assess",
        "--device",
        "cpu",
        "--batch",
        "20",
        "--limit",
        "1000",
        "--eps-ladder",
        "0.5",
    ];
    let output = scoville(&[&args[..], &["--attacks", "fgsm", "--until-width", "0.5"]].concat());
    let finished = events(&output).pop().unwrap();
    assert_eq!(finished["ended"], "width reached");
    // The checks are made however short the run is.
    let checks = scored(&events(&output), "AML.T0043.000")["checks"].clone();
    let made = checks
        .as_array()
        .unwrap()
        .iter()
        .filter(|c| c["outcome"] == "passed")
        .count();
    assert!(made >= 5, "{checks}");
    assert!(finished["totals"]["samples"].as_u64().unwrap() < 1000);
}

#[test]
fn reports_are_written_and_escape_what_users_name() {
    let scratch = Scratch::new("reports");
    let model = scratch.file("linear.onnx", linear_model(|_| ()));
    let data = linear_data(&scratch, 90);
    let (html, json) = (scratch.path("r.html"), scratch.path("r.json"));
    let output = scoville(&[
        "assess",
        &model,
        "--data",
        &data,
        "--device",
        "cpu",
        "--attacks",
        "pgd:steps=5,square:queries=20",
        "--eps-ladder",
        "0.2,0.4",
        "--classes",
        "<script>alert(1)</script>,b&b,\"c\"",
        "--report-html",
        &html,
        "--report-json",
        &json,
    ]);
    assert!(
        matches!(output.status.code(), Some(0 | 5)),
        "{}",
        stderr(&output)
    );
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"));
    let report: Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    assert!(report.to_string().contains("<script>alert(1)</script>"));
}

#[test]
fn an_interrupt_ends_with_the_scores_so_far() {
    let mut child = command(&[
        "assess",
        "--device",
        "cpu",
        "--data",
        "glyphs:test:100000",
        "--batch",
        "64",
        "--attacks",
        "fgsm,square:queries=40",
        "--eps-ladder",
        "8/255,16/255",
    ])
    .stdout(Stdio::piped())
    .stderr(Stdio::null())
    .spawn()
    .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut seen, mut asked) = (Vec::new(), false);
    for line in lines.map_while(Result::ok) {
        let event: Value = serde_json::from_str(&line).unwrap();
        // In the middle of the third round, of two batches, as a user would: Ctrl-C.
        if !asked && event["event"] == "technique.progress" && event["done"] == 256 {
            let id = child.id().to_string();
            let sent = std::process::Command::new("kill")
                .args(["-INT", &id])
                .status();
            assert!(sent.unwrap().success());
            asked = true;
        }
        seen.push(event);
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let finished = seen.last().unwrap();
    assert_eq!(finished["ended"], "interrupted");
    let number = |value: &Value| value.as_u64().unwrap();
    let samples = number(&finished["totals"]["samples"]);
    assert!((128..100_000).contains(&samples), "{samples}");
    // A technique counts the same samples at every eps, and the union those that all have finished.
    let union = scored(&seen, "AML.T0015");
    let parts = ["AML.T0043.000", "AML.T0043.001"].map(|id| scored(&seen, id));
    let (mut least, mut queries) = (u64::MAX, 0);
    for part in parts {
        let done = number(&part["curve"][0]["samples"]);
        assert!((128..=samples).contains(&done) && number(&part["curve"][1]["samples"]) == done);
        for at in [0, 1] {
            let successes = |scored: &Value| number(&scored["curve"][at]["successes"]);
            let alike = part["curve"][at]["samples"] == union["curve"][at]["samples"];
            assert!(!alike || successes(part) <= successes(union));
        }
        (least, queries) = (least.min(done), queries + number(&part["queries"]));
    }
    assert_eq!(number(&union["curve"][1]["samples"]), least);
    assert_eq!(number(&union["queries"]), queries);
}

#[test]
fn a_reader_that_leaves_ends_the_run_unless_a_report_is_asked_for() {
    let left = |samples, args: &[&str]| {
        let mut child = command(&quick_on(samples, args))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        (output.status.code(), stderr(&output))
    };
    // More samples than a test has time for.
    let many = "100000";
    let data = ["--data", "glyphs:test:100000"];
    let (code, said) = left(many, &[&data[..], &["--fail-on", "high"]].concat());
    assert_eq!(code, Some(5), "{said}");
    assert_eq!(left(many, &data).0, Some(0));
    let scratch = Scratch::new("left");
    let json = scratch.path("r.json");
    let (code, said) = left("64", &["--report-json", &json]);
    assert_eq!(code, Some(0), "{said}");
    let report: Value = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!(report["verdict"]["ended"], "completed");
}

#[test]
fn a_table_can_be_asked_for() {
    let output = scoville(&quick(&["--format", "table"]));
    let table = stdout(&output);
    assert!(
        table.contains("AML.T0043.000") && table.contains("VERDICT"),
        "{table}"
    );
    assert!(!table.contains('\u{1b}'), "no escapes when piped");
}

#[test]
fn every_event_follows_the_schema() {
    let schema: Value = serde_json::from_str(&stdout(&scoville(&["schema"]))).unwrap();
    let kinds = schema["oneOf"].as_array().unwrap();
    let events = events(&scoville(&quick(&[])));
    assert!(events.len() > 8);
    for event in events {
        let kind = kinds
            .iter()
            .find(|k| k["properties"]["event"]["const"] == event["event"])
            .expect("a known kind");
        let body = match kind["$ref"].as_str() {
            Some(name) => schema.pointer(name.trim_start_matches('#')).unwrap(),
            None => kind,
        };
        let mut wanted: Vec<&str> = body["required"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        wanted.push("event");
        let mut given: Vec<&str> = event
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        given.sort_unstable();
        assert_eq!(given, wanted);
    }
}

#[test]
fn predict_writes_outputs_and_gradients() {
    let scratch = Scratch::new("predict");
    let model = scratch.file("linear.onnx", linear_model(|_| ()));
    let data = linear_data(&scratch, 5);
    let (out, gradient) = (scratch.path("out.f32"), scratch.path("gradient.f32"));
    let args = [
        "predict", &model, "--data", &data, "--device", "cpu", "--raw",
    ];
    let files = scoville(&[&args[..], &["--out", &out, "--gradient", &gradient]].concat());
    assert_eq!(files.status.code(), Some(0), "{}", stderr(&files));
    assert_eq!(std::fs::read(&out).unwrap().len(), 5 * 3 * 4);
    assert_eq!(std::fs::read(&gradient).unwrap().len(), 5 * 4 * 4);
    let lines = events(&scoville(&args));
    assert_eq!(lines.len(), 5);
    // The arg-max of the file is the prediction of the line.
    let logits: Vec<f32> = floats(&out);
    for (line, row) in lines.iter().zip(logits.chunks_exact(3)) {
        let best = (0..3).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        assert_eq!(line["predicted"], best);
        let sum: f64 = line["probabilities"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_f64)
            .sum();
        assert!((sum - 1.0).abs() < 1e-5);
    }
    // d cross-entropy / d x of a linear model is (softmax - one-hot) times the weights.
    let weights = [
        1.0f32, -0.5, 0.25, 0.0, 0.5, -1.0, 1.5, 0.1, -0.2, 0.3, 0.7, 0.9,
    ];
    let gradients = floats(&gradient);
    for (i, (row, got)) in logits
        .chunks_exact(3)
        .zip(gradients.chunks_exact(4))
        .enumerate()
    {
        let sum: f32 = row.iter().map(|z| z.exp()).sum();
        let slope = |class: usize| row[class].exp() / sum - f32::from(class == i % 3);
        for (feature, got) in got.iter().enumerate() {
            let expected: f32 = (0..3).map(|c| slope(c) * weights[feature * 3 + c]).sum();
            assert!((got - expected).abs() < 1e-5, "{got} {expected}");
        }
    }
}

fn floats(path: &str) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect()
}

#[test]
fn kinds_of_events_come_in_order() {
    let events = events(&scoville(&quick(&[])));
    let position = |kind: &str| events.iter().position(|e| e["event"] == kind).unwrap();
    assert!(position("run.started") < position("technique.started"));
    assert!(position("technique.started") < position("technique.progress"));
    assert!(position("technique.progress") < position("technique.scored"));
    // Once a rung, technique and batch something is counted: two batches would be 12.
    let mut progress = of_kind(&events, "technique.progress");
    assert_eq!(progress[0]["running"]["number"], 1);
    progress.retain(|e| e["running"].is_null());
    assert_eq!(progress.len(), 6);
}

#[test]
fn every_norm_has_attacks_that_run_by_default() {
    let both = ["AML.T0043.000", "AML.T0043.001"].as_slice();
    for (norm, techniques) in [
        ("linf", both),
        ("l2", both),
        ("l1", both),
        ("l0", both),
        ("wasserstein", both),
    ] {
        let output = scoville(&["assess", "--device", "cpu", "--limit", "34", "--norm", norm]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let events = events(&output);
        for technique in techniques {
            let curve = &scored(&events, technique)["curve"];
            let most = curve.as_array().unwrap().last().unwrap();
            assert!(most["successes"].as_u64().unwrap() > 0, "{norm}: {most}");
        }
    }
}

#[test]
fn corruptions_go_by_severity() {
    let scratch = Scratch::new("corruptions");
    let html = scratch.path("report.html");
    let run = |batch: &str| {
        let output = scoville(&[
            "assess",
            "--device",
            "cpu",
            "--limit",
            "40",
            "--attacks",
            "corruptions",
            "--batch",
            batch,
            "--report-html",
            &html,
        ]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        events(&output)
    };
    let events = run("40");
    let plan = &events[0]["plan"];
    assert_eq!(plan["norm"], "severity");
    assert_eq!(
        plan["eps_ladder"],
        serde_json::json!([1.0, 2.0, 3.0, 4.0, 5.0])
    );
    let manual = scored(&events, "AML.T0043.003");
    let successes = |curve: &Value| -> Vec<u64> {
        let points = curve.as_array().unwrap().iter();
        points.map(|p| p["successes"].as_u64().unwrap()).collect()
    };
    let rising = successes(&manual["curve"]);
    assert!(rising.is_sorted() && rising[0] < rising[4], "{rising:?}");
    // Random numbers go by sample, whatever its batch.
    let apart = run("7");
    assert_eq!(rising, successes(&scored(&apart, "AML.T0043.003")["curve"]));
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(page.contains("ASR in % at severity") && !page.contains("severity eps"));
}
