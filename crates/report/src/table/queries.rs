//! What success cost in queries: at each eps the rate after a few, after many, and the median.

use super::paint::{Line, Paint, left, right};
use crate::{
    Record,
    event::{CurvePoint, QueryCurve},
    text::{budget_word, eps_text, percent, short_count},
};

/// Columns of a rate.
const RATE: usize = 7;

/// The table, under a heading; nothing where no attack counts queries alone.
pub(super) fn lines(record: &Record) -> Vec<Line> {
    let curves = record.query_curves();
    let budgets = curves.iter().map(|(_, _, queries)| &queries.within);
    let Some(budgets) = budgets.max_by_key(|within| within.len()) else {
        return vec![];
    };
    let norm = record.started.as_ref().map_or("", |s| s.plan.norm.as_str());
    let title = |(i, queries): (usize, u64)| match i {
        0 => format!("within {}", budget(queries)),
        _ => right(&budget(queries), RATE),
    };
    let titles: String = budgets
        .iter()
        .map(|w| w.queries)
        .enumerate()
        .map(title)
        .collect();
    let titles = format!(
        "  technique       {}{titles}   median",
        left(budget_word(norm), 9)
    );
    let head = [
        Line::new(),
        Line::new().put(Paint::Bold, "Success within so many queries, %"),
        Line::new().put(Paint::Dim, titles),
    ];
    let rows = curves.iter().map(|curve| row(*curve, budgets.len()));
    head.into_iter().chain(rows).collect()
}

/// `100`, `1k`.
fn budget(queries: u64) -> String {
    match queries % 1_000 {
        0 => format!("{}k", queries / 1_000),
        _ => queries.to_string(),
    }
}

fn row((technique, point, queries): (&str, &CurvePoint, &QueryCurve), budgets: usize) -> Line {
    let rate = |at: usize| {
        let within = queries.within.get(at);
        right(&within.map_or("-".into(), |w| percent(w.rate)), RATE)
    };
    let rates: String = (0..budgets).map(rate).collect();
    let median = queries.median.map_or("-".into(), short_count);
    // `within` takes four columns more than a rate.
    let space = if budgets == 0 { 1 } else { 4 };
    Line::new().space(2).plain(format!(
        "{}{}{}{rates}{}",
        left(technique, 16),
        left(&eps_text(point.eps), 8),
        " ".repeat(space),
        right(&median, 9),
    ))
}
