//! How far the scores can be trusted: each technique's grade and checks, and the warnings of the run.

use super::{Esc, atlas_link, titled};
use crate::{
    Record,
    event::{EvidenceCheck, Outcome, TechniqueScored, Warning},
    text::{score_interval, score_text},
};

pub(super) fn section(record: &Record) -> String {
    let scored = record.techniques.iter().filter_map(|t| t.scored.as_ref());
    titled("Evidence", scored.map(technique).collect())
}

fn technique(s: &TechniqueScored) -> String {
    let checks: String = s.checks.iter().map(check).collect();
    let table = match checks.is_empty() {
        true => String::new(),
        false => format!(
            "<div class=\"scroll\"><table class=\"checks\">\n<thead><tr><th scope=\"col\">Check</th><th scope=\"col\">Outcome</th><th scope=\"col\">What was seen</th></tr></thead>\n<tbody>\n{checks}</tbody>\n</table></div>\n"
        ),
    };
    format!(
        "<h3>{} {}: grade {}</h3>\n<p>{}. {}</p>\n{table}",
        atlas_link(&s.technique),
        Esc(&s.name),
        Esc(&s.grade),
        Esc(&capitalised(&s.grade_reason)),
        parts(s),
    )
}

/// Where the score comes from. Nothing for an inconclusive one.
fn parts(s: &TechniqueScored) -> String {
    let (Some(score), Some(interval)) = (s.score, s.score_interval) else {
        return "Inconclusive: no score.".into();
    };
    format!(
        "{} {} {} = 10 · exposure {} · likelihood {:.3} · impact {}.",
        Esc(&capitalised(&s.kind)),
        Esc(&score_text(score, s.lower_bound)),
        score_interval(interval),
        s.parts.exposure,
        s.parts.likelihood,
        s.parts.impact,
    )
}

fn check(c: &EvidenceCheck) -> String {
    let (class, mark) = match c.outcome {
        Outcome::Passed => ("passed", "✓ passed"),
        Outcome::Warned => ("warned", "! warned"),
        Outcome::NotRun => ("not-run", "– not run"),
    };
    let advice = match c.advice.is_empty() {
        true => String::new(),
        false => format!("<br><span class=\"advice\">{}</span>", Esc(&c.advice)),
    };
    format!(
        "<tr class=\"{class}\"><th scope=\"row\"><code>{}</code></th><td>{mark}</td><td>{}{advice}</td></tr>\n",
        Esc(&c.code),
        Esc(&c.detail),
    )
}

pub(super) fn warnings(record: &Record) -> String {
    titled("Warnings", record.warnings.iter().map(warning).collect())
}

fn warning(w: &Warning) -> String {
    let of = w
        .technique
        .as_ref()
        .map_or(String::new(), |id| format!(" {}", atlas_link(id)));
    format!(
        "<div class=\"warning\"><p><code>{}</code>{of}</p><p>{}</p><p class=\"advice\">{}</p></div>\n",
        Esc(&w.code),
        Esc(&w.what),
        Esc(&w.advice),
    )
}

/// A clause as the start of a sentence.
fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}
