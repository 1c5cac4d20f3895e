//! The columns of the rows. Where a row does not fit into the width it takes two lines, the first with the name.

use super::{
    Style,
    paint::{Line, Paint, bar, columns, left, right},
    rows::Row,
};
use crate::{
    Record,
    text::{budget_text, eps_text},
};

const GAP: usize = 2;
/// `>= 6.1 [5.7, 10.0]`
const SCORE: usize = 18;
const QUERIES: usize = 7;
const TIME: usize = 7;

/// Widths of the columns.
pub(super) struct Layout {
    wide: bool,
    /// Whether the rates stand beside the other figures; at the end of a run they stand below where they do not fit.
    pub beside: bool,
    id: usize,
    name: usize,
    bar: usize,
    samples: usize,
    /// Labels of the ladder, and the width of each of its columns.
    ladder: Vec<String>,
    unit: &'static str,
    rate: usize,
}

impl Layout {
    pub fn new(record: &Record, rows: &[Row], style: &Style) -> Self {
        let widest = |cell: fn(&Row) -> &str, least: usize| {
            rows.iter()
                .map(|r| columns(cell(r)))
                .max()
                .unwrap_or(0)
                .max(least)
        };
        let (ladder, unit) = labels(&record.ladder());
        let rate = ladder.iter().map(|l| columns(l)).max().unwrap_or(0).max(3);
        let mut layout = Layout {
            wide: true,
            beside: true,
            id: widest(|r| &r.id, 0),
            name: widest(|r| &r.name, 0),
            bar: 10,
            samples: widest(|r| &r.samples, "samples".len()),
            ladder,
            unit,
            rate,
        };
        if !layout.fits(style.width) {
            (layout.wide, layout.bar) = (false, 8);
        }
        if record.finished.is_some() && !layout.fits(style.width) {
            (layout.wide, layout.bar, layout.beside) = (true, 10, false);
            if !layout.fits(style.width) {
                (layout.wide, layout.bar) = (false, 8);
            }
        }
        layout
    }

    fn fits(&self, width: usize) -> bool {
        self.lead() + self.before_rates() + self.span() <= width
    }

    /// Columns of the rates that stand beside the other figures.
    fn span(&self) -> usize {
        match self.beside {
            true => self.ladder.len() * (self.rate + 1),
            false => 0,
        }
    }

    fn before_rates(&self) -> usize {
        self.bar + 1 + SCORE + 3 * GAP + self.samples + QUERIES + TIME + GAP - 1
    }

    /// Columns before the figures.
    fn lead(&self) -> usize {
        if self.wide {
            self.id + GAP + self.name + GAP
        } else {
            GAP
        }
    }

    pub fn head(&self, record: &Record) -> Vec<Line> {
        let over = record.finished.is_some();
        let title = self.title(record);
        let start = self.lead() + self.before_rates();
        let above = (start + 1).min((start + self.span()).saturating_sub(columns(&title)));
        let name = if self.wide {
            left("technique", self.lead())
        } else {
            " ".repeat(GAP)
        };
        let time = if over { "time" } else { "left" };
        let figures = self.figures_of(
            Line::new()
                .put(Paint::Dim, name)
                .put(Paint::Dim, left("score", self.bar + 1 + SCORE)),
            ["samples", "queries", time],
            &self.ladder,
            Paint::Dim,
        );
        match self.beside {
            true => vec![Line::new().space(above).put(Paint::Dim, title), figures],
            false => vec![figures],
        }
    }

    fn title(&self, record: &Record) -> String {
        let norm = record.started.as_ref().map_or("", |s| s.plan.norm.as_str());
        format!("ASR % at {}{}", budget_text(norm), self.unit)
    }

    /// The rates below the other figures, as many side by side as fit.
    pub fn curves(&self, record: &Record, rows: &[Row], width: usize) -> Vec<Line> {
        let lead = GAP + self.id;
        let most = (width.saturating_sub(lead) / (self.rate + 1)).max(1);
        let mut lines = vec![Line::new().put(Paint::Dim, self.title(record))];
        for from in (0..self.ladder.len()).step_by(most) {
            let part = |cells: &[String]| self.rates(&cells[from..cells.len().min(from + most)]);
            let labels = part(&self.ladder);
            lines.push(Line::new().space(lead).put(Paint::Dim, labels));
            lines.extend(rows.iter().map(|row| {
                let id = Line::new()
                    .space(GAP)
                    .put(Paint::Bold, left(&row.id, self.id));
                id.plain(part(&row.rates))
            }));
        }
        lines
    }

    fn rates(&self, cells: &[String]) -> String {
        let cell = |text: &String| format!(" {}", right(text, self.rate));
        cells.iter().map(cell).collect()
    }

    pub fn row(&self, row: &Row) -> Vec<Line> {
        let name = Line::new()
            .put(Paint::Bold, left(&row.id, self.id + GAP))
            .plain(left(&row.name, self.name));
        let (mut lines, start) = match self.wide {
            true => (vec![], name.space(GAP)),
            false => (vec![name], Line::new().space(GAP)),
        };
        let scored = start
            .put(row.paint, bar(row.value.unwrap_or(0.0), self.bar))
            .space(1)
            .put(Paint::Bold, left(&row.score, SCORE));
        let cells = [row.samples.as_str(), &row.queries, &row.time];
        lines.push(self.figures_of(scored, cells, &row.rates, Paint::Plain));
        lines
    }

    fn figures_of(&self, start: Line, cells: [&str; 3], rates: &[String], paint: Paint) -> Line {
        let [samples, queries, time] = cells;
        let gap = " ".repeat(GAP);
        let cells = format!(
            "{gap}{}{gap}{}{gap}{}{}",
            right(samples, self.samples),
            right(queries, QUERIES),
            right(time, TIME),
            " ".repeat(GAP - 1),
        );
        let rates = match self.beside {
            true => self.rates(rates),
            false => String::new(),
        };
        start.put(paint, cells).put(paint, rates)
    }
}

/// The labels of the ladder, and the unit that they share: `1 2 4 8 16` and ` /255`.
fn labels(ladder: &[f64]) -> (Vec<String>, &'static str) {
    let full: Vec<String> = ladder.iter().map(|eps| eps_text(*eps)).collect();
    let short: Option<Vec<String>> = full
        .iter()
        .map(|l| l.strip_suffix("/255").map(String::from))
        .collect();
    match short {
        Some(short) if !short.is_empty() => (short, " /255"),
        _ => (full, ""),
    }
}
