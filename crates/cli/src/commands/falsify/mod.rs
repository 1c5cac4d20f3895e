//! `scoville falsify`: counter-examples to VNN-LIB properties.

mod report;
mod results;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use scoville_falsify::{Answer, Falsifier, Settings};
use scoville_kernels::Device;
use scoville_vnnlib::{Instance, Property, Source, instances};

use crate::args::FalsifyArgs;
use crate::exit::{Exit, Failure, OrFail};
use report::{Reader, Report};
use results::Results;

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
            results.finish()?;
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

fn verdict(outcome: &Outcome) -> &'static str {
    match outcome {
        Ok(Answer { found: Some(_), .. }) => "sat",
        Ok(_) => "unknown",
        Err(_) => "error",
    }
}
