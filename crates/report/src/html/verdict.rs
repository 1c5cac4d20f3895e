//! The top of the page: the worst score, where it lies on the scale, and one sentence.

use super::{Esc, atlas_link, chip, heat};
use crate::{
    Record,
    event::{GateOutcome, Headline, RunFinished, RunStarted},
    text::{counted, full_count, gate_text, percent_interval, score_interval, score_text},
};

pub(super) fn section(record: &Record) -> String {
    let finished = record.finished.as_ref();
    let headline = finished.and_then(|f| f.headline.as_ref());
    let band = headline.map_or("unknown", |h| heat(&h.band));
    let gate = finished.and_then(|f| f.gate.as_ref()).map(|g| g.outcome);
    format!(
        r#"<header class="verdict {band}{failed}">
<p class="brand"><b>Scoville</b> {subject}</p>
{figure}<div>
<h1>{title}</h1>
{chips}{gate}{clean}</div>
{scale}</header>
"#,
        subject = record.started.as_ref().map(subject).unwrap_or_default(),
        figure = figure(headline),
        failed = match gate {
            Some(GateOutcome::Failed) => " failed",
            _ => "",
        },
        title = title(finished),
        chips = headline.map(|h| chips(record, h)).unwrap_or_default(),
        gate = finished.map(gate_line).unwrap_or_default(),
        clean = finished.map(clean).unwrap_or_default(),
        scale = headline.map(scale).unwrap_or_default(),
    )
}

fn subject(e: &RunStarted) -> String {
    let goal = e.plan.goal.iter();
    let goal = goal.map(|goal| format!(", to be taken for {}", Esc(goal)));
    format!(
        "{} on {} of {}, {}{}",
        Esc(&e.target.name),
        counted(e.data.samples as u64, "sample"),
        Esc(&e.data.name),
        Esc(&e.plan.norm),
        goal.collect::<String>(),
    )
}

fn figure(headline: Option<&Headline>) -> String {
    match headline {
        Some(h) => format!(
            "<p class=\"figure\"><span>{}</span> / 10</p>\n",
            Esc(&score_text(h.score, h.lower_bound))
        ),
        None => "<p class=\"figure\">inconclusive</p>\n".into(),
    }
}

/// Band, what kind of score it is, interval and grade.
fn chips(record: &Record, h: &Headline) -> String {
    let scored = record.techniques.iter().filter_map(|t| t.scored.as_ref());
    let kind = scored
        .filter(|s| s.technique == h.technique)
        .map(|s| s.kind.as_str())
        .next();
    format!(
        "<p class=\"facts\">{} <span>{}</span> <span>95 % interval {}</span> <span>evidence grade {}</span></p>\n",
        chip(&h.band),
        Esc(kind.unwrap_or("score")),
        score_interval(h.score_interval),
        Esc(&h.grade),
    )
}

/// The technique, as figure and chips say the rest of the verdict.
fn title(finished: Option<&RunFinished>) -> String {
    match finished {
        None => "The run did not finish.".into(),
        Some(RunFinished {
            headline: Some(h), ..
        }) => format!("{} {}", atlas_link(&h.technique), Esc(&h.name)),
        Some(f) => Esc(&f.verdict).to_string(),
    }
}

fn gate_line(e: &RunFinished) -> String {
    let Some(gate) = &e.gate else {
        return String::new();
    };
    let heat = match gate.outcome {
        GateOutcome::Passed => "low",
        GateOutcome::Failed => "high",
        GateOutcome::NotDecided => "medium",
    };
    let text = gate_text(gate);
    format!("<p class=\"gate {heat}\">{}</p>\n", Esc(&text))
}

fn clean(e: &RunFinished) -> String {
    let clean = &e.clean;
    if clean.samples == 0 {
        return String::new();
    }
    let ended = if e.ended == "completed" {
        ""
    } else {
        e.ended.as_str()
    };
    format!(
        "<p class=\"quiet\">Before any attack {} of {} samples are classified correctly: {:.1} % {}. {}</p>\n",
        full_count(clean.correct as u64),
        full_count(clean.samples as u64),
        clean.correct as f64 / clean.samples as f64 * 100.0,
        percent_interval(clean.interval),
        if ended.is_empty() {
            String::new()
        } else {
            format!("The run ended early: {}.", Esc(ended))
        },
    )
}

/// The scale of 0..10 in its bands, with the score and its interval.
fn scale(h: &Headline) -> String {
    let at = |score: f64| score.clamp(0.0, 10.0) * 10.0;
    let [low, high] = h.score_interval.map(at);
    format!(
        r#"<div class="scale" aria-hidden="true">
<i class="interval" style="left:{low:.1}%;width:{width:.1}%"></i><i class="mark" style="left:{mark:.1}%"></i>
<span class="low">low</span><span class="medium">medium</span><span class="high">high</span><span class="critical">critical</span>
<b style="left:0">0</b><b style="left:40%">4</b><b style="left:70%">7</b><b style="left:90%">9</b><b style="left:100%">10</b>
</div>
"#,
        width = (high - low).max(0.0),
        mark = at(h.score),
    )
}
