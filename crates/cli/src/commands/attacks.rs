//! `scoville attacks`

use scoville_attacks::{Row, rows};
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
    columns(&all)
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
    rows().iter().map(line).collect()
}

fn norms(row: &Row) -> Vec<String> {
    row.norms.iter().map(ToString::to_string).collect()
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
