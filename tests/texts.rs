//! Classifiers of texts, end to end: one that reads strings, and one of token ids.

use scoville_onnx::{Attribute, Attributes, DType, Data, Dim, Graph, Node, Port, Tensor, encode};
use serde_json::Value;

use crate::support::{Scratch, events, node, of_kind, scored, scoville, stderr, stdout};

fn with(mut node: Node, domain: &str, attributes: Vec<(&str, Attribute)>) -> Node {
    let attributes = attributes
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    node.attributes = Attributes::new(&node.name, attributes);
    node.domain = domain.into();
    node
}

fn strings(values: &[&str]) -> Attribute {
    Attribute::Strings(values.iter().map(|&value| value.into()).collect())
}

fn port(name: &str, dtype: DType, shape: &[usize]) -> Port {
    let fixed = shape.iter().map(|&size| Dim::Fixed(size));
    let shape = [Dim::Named("n".into())].into_iter().chain(fixed).collect();
    Port {
        name: name.into(),
        dtype,
        shape: Some(shape),
    }
}

fn floats(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor {
        shape: shape.to_vec(),
        data: Data::F32(values.to_vec()),
    }
}

/// Reads strings: more `good` and `fine` than `bad` and `dull` is class 1.
fn of_strings() -> Vec<u8> {
    let tokens = vec![
        ("mark", Attribute::Int(0)),
        ("mincharnum", Attribute::Int(1)),
        ("pad_value", Attribute::String("#".into())),
        ("tokenexp", Attribute::String("[a-z]+".into())),
    ];
    let counts = vec![
        ("mode", Attribute::String("TF".into())),
        ("min_gram_length", Attribute::Int(1)),
        ("max_gram_length", Attribute::Int(1)),
        ("max_skip_count", Attribute::Int(0)),
        ("ngram_counts", Attribute::Ints(vec![0])),
        ("ngram_indexes", Attribute::Ints(vec![0, 1, 2, 3])),
        ("pool_strings", strings(&["good", "fine", "bad", "dull"])),
    ];
    let weights = [-1.0, 1.0, -0.5, 0.5, 1.0, -1.0, 0.5, -0.5];
    let graph = Graph {
        opsets: [(String::new(), 11), ("com.microsoft".into(), 1)].into(),
        inputs: vec![port("text", DType::String, &[1])],
        outputs: vec![port("scores", DType::F32, &[2])],
        nodes: vec![
            node("Reshape", &["text", "flat"], "list"),
            with(
                node("Tokenizer", &["list"], "tokens"),
                "com.microsoft",
                tokens,
            ),
            with(node("TfIdfVectorizer", &["tokens"], "counts"), "", counts),
            node("Gemm", &["counts", "weights", "bias"], "scores"),
        ],
        constants: [
            (
                "flat".into(),
                Tensor {
                    shape: vec![1],
                    data: Data::I64(vec![-1]),
                },
            ),
            ("weights".into(), floats(&[4, 2], &weights)),
            ("bias".into(), floats(&[2], &[0.0, -0.1])),
        ]
        .into(),
        ..Graph::default()
    };
    encode::to_bytes(&graph)
}

/// Reads six token ids, of the vocabulary below, and gives two logits, `z`, which `end` computes further.
fn of_ids_ending_in(end: Vec<Node>) -> Vec<u8> {
    let mut graph = scoville_onnx::parse(of_ids().into(), None).unwrap();
    graph.nodes.pop();
    graph.nodes.extend(end);
    let last = graph.nodes.last().unwrap().outputs[0].clone();
    graph.outputs = vec![port(&last, DType::F32, &[2])];
    let weights = floats(&[2, 2], &[-9.0, 9.0, 0.0, 0.0]);
    graph.constants.insert("weights".into(), weights);
    for (name, value) in [("0.3", 0.3), ("1e4", 1e4), ("0", 0.0), ("1e-3", 1e-3)] {
        graph.constants.insert(name.into(), floats(&[], &[value]));
    }
    encode::to_bytes(&graph)
}

