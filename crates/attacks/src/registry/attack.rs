//! An attack, ready to run.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use scoville_targets::{Gradients, text};

use super::{Access, Algorithm, Row, Values};
use crate::measure::Budget;
use crate::parts::{Eot, Traced};
use crate::text::TextProblem;
use crate::{Error, Goal, Problem, Search, Success, WhiteBox, driver};

/// An attack with its parameters.
pub struct Attack {
    /// The row's name, behind `transfer:` where it runs on a surrogate.
    pub name: Arc<str>,
    pub row: &'static Row,
    pub algorithm: Algorithm,
    /// The ATLAS technique under which it is booked: the row's own, or its suite's.
    pub technique: &'static str,
    pub(super) values: Values,
    /// Evaluations whose mean is a gradient: see [`Eot`].
    pub(super) eot: usize,
    pub(super) transfer: bool,
}

impl Attack {
    pub(super) fn new(row: &'static Row, values: Values) -> Self {
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

    /// Evaluations whose mean is a gradient; more than one is for models that answer at random.
    pub fn evaluations(&self) -> usize {
        self.eot
    }

    /// What it must reach of the target.
    pub fn access(&self) -> Access {
        match self.transfer {
            true => Access::Labels,
            false => self.row.access,
        }
    }

    /// The most queries about a sample, where it has such a budget.
    pub fn most_queries(&self) -> Option<u64> {
        match self.transfer {
            true => Some(1),
            false => self.values.0.get("queries").map(|&most| most as u64),
        }
    }

    /// Whether one run serves every eps: see [`WhiteBox::is_minimal`](crate::WhiteBox::is_minimal).
    pub fn is_minimal(&self) -> bool {
        // On a surrogate nobody knows how many words are enough: each budget is spent.
        let spends = self.transfer && self.row.budget == Budget::Edits;
        self.algorithm.is_minimal() && !spends
    }

    /// Its restarts on a target of so many classes, which may run side by side: see [`WhiteBox::restarts`].
    pub fn restarts(&self, classes: usize) -> usize {
        match &self.algorithm {
            Algorithm::WhiteBox(attack) => attack.restarts(classes),
            _ => 1,
        }
    }

    /// The same attack with some of its restarts.
    pub fn with_restarts(&self, restarts: Range<usize>) -> Attack {
        let algorithm = match (self.row.build)(&self.values) {
            Algorithm::WhiteBox(attack) => Algorithm::WhiteBox(Box::new(Part { attack, restarts })),
            other => other,
        };
        Attack {
            name: self.name.clone(),
            values: self.values.clone(),
            algorithm,
            ..*self
        }
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

/// Some of the restarts of an attack.
struct Part {
    attack: Box<dyn WhiteBox>,
    restarts: Range<usize>,
}

impl WhiteBox for Part {
    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error> {
        self.attack.run_some(self.restarts.clone(), search, target)
    }

    fn is_minimal(&self) -> bool {
        self.attack.is_minimal()
    }

    fn is_universal(&self) -> bool {
        self.attack.is_universal()
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
