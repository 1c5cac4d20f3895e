//! The attacks by name: one row an attack.

mod rows;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use scoville_kernels::Norm;

use scoville_targets::{Gradients, text};

use crate::measure::Budget;
use crate::parts::{Eot, Traced};
use crate::text::{TextAlgorithm, TextProblem};
use crate::{BlackBox, Error, Goal, LabelsOnly, Problem, Success, TreeAttack, WhiteBox, driver};
use rows::ROWS;

/// Norms of attacks that know every ball that is convex.
pub(crate) const CONVEX: Budget = Budget::Ball(&[Norm::Linf, Norm::L2, Norm::L1]);
/// Norms of attacks that know two of them.
pub(crate) const BOTH: Budget = Budget::Ball(&[Norm::Linf, Norm::L2]);
/// Norms of attacks on distances that are sums over the elements.
pub(crate) const SUMS: Budget = Budget::Ball(&[Norm::L2, Norm::L1]);
pub(crate) const LINF: Budget = Budget::Ball(&[Norm::Linf]);
pub(crate) const L2: Budget = Budget::Ball(&[Norm::L2]);
pub(crate) const L1: Budget = Budget::Ball(&[Norm::L1]);
pub(crate) const L0: Budget = Budget::Ball(&[Norm::L0]);
pub(crate) const WASSERSTEIN: Budget = Budget::Ball(&[Norm::Wasserstein]);
/// Norms of attacks that know them all, where distances are made of single elements.
pub(crate) const ALL: Budget = Budget::Ball(&[Norm::Linf, Norm::L2, Norm::L1, Norm::L0]);

/// ATLAS: Craft Adversarial Data, White-Box Optimization.
pub(crate) const WHITE_BOX: &str = "AML.T0043.000";
/// ATLAS: Craft Adversarial Data, Black-Box Optimization.
pub(crate) const BLACK_BOX: &str = "AML.T0043.001";
/// ATLAS: Physical Environment Access.
pub(crate) const PHYSICAL: &str = "AML.T0041";
/// ATLAS: Craft Adversarial Data, Black-Box Transfer.
pub const TRANSFER: &str = "AML.T0043.002";
/// ATLAS: Craft Adversarial Data, Manual Modification.
pub(crate) const MANUAL: &str = "AML.T0043.003";

/// What an attack must reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// The predicted class.
    Labels,
    /// Logits or probabilities.
    Scores,
    /// Input gradients.
    Gradients,
    /// The decision trees that the model consists of.
    Trees,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::Labels => "labels",
            Access::Scores => "scores",
            Access::Gradients => "gradients",
            Access::Trees => "trees",
        })
    }
}

/// An attack, ready to run with what it needs.
pub enum Algorithm {
    WhiteBox(Box<dyn WhiteBox>),
    BlackBox(Box<dyn BlackBox>),
    LabelsOnly(Box<dyn LabelsOnly>),
    Text(TextAlgorithm),
    Trees(Box<dyn TreeAttack>),
}

impl Algorithm {
    /// Whether one run serves every eps: see [`WhiteBox::is_minimal`].
    pub fn is_minimal(&self) -> bool {
        match self {
            Algorithm::WhiteBox(attack) => attack.is_minimal(),
            Algorithm::BlackBox(attack) => attack.is_minimal(),
            Algorithm::LabelsOnly(attack) => attack.is_minimal(),
            Algorithm::Text(_) => true,
            Algorithm::Trees(_) => true,
        }
    }

    /// Whether it learns from its samples together: see [`WhiteBox::is_universal`].
    pub fn is_universal(&self) -> bool {
        matches!(self, Algorithm::WhiteBox(attack) if attack.is_universal())
    }
}

/// An attack with its parameters.
pub struct Attack {
    /// The row's name, behind `transfer:` where it runs on a surrogate.
    pub name: Arc<str>,
    pub row: &'static Row,
    pub algorithm: Algorithm,
    /// The ATLAS technique under which it is booked: the row's own, or its suite's.
    pub technique: &'static str,
    values: Values,
    /// Evaluations whose mean is a gradient: see [`Eot`].
    eot: usize,
    transfer: bool,
}

impl Attack {
    fn new(row: &'static Row, values: Values) -> Self {
        Self {
            name: row.name.into(),
            row,
            algorithm: (row.build)(&values),
            technique: row.technique,
            values,
            eot: 1,
            transfer: false,
        }
    }

    /// Whether it runs on a surrogate, and the target only judges where it ends.
    pub fn is_transfer(&self) -> bool {
        self.transfer
    }

