//! The driver judges, never the attack.
//!
//! It gives an attack the running samples, takes its candidates, projects each into the ball in f64, asks the target
//! about the stored f32 sample, and counts it only when the answer is another class.

use std::sync::atomic::AtomicBool;

use rayon::prelude::*;
use scoville_kernels::{Array, Ball, INVALID, Image, Norm};
use scoville_targets::{Gradients, Labels, Scores, Trees};

use crate::constraints::{Constraints, Limits};
use crate::goal::{self, Goal, Group, Reached};
use crate::parts::Towards;
use crate::search::{Candidate, Keep};
use crate::{Algorithm, BlackBox, Error, LabelsOnly, Search, TreeAttack, WhiteBox, projection};

/// Samples to attack at one eps.
pub struct Problem<'a> {
    /// Stable ids, one a sample.
    pub ids: &'a [u32],
    /// Clean samples in pixel space, row after row.
    pub x: &'a [f32],
    /// Labels.
    pub y: &'a [u32],
    pub norm: Norm,
    /// Radius of the ball.
    pub eps: f64,
    /// The valid range of an input value.
    pub bounds: (f32, f32),
    pub seed: u64,
    /// What a sample must be taken for.
    pub goal: Goal,
    /// What may become of a sample, where not everything within ball and range.
    pub constraints: Option<&'a Constraints>,
    /// Set by whoever wants to stop.
    pub stop: &'a AtomicBool,
}

/// A verified adversarial example.
#[derive(Debug, Clone, PartialEq)]
pub struct Success<X = Vec<f32>> {
    /// Which sample of the problem.
    pub row: usize,
    /// How far it is from the clean sample, in f64.
    pub distance: f64,
    /// The adversarial sample as stored and verified.
    pub x: X,
    /// What the target says of it.
    pub predicted: u32,
    /// How often the attack had asked about this sample, gradients included, when it first found a point in the ball. An
    /// attack on a surrogate asks the target once.
    pub asked: u64,
}

/// The trees that a target consists of, and the class to reach, where the target is seen as it against the rest.
pub struct Structure<'a> {
    pub trees: &'a Trees,
    pub reach: Option<u32>,
}

/// Runs any attack towards the problem's goal, on a target that gives all that one can need.
pub fn run(
    algorithm: &Algorithm,
    target: &dyn Gradients,
    problem: &Problem<'_>,
) -> Result<Vec<Success>, Error> {
    aimed(algorithm, target, problem, |reach, problem| {
        let trees = target.trees();
        let structure = trees.map(|trees| Structure { trees, reach });
        match reach {
            None => away(algorithm, target, structure, problem),
            Some(class) => away(algorithm, &Towards { target, class }, structure, problem),
        }
    })
}

/// Runs any attack towards the problem's goal on `surrogate`, and asks `target` about where it ends: once a sample.
pub fn transfer(
    algorithm: &Algorithm,
    surrogate: &dyn Gradients,
    target: &dyn Scores,
    problem: &Problem<'_>,
) -> Result<Vec<Success>, Error> {
    aimed(algorithm, target, problem, |class, problem| match class {
        None => across(algorithm, surrogate, target, problem),
        Some(class) => {
            let target = Towards { target, class };
            let surrogate = Towards {
                target: surrogate,
                class,
            };
            across(algorithm, &surrogate, &target, problem)
        }
    })
}

