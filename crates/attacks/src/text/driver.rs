//! Runs attacks on text and judges what they find.

use std::sync::atomic::AtomicBool;

use scoville_kernels::INVALID;
use scoville_targets::text::{Gradients, Labels, Scores};
use scoville_text::edits;

use super::{Lexicon, TextAlgorithm, TextSearch, Towards};
use crate::goal::{self, Goal, Reached};
use crate::search::Keep;
use crate::{Error, Success};

/// Texts to attack with one budget each.
#[derive(Clone, Copy)]
pub struct TextProblem<'a> {
    /// Stable ids, one a text.
    pub ids: &'a [u32],
    pub texts: &'a [&'a str],
    pub y: &'a [u32],
    /// The most words that may be changed in each.
    pub edits: &'a [usize],
    pub seed: u64,
    /// What a text must be taken for.
    pub goal: Goal,
    pub lexicon: &'a Lexicon,
    /// Set by whoever wants to stop.
    pub stop: &'a AtomicBool,
}

/// Runs an attack towards the problem's goal and verifies what it finds: the words that differ are counted, and the target is asked
/// again about the stored text.
pub fn run(
    algorithm: &TextAlgorithm,
    target: &dyn Gradients,
    problem: &TextProblem<'_>,
) -> Result<Vec<Success<String>>, Error> {
    aimed(target, problem, |class, problem| match class {
        None => away(algorithm, target, problem),
        Some(class) => away(algorithm, &Towards { target, class }, problem),
    })
}

/// Runs an attack towards the problem's goal on `surrogate`, until the budget is spent, and asks `target` about the text that it leads
/// to: once a text.
pub fn transfer(
    algorithm: &TextAlgorithm,
    surrogate: &dyn Gradients,
    target: &dyn Scores,
    problem: &TextProblem<'_>,
) -> Result<Vec<Success<String>>, Error> {
    aimed(target, problem, |class, problem| match class {
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

/// Runs `attack` towards the problem's goal: with a class, target and labels are to be seen through [`Towards`]. Of the classes that a
/// text reaches the one that takes the fewest changes counts.
fn aimed(
    target: &dyn Scores,
    problem: &TextProblem<'_>,
    attack: impl Fn(Option<u32>, &TextProblem<'_>) -> Result<Vec<Success<String>>, Error>,
) -> Result<Vec<Success<String>>, Error> {
    if problem.goal == Goal::Any {
        return attack(None, problem);
    }
    let ranked = |rank| ranked(problem, target, rank);
    let mut reached = Reached::none();
    for (class, rows) in goal::aims(problem.goal, problem.y, target.classes(), ranked)? {
        let ids: Vec<u32> = rows.iter().map(|&row| problem.ids[row]).collect();
        let texts: Vec<&str> = rows.iter().map(|&row| problem.texts[row]).collect();
        let edits: Vec<usize> = rows.iter().map(|&row| problem.edits[row]).collect();
        let group = TextProblem {
            ids: &ids,
            texts: &texts,
            y: &vec![0; rows.len()],
            edits: &edits,
            goal: Goal::Any,
            ..*problem
        };
        for found in attack(Some(class), &group)? {
            reached.note(found, &rows, class);
        }
    }
    Ok(reached.into_successes())
}

/// The class of that rank on each clean text, of those other than its label; the first of those that are alike.
fn ranked(problem: &TextProblem<'_>, target: &dyn Scores, rank: usize) -> Result<Vec<u32>, Error> {
    let texts: Vec<String> = problem.texts.iter().map(|&text| text.to_owned()).collect();
    let scores = target.scores(&texts)?;
    let rows = scores.chunks_exact(target.classes()).zip(problem.y);
    let class = |(row, &y): (&[f32], &u32)| {
        if row.iter().any(|score| !score.is_finite()) {
            return INVALID;
        }
        let mut others: Vec<usize> = (0..row.len()).filter(|&c| c != y as usize).collect();
        others.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        others.get(rank).map_or(INVALID, |&class| class as u32)
    };
    Ok(rows.map(class).collect())
}

/// Runs an attack away from the labels.
fn away(
    algorithm: &TextAlgorithm,
    target: &dyn Gradients,
    problem: &TextProblem<'_>,
) -> Result<Vec<Success<String>>, Error> {
    let mut search = TextSearch::new(problem, Keep::First);
    attack(algorithm, &mut search, target)?;
    judged(search, target, problem)
}

/// Runs an attack away from the labels on `surrogate`; `target` judges.
fn across(
    algorithm: &TextAlgorithm,
    surrogate: &dyn Gradients,
    target: &dyn Labels,
    problem: &TextProblem<'_>,
) -> Result<Vec<Success<String>>, Error> {
    let mut search = TextSearch::new(problem, Keep::Last);
    attack(algorithm, &mut search, surrogate)?;
    let mut found = judged(search, target, problem)?;
    found.iter_mut().for_each(|success| success.asked = 1);
    Ok(found)
}

fn attack(
    algorithm: &TextAlgorithm,
    search: &mut TextSearch<'_>,
    target: &dyn Gradients,
) -> Result<(), Error> {
    match algorithm {
        TextAlgorithm::WhiteBox(attack) => attack.run(search, target),
        TextAlgorithm::BlackBox(attack) => attack.run(search, target),
        TextAlgorithm::LabelsOnly(attack) => attack.run(search, target),
    }
}

fn judged(
    search: TextSearch<'_>,
    target: &dyn Labels,
    problem: &TextProblem<'_>,
) -> Result<Vec<Success<String>>, Error> {
    let (rows, found): (Vec<usize>, Vec<_>) = search.into_candidates().unzip();
    let texts: Vec<String> = found.iter().map(|found| found.text.clone()).collect();
    let answers = target.labels(&texts)?;
    let finds = rows.into_iter().zip(found).zip(answers);
    let successes = finds.map(|((row, found), predicted)| Success {
        row,
        distance: edits(problem.texts[row], &found.text) as f64,
        x: found.text,
        predicted,
        asked: found.asked,
    });
    let judged = successes.filter(|success| {
        success.predicted != problem.y[success.row]
            && success.predicted != INVALID
            && success.distance <= problem.edits[success.row] as f64
    });
    Ok(judged.collect())
}
