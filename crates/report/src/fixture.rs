//! A small run for the tests: three techniques on a CIFAR-10 model, with hostile names in it.

use crate::{Record, event::*};

pub const LADDER: [f64; 5] = [
    1.0 / 255.0,
    2.0 / 255.0,
    4.0 / 255.0,
    8.0 / 255.0,
    16.0 / 255.0,
];
const SAMPLES: usize = 1000;
const CORRECT: usize = 912;

/// Every event that a run sends, in order.
pub fn events() -> Vec<Event> {
    let mut events = vec![
        Event::RunStarted(started().into()),
        Event::TextBroken(text()),
        Event::SampleChanged(row()),
    ];
    for scored in [white_box(), black_box(), evasion()] {
        events.push(Event::TechniqueStarted(TechniqueStarted {
            technique: scored.technique.clone(),
            name: scored.name.clone(),
            attacks: match scored.budgets.is_empty() {
                true => Vec::new(),
                false => vec!["apgd-ce (100 steps, 5 restarts)".into()],
            },
        }));
        for point in &scored.curve {
            events.push(Event::TechniqueProgress(TechniqueProgress {
                technique: scored.technique.clone(),
                eps: point.eps,
                done: SAMPLES,
                correct: CORRECT,
                successes: point.successes,
                rate: point.rate,
                interval: point.rate_interval,
                ..progress()
            }));
        }
        events.push(Event::TechniqueScored(scored));
    }
    events.push(Event::SamplesJudged(judged()));
    events.push(Event::Warning(warning(
        "the model's output is probabilities, not logits",
    )));
    events.push(Event::RunFinished(finished()));
    events
}

pub fn record() -> Record {
    let mut record = Record::default();
    events().iter().for_each(|e| record.add(e));
    record
}

pub fn started() -> RunStarted {
    let planned = |scored: TechniqueScored, attacks: &[&str]| PlannedTechnique {
        id: scored.technique,
        name: scored.name,
        attacks: attacks.iter().map(ToString::to_string).collect(),
    };
    RunStarted {
        format: FORMAT,
        version: "0.1.0".into(),
        seed: 7,
        command: [
            "scoville",
            "assess",
            "it's \"mine\" & <b>.onnx",
            "--data",
            "cifar10:test.bin",
        ]
        .map(String::from)
        .to_vec(),
        target: TargetInfo {
            name: "it's \"mine\" & <b>.onnx".into(),
            sha256: "9f2c".repeat(16),
            classes: 10,
            class_names: [
                "airplane",
                "automobile",
                "bird",
                "<script>alert(1)</script>",
            ]
            .map(String::from)
            .to_vec(),
            input_shape: vec![3, 32, 32],
            weights_sha256: "23cd".repeat(16),
            input: "range 0..1, mean 0.4914 0.4822 0.4465, std 0.2471 0.2435 0.2616, nchw".into(),
            parameters: 272_474,
            notes: vec!["batch size 1 lifted to any".into()],
        },
        surrogates: vec![surrogate()],
        data: DataInfo {
            name: "cifar10:test.bin".into(),
            sha256: "01ab".repeat(16),
            samples: SAMPLES,
        },
        device: device(),
        devices: vec![device()],
        plan: PlanInfo {
            batch: 128,
            exposure: None,
            impact: None,
            norm: "linf".into(),
            eps_ladder: LADDER.to_vec(),
            goal: None,
            techniques: vec![
                planned(white_box(), &["apgd-ce (100 steps, 5 restarts)"]),
                planned(black_box(), &["square (1000 queries)"]),
                planned(evasion(), &[]),
            ],
        },
    }
}

pub fn surrogate() -> SurrogateInfo {
    SurrogateInfo {
        name: "small <b>.onnx".into(),
        sha256: "77aa".repeat(16),
        input: "range 0..1, nchw".into(),
        parameters: 12_345,
        training: Some(TrainingInfo {
            answers: "labels".into(),
            queries: 1_000,
            samples: 400,
            synthetic: 500,
            held_out: 100,
            agreed: 87,
            fidelity: 0.87,
            interval: [0.788, 0.929],
            seconds: 3.0,
        }),
    }
}

