//! One line of progress for stderr, for when stdout carries something else.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use crate::{
    Record, Sink, Style,
    event::{Event, TechniqueProgress, Warning},
    table::{Line, Paint},
    text::{budget_word, duration, eps_text, percent},
};

/// On a terminal the line is replaced; in a log each one stays.
const ON_TERMINAL: Duration = Duration::from_millis(100);
const IN_LOG: Duration = Duration::from_secs(5);

/// Shows the latest progress in one line: in place on a terminal (`style.live`), else every few seconds.
pub struct Progress<W: Write> {
    out: W,
    /// Asked before every line, for a terminal may have changed its size.
    style: Box<dyn Fn() -> Style>,
    record: Record,
    last: Option<Instant>,
}

impl<W: Write> Progress<W> {
    pub fn new(out: W, style: impl Fn() -> Style + 'static) -> Self {
        Progress {
            out,
            style: Box::new(style),
            record: Record::default(),
            last: None,
        }
    }

    fn due(&self) -> bool {
        let live = (self.style)().live;
        let pause = if live { ON_TERMINAL } else { IN_LOG };
        self.last.is_none_or(|last| last.elapsed() >= pause)
    }

    fn show(&mut self, e: &TechniqueProgress) -> io::Result<()> {
        let style = (self.style)();
        // One column stays free: a full line would wrap, and `\r` would then return to the wrong one.
        let style = Style {
            width: style.width.saturating_sub(1),
            ..style
        };
        let text = line(e, self.record.seconds_left()).render(&style);
        match style.live {
            true => write!(self.out, "\r\x1b[K{text}")?,
            false => writeln!(self.out, "{text}")?,
        }
        self.last = Some(Instant::now());
        self.out.flush()
    }

    /// On a line of its own, which stays.
    fn warn(&mut self, w: &Warning) -> io::Result<()> {
        self.clear()?;
        let style = Style {
            width: usize::MAX,
            ..(self.style)()
        };
        let line = Line::new().put(Paint::Yellow, "warning");
        let line = line.plain(format!("  {}: {}", w.code, w.what));
        writeln!(self.out, "{}", line.render(&style))
    }

    /// Leaves the terminal's line to whoever writes next.
    fn clear(&mut self) -> io::Result<()> {
        if self.last.is_some() && (self.style)().live {
            write!(self.out, "\r\x1b[K")?;
            self.out.flush()?;
        }
        Ok(())
    }
}

/// `AML.T0043.000  apgd-ce  eps 8/255  320/1000  ASR 41 %  all done in 12 s`, where that is known.
fn line(e: &TechniqueProgress, left: Option<f64>) -> Line {
    let mut parts = vec![];
    if !e.attack.is_empty() {
        parts.push(e.attack.clone());
    }
    parts.push(format!("{} {}", budget_word(&e.norm), eps_text(e.eps)));
    parts.push(format!("{}/{}", e.done, e.of));
    if e.correct > 0 {
        parts.push(format!("ASR {} %", percent(e.rate)));
    }
    if let Some(left) = left.filter(|&left| left > 0.0) {
        parts.push(format!("all done in {}", duration(left)));
    }
    Line::new()
        .put(Paint::Bold, e.technique.clone())
        .plain(format!("  {}", parts.join("  ")))
}

impl<W: Write> Sink for Progress<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.record.add(event);
        match event {
            Event::Warning(e) => self.warn(e),
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
        height: 24,
        live: false,
        unicode: true,
    };
    const LINE: &str = "AML.T0043.000  apgd-ce  eps 8/255  320/1000  ASR 41 %";

    fn shown(style: Style, events: &[Event]) -> String {
        let mut out = vec![];
        let mut sink = Progress::new(&mut out, move || style);
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
    fn the_time_is_that_of_the_whole_run() {
        let other = TechniqueProgress {
            technique: "AML.T0043.001".into(),
            ..fixture::progress()
        };
        let mut events = vec![
            Event::RunStarted(fixture::started().into()),
            Event::TechniqueProgress(fixture::progress()),
        ];
        let live = Style {
            live: true,
            ..STYLE
        };
        assert!(!shown(live, &events).contains("all done"));
        events.remove(1);
        let mut out = vec![];
        let mut sink = Progress::new(&mut out, || STYLE);
        sink.record
            .add(&Event::TechniqueProgress(fixture::progress()));
        events.push(Event::TechniqueProgress(other));
        events.iter().for_each(|e| sink.event(e).unwrap());
        // Two techniques of five rungs, of each of which a third of one took 4 seconds: 2 * 4 * 4680 / 320.
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with("ASR 41 %  all done in 117 s\n"), "{text}");
    }

    #[test]
    fn a_warning_stays_on_a_line_of_its_own() {
        let warned = [Event::Warning(fixture::warning("the output\x1b[2J is odd"))];
        let narrow = Style { width: 9, ..STYLE };
        let expected = "warning  softmax-outputs: the output\u{fffd}[2J is odd\n";
        assert_eq!(shown(narrow, &warned), expected);
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
