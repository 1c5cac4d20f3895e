//! `scoville attacks`

use scoville_atlas::catalogue;
use scoville_attacks::{
    Access, Budget, EOT, Measure, PREFIX, Parameter, Row, Suite, TRANSFER, TRANSFERRED, parse,
    rows, suites,
};
use serde_json::{Value, json};

use super::{columns, print};
use crate::args::AttacksArgs;
use crate::exit::{Exit, Failure, OrFail};

pub fn run(args: &AttacksArgs) -> Result<Exit, Failure> {
    let (rows, suites, transfer) = match args.name.as_deref() {
        None => (rows().iter().collect(), suites().iter().collect(), true),
        Some(PREFIX) => (vec![], vec![], true),
        Some(name) => {
            let suites: Vec<&Suite> = suites().iter().filter(|s| s.is_called(name)).collect();
            let row = match suites.as_slice() {
                [] => Some(parse(name).or_fail(Exit::Usage, "")?.row),
                _ => None,
            };
            let transfer = row.is_some() && name.starts_with(PREFIX);
            (row.into_iter().collect(), suites, transfer)
        }
    };
    print(&match (&args.name, args.json.json, rows.as_slice()) {
        (_, true, _) => lines(&rows, &suites, transfer),
        (Some(_), _, [row]) => explained(row, transfer),
        _ => listed(&rows, &suites, transfer),
    })
}

/// One attack and its parameters; on surrogates, if it is to `transfer`.
fn explained(row: &Row, transfer: bool) -> String {
    let technique = catalogue::technique(row.technique).map_or("", |t| t.name);
    let facts = [
        ("technique", format!("{} {technique}", row.technique)),
        ("needs", row.access.to_string()),
        ("budgets in", norms(row).join(", ")),
        ("paper", row.paper.into()),
    ]
    .map(|(what, value)| vec![what.into(), value]);
    let head = ["PARAMETER", "DEFAULT", "FROM", "TO", "MEANING"]
        .map(String::from)
        .to_vec();
    let eot = (row.access == Access::Gradients).then_some(&EOT);
    let parameters = row.parameters.iter().chain(eot).map(|p| {
        let (least, most) = p.range;
        let numbers = [p.default, least, most].map(|n| n.to_string());
        let cells = [&[p.name.to_owned()][..], &numbers, &[p.about.to_owned()]];
        cells.concat()
    });
    let parameters: Vec<Vec<String>> = [head].into_iter().chain(parameters).collect();
    let example = match row.parameters {
        [] => row.name.to_owned(),
        [first, ..] => format!("{}:{}={}", row.name, first.name, first.default),
    };
    let mut parts = vec![format!("{}: {}\n", row.name, row.summary), columns(&facts)];
    if parameters.len() > 1 {
        parts.push(columns(&parameters));
    }
    if transfer {
        parts.push(transferred());
    }
    let example = match transfer {
        true => format!("{PREFIX}:{example} --surrogate FILE.onnx"),
        false => example,
    };
    parts.push(format!("scoville assess --attacks {example}\n"));
    parts.join("\n")
}

fn listed(rows: &[&Row], suites: &[&Suite], transfer: bool) -> String {
    let mut parts = Vec::new();
    if !rows.is_empty() {
        parts.push(columns(&table(rows)));
    }
    if !suites.is_empty() {
        parts.push(columns(&suite_table(suites)));
    }
    if transfer {
        parts.push(transferred());
    }
    if !rows.is_empty() {
        parts.push("`scoville attacks NAME` explains one and its parameters.\n".into());
    }
    parts.join("\n")
}

fn transferred() -> String {
    format!(
        "{PREFIX}:ATTACK runs an attack that needs gradients on the models of --surrogate, and asks the target only about \
         where it ends ({TRANSFER}); {PREFIX} alone is {PREFIX}:{TRANSFERRED}.\n"
    )
}

fn table(rows: &[&Row]) -> Vec<Vec<String>> {
    let head = [
        "ATTACK",
        "TECHNIQUE",
        "NEEDS",
        "NORMS",
        "PARAMETERS",
        "PAPER",
    ]
    .map(String::from);
    let row = |row: &&Row| {
        vec![
            row.name.into(),
            row.technique.into(),
            row.access.to_string(),
            norms(row).join(","),
            parameters(row),
            row.paper.into(),
        ]
    };
    [head.to_vec()]
        .into_iter()
        .chain(rows.iter().map(row))
        .collect()
}

fn suite_table(suites: &[&Suite]) -> Vec<Vec<String>> {
    let head = ["SUITE", "TECHNIQUE", "PAPER", "ATTACKS"]
        .map(String::from)
        .to_vec();
    let row = |suite: &&Suite| {
        let attacks = suite.attacks.join(", ");
        vec![
            suite.name.into(),
            suite.technique.into(),
            suite.paper.into(),
            match suite.in_l1 {
                Some(in_l1) => format!("{attacks}; in l1 {}", in_l1.join(", ")),
                None => attacks,
            },
        ]
    };
    [head].into_iter().chain(suites.iter().map(row)).collect()
}

fn lines(rows: &[&Row], suites: &[&Suite], transfer: bool) -> String {
    let line = |row: &&Row| {
        let of = |what: fn(&Parameter) -> Value| -> Value {
            let all = row.parameters.iter();
            all.map(|p| (p.name.to_owned(), what(p))).collect()
        };
        json!({
            "attack": row.name,
            "summary": row.summary,
            "technique": row.technique,
            "needs": row.access.to_string(),
            "norms": norms(row),
            "parameters": of(|p| json!(p.default)),
            "meanings": of(|p| json!(p.about)),
            "paper": row.paper,
        })
    };
    let suite = |suite: &&Suite| json!({"suite": suite.name, "technique": suite.technique, "attacks": suite.attacks, "in_l1": suite.in_l1, "paper": suite.paper});
    let prefix = transfer.then(|| {
        json!({"prefix": PREFIX, "technique": TRANSFER, "needs": "labels", "alone": format!("{PREFIX}:{TRANSFERRED}")})
    });
    let objects = rows.iter().map(line).chain(suites.iter().map(suite));
    objects.chain(prefix).map(|o| format!("{o}\n")).collect()
}

fn norms(row: &Row) -> Vec<String> {
    match row.budget {
        Budget::Ball(norms) => norms.iter().map(ToString::to_string).collect(),
        Budget::Severity => vec![Measure::Severity.to_string()],
        Budget::Edits => vec![Measure::Edits.to_string()],
    }
}

fn parameters(row: &Row) -> String {
    if row.parameters.is_empty() {
        return "-".into();
    }
    let all: Vec<String> = row
        .parameters
        .iter()
        .map(|p| format!("{}={}", p.name, p.default))
        .collect();
    all.join(" ")
}
