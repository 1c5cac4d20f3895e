//! Runs attacks on text and judges what they find.

use std::sync::atomic::AtomicBool;

use scoville_kernels::INVALID;
use scoville_targets::text::Gradients;
use scoville_text::edits;

use super::{Lexicon, TextAlgorithm, TextSearch};
use crate::{Error, Success};

/// Texts to attack with one budget.
pub struct TextProblem<'a> {
    /// Stable ids, one a text.
    pub ids: &'a [u32],
    pub texts: &'a [&'a str],
    pub y: &'a [u32],
    /// The most words that may be changed.
    pub edits: usize,
    pub seed: u64,
    pub lexicon: &'a Lexicon,
    /// Set by whoever wants to stop.
    pub stop: &'a AtomicBool,
}

/// Runs an attack away from the labels and verifies what it finds: the words that differ are counted, and the target is asked again
/// about the stored text.
pub fn run(
    algorithm: &TextAlgorithm,
    target: &dyn Gradients,
    problem: &TextProblem<'_>,
) -> Result<Vec<Success<String>>, Error> {
    let mut search = TextSearch::new(problem);
    match algorithm {
        TextAlgorithm::WhiteBox(attack) => attack.run(&mut search, target)?,
        TextAlgorithm::BlackBox(attack) => attack.run(&mut search, target)?,
        TextAlgorithm::LabelsOnly(attack) => attack.run(&mut search, target)?,
    }
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
            && success.distance <= problem.edits as f64
    });
    Ok(judged.collect())
}
