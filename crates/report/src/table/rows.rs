//! The body of the table: what is attacked, and one row a technique.
//!
//! Where a row does not fit into the width it takes two lines, the first with the name.

use super::{
    Style,
    paint::{Line, Paint, bar, columns, left, right, shown},
};
use crate::{
    Record, TechniqueRecord,
    event::{RunStarted, SurrogateInfo},
    text::{
        budget_text, counted, duration, eps_text, percent, score_interval, score_text, shape,
        short_count, training_text,
    },
};

const GAP: usize = 2;
/// `>= 6.1 [5.7, 10.0]`
const SCORE: usize = 18;
const QUERIES: usize = 7;
const TIME: usize = 7;
/// A name may not push the figures off the line.
const NAME: usize = 32;
/// At most 80 columns.
const LEGEND: &str =
    "ASR = misclassified after attack / correctly classified before; 95 % intervals";

/// Everything above the warnings.
pub(super) fn lines(record: &Record, style: &Style) -> Vec<Line> {
    let mut lines: Vec<Line> = record.started.iter().flat_map(header).collect();
    let rows: Vec<Row> = record
        .techniques
        .iter()
        .map(|t| Row::new(t, record, style))
        .collect();
    if rows.is_empty() {
        return lines;
    }
    let layout = Layout::new(record, &rows, style);
    lines.push(Line::new());
    lines.extend(layout.head(record));
    for row in &rows {
        lines.extend(layout.row(row));
    }
    lines.push(Line::new().put(Paint::Dim, LEGEND));
    lines
}

fn header(e: &RunStarted) -> Vec<Line> {
    let line = |label: &str, value: String| {
        Line::new()
            .put(Paint::Dim, format!("{label:<8}"))
            .plain(value)
    };
    let target = [
        e.target.name.clone(),
        counted(e.target.parameters, "parameter"),
        counted(e.target.classes as u64, "class"),
        format!("input {}", shape(&e.target.input_shape)),
    ];
    let samples = counted(e.data.samples as u64, "sample");
    let data = format!("{} · {samples} · seed {}", e.data.name, e.seed);
    let mut lines = vec![line("target", target.join(" · "))];
    let surrogates = e.surrogates.iter().flat_map(surrogate);
    lines.extend(surrogates.map(|text| line("proxy", text)));
    lines.push(line("data", data));
    lines.extend(e.devices.iter().map(|d| {
        let software = if d.software { " (software)" } else { "" };
        line("device", format!("{} · {}{software}", d.backend, d.name))
    }));
    lines.push(line("norm", e.plan.norm.clone()));
    lines.extend(e.plan.goal.iter().map(|goal| line("goal", goal.clone())));
    lines.extend(e.target.notes.iter().map(|note| line("note", note.clone())));
    lines
}

fn surrogate(s: &SurrogateInfo) -> Vec<String> {
    let name = format!("{} · {}", s.name, counted(s.parameters, "parameter"));
    let training = s.training.iter().flat_map(training_text);
    [name].into_iter().chain(training).collect()
}

/// The cells of one technique, as text.
struct Row {
    id: String,
    name: String,
    paint: Paint,
    /// 0..10, if there is one.
    value: Option<f64>,
    score: String,
    samples: String,
    queries: String,
    time: String,
    /// One a rung of the ladder.
    rates: Vec<String>,
}

impl Row {
    fn new(t: &TechniqueRecord, record: &Record, style: &Style) -> Self {
        let over = record.finished.is_some();
        let (value, score) = score(t, over);
        let curve = t.curve();
        let rate = |eps: &f64| {
            let rung = curve.iter().find(|r| r.eps == *eps && r.correct > 0);
            rung.map_or("-".into(), |r| percent(r.rate))
        };
        Row {
            id: shown(&t.id, style),
            name: shown(&t.name, style).chars().take(NAME).collect(),
            paint: t
                .scored
                .as_ref()
                .map_or(Paint::Cyan, |s| Paint::band(&s.band)),
            value,
            score,
            samples: t
                .samples()
                .map_or("-".into(), |(done, of)| format!("{done}/{of}")),
            queries: t
                .samples()
                .map_or("-".into(), |_| short_count(t.spent().queries)),
            time: time(t, over),
            rates: record.ladder().iter().map(rate).collect(),
        }
    }
}

fn score(t: &TechniqueRecord, over: bool) -> (Option<f64>, String) {
    let with_interval = |score, lower_bound, interval: Option<[f64; 2]>| {
        let interval = interval.map_or(String::new(), |i| format!(" {}", score_interval(i)));
        (
            Some(score),
            format!("{}{interval}", score_text(score, lower_bound)),
        )
    };
    match (&t.scored, t.running_score()) {
        (Some(s), _) => match s.score {
            Some(score) => with_interval(score, s.lower_bound, s.score_interval),
            None => (None, "inconclusive".into()),
        },
        (None, _) if over && t.rungs.is_empty() => (None, "not tested".into()),
        (None, _) if over => (None, "interrupted".into()),
        (None, Some((score, interval))) => with_interval(score, false, Some(interval)),
        (None, None) => (None, "-".into()),
    }
}

/// Time left while a technique runs, time spent when all is over.
fn time(t: &TechniqueRecord, over: bool) -> String {
    match t.seconds_left() {
        _ if over && !t.rungs.is_empty() | t.scored.is_some() => duration(t.spent().seconds),
        _ if t.scored.is_some() => "done".into(),
        Some(left) if !over => duration(left),
        _ => "-".into(),
    }
}

/// Widths of the columns.
struct Layout {
    wide: bool,
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
    fn new(record: &Record, rows: &[Row], style: &Style) -> Self {
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
            id: widest(|r| &r.id, 0),
            name: widest(|r| &r.name, 0),
            bar: 10,
            samples: widest(|r| &r.samples, "samples".len()),
            ladder,
            unit,
            rate,
        };
        let names = layout.id + GAP + layout.name + GAP;
        layout.wide = names + layout.figures() <= style.width;
        if !layout.wide {
            layout.bar = 8;
        }
        layout
    }

    /// Columns of all that comes after the name.
    fn figures(&self) -> usize {
        self.before_rates() + self.ladder.len() * (self.rate + 1)
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

    fn head(&self, record: &Record) -> Vec<Line> {
        let over = record.finished.is_some();
        let norm = record.started.as_ref().map_or("", |s| s.plan.norm.as_str());
        let title = format!("ASR % at {}{}", budget_text(norm), self.unit);
        let span = self.ladder.len() * (self.rate + 1);
        let start = self.lead() + self.before_rates();
        let above = (start + 1).min((start + span).saturating_sub(columns(&title)));
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
        vec![Line::new().space(above).put(Paint::Dim, title), figures]
    }

    fn row(&self, row: &Row) -> Vec<Line> {
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
        let rates: String = rates
            .iter()
            .map(|r| format!(" {}", right(r, self.rate)))
            .collect();
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
