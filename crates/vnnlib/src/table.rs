//! Tables of instances: VNN-COMP's `onnx,vnnlib,timeout`, and tables with a header, whose boxes lie beside them as f32.

use std::path::{Path, PathBuf};

use crate::error::shown;
use crate::file::read;
use crate::{Case, Constraint, Error, Property};

/// Bytes of a table, and of a file of boxes.
const MOST_BYTES: u64 = 1 << 30;

/// One row of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Its number, from 0 in the order of the table where that gives none.
    pub row: usize,
    /// The model's file.
    pub onnx: PathBuf,
    pub source: Source,
    /// Seconds that the table allows.
    pub timeout: Option<f64>,
}

/// Where an instance's property is.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    File(PathBuf),
    Labels(Labels),
}

/// A box, and the labels that make a point of it a counter-example.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels {
    lower: Vec<f64>,
    upper: Vec<f64>,
    goal: Goal,
}

#[derive(Debug, Clone, PartialEq)]
enum Goal {
    /// One of the labels reaches the true one.
    Reach { label: usize, others: Vec<usize> },
    /// Every label stays at or below this one.
    ArgMax(usize),
}

impl Labels {
    /// The property for a model of `outputs` outputs.
    pub fn property(&self, outputs: usize) -> Property {
        let any = match &self.goal {
            Goal::Reach { label, others } => {
                let reaches = |&other: &usize| vec![Constraint::at_least(other, *label)];
                others.iter().map(reaches).collect()
            }
            Goal::ArgMax(label) => {
                let others = (0..outputs).filter(|other| other != label);
                vec![
                    others
                        .map(|other| Constraint::at_least(*label, other))
                        .collect(),
                ]
            }
        };
        Property {
            inputs: self.lower.len(),
            outputs,
            cases: vec![Case {
                lower: self.lower.clone(),
                upper: self.upper.clone(),
                any,
            }],
        }
    }
}

/// Reads a table. Paths in it count from its folder.
///
/// With a header, the columns are `onnx`, `goal` (`untargeted`, `targeted`, `targeted_argmax`), `true_label`,
/// `adversarial_labels`, `dim` and `f32_offset`, and `row` if it likes; the boxes are `lower.f32` and `upper.f32`, little-endian.
/// The header `onnx,vnnlib,timeout` says no more than a table without one.
pub fn instances(path: &Path) -> Result<Vec<Instance>, Error> {
    let text = read(path, MOST_BYTES)?;
    let text = String::from_utf8_lossy(&text);
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line))
        .filter(|(_, line)| !line.trim().is_empty())
        .peekable();
    let header = lines
        .next_if(|(_, line)| fields(line).iter().any(|field| field == "onnx"))
        .map(|(line, text)| (line, fields(text)))
        .filter(|(_, header)| header[..] != ["onnx", "vnnlib", "timeout"]);
    if let Some((line, header)) = &header {
        check_header(*line, header)?;
    }
    if lines.peek().is_none() {
        return Err(Error::NoInstances { path: path.into() });
    }
    match header {
        None => lines
            .enumerate()
            .map(|(row, (line, text))| plain(folder, row, line, &fields(text)))
            .collect(),
        Some((_, header)) => {
            let boxes = Boxes::read(folder)?;
            let instance = |(row, (line, text)): (usize, (usize, &str))| {
                let fields = fields(text);
                Record {
                    header: &header,
                    fields: &fields,
                    line,
                }
                .instance(folder, row, &boxes)
            };
            lines.enumerate().map(instance).collect()
        }
    }
}

/// The columns that every row of a table with a header needs.
const COLUMNS: [&str; 5] = ["onnx", "goal", "adversarial_labels", "dim", "f32_offset"];

fn check_header(line: usize, header: &[String]) -> Result<(), Error> {
    let missing = COLUMNS
        .iter()
        .find(|column| !header.iter().any(|name| name == *column));
    missing.map_or(Ok(()), |column| {
        Err(Error::Table {
            line,
            what: no_column(column),
        })
    })
}

fn no_column(column: &str) -> String {
    format!("the column {column} is missing")
}

/// The fields of a line; a quoted one may hold commas.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in line.trim_end().chars() {
        match (c, fields.last_mut()) {
            ('"', _) => quoted = !quoted,
            (',', _) if !quoted => fields.push(String::new()),
            (c, Some(field)) => field.push(c),
            (_, None) => {}
        }
    }
    fields
}

