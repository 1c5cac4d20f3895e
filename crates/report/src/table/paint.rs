//! Lines of painted text. Every character that reaches the terminal passes through [`Line::render`], which is where
//! text from outside loses its controls, a line loses what does not fit, and ASCII replaces the rest.

use unicode_width::UnicodeWidthChar;

use super::Style;
use crate::text::printable;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
    Magenta,
    Cyan,
}

impl Paint {
    /// The colour of a band of the score.
    pub(crate) fn band(band: &str) -> Paint {
        match band {
            "none" | "low" => Paint::Green,
            "medium" => Paint::Yellow,
            "high" => Paint::Red,
            "critical" => Paint::Magenta,
            _ => Paint::Cyan,
        }
    }

    /// Select Graphic Rendition codes (ECMA-48).
    fn sgr(self) -> &'static str {
        match self {
            Paint::Plain => "",
            Paint::Bold => "1",
            Paint::Dim => "2",
            Paint::Green => "1;32",
            Paint::Yellow => "1;33",
            Paint::Red => "1;31",
            Paint::Magenta => "1;35",
            Paint::Cyan => "1;36",
        }
    }
}

/// One line of a terminal, as spans of text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line(Vec<(Paint, String)>);

impl Line {
    pub(crate) fn new() -> Self {
        Line::default()
    }

    pub(crate) fn put(mut self, paint: Paint, text: impl Into<String>) -> Self {
        self.0.push((paint, text.into()));
        self
    }

    pub(crate) fn plain(self, text: impl Into<String>) -> Self {
        self.put(Paint::Plain, text)
    }

    pub(crate) fn space(self, columns: usize) -> Self {
        self.plain(" ".repeat(columns))
    }

    /// The line for a terminal: at most `style.width` columns, cut with an ellipsis, no trailing blanks.
    pub(crate) fn render(&self, style: &Style) -> String {
        let mut spans: Vec<(Paint, String)> = self
            .0
            .iter()
            .map(|(paint, text)| (*paint, shown(text, style)))
            .collect();
        clip(
            &mut spans,
            style.width,
            if style.unicode { "…" } else { "~" },
        );
        while let Some((_, text)) = spans.last_mut() {
            text.truncate(text.trim_end().len());
            if !text.is_empty() {
                break;
            }
            spans.pop();
        }
        spans
            .iter()
            .map(|(paint, text)| painted(*paint, text, style.color))
            .collect()
    }
}

fn painted(paint: Paint, text: &str, color: bool) -> String {
    match paint.sgr() {
        sgr if color && !sgr.is_empty() && !text.is_empty() => format!("\x1b[{sgr}m{text}\x1b[0m"),
        _ => text.to_string(),
    }
}

/// Text as it may go to the terminal.
pub(crate) fn shown(text: &str, style: &Style) -> String {
    printable(text)
        .map(|c| if style.unicode { c } else { ascii(c) })
        .collect()
}

fn ascii(c: char) -> char {
    match c {
        '█' => '#',
        '▌' => '+',
        '░' => '.',
        '·' => '-',
        c if c.is_ascii() => c,
        _ => '?',
    }
}

/// Columns that a text takes.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// A text filled with blanks to the left, or to the right, up to a width.
pub(crate) fn right(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(columns(text))))
}

pub(crate) fn left(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

/// Cuts the spans where they pass `width`, and ends them with `mark` if anything was lost.
fn clip(spans: &mut Vec<(Paint, String)>, width: usize, mark: &str) {
    if spans.iter().map(|(_, text)| columns(text)).sum::<usize>() <= width {
        return;
    }
    let mut room = width.saturating_sub(columns(mark));
    let mut kept = 0;
    for (_, text) in spans.iter_mut() {
        kept += 1;
        let end = head(text, room);
        room -= columns(&text[..end]);
        if end < text.len() {
            text.truncate(end);
            text.push_str(mark);
            break;
        }
    }
    spans.truncate(kept);
}

/// Bytes of the longest head of `text` that fits into `room` columns.
fn head(text: &str, room: usize) -> usize {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > room {
            return at;
        }
    }
    text.len()
}

/// Breaks a text at blanks into lines of at most `width` columns; a word that is longer is cut.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(2);
    let mut lines = vec![];
    let mut line = String::new();
    for mut word in text.split_whitespace() {
        let gap = usize::from(!line.is_empty());
        if columns(&line) + gap + columns(word) > width && gap > 0 {
            lines.push(std::mem::take(&mut line));
        }
        while columns(word) > width {
            let (start, rest) = word.split_at(head(word, width));
            lines.push(start.to_string());
            word = rest;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// A score of 0..10 as a bar of `width` cells, in steps of half a cell.
pub(crate) fn bar(score: f64, width: usize) -> String {
    let cells = width as f64;
    let halves = (score.clamp(0.0, 10.0) / 10.0 * cells * 2.0).round() as usize;
    let full = halves / 2;
    let half = halves % 2;
    format!(
        "{}{}{}",
        "█".repeat(full),
        "▌".repeat(half),
        "░".repeat(width - full - half)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Style = Style {
        color: false,
        width: 12,
        height: 24,
        live: false,
        unicode: true,
    };

    #[test]
    fn controls_never_reach_the_terminal() {
        let line = Line::new().put(Paint::Red, "a\x1b[2J\nb");
        assert_eq!(line.render(&PLAIN), "a\u{fffd}[2J\u{fffd}b");
        let color = Style {
            color: true,
            ..PLAIN
        };
        assert_eq!(
            line.render(&color),
            "\x1b[1;31ma\u{fffd}[2J\u{fffd}b\x1b[0m"
        );
        let ascii = Style {
            unicode: false,
            ..PLAIN
        };
        assert_eq!(line.render(&ascii), "a?[2J?b");
    }

    #[test]
    fn a_line_never_passes_the_width() {
        for (text, expected) in [
            ("twelve chars", "twelve chars"),
            ("thirteen char", "thirteen ch…"),
            ("日本語日本語", "日本語日本語"),
            ("日本語日本語日", "日本語日本…"),
            ("é", "é"),
        ] {
            let line = Line::new().plain(text).render(&PLAIN);
            assert_eq!(line, expected);
            assert!(columns(&line) <= 12);
        }
        let spans = Line::new()
            .put(Paint::Bold, "seven c")
            .plain("and seven")
            .plain("more");
        assert_eq!(spans.render(&PLAIN), "seven cand …");
    }

    #[test]
    fn bars_fill_in_half_cells() {
        for (score, text) in [
            (0.0, "░░░░░"),
            (1.0, "▌░░░░"),
            (5.0, "██▌░░"),
            (10.0, "█████"),
            (99.0, "█████"),
            (f64::NAN, "░░░░░"),
        ] {
            assert_eq!(bar(score, 5), text);
        }
        let ascii = Style {
            unicode: false,
            ..PLAIN
        };
        assert_eq!(Line::new().plain(bar(5.0, 5)).render(&ascii), "##+..");
    }

    #[test]
    fn words_wrap_and_long_ones_are_cut() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("ab abcdefg", 4), ["ab", "abcd", "efg"]);
        assert_eq!(wrap("日本語", 1), ["日", "本", "語"]);
        assert!(wrap("  ", 4).is_empty());
    }

    #[test]
    fn trailing_blanks_are_dropped_across_spans() {
        assert_eq!(
            Line::new()
                .plain("a ")
                .put(Paint::Dim, "  ")
                .space(2)
                .render(&PLAIN),
            "a"
        );
    }
}
