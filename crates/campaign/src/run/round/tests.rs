//! Rounds on a small model: what is judged, and what is left of one that was stopped.

use std::sync::atomic::AtomicBool;

use scoville_attacks::parse;
use scoville_data::glyphs::{Split, generate};
use scoville_kernels::{Device, Norm};
use scoville_report::event::{GateOutcome, Outcome, TechniqueScored};
use scoville_runtime::{Model, ModelSpec};
use scoville_targets::{Metered, ModelTarget};

use super::*;
use crate::Plan;
use crate::field::Numbers;

fn target() -> Metered<ModelTarget> {
    let model = include_bytes!("../../../../../datasets/glyphs-cnn.onnx");
    let graph = scoville_onnx::parse(model.as_slice().into(), None).unwrap();
    let spec = ModelSpec {
        shape: Some(vec![1, 28, 28]),
        ..ModelSpec::default()
    };
    Metered::new(ModelTarget::new(
        Model::load(graph, &spec, &Device::Cpu).unwrap(),
    ))
}

/// The verdicts on 20 samples, and the calls of each attack, where rungs and restarts go abreast or not.
fn judged(abreast: bool) -> (Vec<Event>, Vec<u64>) {
    let attacks = [
        "pgd:steps=7:restarts=2",
        "deepfool:steps=5",
        "apgd-ce:steps=9",
        "square:queries=20",
        "apgd-t:steps=5:targets=3",
        "fab-t:steps=3:targets=3",
    ];
    let attacks = attacks.map(|name| parse(name).unwrap());
    let ladder = vec![0.01, 0.03, 0.06, 0.1];
    let mut plan = Plan::new(attacks.into(), Norm::L2, ladder).unwrap();
    plan.batch = 240;
    let data = generate(Split::Test, 20, 0);
    let (targets, stop) = ([target()], AtomicBool::new(false));
    let mut events = Vec::new();
    let mut emit = |event: &Event| {
        if let Event::SamplesJudged(_) = event {
            events.push(event.clone());
        }
        Ok(())
    };
    let field = Numbers { data: &data };
    let mut run = Run::new(&plan, (&targets, &[]), &field, &stop, &mut emit).unwrap();
    run.workers.gains.set(abreast).unwrap();
    run.rounds().unwrap();
    let efforts = run.tallies.iter().flat_map(|tally| &tally.efforts);
    let calls = efforts.map(|effort| effort.spent.calls).collect();
    (events, calls)
}

/// What a run on `samples` in rounds of 40 says once it was stopped, after `done` samples of one technique at one eps.
fn stopped(samples: usize, (technique, eps, done): (&str, f64, usize)) -> Vec<Event> {
    let attacks = ["pgd:steps=3", "square:queries=5"].map(|name| parse(name).unwrap());
    let mut plan = Plan::new(attacks.into(), Norm::Linf, vec![0.02, 0.1]).unwrap();
    plan.batch = 40;
    plan.fail_on = vec!["AML.T0043.001=9".parse().unwrap()];
    let data = generate(Split::Test, samples, 0);
    let (targets, stop) = ([target()], AtomicBool::new(false));
    let mut events = Vec::new();
    let mut emit = |event: &Event| {
        if let Event::TechniqueProgress(e) = event {
            let here = (e.technique.as_str(), e.eps, e.done) == (technique, eps, done);
            stop.fetch_or(here, Ordering::Relaxed);
        }
        events.push(event.clone());
        Ok(())
    };
    let field = Numbers { data: &data };
    let mut run = Run::new(&plan, (&targets, &[]), &field, &stop, &mut emit).unwrap();
    let ended = run.rounds().unwrap();
    run.finish(ended).unwrap();
    events
}

const WHITE: &str = "AML.T0043.000";

/// White-box, black-box, and their union.
fn scores(events: &[Event]) -> [TechniqueScored; 3] {
    let scored = events.iter().filter_map(|event| match event {
        Event::TechniqueScored(e) => Some(e.clone()),
        _ => None,
    });
    scored.collect::<Vec<_>>().try_into().unwrap()
}