fn plain(folder: &Path, row: usize, line: usize, fields: &[String]) -> Result<Instance, Error> {
    let wrong = |what: String| Error::Table { line, what };
    let [onnx, vnnlib, timeout] = fields else {
        return Err(wrong(format!(
            "{} fields; a row is onnx,vnnlib,timeout",
            fields.len()
        )));
    };
    let seconds = timeout
        .trim()
        .parse::<f64>()
        .ok()
        .filter(|s| s.is_finite() && *s > 0.0);
    let Some(seconds) = seconds else {
        return Err(wrong(format!(
            "the timeout {} is no number of seconds above 0",
            shown(timeout.as_bytes())
        )));
    };
    Ok(Instance {
        row,
        onnx: folder.join(onnx.trim()),
        source: Source::File(folder.join(vnnlib.trim())),
        timeout: Some(seconds),
    })
}

/// The files of boxes beside a table.
struct Boxes {
    lower: Vec<u8>,
    upper: Vec<u8>,
}

impl Boxes {
    fn read(folder: &Path) -> Result<Boxes, Error> {
        let file = |name: &str| read(&folder.join(name), MOST_BYTES);
        Ok(Boxes {
            lower: file("lower.f32")?,
            upper: file("upper.f32")?,
        })
    }
}

/// `len` values from position `offset` on.
fn values(bytes: &[u8], offset: usize, len: usize) -> Option<Vec<f64>> {
    let start = offset.checked_mul(4)?;
    let end = len.checked_mul(4)?.checked_add(start)?;
    let (words, _) = bytes.get(start..end)?.as_chunks::<4>();
    let values = words
        .iter()
        .map(|&word| f64::from(f32::from_le_bytes(word)));
    Some(values.collect())
}

struct Record<'a> {
    header: &'a [String],
    fields: &'a [String],
    line: usize,
}

impl Record<'_> {
    fn wrong(&self, what: String) -> Error {
        Error::Table {
            line: self.line,
            what,
        }
    }

    fn get(&self, column: &str) -> Result<&str, Error> {
        let at = self.header.iter().position(|name| name == column);
        let field = at.and_then(|at| self.fields.get(at));
        field
            .map(|field| field.trim())
            .ok_or_else(|| self.wrong(no_column(column)))
    }

    fn number(&self, column: &str) -> Result<usize, Error> {
        let text = self.get(column)?;
        text.parse().map_err(|_| {
            self.wrong(format!(
                "{column} is {}, which is no whole number",
                shown(text.as_bytes())
            ))
        })
    }

    fn labels(&self) -> Result<Vec<usize>, Error> {
        let text = self.get("adversarial_labels")?;
        let labels: Result<Vec<usize>, _> = text.split_whitespace().map(str::parse).collect();
        match labels {
            Ok(labels) if !labels.is_empty() => Ok(labels),
            _ => Err(self.wrong(format!(
                "adversarial_labels is {}; labels stand apart by blanks",
                shown(text.as_bytes())
            ))),
        }
    }

    fn goal(&self) -> Result<Goal, Error> {
        let others = self.labels()?;
        match (self.get("goal")?, others.as_slice()) {
            ("untargeted" | "targeted", _) => Ok(Goal::Reach {
                label: self.number("true_label")?,
                others,
            }),
            ("targeted_argmax", &[label]) => Ok(Goal::ArgMax(label)),
            (other, _) => Err(self.wrong(format!(
                "the goal {} with these labels is not known",
                shown(other.as_bytes())
            ))),
        }
    }

    fn instance(&self, folder: &Path, row: usize, boxes: &Boxes) -> Result<Instance, Error> {
        let (offset, dim) = (self.number("f32_offset")?, self.number("dim")?);
        let bounds = values(&boxes.lower, offset, dim).zip(values(&boxes.upper, offset, dim));
        let Some((lower, upper)) = bounds else {
            return Err(self.wrong("its box lies beyond the end of lower.f32 or upper.f32".into()));
        };
        if !lower
            .iter()
            .zip(&upper)
            .all(|(low, high)| low.is_finite() && high.is_finite() && low <= high)
        {
            return Err(self.wrong("its box is empty or not finite".into()));
        }
        let row = match self.header.iter().any(|name| name == "row") {
            true => self.number("row")?,
            false => row,
        };
        Ok(Instance {
            row,
            onnx: folder.join(self.get("onnx")?),
            source: Source::Labels(Labels {
                lower,
                upper,
                goal: self.goal()?,
            }),
            timeout: None,
        })
    }
}