/// Reads six token ids, of the vocabulary below, and gives one probability.
fn of_ids() -> Vec<u8> {
    let axes = vec![
        ("axes", Attribute::Ints(vec![1])),
        ("keepdims", Attribute::Int(0)),
    ];
    let rows = [0.0, 0.1, 0.1, 1.0, 1.0, 0.1, 0.6, 0.8, -1.0, 0.1, -0.7, 0.7];
    let graph = Graph {
        opsets: [(String::new(), 17)].into(),
        inputs: vec![port("ids", DType::I64, &[6])],
        outputs: vec![port("p", DType::F32, &[1])],
        nodes: vec![
            node("Gather", &["table", "ids"], "rows"),
            with(node("ReduceMean", &["rows"], "mean"), "", axes),
            node("MatMul", &["mean", "weights"], "z"),
            node("Sigmoid", &["z"], "p"),
        ],
        constants: [
            ("table".into(), floats(&[6, 2], &rows)),
            ("weights".into(), floats(&[2, 1], &[9.0, 0.0])),
        ]
        .into(),
        ..Graph::default()
    };
    encode::to_bytes(&graph)
}

const VOCABULARY: &str = "<pad>\nfilm\ngood\nfine\nbad\ndull\n";
const TOML: &str = "[model]\npath = \"ids.onnx\"\n[text]\ntokenizer = \"vocab\"\nvocabulary = \"words.txt\"\nlength = 6\n";

/// 40 texts, all of which both models get right.
fn texts(scratch: &Scratch) -> String {
    let line = |i: usize| match i % 4 {
        0 => format!("praise\ta good film, number {i}\n"),
        1 => format!("blame\ta bad film, number {i}\n"),
        2 => format!("praise\tgood and fine and good too, {i}\n"),
        _ => format!("blame\tdull and bad, {i}\n"),
    };
    let lines: String = (0..40).map(line).collect();
    format!("tsv:{}", scratch.file("texts.tsv", lines))
}

fn ids(scratch: &Scratch) -> String {
    scratch.file("ids.onnx", of_ids());
    scratch.file("words.txt", VOCABULARY);
    scratch.file("target.toml", TOML)
}

#[test]
fn predictions_are_those_of_the_model() {
    let scratch = Scratch::new("texts-predict");
    let strings = scratch.file("strings.onnx", of_strings());
    let (ids, data) = (ids(&scratch), texts(&scratch));
    for model in [strings, ids] {
        let output = scoville(&[
            "predict", &model, "--data", &data, "--device", "cpu", "--batch", "7",
        ]);
        let lines: Vec<Value> = stdout(&output)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 40, "{}", stderr(&output));
        assert!(lines.iter().all(|line| line["label"] == line["predicted"]));
        // Names are numbered in alphabetical order: blame, praise.
        assert_eq!(
            (&lines[0]["label"], &lines[1]["label"]),
            (&1.into(), &0.into())
        );
    }
}

#[test]
fn a_run_on_texts_streams_reports_and_shows_what_it_found() {
    let scratch = Scratch::new("texts-assess");
    let (model, data) = (ids(&scratch), texts(&scratch));
    let (json, html) = (scratch.path("r.json"), scratch.path("r.html"));
    let args = [
        "assess",
        &model,
        "--data",
        &data,
        "--device",
        "cpu",
        "--format",
        "ndjson",
        "--attacks",
        "hotflip,deepwordbug,textfooler:cosine=-1,char-noise",
        "--eps-ladder",
        "1,2,4",
        "--report-json",
        &json,
        "--report-html",
        &html,
    ];
    let output = scoville(&args);
    let all = events(&output);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let started = of_kind(&all, "run.started")[0];
    assert_eq!(started["plan"]["norm"], "edits");
    assert_eq!(started["target"]["class_names"][1], "praise");
    let found = of_kind(&all, "text.broken");
    assert!(!found.is_empty());
    for event in &found {
        let (text, edited) = (
            event["text"].as_str().unwrap(),
            event["edited"].as_str().unwrap(),
        );
        let words = text.split(' ').zip(edited.split(' '));
        let changed = words.filter(|(before, after)| before != after).count();
        assert_eq!(event["edits"], changed);
        assert!(changed <= 4 && event["label"] != event["predicted"]);
    }
    // One flip is enough but for three words of praise.
    let curve = &scored(&all, "AML.T0043.000")["curve"];
    assert_eq!(
        (&curve[0]["successes"], &curve[2]["successes"]),
        (&30.into(), &40.into())
    );
    assert!(scored(&all, "AML.T0043.000")["gradients"].as_u64() > Some(0));
    let report: Value = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    assert_eq!(report["texts"].as_array().unwrap().len(), found.len());
    let page = std::fs::read_to_string(&html).unwrap();
    assert!(page.contains("<h2>Texts</h2>") && page.contains("<ins>"));
    let again = events(&scoville(&args));
    assert_eq!(of_kind(&again, "text.broken"), found);
}

