//! `csv:FILE`: a table with a label in one of its columns, described by a [`Schema`], or all of numbers.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::csv::{Record, records};
use crate::dataset::decimal_names;
use crate::features::{Domain, Feature, Features, MAX_LEVELS, Model};
use crate::input::{Input, name};
use crate::samples::{Cells, Samples};
use crate::schema::{Column, Key, Kind, Wants};
use crate::{Dataset, Error, Schema};

const MAX_BYTES: u64 = 1 << 30;
/// Names that a column of labels goes by.
const LABELS: [&str; 4] = ["label", "class", "target", "y"];

/// Opens the first `limit` rows; ranges, categories and classes that the schema leaves open are those of all rows.
pub(crate) fn load(
    path: &Path,
    schema: Option<&Schema>,
    limit: Option<usize>,
) -> Result<Dataset, Error> {
    let bytes = Input::open(path)?.rest(MAX_BYTES)?;
    let text = String::from_utf8_lossy(&bytes);
    let table = Table::read(path, &text, schema)?;
    let (y, class_names) = table.labels(schema)?;
    let mut features = Features::default();
    let mut columns = Vec::new();
    for (at, column) in table.columns(schema)? {
        let cells = table.cells(at, &column, &mut features)?;
        columns.push(cells);
    }
    if columns.is_empty() {
        return Err(table.wrong(table.first, "there is no column but the label".into()));
    }
    let mut y = y;
    y.truncate(limit.unwrap_or(usize::MAX));
    Ok(Dataset {
        name: name("csv", path),
        shape: vec![features.width()],
        classes: class_names.len(),
        class_names,
        raw: false,
        samples: Samples::Cells(Cells::new(features.clone(), columns)),
        features: Some(features),
        y,
    })
}

/// A file's records, all of one length.
struct Table<'a> {
    path: &'a Path,
    /// Of the columns, from the header where there is one.
    names: Option<Vec<String>>,
    rows: Vec<Record<'a>>,
    /// Where the label is.
    label: usize,
    /// The file's first line with a record.
    first: usize,
}

impl<'a> Table<'a> {
    fn read(path: &'a Path, text: &'a str, schema: Option<&Schema>) -> Result<Self, Error> {
        let mut rows = Vec::new();
        for record in records(text) {
            let what = "a quote is not closed, or followed by more than a comma";
            rows.push(record.map_err(|line| wrong(path, line, what.into()))?);
        }
        let mut table = Table {
            path,
            names: None,
            label: 0,
            first: rows.first().map_or(1, |row| row.line),
            rows,
        };
        let Some(first) = table.rows.first() else {
            return Err(table.empty());
        };
        let width = first.fields.len();
        if let Some(odd) = table.rows.iter().find(|row| row.fields.len() != width) {
            let what = format!(
                "{} fields, line {} has {width}",
                odd.fields.len(),
                first.line
            );
            return Err(table.wrong(odd.line, what));
        }
        if table.has_header(schema) {
            let names = table.rows.remove(0).fields;
            table.names = Some(names.into_iter().map(Cow::into_owned).collect());
        }
        if table.rows.is_empty() {
            return Err(table.empty());
        }
        table.label = table.label_column(schema, width)?;
        Ok(table)
    }

    fn empty(&self) -> Error {
        Error::Empty {
            what: self.path.display().to_string(),
        }
    }

    fn wrong(&self, line: usize, what: String) -> Error {
        wrong(self.path, line, what)
    }

