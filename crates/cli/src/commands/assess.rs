//! `scoville assess`: the main job.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use scoville_attacks::evasion::corruptions::SEVERITIES;
use scoville_attacks::{
    Access, Algorithm, Budget, Constraints, Element, Goal, Measure, PREFIX, parse, parse_all, rows,
};
use scoville_campaign::{Emit, Finished, Manifest, Plan};
use scoville_data::{Dataset, Source};
use scoville_kernels::Norm;
use scoville_report::Record;
use scoville_report::event::{Event, SurrogateInfo};
use scoville_targets::text::{self, Gradients};
use scoville_targets::{Labels, Metered};

use crate::args::{AssessArgs, Targets};
use crate::exit::{Exit, Failure, OrFail};
use crate::load::{About, Loaded, check_classifier, check_labels, load, schema, spec};
use crate::parse::{Batch, Budget as Rung};
use crate::sinks::{Reports, Sinks};
use crate::surrogate::{self, Surrogate, Surrogates, Wanted};
use crate::texts;

const LINF_LADDER: [f64; 5] = [
    1.0 / 255.0,
    2.0 / 255.0,
    4.0 / 255.0,
    8.0 / 255.0,
    16.0 / 255.0,
];
const L2_LADDER: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];
const L0_LADDER: [f64; 5] = [8.0, 16.0, 32.0, 64.0, 128.0];
const L1_LADDER: [f64; 5] = [3.0, 6.0, 12.0, 24.0, 48.0];
const WASSERSTEIN_LADDER: [f64; 5] = [0.001, 0.005, 0.02, 0.1, 0.5];
const EDITS_LADDER: [f64; 4] = [1.0, 2.0, 4.0, 8.0];

/// The attacks that run where none are named: on numbers, in L0, in Wasserstein, on texts, and on a model that consists of
/// decision trees.
const DEFAULT: [&str; 2] = ["apgd-ce", "square:queries=500"];
const IN_L0: [&str; 2] = ["fmn", "pointwise:queries=500"];
const IN_WASSERSTEIN: [&str; 1] = ["wasserstein"];
const ON_TEXTS: [&str; 1] = ["deepwordbug"];
const TRANSFER_ON_TEXTS: &str = "transfer:hotflip";
const OF_TREES: [&str; 4] = [
    "leaf-tuple",
    "square:queries=500",
    "hop-skip-jump",
    "pointwise",
];

pub fn run(args: &AssessArgs) -> Result<Exit, Failure> {
    let default = match (texts::are_named(&args.target), args.norm) {
        (true, _) => &ON_TEXTS[..],
        (_, Norm::L0) => &IN_L0,
        (_, Norm::Wasserstein) => &IN_WASSERSTEIN,
        _ => &DEFAULT,
    };
    let mut plan = plan(args, default)?;
    // Reports are opened first: a path that cannot be written must not cost a run.
    let reports = Reports::open(args)?;
    check_kind(args, &plan)?;
    match plan.measure {
        Measure::Edits | Measure::Share => on_texts(args, &mut plan, reports),
        _ => on_numbers(args, &mut plan, reports),
    }
}

/// Refuses attacks on numbers for texts, and the other way round.
fn check_kind(args: &AssessArgs, plan: &Plan) -> Result<(), Failure> {
    let attack = plan.techniques.iter().flat_map(|t| &t.attacks).next();
    let attack = attack.map_or("", |attack| attack.row.name);
    let message = match (texts::are_named(&args.target), plan.measure) {
        (true, Measure::Edits | Measure::Share) | (false, Measure::Norm(_) | Measure::Severity) => {
            return Ok(());
        }
        (true, _) => {
            let known = rows().iter().filter(|row| row.budget == Budget::Edits);
            let known: Vec<&str> = known.map(|row| row.name).collect();
            let known = known.join(", ");
            format!(
                "--attacks: {attack} changes numbers, and the data are texts; on texts run {known}"
            )
        }
        (false, _) => format!(
            "--attacks: {attack} changes words, and the data are numbers; it takes --data tsv:FILE"
        ),
    };
    Err(Failure::new(Exit::Usage, message))
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
    let known = of_trees(args.norm);
    if args.attacks.is_empty() && trees.is_some() && !known.is_empty() {
        *plan = self::plan(args, &known)?;
    }
    plan.check_trees(trees.map(|trees| trees.roots.len()))
        .or_fail(Exit::Usage, "--attacks")?;
    plan.constraints = constraints(&loaded.data)?;
    plan.batch = loaded.batch;
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
        about,
        ..
    } = loaded;
    conduct(args, (about, infos), reports, &mut |manifest, emit| {
        let models = (targets.as_slice(), ensembles.as_slice());
        scoville_campaign::run(plan, models, &data, manifest, &stop, emit)
    })
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
    plan.check_goal(text::Labels::classes(target))
        .or_fail(Exit::Usage, "--target-class")?;
    let surrogates = texts::surrogates(&args.surrogate, &args.target, &loaded)?;
    let lexicon = texts::lexicon(
        target,
        surrogates.targets.first().map(Metered::inner),
        &loaded.data,
        args.synonyms.as_deref(),
        takes_substitutes,
    )?;
    plan.batch = loaded.batch;
    let (targets, texts) = (loaded.targets, (&loaded.data, &lexicon));
    let stop = stop_on_ctrl_c()?;
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
    let mut sinks = Sinks::new(args.format, record);
    let mut emit = |event: &Event| sinks.event(event);
    let finished = campaign(manifest, &mut emit).map_err(failure)?;
    reports.write(&sinks.record, &finished.strips)?;
    Ok(Exit::of_run(finished.exit_code))
}

