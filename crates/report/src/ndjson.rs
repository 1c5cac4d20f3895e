//! One JSON object a line, flushed each line, so that a pipe sees an event when it happens.

use std::io::{self, Write};

use crate::{Sink, event::Event};

/// Writes each event as one line of JSON.
pub struct Ndjson<W: Write>(W);

impl<W: Write> Ndjson<W> {
    pub fn new(out: W) -> Self {
        Ndjson(out)
    }
}

impl<W: Write> Sink for Ndjson<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        serde_json::to_writer(&mut self.0, event)?;
        self.0.write_all(b"\n")?;
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fixture;

    /// Counts flushes, since a buffered line is a late line.
    #[derive(Default)]
    struct Flushes(Vec<u8>, usize);

    impl Write for Flushes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            self.1 += 1;
            Ok(())
        }
    }

    #[test]
    fn one_parsable_flushed_line_an_event() {
        let events = fixture::events();
        let mut sink = Ndjson::new(Flushes::default());
        for event in &events {
            sink.event(event).unwrap();
        }
        assert_eq!(sink.0.1, events.len());
        let text = String::from_utf8(sink.0.0).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        assert_eq!(lines.len(), events.len());
        for (line, event) in lines.iter().zip(&events) {
            let alone = serde_json::to_string(event).unwrap();
            assert_eq!(*line, serde_json::from_str::<Value>(&alone).unwrap());
        }
        assert_eq!(lines[0]["event"], json!("run.started"));
        assert_eq!(
            lines[0]["target"]["class_names"][3],
            json!("<script>alert(1)</script>")
        );
        assert_eq!(lines.last().unwrap()["event"], json!("run.finished"));
    }

    #[test]
    fn a_line_break_in_a_name_does_not_break_the_line() {
        let mut out = Vec::new();
        let event = Event::Warning(fixture::warning("two\nlines"));
        Ndjson::new(&mut out).event(&event).unwrap();
        assert_eq!(out.iter().filter(|b| **b == b'\n').count(), 1);
    }
}
