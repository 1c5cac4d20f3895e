//! Numbers and foreign text as a reader sees them.

use crate::event::{Gate, GateOutcome, TechniqueProgress, TrainingInfo};

/// An eps in `[0,1]` pixel units as people write it: `8/255` and `0.5/255` within 1e-6 of a whole or half 255th,
/// else a short decimal. Whole tenths stay decimal: `0.3`, not `76.5/255`; `1`, not `255/255`.
pub fn eps_text(eps: f64) -> String {
    let whole = |unit: f64| {
        let steps = (eps * unit).round();
        (steps > 0.0 && (eps - steps / unit).abs() <= 1e-6).then_some(steps)
    };
    if let Some(tenths) = whole(10.0) {
        return (tenths / 10.0).to_string();
    }
    match whole(510.0) {
        Some(halves) => format!("{}/255", halves / 2.0),
        None => decimal(eps),
    }
}

/// What a ladder counts, from the plan's norm: `linf eps`, `severity`, `edits` or `share of words`.
pub fn budget_text(norm: &str) -> String {
    match budget_word(norm) {
        "eps" => format!("{norm} eps"),
        "share" => "share of words".into(),
        word => word.into(),
    }
}

/// The same in one word.
pub fn budget_word(norm: &str) -> &'static str {
    match norm {
        "severity" => "severity",
        "edits" => "edits",
        "share" => "share",
        _ => "eps",
    }
}

/// The attack of a progress: `square`, or `4/4 square` while it runs, as the fourth of four.
pub(crate) fn attack_text(e: &TechniqueProgress) -> String {
    match &e.running {
        Some(r) if r.attacks > 1 => format!("{}/{} {}", r.number, r.attacks, e.attack),
        _ => e.attack.clone(),
    }
}

/// What `--fail-on` came to: `gate: failed (AML.T0015 scores 7.2 high, fail-on high)`.
pub(crate) fn gate_text(gate: &Gate) -> String {
    let outcome = match gate.outcome {
        GateOutcome::Passed => "passed",
        GateOutcome::Failed => "failed",
        GateOutcome::NotDecided => "not decided",
    };
    format!("gate: {outcome} ({})", gate.detail)
}

/// How a surrogate came about, and how alike the target it is.
pub(crate) fn training_text(t: &TrainingInfo) -> [String; 2] {
    [
        format!(
            "trained on {} and {} made of them, by {} {}",
            counted(t.samples as u64, "sample"),
            full_count(t.synthetic as u64),
            full_count(t.queries),
            t.answers,
        ),
        format!(
            "fidelity {} % {} on {} held out",
            percent(t.fidelity),
            percent_interval(t.interval),
            counted(t.held_out as u64, "sample"),
        ),
    ]
}

