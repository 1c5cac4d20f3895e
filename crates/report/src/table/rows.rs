//! The body of the table: what is attacked, and one row a technique.

use super::{
    Style,
    columns::Layout,
    paint::{Line, Paint, left, shown, wrap},
};
use crate::{
    Record, TechniqueRecord,
    event::{RunStarted, SurrogateInfo},
    text::{
        counted, duration, percent, score_interval, score_text, shape, short_count, training_text,
    },
};

/// `surrogate` and a gap.
const LABEL: usize = 11;
/// A name may not push the figures off the line.
const NAME: usize = 32;
const LEGEND: &str =
    "ASR = misclassified after attack / correctly classified before; 95 % intervals";

/// Everything above the warnings.
pub(super) fn lines(record: &Record, style: &Style) -> Vec<Line> {
    let over = record.finished.is_some();
    // A frame that is redrawn has a line for each; at the end nothing is lost.
    let room = Style {
        width: if over { style.width } else { usize::MAX },
        ..*style
    };
    let mut lines: Vec<Line> = record
        .started
        .iter()
        .flat_map(|e| header(e, &room))
        .collect();
    // At the end they stand below, with advice.
    let warnings = record.warnings.iter().filter(|_| !over);
    lines.extend(warnings.flat_map(|w| labelled(Paint::Yellow, "warning", &w.what, &room)));
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
    if !layout.beside {
        lines.extend(layout.curves(record, &rows, style.width));
    }
    let legend = wrap(LEGEND, room.width);
    lines.extend(legend.into_iter().map(|l| Line::new().put(Paint::Dim, l)));
    lines
}

/// The label stands beside the first of the value's lines.
fn labelled(paint: Paint, label: &str, value: &str, style: &Style) -> Vec<Line> {
    let width = style.width.saturating_sub(LABEL);
    let lines = wrap(&shown(value, style), width).into_iter();
    let labels = [label].into_iter().chain(std::iter::repeat(""));
    let line =
        |(label, text): (&str, String)| Line::new().put(paint, left(label, LABEL)).plain(text);
    labels.zip(lines).map(line).collect()
}

fn header(e: &RunStarted, style: &Style) -> Vec<Line> {
    let line = |label: &str, value: String| labelled(Paint::Dim, label, &value, style);
    let target = [
        e.target.name.clone(),
        counted(e.target.parameters, "parameter"),
        counted(e.target.classes as u64, "class"),
        format!("input {}", shape(&e.target.input_shape)),
    ];
    let samples = counted(e.data.samples as u64, "sample");
    let data = format!("{} · {samples} · seed {}", e.data.name, e.seed);
    let mut lines = line("target", target.join(" · "));
    let surrogates = e.surrogates.iter().flat_map(surrogate);
    lines.extend(surrogates.flat_map(|text| line("surrogate", text)));
    lines.extend(line("data", data));
    lines.extend(e.devices.iter().flat_map(|d| {
        let software = if d.software { " (software)" } else { "" };
        line("device", format!("{} · {}{software}", d.backend, d.name))
    }));
    lines.extend(line("norm", e.plan.norm.clone()));
    let goal = e.plan.goal.iter();
    lines.extend(goal.flat_map(|goal| line("goal", goal.clone())));
    let notes = e.target.notes.iter();
    lines.extend(notes.flat_map(|note| line("note", note.clone())));
    lines
}

fn surrogate(s: &SurrogateInfo) -> Vec<String> {
    let name = format!("{} · {}", s.name, counted(s.parameters, "parameter"));
    let training = s.training.iter().flat_map(training_text);
    [name].into_iter().chain(training).collect()
}

/// The cells of one technique, as text.
pub(super) struct Row {
    pub id: String,
    pub name: String,
    pub paint: Paint,
    /// 0..10, if there is one.
    pub value: Option<f64>,
    pub score: String,
    pub samples: String,
    pub queries: String,
    pub time: String,
    /// One a rung of the ladder.
    pub rates: Vec<String>,
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
            samples: match t.samples() {
                None => "-".into(),
                // Stopped before it began.
                Some((0, 0)) => "0".into(),
                Some((done, of)) => format!("{done}/{of}"),
            },
            queries: t
                .samples()
                .map_or("-".into(), |_| short_count(t.spent().queries)),
            time: time(t, record.ladder().len(), over),
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
        (None, _) if over => (None, "not tested".into()),
        (None, Some((score, interval))) => with_interval(score, false, Some(interval)),
        (None, None) => (None, "-".into()),
    }
}

/// Time left while a technique runs, time spent when all is over.
fn time(t: &TechniqueRecord, rungs: usize, over: bool) -> String {
    match (&t.scored, t.seconds_left(rungs)) {
        (Some(scored), _) if over => duration(scored.seconds),
        (None, None) => "-".into(),
        (None, Some(left)) if left > 0.0 => duration(left),
        _ => "done".into(),
    }
}
