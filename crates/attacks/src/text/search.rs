//! The texts that an attack is still working on.

use std::sync::atomic::{AtomicBool, Ordering};

use scoville_kernels::INVALID;
use scoville_targets::text::{Labels, Scores, predicted};
use scoville_text::{Sentence, edits};

use super::{Lexicon, TextProblem};
use crate::Error;
use crate::search::Keep;

/// One attack's view of its texts: an attack asks about texts of its rows, and offers those that may be finds.
pub struct TextSearch<'a> {
    /// Seed of this attack's randomness; streams are told apart by sample id.
    pub seed: u64,
    pub lexicon: &'a Lexicon,
    rows: Vec<Row>,
    keep: Keep,
    stop: &'a AtomicBool,
}

struct Row {
    id: u32,
    label: u32,
    clean: Sentence,
    /// The most words that may be changed.
    edits: usize,
    asked: u64,
    found: Option<Candidate>,
}

/// A text that an attack found.
pub(super) struct Candidate {
    pub text: String,
    /// How often the target had been asked about the sample by then.
    pub asked: u64,
    edits: usize,
    lead: f32,
}

/// A changed text of a row.
#[derive(Clone)]
pub struct Proposal {
    pub row: usize,
    pub sentence: Sentence,
}

impl<'a> TextSearch<'a> {
    pub(super) fn new(problem: &TextProblem<'a>, keep: Keep) -> Self {
        let rows = problem.texts.iter().zip(problem.ids).zip(problem.y);
        let rows = rows.zip(problem.edits);
        let rows = rows.map(|(((text, &id), &label), &edits)| Row {
            id,
            label,
            clean: Sentence::new(text),
            edits,
            asked: 0,
            found: None,
        });
        Self {
            seed: problem.seed,
            lexicon: problem.lexicon,
            rows: rows.collect(),
            keep,
            stop: problem.stop,
        }
    }

    /// The rows that are not finished when so many words are changed.
    pub fn open(&self, changed: usize) -> Vec<usize> {
        let rows = 0..self.rows.len();
        rows.filter(|&row| self.is_open(row, changed)).collect()
    }

    /// Whether more than so many words of the row may be changed, and it is still to be attacked.
    pub fn is_open(&self, row: usize, changed: usize) -> bool {
        let row = &self.rows[row];
        let found = self.keep == Keep::First && row.found.is_some();
        !found && changed < row.edits
    }

    /// The clean texts, by row.
    pub fn sentences(&self) -> impl Iterator<Item = &Sentence> {
        self.rows.iter().map(|row| &row.clean)
    }

    pub fn clean(&self, row: usize) -> &Sentence {
        &self.rows[row].clean
    }

    pub fn id(&self, row: usize) -> u32 {
        self.rows[row].id
    }

    pub fn label(&self, row: usize) -> u32 {
        self.rows[row].label
    }

    /// How far the label leads the best other class, for each text; infinite where a score is not finite. These are no finds.
    pub fn leads(
        &mut self,
        target: &dyn Scores,
        rows: &[usize],
        texts: &[String],
    ) -> Result<Vec<f32>, Error> {
        Ok(self.scores(target, rows, texts)?.0)
    }

    /// Hands in proposals: those that the target gets wrong are finds; on a surrogate the one that the label leads least is kept.
    /// Gives how far the label leads in each.
    pub fn offer(
        &mut self,
        target: &dyn Scores,
        proposals: &[Proposal],
    ) -> Result<Vec<f32>, Error> {
        let (rows, texts) = taken_apart(proposals);
        let (leads, answers) = self.scores(target, &rows, &texts)?;
        self.claim(rows, texts, &answers, &leads);
        Ok(leads)
    }

    /// As [`offer`](Self::offer), asking for labels alone.
    pub fn offer_labels(
        &mut self,
        target: &dyn Labels,
        proposals: &[Proposal],
    ) -> Result<(), Error> {
        let (rows, texts) = taken_apart(proposals);
        self.count(&rows)?;
        let answers = target.labels(&texts)?;
        let leads = vec![0.0; texts.len()];
        self.claim(rows, texts, &answers, &leads);
        Ok(())
    }

    fn scores(
        &mut self,
        target: &dyn Scores,
        rows: &[usize],
        texts: &[String],
    ) -> Result<(Vec<f32>, Vec<u32>), Error> {
        self.count(rows)?;
        let classes = target.classes();
        let scores = target.scores(texts)?;
        let leads = rows.iter().zip(scores.chunks_exact(classes));
        let leads = leads.map(|(&row, scores)| lead(scores, self.rows[row].label as usize));
        Ok((leads.collect(), predicted(&scores, classes)))
    }

    /// Counts what is asked about each row; the place where an interrupt is heard.
    pub(super) fn count(&mut self, rows: &[usize]) -> Result<(), Error> {
        for &row in rows {
            self.rows[row].asked += 1;
        }
        match self.stop.load(Ordering::Relaxed) {
            true => Err(Error::Interrupted),
            false => Ok(()),
        }
    }

    /// Keeps, of each row, the misclassified text with the fewest changed words; on a surrogate the text with the smallest lead.
    fn claim(&mut self, rows: Vec<usize>, texts: Vec<String>, answers: &[u32], leads: &[f32]) {
        let answers = answers.iter().zip(leads);
        for ((row, text), (&answer, &lead)) in rows.into_iter().zip(texts).zip(answers) {
            let row = &mut self.rows[row];
            if self.keep == Keep::First && (answer == row.label || answer == INVALID) {
                continue;
            }
            let edits = edits(&row.clean.text(), &text);
            let asked = row.found.as_ref().map_or(row.asked, |found| found.asked);
            let better = row.found.as_ref().is_none_or(|found| match self.keep {
                Keep::First => edits < found.edits,
                Keep::Last => lead < found.lead,
            });
            if edits <= row.edits && better {
                row.found = Some(Candidate {
                    text,
                    asked,
                    edits,
                    lead,
                });
            }
        }
    }

    /// What was found, by row.
    pub(super) fn into_candidates(self) -> impl Iterator<Item = (usize, Candidate)> {
        let rows = self.rows.into_iter().enumerate();
        rows.filter_map(|(at, row)| Some((at, row.found?)))
    }
}

fn taken_apart(proposals: &[Proposal]) -> (Vec<usize>, Vec<String>) {
    let parts = proposals.iter().map(|p| (p.row, p.sentence.text()));
    parts.unzip()
}

/// How far the score of `label` leads the best other one.
fn lead(scores: &[f32], label: usize) -> f32 {
    let others = scores.iter().enumerate().filter(|&(at, _)| at != label);
    let best = others.map(|(_, &score)| score).fold(f32::MIN, f32::max);
    let lead = scores.get(label).map_or(f32::NAN, |score| score - best);
    match scores.iter().all(|score| score.is_finite()) {
        true => lead,
        false => f32::INFINITY,
    }
}
