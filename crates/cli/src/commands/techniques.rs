//! `scoville techniques`

use scoville_atlas::catalogue::{self, Technique};
use scoville_attacks::{PREFIX, TRANSFER, rows};
use scoville_campaign::EVASION;
use serde_json::json;

use super::{columns, print};
use crate::args::TechniquesArgs;
use crate::exit::{Exit, Failure};

pub fn run(args: &TechniquesArgs) -> Result<Exit, Failure> {
    let wanted = |t: &&Technique| !args.measured || !measured_by(t.id).is_empty();
    let techniques: Vec<&Technique> = catalogue::techniques().iter().filter(wanted).collect();
    print(&if args.json.json {
        lines(&techniques)
    } else {
        table(&techniques)
    })
}

/// The attacks that measure a technique.
fn measured_by(id: &str) -> Vec<&'static str> {
    if id == EVASION {
        return vec!["the worst of all evasion attacks"];
    }
    if id == TRANSFER {
        return vec![PREFIX];
    }
    rows()
        .iter()
        .filter(|row| row.technique == id)
        .map(|row| row.name)
        .collect()
}

fn tactics(technique: &Technique) -> Vec<&'static str> {
    let name = |id: &&str| catalogue::tactic(id).map(|t| t.name);
    technique.tactics.iter().filter_map(name).collect()
}

fn table(techniques: &[&Technique]) -> String {
    let mut rows = vec![
        ["TECHNIQUE", "NAME", "TACTICS", "MEASURED BY"]
            .map(String::from)
            .to_vec(),
    ];
    rows.extend(techniques.iter().map(|t| {
        let by = measured_by(t.id).join(", ");
        let indent = if t.parent.is_some() { "  " } else { "" };
        vec![
            t.id.into(),
            format!("{indent}{}", t.name),
            tactics(t).join(", "),
            if by.is_empty() {
                "not measured yet".into()
            } else {
                by
            },
        ]
    }));
    let measured = techniques
        .iter()
        .filter(|t| !measured_by(t.id).is_empty())
        .count();
    let note = format!(
        "\nMITRE ATLAS {}: {} techniques and sub-techniques, {measured} of them measured.\n",
        catalogue::VERSION,
        techniques.len()
    );
    columns(&rows) + &note
}

fn lines(techniques: &[&Technique]) -> String {
    let line = |t: &&Technique| {
        let object = json!({
            "technique": t.id,
            "name": t.name,
            "parent": t.parent,
            "tactics": t.tactics,
            "maturity": t.maturity,
            "measured_by": measured_by(t.id),
        });
        format!("{object}\n")
    };
    techniques.iter().map(line).collect()
}
