//! The catalogue of MITRE ATLAS: tactics, techniques and mitigations, built in.
//!
//! The tables hold facts only (ids, names, relations, maturity), none of MITRE's sentences. They
//! come from the ATLAS data, release 5.6.0, Copyright 2021-2025 MITRE, licensed under the Apache
//! License 2.0 (<https://github.com/mitre-atlas/atlas-data>).

mod mitigations;
mod tactics;
mod techniques;

/// The release of the ATLAS data that the tables were taken from.
pub const VERSION: &str = "5.6.0";

/// What an adversary does: `AML.T0043`, or one way to do it: `AML.T0043.000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Technique {
    /// `AML.T0043.000`.
    pub id: &'static str,
    /// `White-Box Optimization`.
    pub name: &'static str,
    /// The technique that this one is a sub-technique of.
    pub parent: Option<&'static str>,
    /// Ids of the tactics that it serves, at least one.
    pub tactics: &'static [&'static str],
    /// `feasible` (in research), `demonstrated` (in an exercise) or `realized` (in an incident).
    pub maturity: &'static str,
}

/// Why an adversary does it: `AML.TA0007`, Defense Evasion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tactic {
    /// `AML.TA0007`.
    pub id: &'static str,
    /// `Defense Evasion`.
    pub name: &'static str,
}

/// What a defender can do: `AML.M0003`, Model Hardening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mitigation {
    /// `AML.M0003`.
    pub id: &'static str,
    /// `Model Hardening`.
    pub name: &'static str,
    /// Ids of the techniques that it counters, each once.
    pub techniques: &'static [&'static str],
}

/// All techniques and sub-techniques, in the order of the ATLAS data.
pub fn techniques() -> &'static [Technique] {
    techniques::TECHNIQUES
}

/// The technique of this id.
pub fn technique(id: &str) -> Option<&'static Technique> {
    techniques().iter().find(|technique| technique.id == id)
}

/// All tactics, in the order of the ATLAS matrix.
pub fn tactics() -> &'static [Tactic] {
    tactics::TACTICS
}

/// The tactic of this id.
pub fn tactic(id: &str) -> Option<&'static Tactic> {
    tactics().iter().find(|tactic| tactic.id == id)
}

/// All mitigations, by id.
pub fn mitigations() -> &'static [Mitigation] {
    mitigations::MITIGATIONS
}

/// The mitigation of this id.
pub fn mitigation(id: &str) -> Option<&'static Mitigation> {
    mitigations().iter().find(|mitigation| mitigation.id == id)
}

/// One row of the table: a technique that stands by itself.
const fn top(
    id: &'static str,
    name: &'static str,
    tactics: &'static [&'static str],
    maturity: &'static str,
) -> Technique {
    Technique {
        id,
        name,
        parent: None,
        tactics,
        maturity,
    }
}

