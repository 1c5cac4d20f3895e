//! `scoville attacks`

use scoville_attacks::{Budget, Measure, PREFIX, Row, Suite, TRANSFER, TRANSFERRED, rows, suites};
use serde_json::json;

use super::{columns, print};
use crate::args::JsonArgs;
use crate::exit::{Exit, Failure};

pub fn run(args: &JsonArgs) -> Result<Exit, Failure> {
    print(&if args.json { lines() } else { table() })
}

fn table() -> String {
    let head = [
        "ATTACK",
        "TECHNIQUE",
        "NEEDS",
        "NORMS",
        "PARAMETERS",
        "PAPER",
    ]
    .map(String::from);
    let mut all = vec![head.to_vec()];
    all.extend(rows().iter().map(|row| {
        vec![
            row.name.into(),
            row.technique.into(),
            row.access.to_string(),
            norms(row).join(","),
            parameters(row),
            row.paper.into(),
        ]
    }));
    let transfer = format!(
        "{PREFIX}:ATTACK runs an attack that needs gradients on the models of --surrogate, and asks the target only about \
         where it ends ({TRANSFER}); {PREFIX} alone is {PREFIX}:{TRANSFERRED}."
    );
    [all, suite_table(), vec![vec![transfer]]]
        .map(|table| columns(&table))
        .join("\n")
}

fn suite_table() -> Vec<Vec<String>> {
    let head = ["SUITE", "TECHNIQUE", "PAPER", "ATTACKS"]
        .map(String::from)
        .to_vec();
    let row = |suite: &Suite| {
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
    [head].into_iter().chain(suites().iter().map(row)).collect()
}

fn lines() -> String {
    let line = |row: &Row| {
        let defaults: serde_json::Map<_, _> = row
            .parameters
            .iter()
            .map(|p| (p.name.to_owned(), json!(p.default)))
            .collect();
        let object = json!({
            "attack": row.name,
            "technique": row.technique,
            "needs": row.access.to_string(),
            "norms": norms(row),
            "parameters": defaults,
            "paper": row.paper,
        });
        format!("{object}\n")
    };
    let suite = |suite: &Suite| {
        let object = json!({"suite": suite.name, "technique": suite.technique, "attacks": suite.attacks, "in_l1": suite.in_l1, "paper": suite.paper});
        format!("{object}\n")
    };
    let transfer = json!({"prefix": PREFIX, "technique": TRANSFER, "needs": "labels", "alone": format!("{PREFIX}:{TRANSFERRED}")});
    let attacks = rows().iter().map(line);
    let suites = suites().iter().map(suite);
    attacks
        .chain(suites)
        .chain([format!("{transfer}\n")])
        .collect()
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
