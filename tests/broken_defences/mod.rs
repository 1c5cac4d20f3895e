//! Defences that are known not to defend: a run must break each, or say that its figures are no more than a lower bound.

mod defences;
mod indicators;
mod quantised;
mod wrap;

use std::collections::BTreeSet;

use scoville_onnx::{Graph, encode, parse};
use serde_json::Value;

use crate::support::{Scratch, events, scored, scoville, stderr};
use defences::DEFENCES;

const MODEL: &[u8] = include_bytes!("../../datasets/glyphs-cnn.onnx");

/// A defence is broken when the score is at least this share of the undefended model's.
const BROKEN: f64 = 0.75;

/// What a run says of AML.T0015.
#[derive(Debug)]
struct Verdict {
    grade: String,
    score: f64,
    warned: Vec<String>,
}

fn assess(scratch: &Scratch, attacks: &str, defend: impl FnOnce(&mut Graph)) -> Verdict {
    assess_with(scratch, attacks, "auto", defend)
}

fn assess_with(
    scratch: &Scratch,
    attacks: &str,
    bpda: &str,
    defend: impl FnOnce(&mut Graph),
) -> Verdict {
    let mut graph = parse(MODEL.into(), None).unwrap();
    defend(&mut graph);
    let model = scratch.file("model.onnx", encode::to_bytes(&graph));
    let output = scoville(&[
        "assess",
        &model,
        "--device",
        "cpu",
        "--data",
        "glyphs:test",
        "--limit",
        "40",
        "--eps-ladder",
        "4/255,16/255",
        "--attacks",
        attacks,
        "--bpda",
        bpda,
    ]);
    assert!(
        matches!(output.status.code(), Some(0 | 5)),
        "{}",
        stderr(&output)
    );
    let events = events(&output);
    let evasion = scored(&events, "AML.T0015");
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let checks = evasion["checks"].as_array().unwrap().iter();
    Verdict {
        grade: word(&evasion["grade"]),
        score: evasion["score"].as_f64().unwrap_or_default(),
        warned: checks
            .filter(|check| check["outcome"] == "warned")
            .map(|check| word(&check["code"]))
            .collect(),
    }
}

/// Runs every defence; returns the checks that warned of any.
fn none_deceives(attacks: &str) -> BTreeSet<String> {
    let scratch = Scratch::new(&format!("broken-defences-{}", attacks.len()));
    let undefended = assess(&scratch, attacks, |_| ());
    assert_eq!(
        (undefended.grade.as_str(), undefended.warned.as_slice()),
        ("B", [].as_slice()),
        "{undefended:?}"
    );
    let mut warned = BTreeSet::new();
    for defence in DEFENCES {
        let verdict = assess(&scratch, attacks, defence.build);
        println!(
            "{}: {:.1} {} {:?}",
            defence.name, verdict.score, verdict.grade, verdict.warned
        );
        let broken = verdict.grade == "B" && verdict.score >= BROKEN * undefended.score;
        let doubted = matches!(verdict.grade.as_str(), "C" | "D");
        assert!(
            broken || doubted,
            "{} against {attacks}: {verdict:?}",
            defence.name
        );
        warned.extend(verdict.warned);
    }
    warned
}

fn assert_all(warned: &BTreeSet<String>, expected: &[&str]) {
    for code in expected {
        assert!(warned.contains(*code), "{code} caught nothing: {warned:?}");
    }
}

#[test]
fn no_broken_defence_deceives_the_attacks_by_default() {
    let warned = none_deceives("apgd-ce,square:queries=500");
    let expected = [
        "randomised-output",
        "softmax-outputs",
        "flat-scores",
        "non-finite-outputs",
        "gradient-mismatch",
        "ascent-fails",
        "black-box-beats-white-box",
        "more-iterations-gain",
        "other-attacks-gain",
        "unbounded-eps-fails",
    ];
    assert_all(&warned, &expected);
}

#[test]
fn no_broken_defence_deceives_white_box_attacks_alone() {
    let warned = none_deceives("apgd-ce");
    assert_all(&warned, &["no-rise-with-eps", "other-attacks-gain"]);
}

#[test]
fn no_broken_defence_deceives_black_box_attacks_alone() {
    let warned = none_deceives("square:queries=500");
    assert_all(&warned, &["flat-scores", "softmax-outputs"]);
}

/// What hides its gradient behind steps falls to gradients through stand-ins; without them the same attack is blind.
#[test]
fn steps_fall_to_gradients_through_stand_ins() {
    let scratch = Scratch::new("stand-ins");
    let undefended = assess(&scratch, "apgd-ce", |_| ());
    for (name, bpda, share) in [
        ("rounded logits", "auto", BROKEN),
        ("labels alone", "auto", BROKEN),
        ("quantised activations", "auto", BROKEN),
        ("input rounding", "auto", BROKEN),
        ("thermometer code", "auto", BROKEN),
        ("quantised network", "auto", BROKEN),
        // It helps: pixels far from the threshold cannot be moved across it.
        ("input by its sign", "auto", 0.3),
        ("rounded logits, reversed slope", "on", BROKEN),
    ] {
        let defence = DEFENCES.iter().find(|d| d.name == name).unwrap();
        let [with, without] =
            [bpda, "off"].map(|bpda| assess_with(&scratch, "apgd-ce", bpda, defence.build));
        println!("{name}: {:.1}, without {:.1}", with.score, without.score);
        assert!(
            with.score >= share * undefended.score && without.score < 0.5 * with.score,
            "{name}: {with:?} {without:?}"
        );
        if bpda == "auto" {
            assert!(without.warned.iter().any(|code| code == "zero-gradients"));
        }
    }
}
