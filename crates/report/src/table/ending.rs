//! The end of the table: warnings with advice, the evidence, totals, and the verdict as the last line, where the eye
//! is when the prompt comes back.

use super::{
    Style,
    paint::{Line, Paint, columns, left, wrap},
};
use crate::{
    Record,
    event::{GateOutcome, Outcome, RunFinished, TechniqueScored},
    text::{
        counted, duration, full_count, gate_text, percent_interval, score_interval, score_text,
    },
};

/// Prose is easier to read in lines no longer than this.
const PROSE: usize = 100;
/// Where a technique's grade fits beside the kind of its score.
const FULL: usize = 76;

/// Everything below the rows. Empty until the run has finished: a frame that is redrawn has to fit on the screen.
pub(super) fn lines(record: &Record, style: &Style) -> Vec<Line> {
    let Some(finished) = &record.finished else {
        return vec![];
    };
    let width = style.width.min(PROSE);
    let mut lines = super::queries::lines(record);
    lines.extend(warnings(record, width));
    lines.extend(evidence(record, width));
    lines.extend(totals(finished, width));
    lines.extend(verdict(finished, style.width));
    lines
}

fn warnings(record: &Record, width: usize) -> Vec<Line> {
    if record.warnings.is_empty() {
        return vec![];
    }
    let mut lines = heading("Warnings");
    for warning in &record.warnings {
        let of = warning
            .technique
            .as_ref()
            .map_or(String::new(), |id| format!(" ({id})"));
        let label = Line::new()
            .space(2)
            .put(Paint::Yellow, format!("{}{of}", warning.code));
        lines.push(label);
        lines.extend(indented(&warning.what, 4, width, Paint::Plain));
        lines.extend(indented(&warning.advice, 4, width, Paint::Dim));
    }
    lines
}

fn evidence(record: &Record, width: usize) -> Vec<Line> {
    let scored: Vec<&TechniqueScored> = record
        .techniques
        .iter()
        .filter_map(|t| t.scored.as_ref())
        .collect();
    if scored.is_empty() {
        return vec![];
    }
    let mut lines = heading("Evidence");
    for technique in scored {
        lines.push(graded(technique, width));
        lines.extend(indented(&technique.grade_reason, 4, width, Paint::Plain));
        let said = |code: &str, detail: &str| {
            let mut warnings = record.warnings.iter();
            warnings.any(|w| w.code == code && w.what == detail)
        };
        let warned = technique.checks.iter();
        let warned = warned.filter(|c| c.outcome == Outcome::Warned);
        // The reason names all of them; what the block of warnings tells is told once.
        for check in warned.filter(|c| !said(&c.code, &c.detail)) {
            let seen = format!("! {}: {}", check.code, check.detail);
            lines.extend(indented(&seen, 4, width, Paint::Plain));
            lines.extend(indented(&check.advice, 6, width, Paint::Dim));
        }
    }
    lines
}

/// `AML.T0043.000  susceptibility 7.3 [6.8, 7.7] high · grade A`
fn graded(e: &TechniqueScored, width: usize) -> Line {
    let kind = match width < FULL {
        true => String::new(),
        false => format!("{} ", e.kind),
    };
    let line = Line::new()
        .space(2)
        .put(Paint::Bold, left(&e.technique, 15));
    let line = match (e.score, e.score_interval) {
        (Some(score), Some(interval)) => line
            .plain(kind)
            .put(Paint::Bold, score_text(score, e.lower_bound))
            .plain(format!(" {} ", score_interval(interval)))
            .put(Paint::band(&e.band), e.band.clone()),
        _ => line.put(Paint::band("inconclusive"), "inconclusive"),
    };
    line.plain(format!(" · grade {}", e.grade))
}

fn totals(e: &RunFinished, width: usize) -> Vec<Line> {
    let clean = &e.clean;
    let accuracy = match clean.samples {
        0 => "no sample was classified".into(),
        n => format!(
            "clean accuracy {:.1} % {} ({} of {})",
            clean.correct as f64 / n as f64 * 100.0,
            percent_interval(clean.interval),
            full_count(clean.correct as u64),
            full_count(n as u64),
        ),
    };
    let spent = format!(
        "{} · {} · {} · {}",
        counted(e.totals.queries, "query"),
        counted(e.totals.gradients, "gradient evaluation"),
        duration(e.totals.seconds),
        e.ended,
    );
    let mut lines = vec![Line::new()];
    lines.extend(indented(&accuracy, 0, width, Paint::Plain));
    lines.extend(indented(&spent, 0, width, Paint::Dim));
    if let Some(gate) = &e.gate {
        let paint = match gate.outcome {
            GateOutcome::Passed => Paint::Green,
            GateOutcome::Failed => Paint::Red,
            GateOutcome::NotDecided => Paint::Yellow,
        };
        lines.extend(indented(&gate_text(gate), 0, width, paint));
    }
    lines
}

fn verdict(e: &RunFinished, width: usize) -> Vec<Line> {
    const LABEL: &str = "VERDICT  ";
    let band = e
        .headline
        .as_ref()
        .map_or("inconclusive", |h| h.band.as_str());
    let failed = e
        .gate
        .as_ref()
        .is_some_and(|g| g.outcome == GateOutcome::Failed);
    let paint = if failed {
        Paint::Red
    } else {
        Paint::band(band)
    };
    let mut lines = vec![Line::new()];
    for (i, text) in wrap(&e.verdict, width.saturating_sub(columns(LABEL)))
        .into_iter()
        .enumerate()
    {
        let label = if i == 0 {
            LABEL.into()
        } else {
            " ".repeat(columns(LABEL))
        };
        lines.push(Line::new().put(paint, label).put(Paint::Bold, text));
    }
    lines
}

fn heading(text: &str) -> Vec<Line> {
    vec![Line::new(), Line::new().put(Paint::Bold, text)]
}

fn indented(text: &str, indent: usize, width: usize, paint: Paint) -> Vec<Line> {
    let lines = wrap(text, width.saturating_sub(indent));
    lines
        .into_iter()
        .map(|text| Line::new().space(indent).put(paint, text))
        .collect()
}