/// One row of the table: a sub-technique of `parent`.
const fn sub(
    id: &'static str,
    name: &'static str,
    parent: &'static str,
    tactics: &'static [&'static str],
    maturity: &'static str,
) -> Technique {
    Technique {
        id,
        name,
        parent: Some(parent),
        tactics,
        maturity,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::path::Path;

    /// Rows of `../shared/reference/atlas-5.6.0-NAME.csv` under `header`, or `None` without
    /// `../shared`.
    fn shared_rows(name: &str, header: &str) -> Option<Vec<Vec<String>>> {
        let shared = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
        if !shared.exists() {
            println!("skipped: no ../shared");
            return None;
        }
        let file = shared.join(format!("reference/atlas-{VERSION}-{name}.csv"));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{file:?}: {e}"));
        assert!(
            !text.contains('"'),
            "{file:?} has quoted fields: split it properly"
        );
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(header));
        Some(
            lines
                .map(|line| line.split(',').map(str::to_owned).collect())
                .collect(),
        )
    }

    /// The ids of a space-separated field, each once: the source repeats a few.
    fn distinct(field: &str) -> Vec<&str> {
        let mut seen = HashSet::new();
        field.split(' ').filter(|id| seen.insert(*id)).collect()
    }

    #[test]
    fn techniques_equal_the_source_row_by_row() {
        let header = "id,name,parent_id,tactic_ids,maturity,attack_reference";
        let Some(rows) = shared_rows("techniques", header) else {
            return;
        };
        assert_eq!(techniques().len(), rows.len());
        for (ours, row) in techniques().iter().zip(&rows) {
            let theirs = [&row[0], &row[1], &row[2], &row[3], &row[4]].map(String::as_str);
            let tactics = ours.tactics.join(" ");
            let parent = ours.parent.unwrap_or("");
            assert_eq!(
                [ours.id, ours.name, parent, &tactics, ours.maturity],
                theirs
            );
        }
    }

    #[test]
    fn tactics_equal_the_source_row_by_row() {
        let Some(rows) = shared_rows("tactics", "id,name") else {
            return;
        };
        assert_eq!(tactics().len(), rows.len());
        for (ours, row) in tactics().iter().zip(&rows) {
            assert_eq!([ours.id, ours.name], [&row[0], &row[1]].map(String::as_str));
        }
    }

    #[test]
    fn mitigations_equal_the_source_row_by_row() {
        let Some(rows) = shared_rows("mitigations", "id,name,technique_ids") else {
            return;
        };
        assert_eq!(mitigations().len(), rows.len());
        for (ours, row) in mitigations().iter().zip(&rows) {
            assert_eq!([ours.id, ours.name], [&row[0], &row[1]].map(String::as_str));
            assert_eq!(ours.techniques, distinct(&row[2]), "{}", ours.id);
        }
    }

    #[test]
    fn the_tables_have_the_size_of_the_release() {
        assert_eq!(
            [techniques().len(), tactics().len(), mitigations().len()],
            [170, 16, 35]
        );
    }

    #[test]
    fn ids_are_unique() {
        let ids = techniques().iter().map(|t| t.id);
        let ids = ids
            .chain(tactics().iter().map(|t| t.id))
            .chain(mitigations().iter().map(|m| m.id));
        let mut seen = HashSet::new();
        for id in ids {
            assert!(seen.insert(id), "{id} occurs twice");
        }
    }

    #[test]
    fn every_relation_leads_to_a_row() {
        for t in techniques() {
            assert!(!t.tactics.is_empty(), "{}", t.id);
            assert!(t.tactics.iter().all(|id| tactic(id).is_some()), "{}", t.id);
            assert!(
                ["feasible", "demonstrated", "realized"].contains(&t.maturity),
                "{}",
                t.id
            );
            match t
                .id
                .split_once('.')
                .and_then(|(_, rest)| rest.split_once('.'))
            {
                Some(_) => {
                    let parent = t.parent.and_then(technique).expect(t.id);
                    assert!(
                        t.id.starts_with(parent.id) && parent.parent.is_none(),
                        "{}",
                        t.id
                    );
                }
                None => assert_eq!(t.parent, None, "{}", t.id),
            }
        }
        for m in mitigations() {
            assert!(
                m.techniques.iter().all(|id| technique(id).is_some()),
                "{}",
                m.id
            );
        }
    }

    #[test]
    fn look_up_by_id() {
        let white_box = technique("AML.T0043.000").unwrap();
        assert_eq!(white_box.name, "White-Box Optimization");
        assert_eq!(white_box.parent, Some("AML.T0043"));
        assert_eq!(technique("AML.T0015").unwrap().tactics.len(), 3);
        assert_eq!(tactic("AML.TA0007").unwrap().name, "Defense Evasion");
        assert_eq!(mitigation("AML.M0003").unwrap().name, "Model Hardening");
        for absent in ["", "AML.T9999", "aml.t0043", "AML.T0043 ", "AML.TA0007"] {
            assert_eq!(technique(absent), None, "{absent:?}");
        }
        assert_eq!(tactic("AML.T0043"), None);
        assert_eq!(mitigation("AML.T0043"), None);
    }
}
