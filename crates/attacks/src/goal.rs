//! What an attack must make of a sample.

use std::collections::BTreeMap;
use std::fmt;

use scoville_kernels::{Array, INVALID, rivals};
use scoville_targets::Scores;

use crate::{Error, Problem, Success};

/// The class that a sample must be given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Goal {
    /// Any but its label.
    #[default]
    Any,
    /// This one.
    Class(u32),
    /// The one that the target finds likeliest on the clean sample, its label aside.
    Second,
    /// The one that it finds least likely.
    LeastLikely,
    /// Each class other than the label in turn, until one is reached.
    Every,
}

impl Goal {
    /// Whether a sample of that label has something to reach.
    pub fn concerns(self, label: u32) -> bool {
        self != Goal::Class(label)
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Goal::Any => f.write_str("any class but the label"),
            Goal::Class(class) => write!(f, "class {class}"),
            Goal::Second => f.write_str("the likeliest class but the label"),
            Goal::LeastLikely => f.write_str("the least likely class"),
            Goal::Every => f.write_str("every class in turn"),
        }
    }
}

/// Of the points that reach a class for a sample, the nearest.
pub(crate) struct Reached<X>(BTreeMap<usize, Success<X>>);

impl<X> Reached<X> {
    pub fn none() -> Self {
        Self(BTreeMap::new())
    }

    pub fn has(&self, row: usize) -> bool {
        self.0.contains_key(&row)
    }

    /// Notes that `found`, in a group of these `rows`, reaches `class`.
    pub fn note(&mut self, found: Success<X>, rows: &[usize], class: u32) {
        let row = rows[found.row];
        let nearer = self
            .0
            .get(&row)
            .is_none_or(|known| found.distance < known.distance);
        if nearer {
            let success = Success {
                row,
                predicted: class,
                ..found
            };
            self.0.insert(row, success);
        }
    }

    /// In the order of the samples.
    pub fn into_successes(self) -> Vec<Success<X>> {
        self.0.into_values().collect()
    }
}

/// Samples of a problem that must reach the same class.
pub(crate) struct Group {
    /// Their places in the problem.
    pub rows: Vec<usize>,
    ids: Vec<u32>,
    x: Vec<f32>,
    /// All 0: see [`Towards`](crate::parts::Towards).
    y: Vec<u32>,
}

impl Group {
    pub fn of(problem: &Problem<'_>, rows: Vec<usize>) -> Self {
        let cols = problem.x.len() / problem.ids.len();
        let sample = |&row: &usize| &problem.x[row * cols..(row + 1) * cols];
        Self {
            ids: rows.iter().map(|&row| problem.ids[row]).collect(),
            x: rows.iter().flat_map(sample).copied().collect(),
            y: vec![0; rows.len()],
            rows,
        }
    }

    /// The group as a problem of its own, for a target that is seen as its class against the rest.
    pub fn problem<'a>(&'a self, whole: &Problem<'a>) -> Problem<'a> {
        Problem {
            ids: &self.ids,
            x: &self.x,
            y: &self.y,
            goal: Goal::Any,
            ..*whole
        }
    }
}

/// Samples by the class that they must reach: the places of their labels `y`. Under [`Goal::Every`] a sample is there many
/// times. `ranked` gives the class of that rank on each clean sample, of those other than its label.
pub(crate) fn aims(
    goal: Goal,
    y: &[u32],
    classes: usize,
    ranked: impl FnOnce(usize) -> Result<Vec<u32>, Error>,
) -> Result<BTreeMap<u32, Vec<usize>>, Error> {
    let last = classes.saturating_sub(2);
    let pairs: Vec<(u32, usize)> = match goal {
        Goal::Any => Vec::new(),
        Goal::Class(class) => (0..y.len()).map(|row| (class, row)).collect(),
        Goal::Second => ranked(0)?.into_iter().zip(0..).collect(),
        Goal::LeastLikely => ranked(last)?.into_iter().zip(0..).collect(),
        Goal::Every => {
            let classes = 0..classes as u32;
            let rows = classes.flat_map(|class| (0..y.len()).map(move |row| (class, row)));
            rows.collect()
        }
    };
    let mut aims: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (class, row) in pairs {
        // The target names no class where its answer to the clean sample is not finite.
        if class != INVALID && class != y[row] {
            aims.entry(class).or_default().push(row);
        }
    }
    Ok(aims)
}

/// The class of that rank on each clean sample, of those other than its label.
pub(crate) fn ranked(
    problem: &Problem<'_>,
    target: &dyn Scores,
    rank: usize,
) -> Result<Vec<u32>, Error> {
    let (device, n) = (target.device(), problem.ids.len());
    let x = Array::from_vec(device, n, problem.x.len() / n.max(1), problem.x.to_vec())?;
    let y = Array::from_vec(device, n, 1, problem.y.to_vec())?;
    let pairs = rivals(&target.scores(&x)?, &y, rank)?.to_vec()?;
    Ok(pairs.chunks_exact(2).map(|pair| pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_of_the_class_has_nothing_to_reach() {
        assert!(!Goal::Class(3).concerns(3) && Goal::Class(3).concerns(2));
        for goal in [Goal::Any, Goal::Second, Goal::LeastLikely, Goal::Every] {
            assert!(goal.concerns(3));
        }
    }
}
