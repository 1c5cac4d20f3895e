//! `scoville assess`: the main job.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use scoville_attacks::{Access, Algorithm, Constraints, Element, Measure};
use scoville_campaign::{Emit, Finished, Manifest, Plan};
use scoville_data::Dataset;
use scoville_report::Record;
use scoville_report::event::{Event, SurrogateInfo};
use scoville_targets::text::{self, Gradients};
use scoville_targets::{Ensemble, Labels, Metered, ModelTarget, OnDevice};

use crate::args::AssessArgs;
use crate::exit::{Exit, Failure, OrFail};
use crate::load::{About, Loaded, check_classifier, check_labels, load, schema, spec};
use crate::parse::Batch;
use crate::sinks::{Reports, Sinks};
use crate::surrogate::{self, Surrogates, Wanted};
use crate::{plan, texts};

pub fn run(args: &AssessArgs) -> Result<Exit, Failure> {
    let mut plan = plan::of(args)?;
    // Reports are opened first: a path that cannot be written must not cost a run.
    let reports = Reports::open(args)?;
    match plan.measure {
        Measure::Edits | Measure::Share => on_texts(args, &mut plan, reports),
        _ => on_numbers(args, &mut plan, reports),
    }
}

fn on_numbers(args: &AssessArgs, plan: &mut Plan, reports: Reports) -> Result<Exit, Failure> {
    if args.synonyms.is_some() {
        let message = "--synonyms is read by attacks on texts";
        return Err(Failure::new(Exit::Usage, message));
    }
    let loaded = load(&args.target)?;
    check_classifier(&loaded)?;
    let target = loaded.target();
    check_labels(&loaded.data.name, &loaded.data.y, target.classes())?;
    if loaded.raw {
        let message = "assess needs pixels in [0,1], because eps is measured in them: say what the model wants with \
                       --mean, --std and --pixel-range instead of raw input";
        return Err(Failure::new(Exit::Usage, message));
    }
    let trees = loaded.target().inner().model().trees();
    if args.attacks.is_empty()
        && trees.is_some()
        && let Some(of_trees) = plan::of_trees(args)?
    {
        *plan = of_trees;
    }
    plan.check_trees(trees.map(|trees| trees.roots.len()))
        .or_fail(Exit::Usage, "--attacks")?;
    plan.constraints = constraints(&loaded.data)?;
    plan.batch = loaded.batch;
    plan.goal = plan::goal(args, &loaded.about.target.class_names)?;
    plan.check_goal(target.classes())
        .or_fail(Exit::Usage, "--target-class")?;
    plan.check_classes(target.classes())
        .or_fail(Exit::Usage, "--attacks")?;
    plan.check_shape(target.sample_shape())
        .or_fail(Exit::Usage, "--attacks")?;
    let stop = stop_on_ctrl_c()?;
    let schema = schema(&args.target)?;
    let wanted = Wanted {
        words: &args.surrogate,
        data: args.surrogate_data.as_ref(),
        save: args.save_surrogate.as_deref(),
        target: spec(&args.target.model)?,
        schema: schema.as_ref(),
        constraints: plan.constraints.as_ref(),
        seed: args.seed,
    };
    let Surrogates {
        ensembles,
        infos,
        aside,
    } = surrogate::load(&wanted, &loaded, &stop)?;
    plan.aside = aside;
    if args.target.batch == Batch::Auto && !ensembles.is_empty() {
        let batch = scoville_campaign::automatic_batch(&loaded.targets, &ensembles);
        plan.batch = batch.or_fail(Exit::Internal, "")?;
    }
    let Loaded {
        targets,
        data,
        mut about,
        ..
    } = loaded;
    about.target.notes.extend(alike(plan, &targets, &ensembles));
    conduct(args, (about, infos), reports, &mut |manifest, emit| {
        let models = (targets.as_slice(), ensembles.as_slice());
        scoville_campaign::run(plan, models, &data, manifest, &stop, emit)
    })
}

/// What is worth saying where gradients are averaged that are all the same.
fn alike(
    plan: &Plan,
    targets: &[Metered<ModelTarget>],
    surrogates: &[Metered<Ensemble>],
) -> Option<String> {
    let target = targets.iter().any(|target| target.inner().is_random());
    let surrogate = surrogates.iter().any(|s| s.inner().is_random());
    let mut attacks = plan.techniques.iter().flat_map(|t| &t.attacks);
    let attack = attacks.find(|attack| {
        let random = if attack.is_transfer() {
            surrogate
        } else {
            target
        };
        attack.evaluations() > 1 && !random
    })?;
    Some(format!(
        "{} takes the mean of {} gradients that are all the same, because the model draws no random numbers: `eot` costs their \
         time and changes nothing",
        attack.name,
        attack.evaluations()
    ))
}