#[test]
fn without_attacks_named_a_model_of_strings_meets_typing_errors() {
    let scratch = Scratch::new("texts-default");
    let model = scratch.file("strings.onnx", of_strings());
    let data = texts(&scratch);
    let output = scoville(&["assess", &model, "--data", &data, "--device", "cpu"]);
    let all = events(&output);
    assert_eq!(
        of_kind(&all, "run.started")[0]["plan"]["eps_ladder"],
        serde_json::json!([1.0, 2.0, 4.0, 8.0])
    );
    // Praise falls with its words; what has no word that counts is blame.
    let curve = &scored(&all, "AML.T0043.001")["curve"];
    assert_eq!(
        (&curve[0]["successes"], &curve[3]["successes"]),
        (&10.into(), &20.into())
    );
    let synonyms = scratch.file("synonyms.tsv", "good\tbad\nbad\tgood\n");
    let output = scoville(&[
        "assess",
        &model,
        "--data",
        &data,
        "--device",
        "cpu",
        "--attacks",
        "textfooler",
        "--synonyms",
        &synonyms,
    ]);
    let all = events(&output);
    let curve = &scored(&all, "AML.T0043.001")["curve"][3];
    assert_eq!(curve["successes"], 40, "{}", stderr(&output));
}

#[test]
fn what_does_not_fit_is_said() {
    let scratch = Scratch::new("texts-errors");
    let strings = scratch.file("strings.onnx", of_strings());
    let (target, data) = (ids(&scratch), texts(&scratch));
    let ids = scratch.path("ids.onnx");
    let broken = format!(
        "tsv:{}",
        scratch.file("broken.tsv", "praise\ta good film\nblame\n")
    );
    let wide = scratch.file("wide.toml", TOML.replace("length", "padding = 6\nlength"));
    let cases: [(&[&str], i32, &str); 18] = [
        (
            &[&strings, "--data", &data, "--attacks", "pgd"],
            2,
            "on texts run hotflip",
        ),
        (&["--attacks", "hotflip"], 2, "takes --data tsv:FILE"),
        (
            &[&strings, "--data", &data, "--attacks", "hotflip"],
            2,
            "hotflip cannot run",
        ),
        (
            &[&strings, "--data", &data, "--attacks", "textfooler"],
            2,
            "give --synonyms FILE",
        ),
        (
            &[&strings, "--data", &data, "--synonyms", "x"],
            2,
            "read by textfooler",
        ),
        (
            &[&strings, "--data", &data, "--target-class", "2"],
            2,
            "the model has 2 classes",
        ),
        (
            &[&strings, "--data", &data, "--surrogate", "trained,trained"],
            2,
            "for texts name one model",
        ),
        (
            &[
                &strings,
                "--data",
                &data,
                "--surrogate",
                "trained",
                "--surrogate-data",
                &data,
            ],
            2,
            "--surrogate-data has no texts but those of --data",
        ),
        (
            &[&target, "--data", &data, "--surrogate", &strings],
            3,
            "one Gather of a constant table",
        ),
        (
            &[
                &target,
                "--data",
                &data,
                "--surrogate",
                &target,
                "--attacks",
                "hotflip",
            ],
            2,
            "no attack of this run uses the surrogate",
        ),
        (
            &[&target, "--data", &data, "--eps-ladder", "10%,2"],
            2,
            "all as shares",
        ),
        (
            &[&target, "--data", &data, "--eps-ladder", "110%"],
            2,
            "at most 100%",
        ),
        (
            &["--eps-ladder", "10%"],
            2,
            "the attacks of this run change numbers",
        ),
        (
            &[&strings, "--data", &data, "--mean", "0.5"],
            2,
            "the data are texts",
        ),
        (&[&ids, "--data", &data], 3, "[text]"),
        (&[&strings, "--data", &broken], 3, "line 2"),
        (
            &[&wide, "--data", &data, "--attacks", "hotflip"],
            3,
            "6 rows",
        ),
        (
            &[&wide, "--data", &data, "--attacks", "deepwordbug"],
            3,
            "6 rows",
        ),
    ];
    for (args, code, says) in cases {
        let output = scoville(&[&["assess"], args, &["--device", "cpu"]].concat());
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?} {message}");
        assert!(message.contains(says), "{says}: {message}");
    }
    assert!(target.ends_with("target.toml"));
}

