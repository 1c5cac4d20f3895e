//! What the target answers before any attack, and whether that makes sense.

use scoville_atlas::evidence::{Check, Finding, LEAST_SAMPLES};
use scoville_atlas::stats::{LEVEL, clopper_pearson};

use crate::evidence::finding;

/// Answers before any attack.
#[derive(Clone)]
pub struct Clean {
    pub done: usize,
    pub correct: usize,
    not_finite: usize,
    predicted: Vec<usize>,
    labelled: Vec<usize>,
}

impl Clean {
    pub fn new(classes: usize) -> Self {
        let none = vec![0; classes];
        Self {
            done: 0,
            correct: 0,
            not_finite: 0,
            predicted: none.clone(),
            labelled: none,
        }
    }

    /// Books one answer; true when it is correct.
    pub fn note(&mut self, label: u32, answer: u32) -> bool {
        self.done += 1;
        if let Some(count) = self.labelled.get_mut(label as usize) {
            *count += 1;
        }
        match self.predicted.get_mut(answer as usize) {
            Some(count) => *count += 1,
            None => self.not_finite += 1,
        }
        self.correct += usize::from(label == answer);
        label == answer
    }

    pub fn never_predicted(&self) -> Finding {
        let counts = self.labelled.iter().zip(&self.predicted).enumerate();
        // A label seen a handful of times may be missed by chance.
        let never: Vec<String> = counts
            .filter(|&(_, (&labelled, &predicted))| labelled >= 5 && predicted == 0)
            .map(|(class, _)| class.to_string())
            .collect();
        let detail = match never.len() {
            0 => "every label with five samples or more is predicted".into(),
            _ => format!("labels never predicted: {}", never.join(", ")),
        };
        finding(Check::LabelNeverPredicted, !never.is_empty(), detail)
    }

    /// Why no score can rest on this model and these labels, if so, with `advice` where the answers are no better than chance.
    pub fn inconclusive(&self, advice: &str) -> Option<String> {
        if self.not_finite > 0 {
            return Some(format!(
                "{} of {} clean outputs are NaN or infinite",
                self.not_finite, self.done
            ));
        }
        let used = |counts: &[usize]| counts.iter().filter(|&&c| c > 0).count();
        if self.done < LEAST_SAMPLES || used(&self.labelled) < 2 {
            return None;
        }
        if used(&self.predicted) == 1 {
            return Some("the model gives every sample the same class".into());
        }
        let chance = 1.0 / used(&self.labelled) as f64;
        let [_, most] = clopper_pearson(self.correct, self.done, LEVEL);
        (most < 1.5 * chance).then(|| {
            format!(
                "clean accuracy {:.1} % is no better than chance: {advice}",
                100.0 * self.correct as f64 / self.done as f64
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_no_better_than_chance_come_with_advice() {
        let mut clean = Clean::new(4);
        (0..40).for_each(|i| assert!(!clean.note(i % 4, (i + 1) % 4)));
        let reason = clean.inconclusive("look here").unwrap();
        assert_eq!(
            reason,
            "clean accuracy 0.0 % is no better than chance: look here"
        );
        (0..40).for_each(|i| assert!(clean.note(i % 4, i % 4)));
        assert_eq!(clean.inconclusive("look here"), None);
    }
}
