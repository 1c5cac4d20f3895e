//! The checks that need the whole run, on samples that all techniques have finished.

use scoville_atlas::evidence::{Check, Finding};
use scoville_attacks::Access;

use super::{Ended, Run, is_warning};
use crate::evidence::{finding, not_run};
use crate::field::Field;
use crate::{Error, TechniquePlan};

/// The share of samples that an ensemble's black-box part may break after the attacks with gradients; the reference
/// AutoAttack warns above it, too.
const LEFT_BY_GRADIENTS: f64 = 0.002;

impl<F: Field> Run<'_, '_, F> {
    /// The checks that need the whole run.
    pub(super) fn late_checks(&mut self, ended: Ended) -> Result<(), Error> {
        let missing = match ended {
            Ended::Interrupted if self.findings.is_empty() => "the run was stopped before it",
            _ => "needs an attack with gradients and a finished batch",
        };
        let late = [
            self.black_box_beats_white_box(),
            self.transfer_beats_white_box(),
            self.no_rise(),
            self.clean.never_predicted(),
        ];
        for finding in late {
            if is_warning(&finding) {
                self.warn(&finding)?;
            }
            self.findings.push(finding);
        }
        for check in Check::ALL {
            if self.findings.iter().all(|f| f.check != check) {
                self.findings.push(not_run(check, missing));
            }
        }
        Ok(())
    }

    fn black_box_beats_white_box(&self) -> Finding {
        let check = Check::BlackBoxBeatsWhiteBox;
        let Some(white) = self.technique_of(TechniquePlan::is_white_box) else {
            return not_run(check, "needs a white-box attack");
        };
        let alone = |t: &TechniquePlan| t.is_black_box() && !t.is_white_box() && !t.is_transfer();
        if let Some(black) = self.technique_of(alone) {
            let (white, black) = (&self.united[white].rungs, &self.united[black].rungs);
            let difference = white.iter().zip(black).map(|(w, b)| b.rate() - w.rate());
            let worst = difference.fold(f64::NEG_INFINITY, f64::max);
            let detail = format!(
                "black-box rate minus white-box rate is at most {:+.1} points",
                worst * 100.0
            );
            return finding(check, worst > 0.0, detail);
        }
        let blind: Vec<&str> = self.plan.techniques[white]
            .attacks
            .iter()
            .filter(|a| a.access() < Access::Gradients)
            .map(|a| &*a.name)
            .collect();
        if blind.is_empty() {
            return not_run(check, "needs a black-box attack");
        }
        let most = self.tallies[white].largest_share_of(&blind);
        let detail = format!(
            "{} alone breaks {:.1} % at most, after the attacks with gradients",
            blind.join(", "),
            most * 100.0
        );
        finding(check, most > LEFT_BY_GRADIENTS, detail)
    }

    fn transfer_beats_white_box(&self) -> Finding {
        let check = Check::TransferBeatsWhiteBox;
        let white = self.technique_of(TechniquePlan::is_white_box);
        let (Some(_), Some(_)) = (white, self.technique_of(TechniquePlan::is_transfer)) else {
            return not_run(check, "needs a transfer attack and a white-box attack");
        };
        let most = self.transfer_alone.iter().copied().max().unwrap_or(0);
        let correct = self.union.correct();
        let detail =
            format!("transfer alone breaks {most} of {correct} samples at most, at any one eps");
        finding(
            check,
            most as f64 > LEFT_BY_GRADIENTS * correct as f64,
            detail,
        )
    }

    fn no_rise(&self) -> Finding {
        let check = Check::NoRiseWithEps;
        let [first, .., last] = self.union.rungs.as_slice() else {
            return not_run(check, "needs a ladder of at least two eps");
        };
        if last.correct == 0 {
            return not_run(check, "needs a finished batch");
        }
        let (low, high) = (first.rate(), last.rate());
        let detail = format!(
            "from {:.1} % to {:.1} % over the ladder",
            low * 100.0,
            high * 100.0
        );
        finding(check, high <= low && low < 1.0, detail)
    }

    /// The first such technique that has finished samples.
    pub(super) fn technique_of(&self, wanted: impl Fn(&TechniquePlan) -> bool) -> Option<usize> {
        let mut techniques = self.plan.techniques.iter().zip(&self.united);
        techniques.position(|(t, tally)| tally.done() > 0 && wanted(t))
    }
}