    /// Whether line 1 names the columns: the schema says so, it names one of the schema's, or holds no number where
    /// all below it do.
    fn has_header(&self, schema: Option<&Schema>) -> bool {
        let (Some(first), Some(second)) = (self.rows.first(), self.rows.get(1)) else {
            return schema.and_then(|s| s.header).unwrap_or(false);
        };
        if let Some(said) = schema.and_then(|s| s.header) {
            return said;
        }
        let named = |field: &Cow<'_, str>| {
            let columns = schema.iter().flat_map(|s| &s.columns);
            columns.into_iter().any(|column| column.name == *field)
        };
        let mut pairs = first.fields.iter().zip(&second.fields);
        first.fields.iter().any(named)
            || pairs.any(|(above, below)| number(above).is_none() && number(below).is_some())
    }

    fn label_column(&self, schema: Option<&Schema>, width: usize) -> Result<usize, Error> {
        let named = |wanted: &str| {
            let names = self.names.as_ref()?;
            names.iter().position(|name| name == wanted)
        };
        let missing = |key: String| {
            let what = format!(
                "there is no column {key} for the label; {}",
                self.known(width)
            );
            Err(self.wrong(self.first, what))
        };
        match schema.and_then(|s| s.label.as_ref()) {
            Some(Key::Place(at)) if *at < width => Ok(*at),
            Some(Key::Place(at)) => missing(at.to_string()),
            Some(Key::Name(name)) => match named(name) {
                Some(at) => Ok(at),
                None => missing(format!("{name:?}")),
            },
            None => Ok(LABELS
                .iter()
                .find_map(|name| named(name))
                .unwrap_or(width - 1)),
        }
    }

    fn known(&self, width: usize) -> String {
        match &self.names {
            Some(names) => format!("the columns are {}", names.join(", ")),
            None => format!("without a header the columns are 0 to {}", width - 1),
        }
    }

    fn field(&self, row: usize, column: usize) -> &str {
        let row = self.rows.get(row);
        row.and_then(|row| row.fields.get(column))
            .map_or("", |field| field.as_ref())
    }

    fn column(&self, at: usize) -> impl Iterator<Item = (usize, &str)> {
        (self.rows.iter().zip(0..)).map(move |(row, i)| (row.line, self.field(i, at)))
    }

    /// One label a row, and the classes' names.
    fn labels(&self, schema: Option<&Schema>) -> Result<(Vec<u32>, Vec<String>), Error> {
        let given = schema.map_or(&[][..], |s| s.classes.as_slice());
        if given.is_empty()
            && let Some(whole) = self.whole_labels()
        {
            let classes = whole.iter().max().map_or(0, |&most| most as usize + 1);
            return Ok((whole, decimal_names(classes)));
        }
        let names = match given {
            [] => self.distinct(self.label),
            given => given.to_vec(),
        };
        let place: BTreeMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
        let labels = self.column(self.label).map(|(line, field)| {
            let what = || {
                format!(
                    "label {field:?} is none of the classes {}",
                    names.join(", ")
                )
            };
            place
                .get(field)
                .copied()
                .ok_or_else(|| self.wrong(line, what()))
        });
        Ok((labels.collect::<Result<_, _>>()?, names))
    }

    /// The labels, if all are whole numbers and few.
    fn whole_labels(&self) -> Option<Vec<u32>> {
        const MOST: u32 = 999_999;
        let labels = self.column(self.label).map(|(_, field)| field.parse());
        let labels: Vec<u32> = labels.collect::<Result<_, _>>().ok()?;
        labels.iter().all(|&label| label <= MOST).then_some(labels)
    }

    fn distinct(&self, column: usize) -> Vec<String> {
        let all: BTreeSet<&str> = self.column(column).map(|(_, field)| field).collect();
        all.into_iter().map(Into::into).collect()
    }

    /// What the model takes, in its order: each column's place in the file, and what it is.
    fn columns(&self, schema: Option<&Schema>) -> Result<Vec<(usize, Column)>, Error> {
        let width = self.rows.first().map_or(0, |row| row.fields.len());
        let others = || (0..width).filter(|&at| at != self.label);
        let Some(schema) = schema.filter(|s| !s.columns.is_empty()) else {
            let name = |at: usize| match &self.names {
                Some(names) => names.get(at).cloned().unwrap_or_default(),
                None => format!("#{at}"),
            };
            return Ok(others()
                .map(|at| (at, Column::number(&name(at), self.kind_of(at))))
                .collect());
        };
        let described = &schema.columns;
        let places: Vec<usize> = match &self.names {
            Some(names) => {
                let place = |column: &Column| names.iter().position(|name| *name == column.name);
                let missing = |column: &Column| {
                    let what = format!(
                        "there is no column {:?}; {}",
                        column.name,
                        self.known(width)
                    );
                    self.wrong(self.first, what)
                };
                let places = described.iter().map(|c| place(c).ok_or_else(|| missing(c)));
                places.collect::<Result<_, _>>()?
            }
            None if described.len() == others().count() => others().collect(),
            None => {
                let what = format!(
                    "{} columns beside the label, the schema has {}; without a header it must have one for each",
                    others().count(),
                    described.len()
                );
                return Err(self.wrong(self.first, what));
            }
        };
        if let Some(at) = others().find(|at| !places.contains(at)) {
            let name = self.names.as_ref().and_then(|names| names.get(at));
            let what = format!(
                "column {:?} is not in the schema: describe it, or give it kind = \"ignored\"",
                name.map_or("", String::as_str)
            );
            return Err(self.wrong(self.first, what));
        }
        let pairs = places.into_iter().zip(described.iter().cloned());
        Ok(pairs.filter(|(_, c)| c.kind != Kind::Ignored).collect())
    }

    /// Whole numbers stay whole where nothing else is said.
    fn kind_of(&self, at: usize) -> Kind {
        let whole = |field: &str| number(field).is_some_and(|v| v.fract() == 0.0);
        let span = self.column(at).filter_map(|(_, field)| number(field));
        let (low, high) = bounds(span);
        let few = high - low <= f64::from(MAX_LEVELS);
        match few && self.column(at).all(|(_, field)| whole(field)) {
            true => Kind::Integer,
            false => Kind::Numeric,
        }
    }

    /// The cells of a column, as [`Feature::spread`] takes them; the feature joins `features`.
    fn cells(
        &self,
        at: usize,
        column: &Column,
        features: &mut Features,
    ) -> Result<Vec<f32>, Error> {
        let (domain, cells) = match column.kind {
            Kind::Categorical | Kind::Ordinal => self.choices(at, column, &mut features.notes)?,
            _ => self.numbers(at, column, &mut features.notes)?,
        };
        let model = match (&domain, column.model) {
            (Domain::OneHot(_), _) | (_, Some(Wants::Unit)) => Model::Unit,
            _ => Model::Number {
                mean: column.mean.unwrap_or(0.0),
                std: column.std.unwrap_or(1.0),
            },
        };
        features.columns.push(Feature {
            name: column.name.clone(),
            immutable: column.immutable,
            may: column.may,
            domain,
            model,
        });
        Ok(cells)
    }

    fn choices(
        &self,
        at: usize,
        column: &Column,
        notes: &mut Vec<String>,
    ) -> Result<(Domain, Vec<f32>), Error> {
        let categories = column.categories.clone().unwrap_or_else(|| {
            let found = self.distinct(at);
            notes.push(format!(
                "{}: {} categories from the data",
                column.name,
                found.len()
            ));
            found
        });
        if categories.len() < 2 {
            let what = format!(
                "column {}: one category alone, name all there can be",
                column.name
            );
            return Err(self.wrong(self.first, what));
        }
        let place: BTreeMap<&str, f32> = (categories.iter().zip(0u16..))
            .map(|(name, at)| (name.as_str(), f32::from(at)))
            .collect();
        let cells = self.column(at).map(|(line, field)| {
            let what = || {
                format!(
                    "column {}: {field:?} is none of its categories",
                    column.name
                )
            };
            place
                .get(field)
                .copied()
                .ok_or_else(|| self.wrong(line, what()))
        });
        let cells = cells.collect::<Result<_, _>>()?;
        let domain = match column.kind {
            Kind::Ordinal => Domain::Code(categories),
            _ => Domain::OneHot(categories),
        };
        Ok((domain, cells))
    }

    fn numbers(
        &self,
        at: usize,
        column: &Column,
        notes: &mut Vec<String>,
    ) -> Result<(Domain, Vec<f32>), Error> {
        let named = |what: String| format!("column {}: {what}", column.name);
        let mut values = Vec::with_capacity(self.rows.len());
        for (line, field) in self.column(at) {
            let what = || {
                named(format!(
                    "{field:?} is no number; text needs a schema, --features"
                ))
            };
            values.push(number(field).ok_or_else(|| self.wrong(line, what()))?);
        }
        let [low, high] = column.range.unwrap_or_else(|| {
            let (low, high) = bounds(values.iter().copied());
            notes.push(format!(
                "{}: range {low}..{high} from the data",
                column.name
            ));
            [low, if low < high { high } else { low + 1.0 }]
        });
        let step = match (column.kind, column.step) {
            (Kind::Integer, None) => Some(1.0),
            (_, step) => step,
        };
        let levels = match step.map(|step| levels(high - low, step)) {
            None => 0,
            Some(Some(levels)) => levels,
            Some(None) => {
                let what = format!(
                    "its range {low}..{high} is not a whole number of steps, at most {MAX_LEVELS}"
                );
                return Err(self.wrong(self.first, named(what)));
            }
        };
        let domain = Domain::Number {
            low,
            step: step.unwrap_or(high - low),
            levels,
        };
        let cells = values.into_iter().zip(&self.rows).map(|(value, row)| {
            let share = (value - low) / (high - low);
            let off = share * f64::from(levels);
            if !(0.0..=1.0).contains(&share) {
                return Err(self.wrong(row.line, named(format!("{value} is beyond {low}..{high}"))));
            }
            if levels > 0 && (off - off.round()).abs() > 1e-6 {
                return Err(self.wrong(row.line, named(format!("{value} is between two steps"))));
            }
            Ok(share as f32)
        });
        Ok((domain, cells.collect::<Result<_, _>>()?))
    }
}

fn wrong(path: &Path, line: usize, what: String) -> Error {
    Error::Table {
        path: path.to_owned(),
        line,
        what,
    }
}

fn number(field: &str) -> Option<f64> {
    field.parse().ok().filter(|v: &f64| v.is_finite())
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    })
}

/// How many times `step` fits into `span`, if that is whole.
fn levels(span: f64, step: f64) -> Option<u32> {
    let levels = span / step;
    let whole = (levels - levels.round()).abs() < 1e-6 * levels.max(1.0);
    (whole && (1.0..=f64::from(MAX_LEVELS)).contains(&levels.round()))
        .then(|| levels.round() as u32)
}

#[cfg(test)]
mod tests;
