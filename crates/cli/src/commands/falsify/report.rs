//! What `falsify` prints: a line for each instance, and in a table the sum.

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::time::Instant;

use scoville_falsify::Answer;
use scoville_vnnlib::Instance;
use serde_json::json;

use super::{Outcome, verdict};
use crate::args::{FalsifyArgs, Format};
use crate::exit::{Exit, Failure, OrFail};

/// Whether anybody reads what is printed.
#[derive(PartialEq)]
pub enum Reader {
    Listens,
    Left,
}

/// What is printed.
pub struct Report {
    format: Format,
    started: Instant,
    sat: usize,
    unknown: usize,
    errors: usize,
}

impl Report {
    pub fn new(args: &FalsifyArgs) -> Report {
        let format = match std::io::stdout().is_terminal() {
            true => Format::Table,
            false => Format::Ndjson,
        };
        Report {
            format: args.format.unwrap_or(format),
            started: Instant::now(),
            sat: 0,
            unknown: 0,
            errors: 0,
        }
    }

    pub fn row(
        &mut self,
        instance: &Instance,
        outcome: &Outcome,
        seconds: f64,
    ) -> Result<Reader, Failure> {
        match outcome {
            Ok(Answer { found: Some(_), .. }) => self.sat += 1,
            Ok(_) => self.unknown += 1,
            Err(_) => self.errors += 1,
        }
        let line = match self.format {
            Format::Ndjson => object(instance, outcome, seconds),
            Format::Table => self.table_row(instance, outcome, seconds),
        };
        print(&line)
    }

    fn table_row(&self, instance: &Instance, outcome: &Outcome, seconds: f64) -> String {
        let first = self.sat + self.unknown + self.errors == 1;
        let heading = "  ROW  VERDICT        MARGIN   QUERIES  GRADIENTS  SECONDS  MODEL\n";
        let heading = if first { heading } else { "" };
        let (row, word) = (instance.row, verdict(outcome));
        match outcome {
            Ok(answer) => format!(
                "{heading}{row:>5}  {word:<7}  {:>12}  {:>8}  {:>9}  {seconds:>7.2}  {}{}\n",
                answer
                    .margin
                    .map_or("-".into(), |margin| format!("{margin:.4e}")),
                answer.queries,
                answer.gradients,
                file_name(&instance.onnx),
                match answer.empty {
                    0 => "",
                    _ => " (a box of the property holds no float32 point)",
                },
            ),
            Err(error) => format!("{heading}{row:>5}  {word:<7}  {error}\n"),
        }
    }

    pub fn end(self) -> Result<Exit, Failure> {
        if self.format == Format::Table {
            let seconds = self.started.elapsed().as_secs_f64();
            print(&format!(
                "\n{} sat (counter-example found and checked), {} unknown (none found: no proof that there is none), \
                 {} errors; {seconds:.1} s\n",
                self.sat, self.unknown, self.errors
            ))?;
        }
        match self.errors {
            0 => Ok(Exit::Done),
            n => {
                let message = match self.sat + self.unknown + n {
                    1 => "the instance could not be run".into(),
                    all => format!("{n} of {all} instances could not be run"),
                };
                Err(Failure::new(Exit::BadInput, message))
            }
        }
    }
}

fn object(instance: &Instance, outcome: &Outcome, seconds: f64) -> String {
    let mut line = json!({
        "row": instance.row,
        "onnx": file_name(&instance.onnx),
        "verdict": verdict(outcome),
        "seconds": seconds,
    });
    match outcome {
        Ok(answer) => {
            line["margin"] = json!(answer.margin);
            line["queries"] = json!(answer.queries);
            line["gradients"] = json!(answer.gradients);
            if answer.empty > 0 {
                line["empty_cases"] = json!(answer.empty);
            }
        }
        Err(error) => line["error"] = json!(error),
    }
    format!("{line}\n")
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

fn print(text: &str) -> Result<Reader, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Left),
        done => done
            .or_fail(Exit::Internal, "stdout")
            .map(|()| Reader::Listens),
    }
}
