//! Indicators of attack failure (Pintor et al. 2022) that a defence by itself does not show: each warns where it should, and
//! keeps quiet on the same run without the cause.

use scoville_onnx::{encode, parse};

use super::MODEL;
use super::wrap::wrap;
use crate::support::{Scratch, events, scored, scoville, stderr};

/// Grade and outcome of a check, of AML.T0015 over 40 glyphs.
fn outcome(arguments: &[&str], check: &str) -> (String, String) {
    let fixed = [
        "--device",
        "cpu",
        "--data",
        "glyphs:test",
        "--limit",
        "40",
        "--eps-ladder",
        "8/255,16/255",
    ];
    let output = scoville(&[&["assess"], arguments, &fixed].concat());
    let events = events(&output);
    assert!(!events.is_empty(), "{}", stderr(&output));
    let evasion = scored(&events, "AML.T0015");
    let found = evasion["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["code"] == check)
        .unwrap();
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    assert_eq!(
        found["advice"] == "",
        found["outcome"] != "warned",
        "{found}"
    );
    (word(&evasion["grade"]), word(&found["outcome"]))
}

#[test]
fn a_surrogate_without_the_defence_shows_what_its_gradients_hide() {
    let scratch = Scratch::new("transfer-failure");
    let undefended = scratch.file("undefended.onnx", MODEL);
    let mut graph = parse(MODEL.into(), None).unwrap();
    wrap(&mut graph, "logits", |w, z| w.times(z, 1000.0));
    let saturated = scratch.file("saturated.onnx", encode::to_bytes(&graph));
    let run = |model: &str| {
        let arguments = [
            model,
            "--surrogate",
            &undefended,
            "--attacks",
            "apgd-ce,transfer:apgd-ce",
        ];
        outcome(&arguments, "transfer-beats-white-box")
    };
    assert_eq!(run(&undefended), ("B".into(), "passed".into()));
    assert_eq!(run(&saturated), ("C".into(), "warned".into()));
    let alone = outcome(
        &[&undefended, "--attacks", "apgd-ce"],
        "transfer-beats-white-box",
    );
    assert_eq!(alone.1, "not_run");
}

#[test]
fn a_loss_that_still_rises_or_jumps_about_is_said() {
    let scratch = Scratch::new("loss-curve");
    let mut graph = parse(MODEL.into(), None).unwrap();
    wrap(&mut graph, "image", |w, x| {
        let scale = [("scale", scoville_onnx::Attribute::Float(0.3))];
        let noise = w.op_with("RandomNormalLike", &[x], &scale);
        w.op("Add", &[x, &noise])
    });
    let random = scratch.file("random.onnx", encode::to_bytes(&graph));
    let undefended = scratch.file("undefended.onnx", MODEL);
    for (model, attack, expected) in [
        (&undefended, "pgd:steps=40", "passed"),
        (&undefended, "pgd:steps=20:step=0.01", "warned"),
        (&random, "pgd:steps=40", "warned"),
        (&undefended, "fgsm", "not_run"),
    ] {
        let (grade, outcome) = outcome(&[model, "--attacks", attack], "incomplete-optimisation");
        assert_eq!(outcome, expected, "{attack}");
        assert_eq!(grade == "C", expected == "warned", "{attack}: {grade}");
    }
}
