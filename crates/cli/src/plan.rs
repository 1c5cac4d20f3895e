//! From the command line to what a run will do.

use scoville_attacks::evasion::corruptions::SEVERITIES;
use scoville_attacks::{Budget, Goal, Measure, PREFIX, parse, parse_all, rows};
use scoville_campaign::Plan;
use scoville_data::Source;
use scoville_kernels::Norm;

use crate::args::{AssessArgs, Targets};
use crate::exit::{Exit, Failure, OrFail};
use crate::parse::Budget as Rung;
use crate::surrogate::Surrogate;
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

/// Names of classes that a message lists.
const SHOWN: usize = 10;

/// The attacks that run where none are named: on numbers, in L0, in Wasserstein, on texts, and on a model that consists of
/// decision trees.
const DEFAULT: [&str; 2] = ["apgd-ce", "square:queries=500"];
const IN_L0: [&str; 2] = ["fmn", "pointwise:queries=500"];
const IN_WASSERSTEIN: [&str; 2] = ["wasserstein", "wasserstein-square:queries=500"];
const ON_TEXTS: [&str; 1] = ["deepwordbug"];
const TRANSFER_ON_TEXTS: &str = "transfer:hotflip";
const OF_TREES: [&str; 4] = [
    "leaf-tuple",
    "square:queries=500",
    "hop-skip-jump",
    "pointwise",
];

/// What the command line asks for, with the attacks of its kind where it names none.
pub fn of(args: &AssessArgs) -> Result<Plan, Failure> {
    let default = match (texts::are_named(&args.target), args.norm()) {
        (true, _) => &ON_TEXTS[..],
        (_, Norm::L0) => &IN_L0,
        (_, Norm::Wasserstein) => &IN_WASSERSTEIN,
        _ => &DEFAULT,
    };
    with_default(args, default)
}

/// The same on a model that consists of decision trees; `None` where no attack of its kind knows the norm.
pub fn of_trees(args: &AssessArgs) -> Result<Option<Plan>, Failure> {
    let knows = |name: &&str| {
        parse(name).is_ok_and(|attack| attack.row.budget.norms().contains(&args.norm()))
    };
    let known: Vec<&str> = OF_TREES.into_iter().filter(knows).collect();
    let plan = (!known.is_empty()).then(|| with_default(args, &known));
    plan.transpose()
}

/// `default` runs where no attack is named, and transfer where there is a surrogate.
fn with_default(args: &AssessArgs, default: &[&str]) -> Result<Plan, Failure> {
    let transfer = match texts::are_named(&args.target) {
        true => TRANSFER_ON_TEXTS,
        false => PREFIX,
    };
    let attacks = match (args.attacks.as_slice(), args.surrogate.as_slice()) {
        ([], []) => parse_all(default, args.norm()),
        ([], _) => parse_all(&[default, &[transfer]].concat(), args.norm()),
        (named, _) => parse_all(named, args.norm()),
    };
    let attacks = attacks.or_fail(Exit::Usage, "--attacks")?;
    let measure = attacks.first().map(|a| a.row.budget.measure(args.norm()));
    let numbers: Option<Vec<f64>> = args.eps_ladder.iter().map(Rung::number).collect();
    let shares: Option<Vec<f64>> = args.eps_ladder.iter().map(Rung::share).collect();
    let plan = match (numbers, shares) {
        (Some(numbers), _) if numbers.is_empty() => {
            let ladder = measure.map_or(&[][..], |measure| ladder(args, measure));
            Plan::new(attacks, args.norm(), ladder.to_vec())
        }
        (Some(numbers), _) => Plan::new(attacks, args.norm(), numbers),
        (None, Some(shares)) => Plan::in_shares(attacks, shares),
        (None, None) => {
            let message =
                "--eps-ladder: write all budgets as words or all as shares, such as 5%,10%";
            return Err(Failure::new(Exit::Usage, message));
        }
    };
    let mut plan = plan.or_fail(Exit::Usage, "")?;
    plan.seed = args.seed;
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
    check_kind(args, &plan)?;
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

/// What a sample must be taken for, on a model whose classes have these `names`, or none.
pub fn goal(args: &AssessArgs, names: &[String]) -> Result<Goal, Failure> {
    Ok(match (&args.target_class, args.targets) {
        (Some(class), _) => Goal::Class(
            class_of(class, names).map_err(|message| Failure::new(Exit::Usage, message))?,
        ),
        (None, Some(Targets::Second)) => Goal::Second,
        (None, Some(Targets::LeastLikely)) => Goal::LeastLikely,
        (None, Some(Targets::All)) => Goal::Every,
        (None, None) => Goal::Any,
    })
}

/// A class by its number, else by its name.
fn class_of(text: &str, names: &[String]) -> Result<u32, String> {
    let named = || names.iter().position(|name| name == text);
    if let Some(class) = text.parse().ok().or_else(|| Some(named()? as u32)) {
        return Ok(class);
    }
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let known = match names {
        [] => "its classes have no names: give a number, or name all with --classes".into(),
        names => {
            let some: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
            format!("there are {}{more}", some.join(", "))
        }
    };
    Err(format!(
        "--target-class: the model has no class `{text}`; {known}"
    ))
}

/// Refuses attacks on numbers for texts, the other way round, and a norm for what has none.
fn check_kind(args: &AssessArgs, plan: &Plan) -> Result<(), Failure> {
    let attack = plan.techniques.iter().flat_map(|t| &t.attacks).next();
    let attack = attack.map_or("", |attack| attack.row.name);
    let message = match (texts::are_named(&args.target), plan.measure) {
        (false, Measure::Norm(_)) => return Ok(()),
        (true, Measure::Edits | Measure::Share) | (false, Measure::Severity) => {
            let Some(norm) = args.norm else { return Ok(()) };
            format!(
                "--norm {norm}: budgets of {attack} count {}, in no norm; leave it out",
                plan.measure
            )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_has_a_number_and_may_have_a_name() {
        let names: Vec<String> = (0..12).map(|class| format!("Class-{class}")).collect();
        assert_eq!(class_of("3", &names), Ok(3));
        assert_eq!(class_of("Class-11", &names), Ok(11));
        let error = class_of("class-11", &names).unwrap_err();
        assert!(
            error.contains("no class `class-11`; there are Class-0, Class-1, ")
                && error.ends_with("Class-9 and 2 more"),
            "{error}"
        );
        assert!(class_of("dog", &[]).unwrap_err().ends_with("--classes"));
    }
}
