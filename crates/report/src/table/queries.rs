//! What success cost in queries: at each eps the rate after a few, after many, and the median.

use super::paint::{Line, Paint, left, right};
use crate::{
    Record,
    event::{CurvePoint, QueryCurve},
    text::{budget_word, eps_text, percent, short_count},
};

/// The table, under a heading; nothing where no attack counts queries alone.
pub(super) fn lines(record: &Record) -> Vec<Line> {
    let scored = record.techniques.iter().filter_map(|t| t.scored.as_ref());
    let rows: Vec<Line> = scored
        .flat_map(|t| t.curve.iter().filter_map(|p| row(&t.technique, p)))
        .collect();
    if rows.is_empty() {
        return rows;
    }
    let norm = record.started.as_ref().map_or("", |s| s.plan.norm.as_str());
    let columns = format!(
        "  technique       {}within 100     1k    10k   median",
        left(budget_word(norm), 9)
    );
    let head = [
        Line::new(),
        Line::new().put(Paint::Bold, "Success within so many queries, %"),
        Line::new().put(Paint::Dim, &columns),
    ];
    head.into_iter().chain(rows).collect()
}

fn row(technique: &str, point: &CurvePoint) -> Option<Line> {
    let QueryCurve { within, median } = point.queries.as_ref()?;
    let rates: String = within.iter().map(|w| right(&percent(w.rate), 7)).collect();
    let median = median.map_or("-".into(), short_count);
    Some(Line::new().space(2).plain(format!(
        "{}{}{}{}{}",
        left(technique, 16),
        left(&eps_text(point.eps), 8),
        " ".repeat(4),
        rates,
        right(&median, 9),
    )))
}
