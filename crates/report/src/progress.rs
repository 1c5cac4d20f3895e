//! One line of progress for stderr, for when stdout carries something else.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use crate::{
    Sink, Style,
    event::{Event, TechniqueProgress},
    record::seconds_left,
    table::{Line, Paint},
    text::{budget_word, duration, eps_text, percent},
};

/// On a terminal the line is replaced; in a log each one stays.
const ON_TERMINAL: Duration = Duration::from_millis(100);
const IN_LOG: Duration = Duration::from_secs(5);

/// Shows the latest progress in one line: in place on a terminal (`style.live`), else every few seconds.
pub struct Progress<W: Write> {
    out: W,
    style: Style,
    last: Option<Instant>,
}

impl<W: Write> Progress<W> {
    pub fn new(out: W, style: Style) -> Self {
        Progress {
            out,
            style,
            last: None,
        }
    }

    fn due(&self) -> bool {
        let pause = if self.style.live { ON_TERMINAL } else { IN_LOG };
        self.last.is_none_or(|last| last.elapsed() >= pause)
    }

    fn show(&mut self, e: &TechniqueProgress) -> io::Result<()> {
        // One column stays free: a full line would wrap, and `\r` would then return to the wrong one.
        let style = Style {
            width: self.style.width.saturating_sub(1),
            ..self.style
        };
        let text = line(e).render(&style);
        match self.style.live {
            true => write!(self.out, "\r\x1b[K{text}")?,
            false => writeln!(self.out, "{text}")?,
        }
        self.last = Some(Instant::now());
        self.out.flush()
    }

    /// Leaves the terminal's line to whoever writes next.
    fn clear(&mut self) -> io::Result<()> {
        if self.style.live && self.last.is_some() {
            write!(self.out, "\r\x1b[K")?;
            self.out.flush()?;
        }
        Ok(())
    }
}

/// `AML.T0043.000  apgd-ce  eps 8/255  320/1000  ASR 41 %  12 s left`
fn line(e: &TechniqueProgress) -> Line {
    let mut parts = vec![];
    if !e.attack.is_empty() {
        parts.push(e.attack.clone());
    }
    parts.push(format!("{} {}", budget_word(&e.norm), eps_text(e.eps)));
    parts.push(format!("{}/{}", e.done, e.of));
    if e.correct > 0 {
        parts.push(format!("ASR {} %", percent(e.rate)));
    }
    if let Some(left) = seconds_left(e.done, e.of, e.seconds) {
        parts.push(format!("{} left", duration(left)));
    }
    Line::new()
        .put(Paint::Bold, e.technique.clone())
        .plain(format!("  {}", parts.join("  ")))
}

impl<W: Write> Sink for Progress<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::TechniqueProgress(e) if self.due() => self.show(e),
            Event::TechniqueScored(_) | Event::RunFinished(_) => self.clear(),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    const STYLE: Style = Style {
        color: false,
        width: 80,
        live: false,
        unicode: true,
    };
    const LINE: &str = "AML.T0043.000  apgd-ce  eps 8/255  320/1000  ASR 41 %  8.5 s left";

    fn shown(style: Style, events: &[Event]) -> String {
        let mut out = vec![];
        let mut sink = Progress::new(&mut out, style);
        for event in events {
            sink.event(event).unwrap();
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_log_gets_one_line_in_a_while() {
        let event = Event::TechniqueProgress(fixture::progress());
        assert_eq!(shown(STYLE, &[event.clone(), event]), format!("{LINE}\n"));
    }

    #[test]
    fn a_terminal_is_redrawn_in_place_and_left_clean() {
        let events = [
            Event::TechniqueProgress(fixture::progress()),
            Event::TechniqueScored(fixture::white_box()),
        ];
        let live = Style {
            live: true,
            ..STYLE
        };
        assert_eq!(shown(live, &events), format!("\r\x1b[K{LINE}\r\x1b[K"));
    }

    #[test]
    fn a_narrow_terminal_never_wraps() {
        let event = Event::TechniqueProgress(fixture::progress());
        let narrow = Style {
            live: true,
            width: 20,
            ..STYLE
        };
        assert_eq!(shown(narrow, &[event]), "\r\x1b[KAML.T0043.000  apg…");
    }

    #[test]
    fn nothing_is_said_of_a_rate_without_a_denominator() {
        let e = TechniqueProgress {
            attack: String::new(),
            correct: 0,
            done: 0,
            ..fixture::progress()
        };
        assert_eq!(
            shown(STYLE, &[Event::TechniqueProgress(e)]),
            "AML.T0043.000  eps 8/255  0/1000\n"
        );
    }
}