fn warnings(events: &[Event]) -> Vec<(&str, &str)> {
    let warnings = events.iter().filter_map(|event| match event {
        Event::Warning(w) => Some((w.code.as_str(), w.what.as_str())),
        _ => None,
    });
    warnings.collect()
}

#[test]
fn a_technique_that_finished_the_first_round_has_its_score() {
    let events = stopped(80, (WHITE, 0.1, 40));
    let [white, black, union] = scores(&events);
    assert!(white.score.is_some());
    assert_eq!((union.score, &union.curve), (white.score, &white.curve));
    assert_eq!(black.score, None);
    let reason = "stopped before the first round of 40 samples was complete";
    assert_eq!(black.grade_reason, reason);
    assert!(white.grade_reason.contains("no black-box attack ran"));
    assert!(white.checks.iter().all(|c| c.outcome != Outcome::Warned));
    let said = warnings(&events);
    let expected = "the last round, of 40 samples, is counted for AML.T0043.000 and not for AML.T0043.001, \
                    whose queries about them are; AML.T0015 is that of AML.T0043.000 alone";
    assert_eq!(said, [("stopped-in-a-round", expected)]);
    let judged = events.iter().find_map(|event| match event {
        Event::SamplesJudged(e) => Some(e.rung.iter().flatten().count()),
        _ => None,
    });
    assert_eq!(judged, Some(union.curve[1].successes));
    let Some(Event::RunFinished(end)) = events.last() else {
        panic!("{events:?}");
    };
    let gate = end.gate.clone().unwrap();
    assert_eq!(gate.outcome, GateOutcome::NotDecided);
    assert_eq!(
        (gate.detail.as_str(), end.exit_code),
        ("no score of AML.T0043.001", 5)
    );
}

#[test]
fn a_union_counts_what_all_techniques_finished_and_what_they_took() {
    let events = stopped(120, (WHITE, 0.1, 80));
    let [white, black, union] = scores(&events);
    let samples = [&white, &black, &union].map(|t| t.curve[1].samples);
    assert_eq!(samples, [80, 40, 40]);
    assert_eq!(union.queries, white.queries + black.queries);
    assert_eq!(union.seconds, white.seconds + black.seconds);
    assert!(union.curve[1].successes >= black.curve[1].successes);
    assert!(
        warnings(&events)[0]
            .1
            .ends_with("AML.T0015 counts the rounds before")
    );
}

#[test]
fn a_run_that_is_stopped_too_early_says_so() {
    let events = stopped(80, (WHITE, 0.02, 40));
    assert!(scores(&events).iter().all(|t| t.score.is_none()));
    let Some(Event::RunFinished(end)) = events.last() else {
        panic!("{events:?}");
    };
    let verdict = "No score: stopped before the first round of 40 samples was complete";
    assert_eq!(end.verdict, verdict);
    assert_eq!(end.clean.samples, 40);
}

#[test]
fn too_few_samples_are_said_before_the_run() {
    let events = stopped(20, ("", 0.0, 0));
    let Event::Warning(first) = &events[0] else {
        panic!("{events:?}");
    };
    assert_eq!(first.code, "few-samples");
    assert!(
        first
            .what
            .starts_with("20 samples are attacked: there will be no score"),
        "{}",
        first.what
    );
    assert!(
        warnings(&stopped(30, (WHITE, 0.1, 30)))
            .iter()
            .all(|w| w.0 != "few-samples")
    );
}

#[test]
fn rungs_abreast_give_the_verdicts_of_rungs_in_turn() {
    let ((abreast, few), (in_turn, many)) = (judged(true), judged(false));
    assert_eq!(abreast, in_turn);
    assert_eq!(
        few[1], many[1],
        "an attack that seeks the nearest point runs once"
    );
    assert!(
        [0, 2, 3, 4, 5].iter().all(|&a| few[a] < many[a]),
        "{few:?} {many:?}"
    );
}
