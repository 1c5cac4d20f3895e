//! Scores do not depend on how many samples a device holds at once, nor on how many devices there are.

mod manifest;

use std::sync::atomic::AtomicBool;

use scoville_attacks::parse;
use scoville_campaign::{Error, Plan, automatic_batch, run};
use scoville_data::glyphs;
use scoville_kernels::{Array, Device, Norm};
use scoville_report::event::{CurvePoint, Event, Totals};
use scoville_runtime::{Model, ModelSpec};
use scoville_targets::{Metered, ModelTarget};

use manifest::manifest;

const MODEL: &[u8] = include_bytes!("../../../datasets/glyphs-cnn.onnx");
const SAMPLES: usize = 150;

fn model(memory: Option<u64>) -> Model {
    let spec = ModelSpec {
        shape: Some(vec![1, 28, 28]),
        memory,
        ..ModelSpec::default()
    };
    let graph = scoville_onnx::parse(MODEL.into(), None).unwrap();
    Model::load(graph, &spec, &Device::Cpu).unwrap()
}

/// Whether a gradient of so many samples is refused for want of memory.
fn is_refused(model: &Model, samples: usize) -> bool {
    let x = Array::filled(&Device::Cpu, samples, model.sample_len(), 0.5).unwrap();
    let mut ones = |logits: &Array| Array::filled(&Device::Cpu, samples, logits.cols(), 1.0);
    match model.gradient(&x, &mut ones) {
        Ok(_) => false,
        Err(error) => error.is_out_of_memory(),
    }
}

/// The model, with room for gradients of four samples only.
fn model_without_room() -> Model {
    let room = model(None).gradient_bytes(4).unwrap();
    let model = model(Some(room));
    assert!(!is_refused(&model, 4) && is_refused(&model, 5));
    model
}

/// What a run of several models came to.
struct Outcome {
    /// The security curve of every technique.
    curves: Vec<Vec<CurvePoint>>,
    totals: Totals,
}

fn assess(models: Vec<Model>, samples: usize, batch: usize) -> Result<Outcome, Error> {
    let attacks = vec![
        parse("pgd:steps=5").unwrap(),
        parse("square:queries=20").unwrap(),
    ];
    let mut plan = Plan::new(attacks, Norm::Linf, vec![0.02, 0.05, 0.1]).unwrap();
    plan.batch = batch;
    let data = glyphs::generate(glyphs::Split::Test, samples, 0);
    let targets = models
        .into_iter()
        .map(|m| Metered::new(ModelTarget::new(m)));
    let targets: Vec<_> = targets.collect();
    let (mut curves, mut totals) = (Vec::new(), None);
    let mut emit = |event: &Event| {
        match event {
            Event::TechniqueScored(scored) => curves.push(scored.curve.clone()),
            Event::RunFinished(finished) => totals = Some(finished.totals.clone()),
            _ => {}
        }
        Ok(())
    };
    let manifest = manifest(&targets, &data);
    let stop = AtomicBool::new(false);
    run(&plan, (&targets, &[]), &data, manifest, &stop, &mut emit)?;
    let totals = totals.unwrap();
    Ok(Outcome { curves, totals })
}

fn scores(models: Vec<Model>, batch: usize) -> Vec<Vec<CurvePoint>> {
    assess(models, SAMPLES, batch).unwrap().curves
}

#[test]
fn the_batch_is_the_largest_that_pays_off() {
    let target = [Metered::new(ModelTarget::new(model(None)))];
    assert_eq!(automatic_batch(&target, &[]).unwrap(), 128);
}

#[test]
fn batches_rounds_and_memory_change_no_score() {
    let whole = scores(vec![model(None)], SAMPLES);
    assert_eq!(whole.len(), 3);
    let last = &whole[0][2];
    assert_eq!(last.samples, SAMPLES);
    assert!(whole[0][0].successes > 0 && last.successes < last.correct);

    // Rounds of several batches: what the attacks leave of them runs together.
    let small = scores(vec![model(None)], 16);
    assert_eq!(small, whole);

    let halved = scores(vec![model_without_room()], 128);
    assert_eq!(halved, whole);
}

#[test]
fn two_devices_give_the_verdicts_of_one() {
    let one = assess(vec![model(None)], SAMPLES, 16).unwrap();
    let two = assess(vec![model(None), model(None)], SAMPLES, 16).unwrap();
    assert_eq!(two.curves, one.curves);
    // The meter adds up.
    assert_eq!(
        (two.totals.queries, two.totals.gradients),
        (one.totals.queries, one.totals.gradients)
    );

    // One that holds little is given little.
    let uneven = scores(vec![model(None), model_without_room()], 32);
    assert_eq!(uneven, one.curves);
}
