//! What the columns of a table are: the section `[features]` of a TOML file.
//!
//! ```toml
//! [features]
//! label = "income"                  # a name or a place from 0; the last column if left out
//! classes = ["<=50K", ">50K"]       # in the order of the model's outputs
//! header = false                    # whether the file's first line names the columns; else seen by its content
//!
//! [[features.column]]               # in the order of the model's inputs
//! name = "age"
//! kind = "integer"                  # numeric, integer, categorical (one-hot), ordinal (a code) or ignored
//! range = [17, 90]                  # taken from the data if left out
//! may = "rise"                      # or "fall"; both if left out
//! model = "standard"                # raw (as in the file), unit (range to 0..1) or standard
//! mean = 38.6
//! std = 13.6
//!
//! [[features.column]]
//! name = "sex"
//! kind = "categorical"
//! categories = ["Female", "Male"]   # sorted from the data if left out
//! immutable = true
//! ```

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A `[features]` section that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error("cannot read {path}: {source}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path}: {message}")]
    Parse { path: PathBuf, message: String },
    #[error("{path}: column {column}: {why}")]
    Column {
        path: PathBuf,
        column: String,
        why: &'static str,
    },
}

/// The description of a table.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    pub(crate) label: Option<Key>,
    #[serde(default)]
    pub(crate) classes: Vec<String>,
    pub(crate) header: Option<bool>,
    #[serde(default, rename = "column")]
    pub(crate) columns: Vec<Column>,
}

/// A column by its name, or by its place from 0.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Key {
    Place(usize),
    Name(String),
}

/// One column.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Column {
    pub name: String,
    pub kind: Kind,
    pub range: Option<[f64; 2]>,
    pub step: Option<f64>,
    pub categories: Option<Vec<String>>,
    #[serde(default)]
    pub immutable: bool,
    pub may: Option<Way>,
    pub model: Option<Wants>,
    pub mean: Option<f64>,
    pub std: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Numeric,
    Integer,
    Categorical,
    Ordinal,
    Ignored,
}

/// The only way in which a value may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Way {
    Rise,
    Fall,
}

/// How the model takes a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wants {
    Raw,
    Unit,
    Standard,
}

#[derive(Deserialize)]
struct File {
    features: Option<Schema>,
}

impl Schema {
    /// Reads the section `[features]` of a TOML file, if it has one.
    pub fn read(path: &Path) -> Result<Option<Self>, SchemaError> {
        let text = std::fs::read_to_string(path).map_err(|source| SchemaError::Read {
            path: path.into(),
            source,
        })?;
        let File { features } = toml::from_str(&text).map_err(|e| SchemaError::Parse {
            path: path.into(),
            message: e.to_string(),
        })?;
        for column in features.iter().flat_map(|schema| &schema.columns) {
            column.check().map_err(|why| SchemaError::Column {
                path: path.into(),
                column: column.name.clone(),
                why,
            })?;
        }
        Ok(features)
    }
}

impl Column {
    /// A number as in the file.
    pub fn number(name: &str, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
            range: None,
            step: None,
            categories: None,
            immutable: false,
            may: None,
            model: None,
            mean: None,
            std: None,
        }
    }

    /// Refuses what contradicts itself.
    fn check(&self) -> Result<(), &'static str> {
        let number = matches!(self.kind, Kind::Numeric | Kind::Integer);
        let choice = matches!(self.kind, Kind::Categorical | Kind::Ordinal);
        if !number && (self.range.is_some() || self.step.is_some()) {
            return Err("range and step are those of numbers");
        }
        if !choice && self.categories.is_some() {
            return Err("categories are those of kind categorical and ordinal");
        }
        if self.kind == Kind::Categorical && (self.may.is_some() || self.model.is_some()) {
            return Err(
                "a categorical column is one-hot, without `may` and `model`; ordinal has both",
            );
        }
        if self.immutable && self.may.is_some() {
            return Err("an immutable column neither rises nor falls: leave `may` out");
        }
        if let Some([low, high]) = self.range
            && !(low.is_finite() && high.is_finite() && low < high)
        {
            return Err("range = [LOW, HIGH] needs LOW below HIGH");
        }
        if self
            .step
            .is_some_and(|step| !(step.is_finite() && step > 0.0))
        {
            return Err("step must be above 0");
        }
        if self.kind == Kind::Integer && self.step.is_some_and(|step| step.fract() != 0.0) {
            return Err("the step of integers is a whole number");
        }
        if self.categories.as_ref().is_some_and(|all| all.len() < 2) {
            return Err("there are at least two categories");
        }
        match (self.model, self.mean, self.std) {
            (Some(Wants::Standard), Some(mean), Some(std)) => {
                let fine = mean.is_finite() && std.is_finite() && std > 0.0;
                fine.then_some(()).ok_or("std must be above 0")
            }
            (Some(Wants::Standard), ..) => {
                Err("model = \"standard\" needs mean and std, those of the training data")
            }
            (_, None, None) => Ok(()),
            _ => Err("mean and std belong to model = \"standard\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;

    fn read(text: &str) -> Result<Option<Schema>, SchemaError> {
        let scratch = Scratch::new();
        Schema::read(&scratch.file("f.toml", text.as_bytes()))
    }

    #[test]
    fn a_section_beside_others_is_read() {
        let text = "[model]\npath = \"m.onnx\"\n[features]\nlabel = 2\n[[features.column]]\nname = \"age\"\nkind = \"integer\"\n";
        let schema = read(text).unwrap().unwrap();
        assert_eq!(schema.label, Some(Key::Place(2)));
        assert_eq!(schema.columns, [Column::number("age", Kind::Integer)]);
        assert_eq!(read("[model]\n").unwrap(), None);
    }

    #[test]
    fn contradictions_are_named() {
        for (column, says) in [
            ("kind = \"number\"", "kind"),
            ("kind = \"numeric\"\nrage = [0, 1]", "rage"),
            ("kind = \"numeric\"\nrange = [1, 0]", "LOW below HIGH"),
            ("kind = \"ordinal\"\nrange = [0, 1]", "those of numbers"),
            ("kind = \"numeric\"\nstep = 0", "above 0"),
            ("kind = \"integer\"\nstep = 0.5", "whole number"),
            ("kind = \"ordinal\"\ncategories = [\"a\"]", "at least two"),
            (
                "kind = \"integer\"\ncategories = [\"a\", \"b\"]",
                "categorical",
            ),
            ("kind = \"categorical\"\nmay = \"rise\"", "one-hot"),
            (
                "kind = \"numeric\"\nimmutable = true\nmay = \"fall\"",
                "leave `may` out",
            ),
            (
                "kind = \"numeric\"\nmodel = \"standard\"",
                "needs mean and std",
            ),
            ("kind = \"numeric\"\nmean = 1", "belong to"),
            (
                "kind = \"numeric\"\nmodel = \"standard\"\nmean = 0\nstd = 0",
                "above 0",
            ),
        ] {
            let text = format!("[features]\n[[features.column]]\nname = \"age\"\n{column}\n");
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("f.toml"), "{error}");
        }
    }
}
