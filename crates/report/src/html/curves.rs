//! Security curves (Biggio and Roli, 2018): success rate and robust accuracy against eps, each with its 95 % interval,
//! as a drawing and as the numbers behind it.

use super::{Esc, atlas_link, titled};
use crate::{
    Record,
    event::{CurvePoint, TechniqueScored},
    text::{budget_text, budget_word, eps_text, full_count, percent_interval},
};

/// The drawing, in its own units.
const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 446.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 220.0;
/// Labels on the eps axis that fit side by side.
const LABELS: usize = 8;

pub(super) fn section(record: &Record) -> String {
    let norm = record.started.as_ref().map_or("", |s| s.plan.norm.as_str());
    let image = record
        .started
        .as_ref()
        .is_none_or(|s| s.target.input_shape.len() == 3);
    let budget = axis_title(norm, image);
    let clean = record.finished.as_ref().filter(|f| f.clean.samples > 0);
    let clean = clean.map(|f| f.clean.correct as f64 / f.clean.samples as f64);
    let scored = record.techniques.iter().filter_map(|t| t.scored.as_ref());
    let panels = scored
        .filter(|s| s.curve.iter().any(|p| p.samples > 0))
        .map(|s| panel(s, norm, &budget, clean))
        .collect();
    titled("Security curves", panels)
}

fn panel(s: &TechniqueScored, norm: &str, budget: &str, clean: Option<f64>) -> String {
    let grade = if s.score.is_none() {
        " <span class=\"quiet\">inconclusive</span>"
    } else {
        ""
    };
    format!(
        "<div class=\"panel\">\n<h3>{} {}{grade}</h3>\n{}{}</div>\n",
        atlas_link(&s.technique),
        Esc(&s.name),
        drawing(s, budget, clean),
        numbers(s, norm),
    )
}

/// One of the two curves: value and interval of a point.
type Series = fn(&CurvePoint) -> (f64, [f64; 2]);

fn success(p: &CurvePoint) -> (f64, [f64; 2]) {
    (p.rate, p.rate_interval)
}

fn robust(p: &CurvePoint) -> (f64, [f64; 2]) {
    (p.robust_accuracy, p.robust_interval)
}

fn drawing(s: &TechniqueScored, budget: &str, clean: Option<f64>) -> String {
    let axis = Axis::new(&s.curve);
    format!(
        r#"<figure>
<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Security curves of {name}; the table beside holds the numbers.">
{grid}{clean}{robust}{success}{ticks}<text class="title" x="{middle}" y="{below}">{budget}</text>
</svg>
<figcaption><span class="asr">ASR</span> <span class="robust">robust accuracy</span>{clean_key} <span class="area">95 % interval</span></figcaption>
</figure>
"#,
        name = Esc(&s.name),
        grid = grid(),
        clean = clean.map(clean_line).unwrap_or_default(),
        robust = curve(&s.curve, &axis, robust, "robust"),
        success = curve(&s.curve, &axis, success, "asr"),
        ticks = ticks(&s.curve, &axis),
        middle = (LEFT + RIGHT) / 2.0,
        below = HEIGHT - 8.0,
        clean_key = if clean.is_some() {
            " <span class=\"clean\">clean accuracy</span>"
        } else {
            ""
        },
    )
}

fn axis_title(norm: &str, image: bool) -> String {
    let text = budget_text(norm);
    let unit = match budget_word(norm) {
        "eps" if norm == "l0" => ", in changed elements",
        "eps" if norm == "wasserstein" => ", in pixels that the image's mass moves",
        "eps" if image => ", in [0,1] pixel units",
        "eps" => ", in ranges of the features",
        _ => "",
    };
    format!("{}{unit}", Esc(&text))
}

/// The eps axis: logarithmic, since ladders double.
struct Axis {
    first: f64,
    span: f64,
}

impl Axis {
    fn new(curve: &[CurvePoint]) -> Self {
        let logs = || curve.iter().map(|p| p.eps.max(f64::MIN_POSITIVE).ln());
        let first = logs().fold(f64::INFINITY, f64::min);
        Axis {
            first,
            span: logs().fold(f64::NEG_INFINITY, f64::max) - first,
        }
    }

