//! What each attack breaks by itself, where attacks ran on every sample.

use super::{
    Style,
    columns::labels,
    paint::{Line, Paint, columns, left, right, shown},
};
use crate::{
    Record,
    text::{budget_text, percent},
};

const GAP: usize = 2;

/// The table, under a heading; nothing where attacks ran on what others left.
pub(super) fn lines(record: &Record, style: &Style) -> Vec<Line> {
    let alone = record.alone();
    if alone.is_empty() {
        return vec![];
    }
    let names: Vec<String> = alone.iter().map(|b| shown(&b.attack, style)).collect();
    let name = names.iter().map(|n| columns(n)).max().unwrap_or(0);
    let (ladder, unit) = labels(&record.ladder());
    let rate = ladder.iter().map(|l| columns(l)).max().unwrap_or(0).max(3);
    let row = |name: String, cells: Vec<String>| -> String {
        let cells = cells.iter().map(|cell| format!(" {}", right(cell, rate)));
        format!("{name}{}", cells.collect::<String>())
    };
    let norm = record.started.as_ref().map_or("", |s| s.plan.norm.as_str());
    let title = format!("By attack, ASR % at {}{unit}", budget_text(norm));
    let head = [
        Line::new(),
        Line::new().put(Paint::Bold, title),
        Line::new()
            .space(GAP)
            .put(Paint::Dim, row(left("", name), ladder)),
    ];
    let rows = names.iter().zip(&alone).map(|(text, budget)| {
        let cells = budget.rates().map(percent).collect();
        Line::new().space(GAP).plain(row(left(text, name), cells))
    });
    head.into_iter().chain(rows).collect()
}
