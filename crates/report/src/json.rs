//! The report of `--report-json`, and the JSON Schema of the events.

use std::io::{self, Write};

use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::{Serializer, Value, json};

use crate::{
    Record, TechniqueRecord,
    event::{Event, SamplesJudged},
    layout::Layout,
};

/// The JSON Schema (2020-12) of [`Event`] as it is written: every field is there, if only as null.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings
        .into_generator()
        .into_root_schema_for::<Event>()
        .to_value()
}

/// Writes a run as one object: what [`json`] holds, as `samples` the verdict on each where the record keeps it, in the
/// columns of [`SamplesJudged`], and as `attacks` the names that its numbers stand for.
pub fn write_json(record: &Record, out: &mut impl Write) -> io::Result<()> {
    #[derive(Serialize)]
    struct Report<'a> {
        #[serde(flatten)]
        run: Value,
        attacks: Vec<&'a str>,
        samples: Option<&'a SamplesJudged>,
    }
    let planned = record.started.iter().flat_map(|s| &s.plan.techniques);
    let attacks = planned.flat_map(|t| t.attacks.iter().map(String::as_str));
    let report = Report {
        run: json(record),
        attacks: attacks.collect(),
        samples: record.samples.as_ref(),
    };
    let mut serializer = Serializer::with_formatter(&mut *out, Layout::default());
    report.serialize(&mut serializer)?;
    out.write_all(b"\n")
}

/// A run as one object: `verdict`, `techniques`, `warnings`, `texts`, `totals`, `manifest`.
///
/// Parts that the run did not reach are null; a technique carries `status`: `scored`, `interrupted` or `not tested`.
fn json(record: &Record) -> Value {
    let finished = record.finished.as_ref();
    json!({
        "verdict": finished.map(|f| json!({
            "sentence": f.verdict,
            "headline": f.headline,
            "ended": f.ended,
            "clean": f.clean,
            "exit_code": f.exit_code,
            "breaches": f.breaches,
            "gate": f.gate,
        })),
        "techniques": record.techniques.iter().map(technique).collect::<Vec<_>>(),
        "examples": record.changed,
        "warnings": record.warnings,
        "texts": record.texts,
        "totals": finished.map(|f| &f.totals),
        "denominators": {
            "rate": "misclassified after the attack / correctly classified before",
            "robust_accuracy": "robust / all",
        },
        "manifest": record.started,
    })
}

fn technique(t: &TechniqueRecord) -> Value {
    match &t.scored {
        Some(scored) => with_status(json!(scored), "scored", t),
        None if t.rungs.is_empty() => with_status(
            json!({ "technique": t.id, "name": t.name }),
            "not tested",
            t,
        ),
        None => with_status(
            json!({ "technique": t.id, "name": t.name, "progress": t.rungs }),
            "interrupted",
            t,
        ),
    }
}