    fn x(&self, eps: f64) -> f64 {
        const MARGIN: f64 = 24.0;
        let along = (eps.max(f64::MIN_POSITIVE).ln() - self.first) / self.span;
        let along = if self.span > 0.0 { along } else { 0.5 };
        LEFT + MARGIN + along * (RIGHT - LEFT - 2.0 * MARGIN)
    }
}

fn y(share: f64) -> f64 {
    BOTTOM - share.clamp(0.0, 1.0) * (BOTTOM - TOP)
}

fn grid() -> String {
    let line = |percent: u32| {
        let y = y(f64::from(percent) / 100.0);
        format!(
            "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/><text class=\"side\" x=\"{x}\" y=\"{mid:.1}\">{percent} %</text>\n",
            x = LEFT - 8.0,
            mid = y + 4.0,
        )
    };
    [0, 25, 50, 75, 100].map(line).concat()
}

fn clean_line(accuracy: f64) -> String {
    format!(
        "<path class=\"clean\" d=\"M{LEFT} {:.1}H{RIGHT}\"/>\n",
        y(accuracy)
    )
}

fn ticks(curve: &[CurvePoint], axis: &Axis) -> String {
    let every = curve.len().div_ceil(LABELS).max(1);
    let tick = |p: &CurvePoint| {
        let (x, end) = (axis.x(p.eps), BOTTOM + 5.0);
        format!(
            "<path class=\"tick\" d=\"M{x:.1} {BOTTOM}V{end}\"/><text x=\"{x:.1}\" y=\"{text}\">{label}</text>\n",
            text = BOTTOM + 19.0,
            label = eps_text(p.eps),
        )
    };
    curve.iter().step_by(every).map(tick).collect()
}

/// A line with its points over the band of its intervals. Success has round points, robust accuracy square ones.
fn curve(curve: &[CurvePoint], axis: &Axis, series: Series, class: &str) -> String {
    let at = |p: &CurvePoint, value: f64| format!("{:.1},{:.1}", axis.x(p.eps), y(value));
    let line: Vec<String> = curve.iter().map(|p| at(p, series(p).0)).collect();
    let above = curve.iter().map(|p| at(p, series(p).1[1]));
    let below = curve.iter().rev().map(|p| at(p, series(p).1[0]));
    let band: Vec<String> = above.chain(below).collect();
    let points: String = curve
        .iter()
        .map(|p| point(axis.x(p.eps), y(series(p).0), class))
        .collect();
    format!(
        "<g class=\"{class}\"><polygon points=\"{}\"/><polyline points=\"{}\"/>{points}</g>\n",
        band.join(" "),
        line.join(" "),
    )
}

fn point(x: f64, y: f64, class: &str) -> String {
    match class {
        "asr" => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"),
        _ => {
            let (x, y) = (x - 3.5, y - 3.5);
            format!("<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"7\" height=\"7\"/>")
        }
    }
}

fn numbers(s: &TechniqueScored, norm: &str) -> String {
    let rows: String = s.curve.iter().map(numbers_row).collect();
    format!(
        "<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">{}</th><th scope=\"col\">ASR</th><th scope=\"col\">Robust accuracy</th><th scope=\"col\">First broken by</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n",
        budget_word(norm)
    )
}

fn numbers_row(p: &CurvePoint) -> String {
    let share = |(value, interval): (f64, [f64; 2]), k: usize, n: usize| match n {
        0 => "<td class=\"quiet\">–</td>".to_string(),
        _ => format!(
            "<td><b>{:.1} %</b> <span>{} / {}</span><br><span>{}</span></td>",
            value * 100.0,
            full_count(k as u64),
            full_count(n as u64),
            percent_interval(interval),
        ),
    };
    let by = p
        .by_attack
        .iter()
        .map(|a| format!("{} {}", Esc(&a.attack), a.successes));
    format!(
        "<tr><th scope=\"row\">{}</th>{}{}<td>{}</td></tr>\n",
        eps_text(p.eps),
        share(success(p), p.successes, p.correct),
        share(robust(p), p.correct.saturating_sub(p.successes), p.samples),
        by.collect::<Vec<_>>().join("<br>"),
    )
}