fn device() -> DeviceInfo {
    DeviceInfo {
        backend: "vulkan".into(),
        name: "Radeon 780M".into(),
        software: false,
    }
}

pub fn progress() -> TechniqueProgress {
    TechniqueProgress {
        technique: "AML.T0043.000".into(),
        attack: "apgd-ce".into(),
        norm: "linf".into(),
        eps: LADDER[3],
        done: 320,
        of: SAMPLES,
        correct: 300,
        successes: 123,
        rate: 0.41,
        interval: [0.34, 0.48],
        score: Some(5.43),
        score_interval: Some([4.61, 6.29]),
        queries: 1_600,
        gradients: 160_000,
        seconds: 4.0,
    }
}

pub fn technique_started() -> TechniqueStarted {
    TechniqueStarted {
        technique: "AML.T0043.001".into(),
        name: "Black-Box Optimization".into(),
        attacks: vec!["square (1000 queries)".into()],
    }
}

pub fn white_box() -> TechniqueScored {
    TechniqueScored {
        technique: "AML.T0043.000".into(),
        name: "White-Box Optimization".into(),
        score: Some(7.19),
        score_interval: Some([6.84, 7.53]),
        band: "high".into(),
        curve: curve(&[495, 760, 904, 912, 912], "apgd-ce"),
        ..scored()
    }
}

pub fn black_box() -> TechniqueScored {
    let mut scored = TechniqueScored {
        technique: "AML.T0043.001".into(),
        name: "Black-Box Optimization".into(),
        score: Some(2.53),
        score_interval: Some([2.21, 2.86]),
        band: "low".into(),
        lower_bound: true,
        parts: ScoreParts {
            likelihood: 0.253,
            likelihood_interval: [0.221, 0.286],
            ..parts()
        },
        curve: with_queries(curve(&[58, 201, 507, 842, 911], "square")),
        grade: "C".into(),
        grade_reason: "a check raised a warning".into(),
        queries: 3_412_000,
        gradients: 0,
        seconds: 95.2,
        ..scored()
    };
    scored.checks[1].outcome = Outcome::Warned;
    scored.checks[1].detail = "doubling the queries broke 21 more of 912".into();
    scored.checks[1].advice = "raise --queries until the success rate stops rising".into();
    scored
}

pub fn evasion() -> TechniqueScored {
    TechniqueScored {
        technique: "AML.T0015".into(),
        name: "Evade AI Model".into(),
        budgets: Vec::new(),
        queries: 3_561_000,
        gradients: 912_000,
        ..white_box()
    }
}

/// One sample that had no finite answer, one that fell at once, one that fell late.
pub fn judged() -> SamplesJudged {
    SamplesJudged {
        sample: vec![17, 4, 900],
        label: vec![3, 1, 0],
        predicted: vec![None, Some(1), Some(0)],
        rung: vec![None, Some(0), Some(4)],
        attack: vec![None, Some(0), Some(1)],
        distance: vec![None, Some(0.0039), Some(0.0625)],
    }
}

/// Grade D: no score.
pub fn inconclusive() -> TechniqueScored {
    TechniqueScored {
        score: None,
        score_interval: None,
        band: "inconclusive".into(),
        grade: "D".into(),
        grade_reason: "25 samples, fewer than 30".into(),
        ..white_box()
    }
}

fn scored() -> TechniqueScored {
    let check = |code: &str, outcome, detail: &str| EvidenceCheck {
        code: code.into(),
        outcome,
        detail: detail.into(),
        advice: String::new(),
    };
    TechniqueScored {
        technique: String::new(),
        name: String::new(),
        kind: "susceptibility".into(),
        score: None,
        score_interval: None,
        band: String::new(),
        lower_bound: false,
        parts: parts(),
        curve: vec![],
        grade: "A".into(),
        grade_reason: "white-box and black-box attacks ran, all checks passed".into(),
        checks: vec![
            check(
                "zero-gradients",
                Outcome::Passed,
                "0 of 912 gradients were zero",
            ),
            check(
                "more-iterations-gain",
                Outcome::Passed,
                "doubling the steps broke 0 more of 912",
            ),
            check("unbounded-eps-fails", Outcome::NotRun, "no budget for it"),
        ],
        budgets: vec![AttackBudget {
            attack: "apgd-ce (100 steps, 5 restarts)".into(),
            samples: CORRECT,
            broken: 904,
            queries: 149_000,
            gradients: 912_000,
            surrogate_queries: 0,
            surrogate_gradients: 31_000,
            calls: 9_000,
            seconds: 41.3,
        }],
        queries: 149_000,
        gradients: 912_000,
        seconds: 41.3,
    }
}