/// Runs HotFlip and typing errors at random on the model of ids, with more arguments.
fn successes(scratch: &Scratch, arguments: &[&str]) -> (Vec<Value>, Vec<u64>) {
    let (model, data) = (ids(scratch), texts(scratch));
    let fixed = ["assess", &model, "--data", &data, "--device", "cpu"];
    let output = scoville(&[&fixed, arguments].concat());
    let all = events(&output);
    assert!(!all.is_empty(), "{}", stderr(&output));
    let curve = scored(&all, "AML.T0015")["curve"].as_array().unwrap();
    let rates = curve
        .iter()
        .map(|point| point["successes"].as_u64().unwrap());
    let rates = rates.collect();
    (all, rates)
}

#[test]
fn texts_are_led_to_a_class() {
    let scratch = Scratch::new("texts-goal");
    let flips = ["--attacks", "hotflip", "--eps-ladder", "1,4"];
    let (_, any) = successes(&scratch, &flips);
    let (events, blame) = successes(&scratch, &[&flips[..], &["--target-class", "0"]].concat());
    let started = &of_kind(&events, "run.started")[0]["plan"];
    assert_eq!(started["goal"], "class 0");
    let found = of_kind(&events, "text.broken");
    assert!(!found.is_empty() && found.iter().all(|event| event["predicted"] == 0));
    // Half of the texts are of that class already.
    assert_eq!((any, blame), (vec![30, 40], vec![10, 20]));
    let (_, second) = successes(&scratch, &[&flips[..], &["--targets", "second"]].concat());
    assert_eq!(second, [30, 40]);
}

#[test]
fn wrong_labels_of_texts_come_with_advice_for_texts() {
    let scratch = Scratch::new("texts-swapped");
    let line = |i: usize| match i % 2 {
        0 => format!("blame\ta good film, number {i}\n"),
        _ => format!("praise\ta bad film, number {i}\n"),
    };
    let lines: String = (0..40).map(line).collect();
    let data = format!("tsv:{}", scratch.file("swapped.tsv", lines));
    let model = ids(&scratch);
    let output = scoville(&["assess", &model, "--data", &data, "--device", "cpu"]);
    let events = events(&output);
    let reason = scored(&events, "AML.T0015")["grade_reason"].as_str();
    let reason = reason.unwrap_or_default();
    assert!(
        reason.contains("no better than chance: check the labels, the tokenizer")
            && !reason.contains("--mean"),
        "{reason}"
    );
}

#[test]
fn budgets_are_shares_of_the_words_of_each_text() {
    let scratch = Scratch::new("texts-share");
    let flips = ["--attacks", "hotflip", "--eps-ladder", "40%,10%,20%"];
    let (events, rates) = successes(&scratch, &flips);
    let plan = &of_kind(&events, "run.started")[0]["plan"];
    assert_eq!(
        (&plan["norm"], &plan["eps_ladder"]),
        (&"share".into(), &serde_json::json!([0.1, 0.2, 0.4]))
    );
    // The seven words of "good and fine and good too, 2" take two flips, 40 % of them or 29; the other texts take one.
    assert_eq!(rates, [30, 30, 40]);
    let (_, rates) = successes(
        &scratch,
        &["--attacks", "hotflip", "--eps-ladder", "28%,29%"],
    );
    assert_eq!(rates, [30, 40]);
}