/// A decimal with at most five places, or an exponent where that would show no figure.
fn decimal(x: f64) -> String {
    if x != 0.0 && x.abs() < 1e-3 {
        return format!("{x:.2e}");
    }
    let text = format!("{x:.5}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Slack for scores that arithmetic left a hair below a whole tenth.
const HAIR: f64 = 1e-6;

/// Where the bands of the score begin, in tenths.
const EDGES: [f64; 3] = [40.0, 70.0, 90.0];

/// A score of 0..10 with one place: `6.1`, or `>= 6.1` for a lower bound, which is rounded down. It never rounds into
/// the next band: 6.97 is `6.9`, since `7.0` would be high.
pub fn score_text(score: f64, lower_bound: bool) -> String {
    let exact = score * 10.0 + HAIR;
    let nearest = (score * 10.0).round();
    let crosses = EDGES.iter().any(|edge| exact < *edge && nearest >= *edge);
    let tenths = if lower_bound || crosses {
        exact.floor()
    } else {
        nearest
    };
    match (lower_bound, tenths) {
        (true, _) => format!(">= {:.1}", tenths / 10.0),
        (false, 0.0) if score > 0.0 => "<0.1".into(),
        (false, _) => format!("{:.1}", tenths / 10.0),
    }
}

/// An interval of a score, rounded outwards: `[6.8, 7.7]`.
pub fn score_interval([low, high]: [f64; 2]) -> String {
    let low = (low * 10.0 + HAIR).floor() / 10.0;
    let high = (high * 10.0 - HAIR).ceil().abs() / 10.0;
    format!("[{low:.1}, {high:.1}]")
}

/// A rate as a whole percentage that says 0 and 100 only of exactly none and all.
pub(crate) fn percent(rate: f64) -> String {
    match (rate * 100.0).round() {
        0.0 if rate > 0.0 => "<1".into(),
        100.0 if rate < 1.0 => ">99".into(),
        whole => format!("{whole:.0}"),
    }
}

/// An interval of a rate in percent with one place: `[38.2, 44.3]`.
pub(crate) fn percent_interval([low, high]: [f64; 2]) -> String {
    format!("[{:.1}, {:.1}]", low * 100.0, high * 100.0)
}

/// A count in at most five characters: `9999`, `12.3k`, `1.2M`.
pub(crate) fn short_count(n: u64) -> String {
    let x = n as f64;
    match n {
        0..10_000 => n.to_string(),
        10_000..999_950 => format!("{:.1}k", x / 1e3),
        999_950..999_950_000 => format!("{:.1}M", x / 1e6),
        _ => format!("{:.1}G", x / 1e9),
    }
}

/// A count in full, in groups of three from five digits on: `1000`, `272 474`.
pub fn full_count(n: u64) -> String {
    let digits = n.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// A count with its noun: `1 sample`, `2000 samples`.
pub(crate) fn counted(n: u64, noun: &str) -> String {
    let plural = match noun.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if noun.ends_with("ss") => format!("{noun}es"),
        None => format!("{noun}s"),
    };
    format!("{} {}", full_count(n), if n == 1 { noun } else { &plural })
}

/// A duration in at most seven characters: `4.2 s`, `12 s`, `3.4 min`, `2.1 h`.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 119.5 => format!("{s:.0} s"),
        s if s < 7170.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// The dimensions of one sample: `3x32x32`.
pub(crate) fn shape(dims: &[usize]) -> String {
    dims.iter()
        .map(usize::to_string)
        .collect::<Vec<_>>()
        .join("x")
}

/// The characters of a text from outside, with those that a terminal or a page would obey rather than show
/// (controls, bidirectional overrides, invisible ones) replaced.
pub(crate) fn printable(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|c| {
        if obeyed(c) {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    })
}

fn obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{feff}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_severity_is_no_eps() {
        assert_eq!(budget_text("linf"), "linf eps");
        assert_eq!(budget_text("severity"), "severity");
        assert_eq!(budget_text("edits"), "edits");
        assert_eq!(budget_text("share"), "share of words");
    }

    #[test]
    fn eps_as_people_write_it() {
        for (eps, text) in [
            (1.0 / 255.0, "1/255"),
            (8.0 / 255.0, "8/255"),
            (8.0f32 as f64 / 255.0 + 9e-7, "8/255"),
            (8.0 / 255.0 + 2e-6, "0.03137"),
            (0.5 / 255.0, "0.5/255"),
            (1.5 / 255.0, "1.5/255"),
            (0.3f32 as f64, "0.3"),
            (0.5, "0.5"),
            (1.0, "1"),
            (0.00784, "0.00784"),
            (0.05, "0.05"),
            (2.25, "2.25"),
            (0.0001, "1.00e-4"),
            (0.0, "0"),
        ] {
            assert_eq!(eps_text(eps), text, "eps {eps}");
        }
    }

    #[test]
    fn scores_never_round_into_the_next_band() {
        for (score, text) in [
            (0.0, "0.0"),
            (0.04, "<0.1"),
            (3.999, "3.9"),
            (4.06, "4.1"),
            (5.96, "6.0"),
            (6.97, "6.9"),
            (7.0, "7.0"),
            (6.999_999_99, "7.0"),
            (10.0, "10.0"),
        ] {
            assert_eq!(score_text(score, false), text);
        }
        for (score, text) in [(6.19, ">= 6.1"), (6.999_999_99, ">= 7.0"), (0.04, ">= 0.0")] {
            assert_eq!(score_text(score, true), text);
        }
    }

    #[test]
    fn intervals_round_outwards() {
        assert_eq!(score_interval([6.87, 7.61]), "[6.8, 7.7]");
        assert_eq!(score_interval([0.0, 0.0]), "[0.0, 0.0]");
        assert_eq!(score_interval([7.0, 10.0]), "[7.0, 10.0]");
    }

    #[test]
    fn none_and_all_are_said_only_of_none_and_all() {
        for (rate, text) in [
            (0.0, "0"),
            (0.001, "<1"),
            (0.125, "13"),
            (0.995, ">99"),
            (0.9999, ">99"),
            (1.0, "100"),
        ] {
            assert_eq!(percent(rate), text);
        }
    }

    #[test]
    fn counts_and_durations_stay_short() {
        for (n, text) in [
            (0, "0"),
            (9_999, "9999"),
            (10_000, "10.0k"),
            (999_949, "999.9k"),
        ] {
            assert_eq!(short_count(n), text);
        }
        assert_eq!(short_count(999_950), "1.0M");
        assert_eq!(short_count(1_260_000_000), "1.3G");
        for (n, text) in [
            (7, "7"),
            (9_999, "9999"),
            (272_474, "272 474"),
            (1_234_567, "1 234 567"),
        ] {
            assert_eq!(full_count(n), text);
        }
        assert_eq!(counted(1, "query"), "1 query");
        assert_eq!(counted(2_000, "query"), "2000 queries");
        assert_eq!(counted(10, "class"), "10 classes");
        for (s, text) in [
            (0.0, "0.0 s"),
            (9.96, "10 s"),
            (119.0, "119 s"),
            (120.0, "2.0 min"),
        ] {
            assert_eq!(duration(s), text);
        }
        assert_eq!(duration(7200.0), "2.0 h");
    }

    #[test]
    fn what_a_terminal_would_obey_is_replaced() {
        let shown: String = printable("a\x1b[31m\u{9b}2J\r\u{202e}b\u{200b}é").collect();
        assert_eq!(shown, "a\u{fffd}[31m\u{fffd}2J\u{fffd}\u{fffd}b\u{fffd}é");
    }
}