fn parts() -> ScoreParts {
    ScoreParts {
        exposure: 1.0,
        likelihood: 0.719,
        likelihood_interval: [0.684, 0.753],
        impact: 1.0,
    }
}

/// As many samples within 10,000 queries as fall, half of them within 1,000 and none within 100.
fn with_queries(mut curve: Vec<CurvePoint>) -> Vec<CurvePoint> {
    for p in &mut curve {
        let within = |queries, successes: usize| WithinQueries {
            queries,
            successes,
            rate: successes as f64 / p.correct as f64,
        };
        p.queries = Some(QueryCurve {
            within: vec![
                within(100, 0),
                within(1_000, p.successes / 2),
                within(10_000, p.successes),
            ],
            median: Some(1_234),
        });
    }
    curve
}

fn curve(successes: &[usize], attack: &str) -> Vec<CurvePoint> {
    let near = |k: usize, n: usize| {
        let p = k as f64 / n as f64;
        let half = 1.96 * (p * (1.0 - p) / n as f64).sqrt();
        [(p - half).max(0.0), (p + half).min(1.0)]
    };
    let point = |(eps, k): (f64, usize)| CurvePoint {
        eps,
        samples: SAMPLES,
        correct: CORRECT,
        successes: k,
        rate: k as f64 / CORRECT as f64,
        rate_interval: near(k, CORRECT),
        robust_accuracy: (CORRECT - k) as f64 / SAMPLES as f64,
        robust_interval: near(CORRECT - k, SAMPLES),
        queries: None,
        by_attack: vec![AttackShare {
            attack: attack.into(),
            successes: k,
        }],
    };
    LADDER
        .into_iter()
        .zip(successes.iter().copied())
        .map(point)
        .collect()
}

pub fn warning(what: &str) -> Warning {
    Warning {
        code: "softmax-outputs".into(),
        what: what.into(),
        advice: "export the model without its last softmax, so that gradients do not vanish".into(),
        technique: Some("AML.T0043.000".into()),
    }
}

pub fn finished() -> RunFinished {
    RunFinished {
        verdict: "High susceptibility to AML.T0043.000 White-Box Optimization: 7.2 [6.8, 7.6], evidence grade A."
            .into(),
        headline: Some(Headline {
            technique: "AML.T0043.000".into(),
            name: "White-Box Optimization".into(),
            score: 7.19,
            score_interval: [6.84, 7.53],
            band: "high".into(),
            lower_bound: false,
            grade: "A".into(),
        }),
        ended: "completed".into(),
        clean: Accuracy { correct: CORRECT, samples: SAMPLES, interval: [0.893, 0.929] },
        exit_code: 100,
        breaches: vec!["AML.T0043.000 scores 7.2, fail-on 6".into()],
        gate: Some(Gate {
            outcome: GateOutcome::Failed,
            detail: "AML.T0043.000 scores 7.2, fail-on 6".into(),
        }),
        totals: Totals {
            samples: SAMPLES,
            queries: 3_561_000,
            gradients: 912_000,
            seconds: 136.5,
        },
    }
}

pub fn text() -> TextBroken {
    TextBroken {
        technique: "AML.T0043.000".into(),
        attack: "hotflip".into(),
        sample: 3,
        label: 1,
        predicted: 0,
        edits: 1,
        text: "a <good> film".into(),
        edited: "a b&d film".into(),
    }
}

pub fn row() -> SampleChanged {
    SampleChanged {
        technique: "AML.T0043.000".into(),
        attack: "lowprofool".into(),
        sample: 4,
        label: 0,
        predicted: 1,
        distance: 0.25,
        changes: vec![FeatureChange {
            feature: "capital-gain".into(),
            before: "0".into(),
            after: "<5178>".into(),
        }],
    }
}