#[test]
fn words_are_flipped_by_another_model() {
    let scratch = Scratch::new("texts-transfer");
    let surrogate = scratch.file("other.toml", TOML.replace("lower = true\n", ""));
    let flips = [
        "--surrogate",
        &surrogate,
        "--eps-ladder",
        "1,4",
        "--attacks",
    ];
    let (events, _) = successes(
        &scratch,
        &[&flips[..], &["hotflip,transfer:hotflip"]].concat(),
    );
    let started = of_kind(&events, "run.started")[0];
    assert_eq!(started["surrogates"][0]["name"], "ids.onnx");
    assert_eq!(started["surrogates"][0]["input"], "6 token ids (vocab)");
    let transfer = scored(&events, "AML.T0043.002");
    let counts = |key: &str| transfer["budgets"][0][key].as_u64().unwrap();
    // 40 texts at one word, and those that still stand at four.
    assert_eq!(
        (transfer["gradients"].as_u64(), counts("queries")),
        (Some(0), 40 + 10)
    );
    assert!(counts("surrogate_gradients") >= 40 + 4 * 10);
    let curve = &transfer["curve"];
    assert_eq!(
        (&curve[0]["successes"], &curve[1]["successes"]),
        (&30.into(), &40.into())
    );
    let checks = transfer["checks"].as_array().unwrap();
    let beats = checks
        .iter()
        .find(|check| check["code"] == "transfer-beats-white-box");
    assert_eq!(beats.unwrap()["outcome"], "passed");
    let mut alike = checks.iter();
    let alike = alike.find(|check| check["code"] == "surrogate-disagrees");
    assert_eq!(alike.unwrap()["outcome"], "passed");
    // By default typing errors run, and the surrogate's flips.
    let (events, _) = successes(&scratch, &["--surrogate", &surrogate]);
    let attacks = &of_kind(&events, "run.started")[0]["plan"]["techniques"];
    assert_eq!(
        attacks[1]["attacks"][0].as_str().unwrap().split(' ').next(),
        Some("transfer:hotflip")
    );
}