    /// What it must reach of the target.
    pub fn access(&self) -> Access {
        match self.transfer {
            true => Access::Labels,
            false => self.row.access,
        }
    }

    /// Whether one run serves every eps: see [`WhiteBox::is_minimal`].
    pub fn is_minimal(&self) -> bool {
        // On a surrogate nobody knows how many words are enough: each budget is spent.
        let spends = self.transfer && self.row.budget == Budget::Edits;
        self.algorithm.is_minimal() && !spends
    }

    /// The same attack with twice the steps, if it has steps: what it still gains shows that it had not converged. One
    /// restart and the three likeliest targets show that as well as all of them.
    pub fn longer(&self) -> Option<Attack> {
        let mut values = self.values.clone();
        *values.0.get_mut("steps")? *= 2.0;
        for (name, most) in [("restarts", 1.0), ("targets", 3.0)] {
            if let Some(value) = values.0.get_mut(name) {
                *value = value.min(most);
            }
        }
        Some(Attack {
            name: self.name.clone(),
            row: self.row,
            algorithm: (self.row.build)(&values),
            technique: self.technique,
            values,
            eot: self.eot,
            transfer: self.transfer,
        })
    }

    /// How many steps it takes, if it climbs by steps, each with gradients of its own.
    pub fn steps(&self) -> Option<usize> {
        let climbs = self.access() == Access::Gradients && !self.is_minimal();
        let steps = climbs.then(|| self.values.0.get("steps")).flatten();
        steps.map(|&steps| steps as usize)
    }

    /// The loss of each sample at each gradient of one run, away from the labels and to the last step, without restarts.
    pub fn losses(
        &self,
        target: &dyn Gradients,
        problem: &Problem<'_>,
    ) -> Result<Vec<Vec<f32>>, Error> {
        let mut values = self.values.clone();
        for name in ["restarts", "targets"] {
            values.0.entry(name).and_modify(|value| *value = 1.0);
        }
        let samples = self.eot;
        let mean = Eot { target, samples };
        let traced = Traced::new(&mean);
        let away = Problem {
            goal: Goal::Any,
            ..*problem
        };
        driver::transfer(&(self.row.build)(&values), &traced, target, &away)?;
        Ok(traced.into_losses())
    }

    /// Runs it on `problem` with the access that it needs, on `surrogate` where it is a transfer attack, and verifies on
    /// `target` what it finds.
    pub fn run(
        &self,
        target: &dyn Gradients,
        surrogate: Option<&dyn Gradients>,
        problem: &Problem<'_>,
    ) -> Result<Vec<Success>, Error> {
        let attacked = match self.transfer {
            false => target,
            true => surrogate.ok_or_else(|| Error::NoSurrogate(self.name.to_string()))?,
        };
        let mean = Eot {
            target: attacked,
            samples: self.eot,
        };
        let attacked: &dyn Gradients = if self.eot > 1 { &mean } else { attacked };
        match self.transfer {
            false => driver::run(&self.algorithm, attacked, problem),
            true => driver::transfer(&self.algorithm, attacked, target, problem),
        }
    }

    /// Runs it on texts as [`run`](Self::run) does on numbers.
    pub fn run_text(
        &self,
        target: &dyn text::Gradients,
        surrogate: Option<&dyn text::Gradients>,
        problem: &TextProblem<'_>,
    ) -> Result<Vec<Success<String>>, Error> {
        let Algorithm::Text(attack) = &self.algorithm else {
            return Err(Error::Kind);
        };
        match (self.transfer, surrogate) {
            (false, _) => crate::text::run(attack, target, problem),
            (true, Some(surrogate)) => crate::text::transfer(attack, surrogate, target, problem),
            (true, None) => Err(Error::NoSurrogate(self.name.to_string())),
        }
    }

    /// The most trees of an ensemble that it takes; `None` where it reads no trees.
    pub fn most_trees(&self) -> Option<usize> {
        match &self.algorithm {
            Algorithm::Trees(attack) => Some(attack.most_trees()),
            _ => None,
        }
    }

    /// The same attack, booked under `technique`.
    pub fn under(self, technique: &'static str) -> Self {
        Self { technique, ..self }
    }
}

/// The same algorithm with the same parameters, booked under the same technique.
impl PartialEq for Attack {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.technique, &self.values, self.eot)
            == (&other.name, other.technique, &other.values, other.eot)
    }
}

/// `apgd-ce (100 steps, 5 restarts)`.
impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = self.values.describe(self.row);
        if self.eot > 1 {
            words.push(format!("mean of {} gradients", self.eot));
        }
        f.write_str(&self.name)?;
        if words.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", words.join(", "))
    }
}