fn with_status(mut value: Value, status: &str, t: &TechniqueRecord) -> Value {
    value["status"] = json!(status);
    value["attacks"] = json!(t.attacks);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Outcome, fixture};

    #[test]
    fn the_report_holds_every_part() {
        let report = json(&fixture::record());
        assert_eq!(report["verdict"]["headline"]["score"], 7.19);
        assert_eq!(report["verdict"]["exit_code"], 100);
        assert_eq!(report["verdict"]["gate"]["outcome"], "failed");
        assert_eq!(report["manifest"]["seed"], 7);
        assert_eq!(report["manifest"]["target"]["sha256"], "9f2c".repeat(16));
        assert_eq!(report["warnings"][0]["code"], "softmax-outputs");
        assert_eq!(report["totals"]["queries"], 3_561_000);
        let technique = &report["techniques"][1];
        assert_eq!(technique["status"], "scored");
        assert_eq!(technique["lower_bound"], true);
        assert_eq!(technique["grade"], "C");
        assert_eq!(technique["parts"]["likelihood"], 0.253);
        assert_eq!(technique["curve"].as_array().unwrap().len(), 5);
        assert_eq!(technique["checks"][1]["outcome"], json!(Outcome::Warned));
        assert_eq!(
            technique["attacks"],
            json!(["apgd-ce (100 steps, 5 restarts)"])
        );
    }

    #[test]
    fn the_written_report_has_a_column_a_line() {
        let mut record = Record::with_samples();
        fixture::events().iter().for_each(|e| record.add(e));
        let mut out = Vec::new();
        write_json(&record, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("\n    \"rung\": [null,0,4],\n"), "{text}");
        let report: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(report["samples"]["sample"], json!([17, 4, 900]));
        assert_eq!(report["samples"]["predicted"], json!([null, 1, 0]));
        assert_eq!(report["attacks"][1], "square (1000 queries)");
        assert_eq!(report["manifest"], json(&record)["manifest"]);
    }

    #[test]
    fn what_was_not_tested_has_no_score() {
        let mut record = Record::default();
        record.add(&Event::RunStarted(fixture::started().into()));
        record.add(&Event::TechniqueProgress(fixture::progress()));
        let report = json(&record);
        assert_eq!(report["verdict"], Value::Null);
        assert_eq!(report["techniques"][0]["status"], "interrupted");
        assert_eq!(report["techniques"][0]["progress"][0]["successes"], 123);
        assert_eq!(report["techniques"][1]["status"], "not tested");
        assert_eq!(report["techniques"][1].get("score"), None);
    }

    #[test]
    fn an_inconclusive_technique_has_a_null_score() {
        let mut record = Record::default();
        record.add(&Event::TechniqueScored(fixture::inconclusive()));
        assert_eq!(json(&record)["techniques"][0]["score"], Value::Null);
    }

    #[test]
    fn the_schema_accepts_every_event_and_only_those() {
        let schema = schema();
        let mut kinds = std::collections::BTreeSet::new();
        for event in fixture::events() {
            let value = json!(event);
            kinds.insert(value["event"].as_str().unwrap().to_string());
            check(&schema, &schema, &value).unwrap();
            for key in value.as_object().unwrap().keys() {
                let mut less = value.clone();
                less.as_object_mut().unwrap().remove(key);
                assert!(
                    check(&schema, &schema, &less).is_err(),
                    "{key} may be left out"
                );
                let mut wrong = value.clone();
                wrong[key] = json!({ "not": "this" });
                assert!(
                    check(&schema, &schema, &wrong).is_err(),
                    "{key} may be anything"
                );
            }
        }
        assert_eq!(kinds.len(), 9, "the fixture sends {kinds:?}");
        assert_eq!(schema["oneOf"].as_array().unwrap().len(), 9);
    }

    /// As much of JSON Schema as the events use; a keyword that it does not know is an error.
    fn check(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
        for (keyword, rule) in schema.as_object().ok_or("a schema is an object")? {
            let good = match keyword.as_str() {
                "$schema" | "title" | "description" | "format" | "$defs" => true,
                "$ref" => {
                    let at = rule
                        .as_str()
                        .and_then(|r| r.strip_prefix('#'))
                        .ok_or("foreign $ref")?;
                    check(root, root.pointer(at).ok_or("dangling $ref")?, value)?;
                    true
                }
                "oneOf" | "anyOf" => {
                    let options = rule.as_array().ok_or("oneOf is a list")?;
                    let fits = options
                        .iter()
                        .filter(|o| check(root, o, value).is_ok())
                        .count();
                    if keyword == "oneOf" {
                        fits == 1
                    } else {
                        fits > 0
                    }
                }
                "type" => match rule {
                    Value::Array(options) => options.iter().any(|t| is(t, value)),
                    one => is(one, value),
                },
                "const" => rule == value,
                "enum" => rule
                    .as_array()
                    .is_some_and(|options| options.contains(value)),
                "minimum" => value
                    .as_f64()
                    .is_none_or(|x| x >= rule.as_f64().unwrap_or(f64::NAN)),
                "maximum" => value
                    .as_f64()
                    .is_none_or(|x| x <= rule.as_f64().unwrap_or(f64::NAN)),
                "minItems" => value
                    .as_array()
                    .is_none_or(|a| a.len() as u64 >= rule.as_u64().unwrap()),
                "maxItems" => value
                    .as_array()
                    .is_none_or(|a| a.len() as u64 <= rule.as_u64().unwrap()),
                "required" => rule
                    .as_array()
                    .ok_or("required is a list")?
                    .iter()
                    .all(|key| {
                        value
                            .as_object()
                            .is_some_and(|o| o.contains_key(key.as_str().unwrap_or("")))
                    }),
                "properties" => {
                    for (key, of) in rule.as_object().ok_or("properties is an object")? {
                        if let Some(part) = value.get(key) {
                            check(root, of, part).map_err(|e| format!("{key}: {e}"))?;
                        }
                    }
                    true
                }
                "items" => {
                    for part in value.as_array().into_iter().flatten() {
                        check(root, rule, part)?;
                    }
                    true
                }
                other => return Err(format!("unknown keyword {other}")),
            };
            if !good {
                return Err(format!("{keyword} {rule} refuses {value}"));
            }
        }
        Ok(())
    }

    fn is(kind: &Value, value: &Value) -> bool {
        match kind.as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("null") => value.is_null(),
            Some("number") => value.is_number(),
            Some("integer") => value.is_u64() || value.is_i64(),
            _ => false,
        }
    }
}