/// Why a run ended early. Data are read while it goes on, and may be gone or changed by then.
fn failure(error: scoville_campaign::Error) -> Failure {
    let exit = match error {
        scoville_campaign::Error::Data(_) => Exit::BadInput,
        _ => Exit::Internal,
    };
    Failure::new(exit, error.to_string())
}

/// Those of [`OF_TREES`] that know the norm.
fn of_trees(norm: Norm) -> Vec<&'static str> {
    let knows =
        |name: &&str| parse(name).is_ok_and(|attack| attack.row.budget.norms().contains(&norm));
    OF_TREES.into_iter().filter(knows).collect()
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

/// `default` runs where no attack is named, and transfer where there is a surrogate.
fn plan(args: &AssessArgs, default: &[&str]) -> Result<Plan, Failure> {
    let transfer = match texts::are_named(&args.target) {
        true => TRANSFER_ON_TEXTS,
        false => PREFIX,
    };
    let attacks = match (args.attacks.as_slice(), args.surrogate.as_slice()) {
        ([], []) => parse_all(default),
        ([], _) => parse_all(&[default, &[transfer]].concat()),
        (named, _) => parse_all(named),
    };
    let attacks = attacks.or_fail(Exit::Usage, "--attacks")?;
    let measure = attacks.first().map(|a| a.row.budget.measure(args.norm));
    let numbers: Option<Vec<f64>> = args.eps_ladder.iter().map(Rung::number).collect();
    let shares: Option<Vec<f64>> = args.eps_ladder.iter().map(Rung::share).collect();
    let plan = match (numbers, shares) {
        (Some(numbers), _) if numbers.is_empty() => {
            let ladder = measure.map_or(&[][..], |measure| ladder(args, measure));
            Plan::new(attacks, args.norm, ladder.to_vec())
        }
        (Some(numbers), _) => Plan::new(attacks, args.norm, numbers),
        (None, Some(shares)) => Plan::in_shares(attacks, shares),
        (None, None) => {
            let message =
                "--eps-ladder: write all budgets as words or all as shares, such as 5%,10%";
            return Err(Failure::new(Exit::Usage, message));
        }
    };
    let mut plan = plan.or_fail(Exit::Usage, "")?;
    plan.seed = args.seed;
    plan.goal = goal(args);
    plan.until_width = args.until_width;
    plan.exposure = args.exposure;
    plan.impact = args.impact;
    plan.fail_on.clone_from(&args.fail_on);
    plan.check().or_fail(Exit::Usage, "")?;
    plan.check_surrogate(!args.surrogate.is_empty())
        .or_fail(Exit::Usage, "")?;
    let trained = |word: &Surrogate| matches!(word, Surrogate::Trained(_));
    for (given, message) in [
        (
            args.surrogate_data.is_some(),
            "--surrogate-data trains nothing: add --surrogate trained",
        ),
        (
            args.save_surrogate.is_some(),
            "--save-surrogate has nothing to write: add --surrogate trained",
        ),
    ] {
        if given && !args.surrogate.iter().any(trained) {
            return Err(Failure::new(Exit::Usage, message));
        }
    }
    Ok(plan)
}

/// The budgets where none are given.
fn ladder(args: &AssessArgs, measure: Measure) -> &'static [f64] {
    match args.target.data.as_ref().is_some_and(Source::is_table) {
        true => table_ladder(measure),
        false => default_ladder(measure),
    }
}

/// In a table a range is 1 long, and a change of category moves two elements by 1.
fn table_ladder(measure: Measure) -> &'static [f64] {
    match measure {
        Measure::Norm(Norm::Linf) => &[0.01, 0.02, 0.05, 0.1, 0.2],
        Measure::Norm(Norm::L2 | Norm::L1) => &[0.1, 0.25, 0.5, 1.0, 2.0],
        Measure::Norm(Norm::L0) => &[1.0, 2.0, 3.0, 4.0, 8.0],
        other => default_ladder(other),
    }
}

fn default_ladder(measure: Measure) -> &'static [f64] {
    match measure {
        Measure::Norm(Norm::Linf) => &LINF_LADDER,
        Measure::Norm(Norm::L2) => &L2_LADDER,
        Measure::Norm(Norm::L1) => &L1_LADDER,
        Measure::Norm(Norm::L0) => &L0_LADDER,
        Measure::Norm(Norm::Wasserstein) => &WASSERSTEIN_LADDER,
        Measure::Severity => &SEVERITIES,
        Measure::Edits | Measure::Share => &EDITS_LADDER,
    }
}

fn goal(args: &AssessArgs) -> Goal {
    match (args.target_class, args.targets) {
        (Some(class), _) => Goal::Class(class),
        (None, Some(Targets::Second)) => Goal::Second,
        (None, Some(Targets::LeastLikely)) => Goal::LeastLikely,
        (None, Some(Targets::All)) => Goal::Every,
        (None, None) => Goal::Any,
    }
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