/// One attack of the registry.
pub struct Row {
    pub name: &'static str,
    /// The ATLAS technique that it emulates.
    pub technique: &'static str,
    pub access: Access,
    /// What its budget may be counted in.
    pub budget: Budget,
    /// The fewest classes of a model that its loss is defined for.
    pub least_classes: usize,
    /// Parameters with their defaults.
    pub parameters: &'static [Parameter],
    /// First author and year, and where to read it.
    pub paper: &'static str,
    pub(crate) build: fn(&Values) -> Algorithm,
}

impl Row {
    /// Whether it climbs gradients, for which a surrogate's can stand.
    fn climbs(&self) -> bool {
        self.access == Access::Gradients
    }

    /// Whether the mean of several gradients can stand for one.
    fn takes_means(&self) -> bool {
        self.climbs() && self.budget != Budget::Edits
    }
}

/// A parameter of an attack.
pub struct Parameter {
    pub name: &'static str,
    pub default: f64,
    /// Least and most value.
    pub range: (f64, f64),
    pub whole: bool,
}

pub(crate) const fn whole(name: &'static str, default: f64, most: f64) -> Parameter {
    Parameter {
        name,
        default,
        range: (1.0, most),
        whole: true,
    }
}

pub(crate) const fn real(name: &'static str, default: f64, range: (f64, f64)) -> Parameter {
    Parameter {
        name,
        default,
        range,
        whole: false,
    }
}

/// What every attack with gradients takes besides its own parameters.
pub const EOT: Parameter = whole("eot", 1.0, 1e4);

impl Parameter {
    fn parse(&self, row: &Row, text: &str) -> Result<f64, AttackError> {
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

/// Every attack.
pub fn rows() -> &'static [Row] {
    ROWS
}

/// An attack that was asked for in a way that cannot be.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum AttackError {
    #[error("no attack is called `{name}`; there are {known}")]
    Unknown { name: String, known: String },
    #[error("no suite is called `{text}`; there are {known}")]
    Version { text: String, known: String },
    #[error(
        "transfer:{attack}: only an attack that needs gradients runs on a surrogate; there are {known}"
    )]
    NotTransferable { attack: &'static str, known: String },
    #[error("`{text}` in `{attack}`: write NAME:KEY=VALUE, for example pgd:steps=40:restarts=5")]
    Syntax { attack: String, text: String },
    #[error("{attack} has no parameter `{key}`; it has {known}")]
    Parameter {
        attack: &'static str,
        key: String,
        known: String,
    },
    #[error("{attack}: {key}={value} must be {wanted}")]
    Value {
        attack: &'static str,
        key: &'static str,
        value: String,
        wanted: String,
    },
}

/// What stands before the name of an attack that is to run on a surrogate. It alone means [`TRANSFERRED`].
pub const PREFIX: &str = "transfer";
pub const TRANSFERRED: &str = "mi-fgsm";

/// Parses one attack, `[transfer:]NAME[:KEY=VALUE]...`, for example `apgd-ce:steps=100:restarts=5`.
pub fn parse(text: &str) -> Result<Attack, AttackError> {
    match text.trim().strip_prefix(PREFIX) {
        Some("") => transferred(TRANSFERRED),
        Some(rest) if rest.starts_with(':') => transferred(&rest[1..]),
        _ => direct(text),
    }
}

/// The attack on a surrogate. Any that climbs gradients can be one; a surrogate gives them.
fn transferred(text: &str) -> Result<Attack, AttackError> {
    let attack = direct(text)?;
    if !attack.row.climbs() {
        let fit = ROWS.iter().filter(|row| row.climbs());
        return Err(AttackError::NotTransferable {
            attack: attack.row.name,
            known: list(fit.map(|row| row.name)),
        });
    }
    Ok(Attack {
        name: format!("{PREFIX}:{}", attack.row.name).into(),
        technique: TRANSFER,
        transfer: true,
        ..attack
    })
}

fn direct(text: &str) -> Result<Attack, AttackError> {
    let mut words = text.split(':');
    let name = words.next().unwrap_or_default().trim();
    let row = ROWS
        .iter()
        .find(|row| row.name == name)
        .ok_or_else(|| AttackError::Unknown {
            name: name.into(),
            known: list(
                ROWS.iter()
                    .map(|row| row.name)
                    .chain(["autoattack", PREFIX]),
            ),
        })?;
    let mut values = Values::defaults(row);
    let mut eot = 1;
    for word in words {
        let (key, value) = word.split_once('=').ok_or_else(|| AttackError::Syntax {
            attack: text.into(),
            text: word.into(),
        })?;
        let (key, value) = (key.trim(), value.trim());
        if key == EOT.name && row.takes_means() {
            eot = EOT.parse(row, value)? as usize;
        } else {
            values.set(row, key, value)?;
        }
    }
    Ok(Attack {
        eot,
        ..Attack::new(row, values)
    })
}