/// The surrogate of a model that gives no gradients; a file of it does the same.
#[test]
fn words_are_flipped_by_a_model_that_is_trained() {
    let scratch = Scratch::new("texts-trained");
    let model = scratch.file("strings.onnx", of_strings());
    let (data, kept) = (texts(&scratch), scratch.path("kept.onnx"));
    let line = |i: usize| {
        let word = ["good", "bad", "fine", "dull"][i % 4];
        format!("{}\tthe {word} film w{} w{}\n", i % 2, i % 7, i % 11)
    };
    let lines: String = (0..100).map(line).collect();
    let others = format!("tsv:{}", scratch.file("others.tsv", lines));
    let run = |surrogate: &str, more: &[&str]| {
        let args = [
            "assess",
            &model,
            "--data",
            &data,
            "--surrogate",
            surrogate,
            "--attacks",
            "transfer:hotflip",
            "--eps-ladder",
            "1,2,6",
            "--device",
            "cpu",
            "--format",
            "ndjson",
        ];
        let output = scoville(&[&args[..], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let events = events(&output);
        let started = of_kind(&events, "run.started")[0]["surrogates"][0].clone();
        (started, scored(&events, "AML.T0043.002")["curve"].clone())
    };
    let (surrogate, curve) = run(
        "trained:queries=300",
        &["--surrogate-data", &others, "--save-surrogate", &kept],
    );
    assert_eq!(surrogate["name"], "trained network of words");
    let training = &surrogate["training"];
    assert_eq!(
        (
            &training["queries"],
            &training["samples"],
            &training["synthetic"]
        ),
        (&300.into(), &80.into(), &200.into())
    );
    // Every text falls to flips of the words that the model goes by.
    assert_eq!(
        (&curve[0]["correct"], &curve[2]["successes"]),
        (&40.into(), &40.into())
    );
    assert!(curve[0]["successes"].as_u64() >= Some(20));
    for kept in [&kept, &scratch.path("kept.onnx.toml")] {
        let (again, same) = run(kept, &[]);
        assert_eq!(again["sha256"], surrogate["sha256"]);
        assert_eq!(same, curve);
    }
}

/// Without other texts, half of them are set aside.
#[test]
fn texts_that_a_surrogate_is_trained_on_are_not_attacked() {
    let scratch = Scratch::new("texts-aside");
    let model = scratch.file("strings.onnx", of_strings());
    let line = |i: usize| format!("{}\ta {} film, {i}\n", i % 2, ["bad", "good"][i % 2]);
    let lines: String = (0..80).map(line).collect();
    let data = format!("tsv:{}", scratch.file("many.tsv", lines));
    let output = scoville(&[
        "assess",
        &model,
        "--data",
        &data,
        "--surrogate",
        "trained:queries=60:answers=scores",
        "--device",
        "cpu",
        "--format",
        "ndjson",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let events = events(&output);
    let started = of_kind(&events, "run.started")[0];
    let training = &started["surrogates"][0]["training"];
    assert_eq!(
        (&training["answers"], &training["samples"]),
        (&"scores".into(), &32.into())
    );
    let transfer = scored(&events, "AML.T0043.002");
    assert_eq!(transfer["curve"][0]["correct"], 40);
}

#[test]
fn the_reliability_checks_are_made_on_texts() {
    let scratch = Scratch::new("texts-evidence");
    let (events, _) = successes(
        &scratch,
        &["--attacks", "hotflip,deepwordbug", "--eps-ladder", "1,2,4"],
    );
    let evasion = scored(&events, "AML.T0015");
    let outcome = |code: &str| {
        let checks = evasion["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["code"] == code).unwrap();
        check["outcome"].as_str().unwrap().to_owned()
    };
    for code in [
        "randomised-output",
        "flat-scores",
        "non-finite-outputs",
        "zero-gradients",
        "gradient-mismatch",
        "ascent-fails",
        "other-attacks-gain",
        "unbounded-eps-fails",
    ] {
        assert_eq!(outcome(code), "passed", "{code} {evasion}");
    }
    for code in [
        "incomplete-optimisation",
        "single-step-beats-iterative",
        "more-iterations-gain",
    ] {
        assert_eq!(outcome(code), "not_run", "{code}");
    }
}

#[test]
fn each_check_of_texts_warns_where_it_should() {
    let scratch = Scratch::new("texts-warnings");
    let data = texts(&scratch);
    let target = ids(&scratch);
    let noise = with(node("RandomNormalLike", &["z"], "noise"), "", Vec::new());
    for (code, end) in [
        ("flat-scores", vec![node("Hardmax", &["z"], "y")]),
        (
            "randomised-output",
            vec![noise, node("Add", &["z", "noise"], "y")],
        ),
        (
            "gradient-mismatch",
            vec![
                node("Mul", &["z", "1e4"], "fast"),
                node("Sin", &["fast"], "wave"),
                node("Add", &["z", "wave"], "y"),
            ],
        ),
        (
            "non-finite-outputs",
            vec![
                node("Abs", &["z"], "size"),
                node("Sub", &["size", "0.3"], "sure"),
                node("Sqrt", &["sure"], "root"),
                node("Mul", &["root", "0"], "nothing"),
                node("Add", &["z", "nothing"], "y"),
            ],
        ),
        (
            "ascent-fails",
            vec![
                node("Round", &["z"], "steps"),
                node("Mul", &["z", "1e-3"], "slope"),
                node("Sub", &["steps", "slope"], "y"),
            ],
        ),
    ] {
        scratch.file("ids.onnx", of_ids_ending_in(end));
        let output = scoville(&[
            "assess",
            &target,
            "--data",
            &data,
            "--device",
            "cpu",
            "--attacks",
            "hotflip",
        ]);
        let all = events(&output);
        let warned = of_kind(&all, "warning");
        let warned: Vec<&str> = warned.iter().filter_map(|w| w["code"].as_str()).collect();
        assert!(
            warned.contains(&code),
            "{code}: {warned:?} {}",
            stderr(&output)
        );
    }
}
