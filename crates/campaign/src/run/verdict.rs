//! The end of a run: the checks that need all of it, the scores, the gate and the verdict.

use scoville_atlas::evidence::{self, Check, Conduct, Finding};
use scoville_atlas::score::{Band, Score};
use scoville_attacks::{Access, Attack};
use scoville_report::event::{
    Accuracy, AttackBudget, Event, EvidenceCheck, Headline, Outcome, RunFinished, ScoreParts,
    TechniqueScored, Totals,
};
use scoville_report::{score_interval, score_text};

use super::{Ended, Finished, Run, is_warning};
use crate::evidence::{finding, not_run};
use crate::field::Field;
use crate::tally::{Effort, Size, Tally};
use crate::{EVASION, Error, FailOn, Plan, TechniquePlan};

/// Exit codes that a run decides; the others are the command line's.
const DONE: u8 = 0;
const INCONCLUSIVE: u8 = 5;
const BREACHED: u8 = 100;

/// The share of samples that an ensemble's black-box part may break after the attacks with gradients; the reference
/// AutoAttack warns above it, too.
const LEFT_BY_GRADIENTS: f64 = 0.002;

impl<F: Field> Run<'_, '_, F> {
    pub(super) fn finish(mut self, ended: Ended) -> Result<Finished, Error> {
        self.late_checks()?;
        let mut scored = Vec::new();
        let union = TechniquePlan {
            id: EVASION,
            attacks: Vec::new(),
        };
        for t in 0..=self.tallies.len() {
            let technique = self.plan.techniques.get(t).unwrap_or(&union);
            let event = self.scored(
                technique,
                self.tallies.get(t).unwrap_or(&self.union),
                ended.size(),
            );
            (self.emit)(&Event::TechniqueScored(event.clone()))?;
            scored.push(event);
        }
        let headline = headline(&scored);
        let breaches = self.breaches(&scored);
        let exit_code = if !breaches.is_empty() {
            BREACHED
        } else if headline.is_none() || self.gate_is_open(&scored) {
            INCONCLUSIVE
        } else {
            DONE
        };
        let [spent, _] = self.workers.spent();
        let finished = RunFinished {
            verdict: verdict(headline.as_ref(), &scored),
            headline,
            ended: ended.words().into(),
            clean: Accuracy {
                correct: self.clean.correct,
                samples: self.clean.done,
                interval: ended.size().interval(self.clean.correct, self.clean.done),
            },
            exit_code,
            breaches,
            totals: Totals {
                samples: self.clean.done,
                queries: spent.queries,
                gradients: spent.gradients,
                seconds: self.started.elapsed().as_secs_f64(),
            },
        };
        (self.emit)(&Event::RunFinished(finished))?;
        self.strips.sort_by(|a, b| a.eps.total_cmp(&b.eps));
        Ok(Finished {
            exit_code,
            strips: self.strips,
        })
    }

    /// The checks that need the whole run.
    fn late_checks(&mut self) -> Result<(), Error> {
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
                self.findings.push(not_run(
                    check,
                    "needs an attack with gradients and a finished batch",
                ));
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
            let (white, black) = (&self.tallies[white].rungs, &self.tallies[black].rungs);
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
        let (low, high) = (first.rate(), last.rate());
        let detail = format!(
            "from {:.1} % to {:.1} % over the ladder",
            low * 100.0,
            high * 100.0
        );
        finding(check, last.correct > 0 && high <= low && low < 1.0, detail)
    }

    pub(super) fn technique_of(&self, wanted: impl Fn(&TechniquePlan) -> bool) -> Option<usize> {
        self.plan.techniques.iter().position(wanted)
    }

    fn scored(&self, technique: &TechniquePlan, tally: &Tally, size: Size) -> TechniqueScored {
        let conduct = Conduct {
            white_box: self.technique_of(TechniquePlan::is_white_box).is_some(),
            black_box: self.technique_of(TechniquePlan::is_black_box).is_some(),
            samples: tally.correct(),
            widest_interval: tally.final_width(size),
            inconclusive: self.clean.inconclusive(),
        };
        let (grade, reason) = evidence::grade(&conduct, &self.findings);
        let score = tally.final_score(self.plan, size);
        let shown = score.as_ref().filter(|_| grade.is_conclusive());
        TechniqueScored {
            technique: technique.id.into(),
            name: technique.name().into(),
            kind: score.as_ref().map_or("susceptibility", Score::kind).into(),
            score: shown.map(|s| s.value),
            score_interval: shown.map(|s| s.interval),
            band: shown.map_or("inconclusive".into(), |s| Band::of(s.value).to_string()),
            lower_bound: grade.is_lower_bound(),
            parts: parts(score.as_ref(), self.plan),
            curve: tally.curve(size),
            grade: grade.to_string(),
            grade_reason: reason,
            checks: self.findings.iter().map(check).collect(),
            budgets: budgets(technique, tally),
            queries: tally.spent.queries,
            gradients: tally.spent.gradients,
            seconds: tally.seconds,
        }
    }

