//! The table of techniques, worst numbers at a glance: success rates by eps are tinted by their size.

use super::{Esc, atlas_link, chip, heat, titled};
use crate::{
    Record, TechniqueRecord,
    record::Rung,
    text::{
        budget_text, duration, eps_text, full_count, percent, score_interval, score_text,
        short_count,
    },
};

pub(super) fn section(record: &Record) -> String {
    if record.techniques.is_empty() {
        return String::new();
    }
    let ladder = record.ladder();
    let eps: String = ladder
        .iter()
        .map(|e| format!("<th scope=\"col\">{}</th>", eps_text(*e)))
        .collect();
    let rows: String = record.techniques.iter().map(|t| row(t, &ladder)).collect();
    let budget = record.started.as_ref().map_or("", |s| s.plan.norm.as_str());
    let budget = budget_text(budget);
    let body = format!(
        r#"<div class="scroll"><table class="techniques">
<caption>Tinted: ASR in % at {budget}</caption>
<thead><tr><th scope="col">Technique</th><th scope="col">Score</th><th scope="col">Band</th><th scope="col">Evidence</th>{eps}<th scope="col">Samples</th><th scope="col">Queries</th><th scope="col">Gradients</th><th scope="col">Time</th></tr></thead>
<tbody>
{rows}</tbody>
</table></div>
<p class="quiet">ASR, the attack success rate, is misclassified after the attack / correctly classified before.
A score is 10 · exposure · likelihood · impact; it is called susceptibility where no exposure was declared.
Scores of techniques are never added up.</p>
"#,
        budget = Esc(&budget),
    );
    titled("Techniques", body)
}

fn row(t: &TechniqueRecord, ladder: &[f64]) -> String {
    let curve = t.curve();
    let rates: String = ladder.iter().map(|eps| rate(&curve, *eps)).collect();
    let spent = t.spent();
    format!(
        "<tr><th scope=\"row\">{}<br>{}</th>{}{rates}<td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
        atlas_link(&t.id),
        Esc(&t.name),
        score(t),
        samples(t),
        short_count(spent.queries),
        short_count(spent.gradients),
        duration(spent.seconds),
    )
}

/// Samples done, and of how many where that is not all.
fn samples(t: &TechniqueRecord) -> String {
    match t.samples() {
        Some((done, of)) if done == of => full_count(of as u64),
        Some((done, of)) => format!("{} of {}", full_count(done as u64), full_count(of as u64)),
        None => String::new(),
    }
}

/// The cells of score, band and grade.
fn score(t: &TechniqueRecord) -> String {
    let Some(s) = &t.scored else {
        let why = if t.rungs.is_empty() {
            "not tested"
        } else {
            "interrupted"
        };
        return format!("<td class=\"quiet\">{why}</td><td></td><td></td>");
    };
    let grade = Esc(&s.grade);
    let (Some(score), Some(interval)) = (s.score, s.score_interval) else {
        return format!("<td class=\"quiet\">inconclusive</td><td></td><td>{grade}</td>");
    };
    format!(
        "<td class=\"score\"><b>{}</b> <span>{}</span>\
        <i class=\"bar {}\"><i style=\"width:{:.1}%\"></i></i></td><td>{}</td><td>{grade}</td>",
        Esc(&score_text(score, s.lower_bound)),
        score_interval(interval),
        heat(&s.band),
        score.clamp(0.0, 10.0) * 10.0,
        chip(&s.band),
    )
}

fn rate(curve: &[Rung], eps: f64) -> String {
    match curve.iter().find(|r| r.eps == eps && r.correct > 0) {
        Some(r) => format!(
            "<td class=\"rate\" style=\"--rate:{:.0}%\">{}</td>",
            r.rate.clamp(0.0, 1.0) * 100.0,
            Esc(&percent(r.rate))
        ),
        None => "<td class=\"quiet\">–</td>".into(),
    }
}