fn on_texts(args: &AssessArgs, plan: &mut Plan, reports: Reports) -> Result<Exit, Failure> {
    let attacks = || plan.techniques.iter().flat_map(|t| &t.attacks);
    let takes_substitutes = attacks().any(|attack| match &attack.algorithm {
        Algorithm::Text(attack) => attack.takes_substitutes(),
        _ => false,
    });
    let white_box = attacks().find(|attack| attack.access() == Access::Gradients);
    let neighbours = takes_substitutes && args.synonyms.is_none();
    let loaded = texts::load(&args.target, white_box.is_some() || neighbours)?;
    let target = loaded.targets[0].inner();
    if let (Some(attack), Err(error)) = (white_box, target.embedding()) {
        let message = format!("--attacks: {} cannot run: {error}", attack.row.name);
        return Err(Failure::new(Exit::Usage, message));
    }
    plan.goal = plan::goal(args, &loaded.about.target.class_names)?;
    plan.check_goal(text::Labels::classes(target))
        .or_fail(Exit::Usage, "--target-class")?;
    let stop = stop_on_ctrl_c()?;
    let wanted = texts::Wanted {
        words: &args.surrogate,
        data: args.surrogate_data.as_ref(),
        save: args.save_surrogate.as_deref(),
        args: &args.target,
        seed: args.seed,
    };
    let surrogates = texts::surrogates(&wanted, &loaded, &stop)?;
    plan.aside = surrogates.aside;
    let lexicon = texts::lexicon(
        target,
        surrogates.targets.first().map(Metered::inner),
        &loaded.data,
        args.synonyms.as_deref(),
        takes_substitutes,
    )?;
    plan.batch = loaded.batch;
    let (targets, texts) = (loaded.targets, (&loaded.data, &lexicon));
    let about = (loaded.about, surrogates.infos);
    conduct(args, about, reports, &mut |manifest, emit| {
        let models = (targets.as_slice(), surrogates.targets.as_slice());
        scoville_campaign::run_texts(plan, models, texts, manifest, &stop, emit)
    })
}

/// A run, given what is known before it and where events go.
type Campaign<'a> =
    dyn FnMut(Manifest, &mut Emit<'_>) -> Result<Finished, scoville_campaign::Error> + 'a;

/// Runs a campaign and writes its reports.
fn conduct(
    args: &AssessArgs,
    (about, surrogates): (About, Vec<SurrogateInfo>),
    reports: Reports,
    campaign: &mut Campaign<'_>,
) -> Result<Exit, Failure> {
    let manifest = Manifest {
        version: env!("CARGO_PKG_VERSION").into(),
        command: std::env::args_os()
            .map(|a| a.to_string_lossy().into_owned())
            .collect(),
        target: about.target,
        surrogates,
        data: about.data,
        devices: about.devices,
    };
    let record = match args.report_json {
        Some(_) => Record::with_samples(),
        None => Record::default(),
    };
    let mut sinks = Sinks::new(args.format, record, reports.are_wanted());
    let mut emit = |event: &Event| sinks.event(event);
    let finished = match campaign(manifest, &mut emit) {
        Err(error) if error.is_broken_pipe() => return Ok(unread(args)),
        done => done.map_err(failure)?,
    };
    reports.write(&sinks.record, &finished.strips)?;
    Ok(Exit::of_run(finished.exit_code))
}

/// A run that nobody reads any more is no error, and passes no gate.
fn unread(args: &AssessArgs) -> Exit {
    match args.fail_on.is_empty() {
        true => Exit::Done,
        false => Exit::Inconclusive,
    }
}

/// Why a run ended early. Data are read while it goes on, and may be gone or changed by then.
fn failure(error: scoville_campaign::Error) -> Failure {
    let exit = match error {
        scoville_campaign::Error::Data(_) => Exit::BadInput,
        _ => Exit::Internal,
    };
    Failure::new(exit, error.to_string())
}

/// What may become of a row of a table.
fn constraints(data: &Dataset) -> Result<Option<Constraints>, Failure> {
    let Some(features) = &data.features else {
        return Ok(None);
    };
    let element = |e: scoville_data::Element| Element {
        levels: e.levels,
        may_rise: e.may_rise,
        may_fall: e.may_fall,
        group: e.group,
    };
    Ok(Some(Constraints {
        elements: features.elements().into_iter().map(element).collect(),
        importance: data.importance().or_fail(Exit::BadInput, "")?,
    }))
}

/// The first Ctrl-C asks the run to end with what it has; a second one ends the process.
fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let handler = move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    };
    ctrlc::set_handler(handler).or_fail(Exit::Internal, "cannot listen for Ctrl-C")?;
    Ok(stop)
}