    /// Whether a threshold is set for something that has no score: that is not a pass.
    fn gate_is_open(&self, scored: &[TechniqueScored]) -> bool {
        let unscored = |f: &FailOn| {
            let concerns = |t: &&TechniqueScored| f.technique().is_none_or(|id| id == t.technique);
            scored.iter().filter(concerns).any(|t| t.score.is_none())
        };
        self.plan.fail_on.iter().any(unscored)
    }

    fn breaches(&self, scored: &[TechniqueScored]) -> Vec<String> {
        let breach = |t: &TechniqueScored| {
            let score = t.score?;
            self.plan
                .fail_on
                .iter()
                .find_map(|f| f.breach(&t.technique, score))
        };
        scored.iter().filter_map(breach).collect()
    }
}

fn budgets(technique: &TechniquePlan, tally: &Tally) -> Vec<AttackBudget> {
    let attacks = technique.attacks.iter().zip(&tally.efforts);
    let budget = |(attack, effort): (&Attack, &Effort)| AttackBudget {
        attack: attack.to_string(),
        samples: effort.samples,
        broken: effort.broken,
        queries: effort.spent.queries,
        gradients: effort.spent.gradients,
        surrogate_queries: effort.surrogate.queries,
        surrogate_gradients: effort.surrogate.gradients,
        calls: effort.spent.calls,
        seconds: effort.seconds,
    };
    attacks.map(budget).collect()
}

fn check(finding: &Finding) -> EvidenceCheck {
    EvidenceCheck {
        code: finding.check.code().into(),
        outcome: match finding.outcome {
            evidence::Outcome::Passed => Outcome::Passed,
            evidence::Outcome::Warned => Outcome::Warned,
            evidence::Outcome::NotRun => Outcome::NotRun,
        },
        detail: finding.detail.clone(),
        advice: match finding.outcome {
            evidence::Outcome::Warned => finding.check.advice().into(),
            _ => String::new(),
        },
    }
}

fn parts(score: Option<&Score>, plan: &Plan) -> ScoreParts {
    ScoreParts {
        exposure: plan.exposure.map_or(1.0, |e| e.weight()),
        likelihood: score.map_or(0.0, |s| s.likelihood.value),
        likelihood_interval: score.map_or([0.0, 1.0], |s| s.likelihood.interval),
        impact: plan.impact.map_or(1.0, |i| i.weight()),
    }
}

/// The worst technique that was scored. A union never scores below its parts, so parts are named only where they are
/// the worst by themselves.
fn headline(scored: &[TechniqueScored]) -> Option<Headline> {
    let with_score = scored
        .iter()
        .filter_map(|t| Some((t, t.score?, t.score_interval?)));
    let (t, score, score_interval) = with_score.reduce(|a, b| if b.1 > a.1 { b } else { a })?;
    Some(Headline {
        technique: t.technique.clone(),
        name: t.name.clone(),
        score,
        score_interval,
        band: t.band.clone(),
        lower_bound: t.lower_bound,
        grade: t.grade.clone(),
    })
}

fn verdict(headline: Option<&Headline>, scored: &[TechniqueScored]) -> String {
    let Some(h) = headline else {
        let reason = scored
            .first()
            .map_or("nothing was measured", |t| &t.grade_reason);
        return format!("No score: {reason}");
    };
    let kind = scored
        .iter()
        .find(|t| t.technique == h.technique)
        .map_or("risk", |t| &t.kind);
    format!(
        "{} {}: {kind} {} {} ({}), evidence grade {}",
        h.technique,
        h.name,
        score_text(h.score, h.lower_bound),
        score_interval(h.score_interval),
        h.band,
        h.grade,
    )
}