/// The values of an attack's parameters.
#[derive(Clone, PartialEq)]
pub struct Values(BTreeMap<&'static str, f64>);

impl Values {
    fn defaults(row: &Row) -> Self {
        Self(row.parameters.iter().map(|p| (p.name, p.default)).collect())
    }

    fn set(&mut self, row: &Row, key: &str, text: &str) -> Result<(), AttackError> {
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

    fn describe(&self, row: &Row) -> Vec<String> {
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

fn list<T: Into<String>>(words: impl Iterator<Item = T>) -> String {
    words.map(Into::into).collect::<Vec<String>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_defaults_are_allowed() {
        for (i, row) in ROWS.iter().enumerate() {
            assert!(ROWS[..i].iter().all(|other| other.name != row.name));
            let attack = parse(row.name).unwrap();
            let access = match &attack.algorithm {
                Algorithm::WhiteBox(_) => Access::Gradients,
                Algorithm::BlackBox(_) => Access::Scores,
                Algorithm::LabelsOnly(_) => Access::Labels,
                Algorithm::Text(attack) => match attack {
                    TextAlgorithm::WhiteBox(_) => Access::Gradients,
                    TextAlgorithm::BlackBox(_) => Access::Scores,
                    TextAlgorithm::LabelsOnly(_) => Access::Labels,
                },
                Algorithm::Trees(_) => Access::Trees,
            };
            let on_text = matches!(attack.algorithm, Algorithm::Text(_));
            assert_eq!(on_text, row.budget == Budget::Edits, "{}", row.name);
            assert_eq!(access, row.access, "{}", row.name);
            for p in row.parameters {
                assert!(
                    (p.range.0..=p.range.1).contains(&p.default),
                    "{}.{}",
                    row.name,
                    p.name
                );
            }
        }
    }

    #[test]
    fn parameters_are_read_and_described() {
        let attack = parse("apgd-ce:steps=50:restarts=5").unwrap();
        assert_eq!(attack.to_string(), "apgd-ce (50 steps, 5 restarts)");
        assert_eq!(
            parse("square:queries=1").unwrap().to_string(),
            "square (1 query, schedule 1)"
        );
        assert_eq!(parse("fgsm").unwrap().to_string(), "fgsm");
        assert_eq!(
            attack.longer().unwrap().to_string(),
            "apgd-ce (100 steps, 1 restart)"
        );
        let targeted = parse("apgd-t:steps=10:targets=9").unwrap().longer();
        assert_eq!(
            targeted.unwrap().to_string(),
            "apgd-t (20 steps, 3 targets)"
        );
        assert!(parse("fgsm").unwrap().longer().is_none());
        let mean = parse("pgd:eot=20").unwrap().longer().unwrap();
        assert!(mean.to_string().ends_with(", mean of 20 gradients)"));
    }

    #[test]
    fn any_attack_with_gradients_can_be_transferred() {
        let attack = parse("transfer:pgd:steps=5:eot=2").unwrap();
        assert!(attack.to_string().starts_with("transfer:pgd (5 steps, "));
        assert!(attack.is_transfer() && attack.access() == Access::Labels);
        assert_eq!(attack.technique, TRANSFER);
        let alone = parse("transfer").unwrap();
        assert!(alone == parse("transfer:mi-fgsm").unwrap() && alone != parse("mi-fgsm").unwrap());
        for row in ROWS {
            let transferred = parse(&format!("transfer:{}", row.name));
            assert_eq!(transferred.is_ok(), row.climbs(), "{}", row.name);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |text: &str| parse(text).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(message("pgdd").contains("`pgdd`"));
        assert!(message("pgd:steps").contains("KEY=VALUE"));
        assert!(message("pgd:stepz=3").contains("`stepz`"));
        for text in [
            "pgd:steps=0",
            "pgd:steps=1.5",
            "pgd:steps=x",
            "pgd:step=nan",
            "pgd:step=-1",
            "pgd:eot=0",
        ] {
            assert!(message(text).contains("must be"), "{text}");
        }
        assert!(message("fgsm:steps=1").contains("none"));
        assert!(message("square:eot=2").contains("`eot`"));
        assert!(message("transfer:square").contains("needs gradients"));
        assert!(message("transfer:pgdd").contains("`pgdd`"));
        assert!(message("transfers").contains("`transfers`"));
    }
}
