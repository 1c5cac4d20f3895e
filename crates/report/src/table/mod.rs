//! The table on stdout: one row a technique, redrawn in place while the run goes on, and the verdict at the end.

mod columns;
mod ending;
mod families;
mod paint;
mod queries;
mod rows;

use std::{
    fmt::Write as _,
    io::{self, Write},
    time::{Duration, Instant},
};

use crate::{Record, Sink, event::Event};
pub use paint::wrap;
pub(crate) use paint::{Line, Paint};

/// How to draw. The caller knows the terminal, `NO_COLOR` and the locale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Colours, by ANSI escape codes.
    pub color: bool,
    /// Columns of the terminal; longer lines are cut.
    pub width: usize,
    /// Its lines: a frame that is redrawn is cut to them.
    pub height: usize,
    /// True on a terminal: redraw in place. False: print once, at the end.
    pub live: bool,
    /// False: ASCII only.
    pub unicode: bool,
}

/// Progress comes once a batch and eps; more frames a second than this nobody sees.
const FRAME: Duration = Duration::from_millis(100);

/// Shows a run as a table.
pub struct Table<W: Write> {
    out: W,
    /// Asked before every frame, for a terminal may have changed its size.
    style: Box<dyn Fn() -> Style>,
    record: Record,
    /// Lines on the screen that the next frame replaces, and the width for which they were drawn.
    drawn: usize,
    width: usize,
    last: Option<Instant>,
}

impl<W: Write> Table<W> {
    pub fn new(out: W, style: impl Fn() -> Style + 'static) -> Self {
        Table {
            out,
            style: Box::new(style),
            record: Record::default(),
            drawn: 0,
            width: 0,
            last: None,
        }
    }

    /// Milestones are always drawn, among them what runs where there are no figures yet, progress when the last frame is old enough.
    fn due(&self, event: &Event) -> bool {
        let milestone = match event {
            Event::TechniqueProgress(e) => e.running.is_some() && e.score.is_none(),
            Event::Warning(_) => false,
            _ => true,
        };
        milestone || self.last.is_none_or(|last| last.elapsed() >= FRAME)
    }

    /// Replaces the frame on the screen, in one write so that it does not flicker.
    fn draw(&mut self, lines: &[Line], style: &Style) -> io::Result<()> {
        let mut frame = String::new();
        if self.drawn > 0 && self.width == style.width {
            // Writing to a String cannot fail.
            let _ = write!(frame, "\x1b[{}A\r", self.drawn);
        } else if self.drawn > 0 {
            // Some terminals have wrapped the last frame anew and others have not: only a clear screen is sure.
            frame.push_str("\x1b[2J\x1b[H");
        }
        for line in lines {
            // Erase before writing: after a full line some terminals would erase its last character.
            frame.push_str(if style.live { "\x1b[K" } else { "" });
            frame.push_str(&line.render(style));
            frame.push('\n');
        }
        if style.live {
            frame.push_str("\x1b[J");
        }
        (self.drawn, self.width) = (lines.len(), style.width);
        self.last = Some(Instant::now());
        self.out.write_all(frame.as_bytes())?;
        self.out.flush()
    }
}

impl<W: Write> Sink for Table<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.record.add(event);
        let finished = matches!(event, Event::RunFinished(_));
        let style = (self.style)();
        if !(finished || style.live && self.due(event)) {
            return Ok(());
        }
        let mut lines = rows::lines(&self.record, &style);
        lines.extend(ending::lines(&self.record, &style));
        if !finished {
            // The cursor takes a line, too, and what has left the screen cannot be drawn again.
            let most = style.height.saturating_sub(1);
            lines.drain(..lines.len().saturating_sub(most));
        }
        self.draw(&lines, &style)
    }
}

#[cfg(test)]
mod tests;