/// Runs `attack` towards the problem's goal: without a class it leads away from the labels; with one, target and labels
/// are to be seen through [`Towards`].
fn aimed(
    algorithm: &Algorithm,
    target: &dyn Scores,
    problem: &Problem<'_>,
    attack: impl Fn(Option<u32>, &Problem<'_>) -> Result<Vec<Success>, Error>,
) -> Result<Vec<Success>, Error> {
    if problem.goal == Goal::Any {
        return attack(None, problem);
    }
    if problem.ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut reached = Reached::none();
    let ranked = |rank| goal::ranked(problem, target, rank);
    for (class, mut rows) in goal::aims(problem.goal, problem.y, target.classes(), ranked)? {
        if !algorithm.is_minimal() {
            rows.retain(|&row| !reached.has(row));
        }
        let group = Group::of(problem, rows);
        for found in attack(Some(class), &group.problem(problem))? {
            reached.note(found, &group.rows, class);
        }
    }
    Ok(reached.into_successes())
}

/// Runs any attack away from the labels on `surrogate`; `target` judges.
fn across(
    algorithm: &Algorithm,
    surrogate: &dyn Gradients,
    target: &dyn Labels,
    problem: &Problem<'_>,
) -> Result<Vec<Success>, Error> {
    let mut found = judge(
        target,
        problem,
        Keep::Last,
        algorithm.is_minimal(),
        |search| {
            let surrogate = search.counted(surrogate);
            match algorithm {
                Algorithm::WhiteBox(attack) => attack.run(search, &surrogate),
                Algorithm::BlackBox(attack) => attack.run(search, &surrogate),
                Algorithm::LabelsOnly(attack) => attack.run(search, &surrogate),
                Algorithm::Text(_) | Algorithm::Trees(_) => Err(Error::Kind),
            }
        },
    )?;
    found.iter_mut().for_each(|success| success.asked = 1);
    Ok(found)
}

/// Runs any attack away from the labels.
fn away(
    algorithm: &Algorithm,
    target: &dyn Gradients,
    structure: Option<Structure<'_>>,
    problem: &Problem<'_>,
) -> Result<Vec<Success>, Error> {
    match algorithm {
        Algorithm::WhiteBox(attack) => white_box(attack.as_ref(), target, problem),
        Algorithm::BlackBox(attack) => black_box(attack.as_ref(), target, problem),
        Algorithm::LabelsOnly(attack) => labels_only(attack.as_ref(), target, problem),
        Algorithm::Text(_) => Err(Error::Kind),
        Algorithm::Trees(attack) => {
            let structure = structure.ok_or(Error::NoTrees)?;
            read_trees(attack.as_ref(), target, &structure, problem)
        }
    }
}

/// Runs a gradient attack away from the labels and verifies what it finds.
pub fn white_box(
    attack: &dyn WhiteBox,
    target: &dyn Gradients,
    problem: &Problem<'_>,
) -> Result<Vec<Success>, Error> {
    judge(
        target,
        problem,
        Keep::First,
        attack.is_minimal(),
        |search| {
            let target = search.counted(target);
            attack.run(search, &target)
        },
    )
}

/// Runs a score attack away from the labels and verifies what it finds.
pub fn black_box(
    attack: &dyn BlackBox,
    target: &dyn Scores,
    problem: &Problem<'_>,
) -> Result<Vec<Success>, Error> {
    judge(
        target,
        problem,
        Keep::First,
        attack.is_minimal(),
        |search| {
            let target = search.counted(target);
            attack.run(search, &target)
        },
    )
}

/// Runs a label attack away from the labels and verifies what it finds; nothing but labels is asked for.
pub fn labels_only(
    attack: &dyn LabelsOnly,
    target: &dyn Labels,
    problem: &Problem<'_>,
) -> Result<Vec<Success>, Error> {
    judge(
        target,
        problem,
        Keep::First,
        attack.is_minimal(),
        |search| {
            let target = search.counted(target);
            attack.run(search, &target)
        },
    )
}

/// Runs an attack that reads trees, away from the labels, and verifies what it finds.
pub fn read_trees(
    attack: &dyn TreeAttack,
    target: &dyn Labels,
    structure: &Structure<'_>,
    problem: &Problem<'_>,
) -> Result<Vec<Success>, Error> {
    judge(target, problem, Keep::First, true, |search| {
        let target = search.counted(target);
        attack.run(search, &target, structure)
    })
}

fn judge(
    target: &dyn Labels,
    problem: &Problem<'_>,
    keep: Keep,
    is_minimal: bool,
    attack: impl FnOnce(&mut Search<'_>) -> Result<(), Error>,
) -> Result<Vec<Success>, Error> {
    if problem.ids.is_empty() {
        return Ok(Vec::new());
    }
    let (device, n) = (target.device(), problem.ids.len());
    let cols = problem.x.len() / n;
    let arrays = (
        Array::from_vec(device, n, cols, problem.x.to_vec())?,
        Array::from_vec(device, n, 1, problem.y.to_vec())?,
        Array::from_vec(device, n, 1, problem.ids.to_vec())?,
    );
    let ball = Ball {
        norm: problem.norm,
        eps: round_down(problem.eps),
        lo: problem.bounds.0,
        hi: problem.bounds.1,
    };
    let image = image(target.sample_shape());
    let limits = problem
        .constraints
        .map(|constraints| Limits::new(constraints, &arrays.0, ball, is_minimal));
    let limits = limits.transpose()?;
    let (seed, stop) = (problem.seed, problem.stop);
    let mut search = Search::new(arrays, ball, seed, image, keep, limits, stop)?;
    search.constraints = problem.constraints;
    attack(&mut search)?;
    verify(target, problem, search.into_candidates()?)
}

/// Projects the candidates exactly, drops what is not valid, and keeps those that the target still gets wrong.
fn verify(
    target: &dyn Labels,
    problem: &Problem<'_>,
    mut candidates: Vec<Candidate>,
) -> Result<Vec<Success>, Error> {
    let cols = problem.x.len() / problem.ids.len();
    let clean = |row: usize| &problem.x[row * cols..(row + 1) * cols];
    let image = image(target.sample_shape());
    let Problem {
        norm,
        eps,
        bounds,
        constraints,
        ..
    } = *problem;
    match constraints {
        Some(constraints) => {
            candidates.retain_mut(|c| constraints.settle(norm, eps, clean(c.row), &mut c.x));
        }
        None => candidates.par_iter_mut().for_each(|c| {
            projection::project(norm, image, eps, bounds, clean(c.row), &mut c.x);
        }),
    }
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let stored: Vec<f32> = candidates.iter().flat_map(|c| &c.x).copied().collect();
    let labels: Vec<u32> = candidates.iter().map(|c| problem.y[c.row]).collect();
    let (device, n) = (target.device(), labels.len());
    let stored = Array::from_vec(device, n, cols, stored)?;
    let predicted = target.labels(&stored)?.to_vec()?;
    let verdicts = candidates.into_par_iter().zip(predicted).zip(labels);
    Ok(verdicts
        .filter(|((_, predicted), label)| predicted != label && *predicted != INVALID)
        .map(|((Candidate { row, asked, x }, predicted), _)| Success {
            row,
            distance: match constraints {
                Some(constraints) => constraints.distance(norm, clean(row), &x),
                None => projection::distance(norm, image, clean(row), &x),
            },
            x,
            predicted,
            asked: asked.into(),
        })
        .collect())
}

/// The largest f32 not above `eps`, so that the kernels' ball is inside the one asked for.
fn round_down(eps: f64) -> f32 {
    let near = eps as f32;
    if f64::from(near) > eps {
        near.next_down()
    } else {
        near
    }
}

/// How a sample of `shape` is laid out; what is not an image is one row of features.
fn image(shape: &[usize]) -> Image {
    match *shape {
        [channels, height, width] => Image {
            channels,
            height,
            width,
        },
        _ => Image::row(shape.iter().product()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eps_is_never_rounded_up() {
        for k in 1..=255 {
            let eps = f64::from(k) / 255.0;
            let rounded = f64::from(round_down(eps));
            assert!(rounded <= eps && eps - rounded < 1e-7);
        }
    }

    #[test]
    fn flat_data_is_one_row_of_features() {
        let flat = image(&[14]);
        assert_eq!((flat.channels, flat.height, flat.width), (1, 1, 14));
    }
}
