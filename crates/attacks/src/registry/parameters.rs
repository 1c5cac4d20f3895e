//! The parameters of an attack, and their values.

use std::collections::BTreeMap;

use super::Row;
use super::parse::{AttackError, list};

/// A parameter of an attack.
pub struct Parameter {
    pub name: &'static str,
    pub default: f64,
    /// Least and most value.
    pub range: (f64, f64),
    pub whole: bool,
    /// What it means, with its unit.
    pub about: &'static str,
}

pub(crate) const fn whole(
    name: &'static str,
    default: f64,
    most: f64,
    about: &'static str,
) -> Parameter {
    Parameter {
        name,
        default,
        range: (1.0, most),
        whole: true,
        about,
    }
}

pub(crate) const fn real(
    name: &'static str,
    default: f64,
    range: (f64, f64),
    about: &'static str,
) -> Parameter {
    Parameter {
        name,
        default,
        range,
        whole: false,
        about,
    }
}

/// What every attack with gradients takes besides its own parameters.
pub const EOT: Parameter = whole(
    "eot",
    1.0,
    1e4,
    "gradient evaluations whose mean stands for each gradient",
);

impl Parameter {
    pub(super) fn parse(&self, row: &Row, text: &str) -> Result<f64, AttackError> {
        let (least, most) = self.range;
        let value = text
            .parse::<f64>()
            .ok()
            .filter(|v| (least..=most).contains(v) && (!self.whole || v.fract() == 0.0));
        value.ok_or_else(|| AttackError::Value {
            attack: row.name,
            key: self.name,
            value: text.into(),
            wanted: format!(
                "a {}number from {least} to {most}",
                if self.whole { "whole " } else { "" }
            ),
        })
    }
}

/// The values of an attack's parameters.
#[derive(Clone, PartialEq)]
pub struct Values(pub(super) BTreeMap<&'static str, f64>);

impl Values {
    pub(super) fn defaults(row: &Row) -> Self {
        Self(row.parameters.iter().map(|p| (p.name, p.default)).collect())
    }

    pub(super) fn set(&mut self, row: &Row, key: &str, text: &str) -> Result<(), AttackError> {
        let parameter = row
            .parameters
            .iter()
            .find(|p| p.name == key)
            .ok_or_else(|| {
                let known = list(row.parameters.iter().map(|p| p.name));
                AttackError::Parameter {
                    attack: row.name,
                    key: key.into(),
                    known: if known.is_empty() {
                        "none".into()
                    } else {
                        known
                    },
                }
            })?;
        let value = parameter.parse(row, text)?;
        self.0.insert(parameter.name, value);
        Ok(())
    }

    pub(crate) fn double(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    pub(crate) fn real(&self, name: &str) -> f32 {
        self.double(name) as f32
    }

    pub(crate) fn whole(&self, name: &str) -> usize {
        self.double(name) as usize
    }

    pub(super) fn describe(&self, row: &Row) -> Vec<String> {
        let word = |p: &Parameter| {
            let value = self.double(p.name);
            match (p.whole, value == 1.0) {
                (true, true) => format!("1 {}", singular(p.name)),
                (true, false) => format!("{value} {}", p.name),
                (false, _) => format!("{} {value}", p.name),
            }
        };
        row.parameters.iter().map(word).collect()
    }
}

fn singular(plural: &str) -> &str {
    match plural {
        "queries" => "query",
        other => other.strip_suffix('s').unwrap_or(other),
    }
}
