//! Where the events of a run go, and the report files.

use std::io;

use scoville_report::event::Event;
use scoville_report::{Ndjson, Progress, Record, SampleStrip, Sink, Table, html, write_json};

use crate::args::{AssessArgs, Format};
use crate::exit::{Exit, Failure, OrFail};
use crate::output::Output;
use crate::terminal::{stderr_style, stdout_style};

/// Where events go: stdout, progress on stderr, and the record for the reports.
pub struct Sinks {
    stdout: Box<dyn Sink>,
    progress: Option<Progress<io::Stderr>>,
    pub record: Record,
    /// Whether report files are to be written, too.
    reports: bool,
}

impl Sinks {
    pub fn new(format: Option<Format>, record: Record, reports: bool) -> Self {
        let style = stdout_style();
        let table = match format {
            Some(format) => format == Format::Table,
            None => style.live,
        };
        let live = table && style.live;
        let stdout: Box<dyn Sink> = if table {
            Box::new(Table::new(io::stdout(), stdout_style))
        } else {
            Box::new(Ndjson::new(io::stdout()))
        };
        // A live table shows the progress itself; a second moving line would tear it.
        let progress = || Progress::new(io::stderr(), stderr_style);
        Self {
            stdout,
            progress: (!live).then(progress),
            record,
            reports,
        }
    }

    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        self.record.event(event)?;
        // Progress is a courtesy: without a reader it ends, and the run goes on.
        if self
            .progress
            .as_mut()
            .is_some_and(|p| p.event(event).is_err())
        {
            self.progress = None;
        }
        match self.stdout.event(event) {
            // A reader that closed the pipe has seen enough; where reports are wanted, the run goes on for them.
            Err(error) if self.reports && error.kind() == io::ErrorKind::BrokenPipe => {
                self.stdout = Box::new(Ndjson::new(io::sink()));
                Ok(())
            }
            done => done,
        }
    }
}

/// The report files.
pub struct Reports {
    json: Option<Output>,
    html: Option<Output>,
}

impl Reports {
    pub fn open(args: &AssessArgs) -> Result<Self, Failure> {
        if args.report_json.is_some() && args.report_json == args.report_html {
            let message = "--report-json and --report-html name the same file";
            return Err(Failure::new(Exit::Usage, message));
        }
        Ok(Self {
            json: args
                .report_json
                .as_deref()
                .map(Output::create)
                .transpose()?,
            html: args
                .report_html
                .as_deref()
                .map(Output::create)
                .transpose()?,
        })
    }

    pub fn are_wanted(&self) -> bool {
        self.json.is_some() || self.html.is_some()
    }

    pub fn write(self, record: &Record, strips: &[SampleStrip]) -> Result<(), Failure> {
        if let Some(mut file) = self.json {
            let mut report = Vec::new();
            write_json(record, &mut report).or_fail(Exit::Internal, "--report-json")?;
            file.write(&report)?;
            file.finish()?;
        }
        if let Some(mut file) = self.html {
            file.write(html(record, strips).as_bytes())?;
            file.finish()?;
        }
        Ok(())
    }
}
