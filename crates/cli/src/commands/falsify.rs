//! `scoville falsify`: counter-examples to VNN-LIB properties.

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use scoville_falsify::{Answer, Falsifier, Settings};
use scoville_kernels::Device;
use scoville_vnnlib::{Instance, Property, Source, counterexample, instances};
use serde_json::json;

use crate::args::{FalsifyArgs, Format};
use crate::exit::{Exit, Failure, OrFail};
use crate::output::Output;

/// Bytes of a property, and of a compressed model once decompressed.
const MOST_PROPERTY: u64 = 1 << 28;
const MOST_MODEL: u64 = 1 << 31;

pub fn run(args: &FalsifyArgs) -> Result<Exit, Failure> {
    let instances = listed(args)?;
    let mut results = Results::open(args)?;
    let device = Device::open(&args.device).or_fail(Exit::Unreachable, "--device")?;
    let mut models = Models { device, last: None };
    let mut report = Report::new(args);
    for instance in &instances {
        let started = Instant::now();
        let outcome = falsify(instance, args, &mut models);
        let seconds = started.elapsed().as_secs_f64();
        results.write(instance.row, &outcome)?;
        if report.row(instance, &outcome, seconds)? == Reader::Left {
            return Ok(Exit::Done);
        }
    }
    results.finish()?;
    report.end()
}

/// The rows of the table, or the one instance of the command line.
fn listed(args: &FalsifyArgs) -> Result<Vec<Instance>, Failure> {
    match (&args.instances, &args.model, &args.property) {
        (Some(table), ..) => {
            let shown = table.display().to_string();
            instances(table).or_fail(Exit::BadInput, &shown)
        }
        (None, Some(model), Some(property)) => Ok(vec![Instance {
            row: 0,
            onnx: model.clone(),
            source: Source::File(property.clone()),
            timeout: None,
        }]),
        _ => {
            let message = "name a model and a property, or a table with --instances";
            Err(Failure::new(Exit::Usage, message))
        }
    }
}

/// An error is said in words: the other instances still run.
type Outcome = Result<Answer, String>;

fn falsify(instance: &Instance, args: &FalsifyArgs, models: &mut Models) -> Outcome {
    let falsifier = models.get(&stored(&instance.onnx))?;
    let property = match &instance.source {
        Source::File(path) => property(&stored(path))?,
        Source::Labels(labels) => labels.property(falsifier.model().classes()),
    };
    let timeout = args.timeout.or(instance.timeout);
    let settings = Settings {
        seed: args.seed,
        restarts: args.restarts,
        timeout: timeout.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
    };
    let answer = falsifier.search(&property, &settings);
    answer.map_err(|error| named(&instance.onnx, &error))
}

/// VNN-COMP's tables name files that its repositories hold compressed.
fn stored(path: &Path) -> PathBuf {
    let mut compressed = path.as_os_str().to_owned();
    compressed.push(".gz");
    let compressed = PathBuf::from(compressed);
    match !path.exists() && compressed.exists() {
        true => compressed,
        false => path.into(),
    }
}

fn named(path: &Path, error: &dyn std::fmt::Display) -> String {
    let (path, error) = (path.display().to_string(), error.to_string());
    match error.contains(&path) {
        true => error,
        false => format!("{path}: {error}"),
    }
}

fn property(path: &Path) -> Result<Property, String> {
    let text = scoville_vnnlib::read(path, MOST_PROPERTY);
    text.and_then(|text| Property::parse(&text))
        .map_err(|error| named(path, &error))
}

/// The model that was used last: tables name one many times in a row.
struct Models {
    device: Device,
    last: Option<(PathBuf, Falsifier)>,
}

impl Models {
    fn get(&mut self, path: &Path) -> Result<&Falsifier, String> {
        let last = self.last.take().filter(|(known, _)| known == path);
        let loaded = match last {
            Some((_, falsifier)) => falsifier,
            None => self.load(path)?,
        };
        Ok(&self.last.insert((path.into(), loaded)).1)
    }

    fn load(&self, path: &Path) -> Result<Falsifier, String> {
        let gzip = path.extension().is_some_and(|end| end == "gz");
        let graph = match gzip {
            true => {
                let bytes = scoville_vnnlib::read(path, MOST_MODEL);
                let bytes = bytes.map_err(|error| named(path, &error))?;
                scoville_onnx::parse(bytes.into(), path.parent())
            }
            false => scoville_onnx::load(path),
        };
        let graph = graph.map_err(|error| named(path, &error))?;
        Falsifier::load(graph, &self.device).map_err(|error| named(path, &error))
    }
}

/// Where counter-examples go.
enum Results {
    None,
    /// VNN-COMP's result of the one instance.
    File(Output),
    /// For each row its result, and the point of a counter-example as little-endian f32.
    Folder(PathBuf),
}

impl Results {
    fn open(args: &FalsifyArgs) -> Result<Results, Failure> {
        match &args.out {
            None => Ok(Results::None),
            Some(path) if args.instances.is_none() => Ok(Results::File(Output::create(path)?)),
            Some(path) => {
                let shown = path.display().to_string();
                std::fs::create_dir_all(path).or_fail(Exit::Usage, &shown)?;
                Ok(Results::Folder(path.clone()))
            }
        }
    }

    fn write(&mut self, row: usize, outcome: &Outcome) -> Result<(), Failure> {
        let found = outcome
            .as_ref()
            .ok()
            .and_then(|answer| answer.found.as_ref());
        let result = match found {
            Some(found) => counterexample(&found.point, &found.outputs),
            None => verdict(outcome).to_owned() + "\n",
        };
        match self {
            Results::None => Ok(()),
            Results::File(file) => file.write(result.as_bytes()),
            Results::Folder(folder) => {
                let mut text = Output::create(&folder.join(format!("{row}.txt")))?;
                text.write(result.as_bytes())?;
                text.finish()?;
                let point = folder.join(format!("{row}.f32"));
                let Some(found) = found else {
                    // Of an earlier run, perhaps.
                    let _ = std::fs::remove_file(point);
                    return Ok(());
                };
                let mut file = Output::create(&point)?;
                let bytes = found.point.iter().flat_map(|x| x.to_le_bytes());
                file.write(&bytes.collect::<Vec<u8>>())?;
                file.finish()
            }
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Results::File(file) => file.finish(),
            _ => Ok(()),
        }
    }
}

fn verdict(outcome: &Outcome) -> &'static str {
    match outcome {
        Ok(Answer { found: Some(_), .. }) => "sat",
        Ok(_) => "unknown",
        Err(_) => "error",
    }
}

#[derive(PartialEq)]
enum Reader {
    Listens,
    Left,
}

/// What is printed.
struct Report {
    format: Format,
    started: Instant,
    sat: usize,
    unknown: usize,
    errors: usize,
}

impl Report {
    fn new(args: &FalsifyArgs) -> Report {
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

    fn row(
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
                "{heading}{row:>5}  {word:<7}  {:>12.4e}  {:>8}  {:>9}  {seconds:>7.2}  {}\n",
                answer.margin.unwrap_or(f64::NAN),
                answer.queries,
                answer.gradients,
                file_name(&instance.onnx),
            ),
            Err(error) => format!("{heading}{row:>5}  {word:<7}  {error}\n"),
        }
    }

    fn end(self) -> Result<Exit, Failure> {
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
                let message = format!(
                    "{n} of {} instances could not be run",
                    self.sat + self.unknown + n
                );
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
