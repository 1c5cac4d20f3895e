//! The end of a run: the scores, the gate and the verdict.

use scoville_atlas::evidence::{self, Conduct, Finding};
use scoville_atlas::score::{Band, Score};
use scoville_attacks::{Access, Attack};
use scoville_report::event::{
    Accuracy, AttackBudget, Event, EvidenceCheck, GateOutcome, Headline, Outcome, RunFinished,
    ScoreParts, TechniqueScored, Totals,
};
use scoville_report::{score_interval, score_text};

use super::{Ended, Finished, Run};
use crate::field::Field;
use crate::tally::{Effort, Size, Tally};
use crate::{EVASION, Error, Plan, TechniquePlan, gate};

/// Exit codes that a run decides; the others are the command line's.
const DONE: u8 = 0;
const INCONCLUSIVE: u8 = 5;
const BREACHED: u8 = 100;

impl<F: Field> Run<'_, '_, F> {
    pub(super) fn finish(mut self, ended: Ended) -> Result<Finished, Error> {
        self.late_checks(ended)?;
        self.warn_of_stop()?;
        self.sum_spent();
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
        let fail_on = &self.plan.fail_on;
        let breaches = gate::breaches(fail_on, &scored);
        let gate = gate::outcome(fail_on, &breaches, &scored);
        let exit_code = match gate.as_ref().map(|gate| gate.outcome) {
            Some(GateOutcome::Failed) => BREACHED,
            Some(GateOutcome::NotDecided) => INCONCLUSIVE,
            _ if headline.is_none() => INCONCLUSIVE,
            _ => DONE,
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
            gate,
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

    /// Why a technique has no samples, if it was stopped in its first round.
    fn unfinished(&self, tally: &Tally) -> Option<String> {
        let size = self.stopped_in.filter(|_| tally.done() == 0)?;
        Some(format!(
            "stopped before the first round of {size} samples was complete"
        ))
    }

    fn scored(&self, technique: &TechniquePlan, tally: &Tally, size: Size) -> TechniqueScored {
        let conduct = Conduct {
            white_box: self.technique_of(TechniquePlan::is_white_box).is_some(),
            black_box: self.technique_of(TechniquePlan::is_black_box).is_some(),
            samples: tally.correct(),
            widest_interval: tally.final_width(size),
            inconclusive: self.clean.inconclusive().or_else(|| self.unfinished(tally)),
        };
        let (grade, reason) = evidence::grade(&conduct, &self.findings);
        let score = tally.final_score(self.plan, size);
        let most_queries = match technique.attacks.as_slice() {
            [] => most_queries(self.plan.attacks()),
            own => most_queries(own.iter()),
        };
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
            curve: tally.curve(size, most_queries),
            grade: grade.to_string(),
            grade_reason: reason,
            checks: self.findings.iter().map(check).collect(),
            budgets: budgets(technique, tally),
            queries: tally.spent.queries,
            gradients: tally.spent.gradients,
            seconds: tally.seconds,
        }
    }
}

/// The most queries about a sample that an attack makes which uses no gradient; without end where one has no budget.
fn most_queries<'a>(attacks: impl Iterator<Item = &'a Attack>) -> u64 {
    let blind = attacks.filter(|a| a.access() < Access::Gradients);
    let most = blind.map(|a| a.most_queries().unwrap_or(u64::MAX));
    most.max().unwrap_or(u64::MAX)
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

/// The worst technique that was scored. A union never scores below its parts on the same samples, so parts are named only
/// where they are the worst by themselves.
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
