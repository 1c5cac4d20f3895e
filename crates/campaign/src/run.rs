//! The run itself: batch by batch through every technique and rung of the ladder.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use scoville_atlas::evidence::{self, Check, Conduct, Finding, LEAST_SAMPLES};
use scoville_atlas::score::{Band, Score};
use scoville_atlas::stats::{LEVEL, clopper_pearson};
use scoville_attacks::{Access, Problem};
use scoville_data::Dataset;
use scoville_kernels::{Array, Loss, head};
use scoville_report::event::{
    Accuracy, DataInfo, DeviceInfo, Event, EvidenceCheck, FORMAT, Headline, Outcome,
    PlannedTechnique, RunFinished, RunStarted, ScoreParts, TargetInfo, TechniqueProgress,
    TechniqueScored, TechniqueStarted, Totals, Warning,
};
use scoville_report::{SampleStrip, score_interval, score_text};
use scoville_targets::{Labels, Metered, ModelTarget, Scores, Spent};

use crate::evidence::{PROBE, Probe, finding, not_run, run_attack};
use crate::order::{attack_seed, shuffled};
use crate::tally::{Broken, Tally};
use crate::{EVASION, Error, Plan, TechniquePlan};

/// Exit codes that a run decides; the others are the command line's.
const DONE: u8 = 0;
const INCONCLUSIVE: u8 = 5;
const BREACHED: u8 = 100;

/// Image strips kept for the report, per technique.
const STRIPS: usize = 6;

/// Where events go; an error ends the run.
pub type Emit<'a> = dyn FnMut(&Event) -> io::Result<()> + 'a;

/// What is known of target, data and device before the run.
pub struct Manifest {
    pub version: String,
    pub command: Vec<String>,
    pub target: TargetInfo,
    pub data: DataInfo,
    pub device: DeviceInfo,
}

/// What a run leaves behind besides its events.
pub struct Finished {
    pub exit_code: u8,
    /// Examples of what was found, the smallest eps first.
    pub strips: Vec<SampleStrip>,
}

/// Runs `plan` on `data` and says through `emit` what happens. Setting `stop` ends it with the scores so far.
pub fn run(
    plan: &Plan,
    target: &Metered<ModelTarget>,
    data: &Dataset,
    manifest: Manifest,
    stop: &AtomicBool,
    emit: &mut Emit<'_>,
) -> Result<Finished, Error> {
    let before = target.inner().weights_digest()?;
    let mut run = Run::new(plan, target, data, stop, emit);
    run.announce(manifest)?;
    let ended = run.batches()?;
    let after = target.inner().weights_digest()?;
    if before != after {
        return Err(Error::WeightsChanged { before, after });
    }
    run.finish(ended)
}

struct Run<'a, 'e> {
    plan: &'a Plan,
    target: &'a Metered<ModelTarget>,
    data: &'a Dataset,
    stop: &'a AtomicBool,
    emit: &'a mut Emit<'e>,
    started: Instant,
    /// One a technique of the plan.
    tallies: Vec<Tally>,
    /// AML.T0015: the worst of all of them.
    union: Tally,
    clean: Clean,
    findings: Vec<Finding>,
    strips: Vec<SampleStrip>,
}

/// Answers before any attack.
struct Clean {
    done: usize,
    correct: usize,
    not_finite: usize,
    predicted: Vec<usize>,
    labelled: Vec<usize>,
}

/// The correctly classified samples of one batch.
struct Batch {
    /// Samples in the batch, the misclassified ones included.
    size: usize,
    ids: Vec<u32>,
    x: Vec<f32>,
    y: Vec<u32>,
}

impl<'a, 'e> Run<'a, 'e> {
    fn new(
        plan: &'a Plan,
        target: &'a Metered<ModelTarget>,
        data: &'a Dataset,
        stop: &'a AtomicBool,
        emit: &'a mut Emit<'e>,
    ) -> Self {
        let classes = target.classes().max(data.classes);
        Self {
            plan,
            target,
            data,
            stop,
            emit,
            started: Instant::now(),
            tallies: plan.techniques.iter().map(|_| Tally::new(plan)).collect(),
            union: Tally::new(plan),
            clean: Clean {
                done: 0,
                correct: 0,
                not_finite: 0,
                predicted: vec![0; classes],
                labelled: vec![0; classes],
            },
            findings: Vec::new(),
            strips: Vec::new(),
        }
    }

    fn announce(&mut self, manifest: Manifest) -> Result<(), Error> {
        let plan = self.plan.info();
        let started = plan.techniques.clone();
        (self.emit)(&Event::RunStarted(RunStarted {
            format: FORMAT,
            version: manifest.version,
            seed: self.plan.seed,
            command: manifest.command,
            target: manifest.target,
            data: manifest.data,
            device: manifest.device,
            plan,
        }))?;
        for PlannedTechnique { id, name, attacks } in started {
            let event = TechniqueStarted {
                technique: id,
                name,
                attacks,
            };
            (self.emit)(&Event::TechniqueStarted(event))?;
        }
        Ok(())
    }

    /// All batches, until the data, the reader's patience or the asked-for width is reached. Says which.
    fn batches(&mut self) -> Result<&'static str, Error> {
        let order = shuffled(self.data.len(), self.plan.seed);
        for (i, rows) in order.chunks(self.plan.batch).enumerate() {
            let done = self.batch(rows, i == 0);
            match done {
                Err(Error::Attack(scoville_attacks::Error::Interrupted)) => {
                    return Ok("interrupted");
                }
                other => other?,
            }
            if self.narrow_enough() {
                return Ok("width reached");
            }
        }
        Ok("completed")
    }

    fn narrow_enough(&self) -> bool {
        let widest = self.tallies.iter().map(Tally::width).fold(0.0, f64::max);
        self.plan.until_width.is_some_and(|width| widest <= width)
    }

    fn batch(&mut self, rows: &[usize], first: bool) -> Result<(), Error> {
        let batch = self.clean(rows)?;
        let mut worst: Vec<Option<Broken>> = vec![None; batch.ids.len()];
        let mut white_box: Option<Vec<Option<usize>>> = None;
        for t in 0..self.tallies.len() {
            let broken = self.technique(t, &batch)?;
            for (worst, broken) in worst.iter_mut().zip(&broken) {
                if rung(broken) < rung(worst) {
                    worst.clone_from(broken);
                }
            }
            if self.plan.techniques[t]
                .attacks
                .iter()
                .any(|a| a.row.access == Access::Gradients)
            {
                white_box = Some(broken.into_iter().map(|b| b.map(|b| b.rung)).collect());
            }
        }
        self.unite(&batch, &worst)?;
        if first {
            self.probe(batch, white_box)
        } else {
            Ok(())
        }
    }

    /// Asks the target about the clean samples and keeps the correct ones.
    fn clean(&mut self, rows: &[usize]) -> Result<Batch, Error> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(scoville_attacks::Error::Interrupted.into());
        }
        let (device, n, cols) = (self.target.device(), rows.len(), self.data.sample_len());
        let x: Vec<f32> = rows
            .iter()
            .flat_map(|&i| self.data.sample(i))
            .copied()
            .collect();
        let y: Vec<u32> = rows.iter().map(|&i| self.data.y[i]).collect();
        let scores = self.target.scores(&Array::from_vec(device, n, cols, x)?)?;
        let labels = Array::from_vec(device, n, 1, y.clone())?;
        let predicted = head(&scores, &labels, Loss::Margin)?.predicted.to_vec()?;
        let mut batch = Batch {
            size: n,
            ids: Vec::new(),
            x: Vec::new(),
            y: Vec::new(),
        };
        for ((&row, &label), &answer) in rows.iter().zip(&y).zip(&predicted) {
            if self.clean.note(label, answer) {
                batch.ids.push(row as u32);
                batch.x.extend_from_slice(self.data.sample(row));
                batch.y.push(label);
            }
        }
        Ok(batch)
    }

    /// One technique on one batch, up the ladder: what a small eps broke stays broken at every larger one.
    fn technique(&mut self, t: usize, batch: &Batch) -> Result<Vec<Option<Broken>>, Error> {
        let plan = self.plan;
        let technique = &plan.techniques[t];
        let mut broken: Vec<Option<Broken>> = vec![None; batch.ids.len()];
        for (at, &eps) in plan.ladder.iter().enumerate() {
            for attack in &technique.attacks {
                let (spent, since) = (self.target.spent(), Instant::now());
                let open: Vec<usize> = (0..broken.len()).filter(|&i| broken[i].is_none()).collect();
                let open = batch.select(&open);
                let problem = Problem {
                    ids: &open.ids,
                    x: &open.x,
                    y: &open.y,
                    norm: plan.norm,
                    eps,
                    bounds: (0.0, 1.0),
                    seed: attack_seed(plan.seed, attack.row.name, eps),
                    stop: self.stop,
                };
                let found = run_attack(attack, self.target, &problem);
                self.tallies[t].spend(
                    self.target.spent().since(spent),
                    since.elapsed().as_secs_f64(),
                );
                for success in found? {
                    let name = attack.row.name.to_owned();
                    self.keep_strip(technique.id, &name, eps, &open, &success);
                    let id = open.ids[success.row];
                    if let Some(i) = batch.ids.iter().position(|&other| other == id) {
                        broken[i] = Some(Broken {
                            rung: at,
                            attack: name,
                        });
                    }
                }
            }
            self.tallies[t].book(at, batch.size, &broken);
            let attack = technique.attacks.last().map_or("", |a| a.row.name);
            let progress = self.progress(technique.id, attack, at, &self.tallies[t]);
            (self.emit)(&Event::TechniqueProgress(progress))?;
        }
        Ok(broken)
    }

    /// AML.T0015 from what the techniques found.
    fn unite(&mut self, batch: &Batch, worst: &[Option<Broken>]) -> Result<(), Error> {
        let (mut spent, mut seconds) = (Spent::default(), 0.0);
        for tally in &self.tallies {
            spent.queries += tally.spent.queries;
            spent.gradients += tally.spent.gradients;
            seconds += tally.seconds;
        }
        (self.union.spent, self.union.seconds) = (spent, seconds);
        for at in 0..self.plan.ladder.len() {
            self.union.book(at, batch.size, worst);
            let progress = self.progress(EVASION, "", at, &self.union);
            (self.emit)(&Event::TechniqueProgress(progress))?;
        }
        Ok(())
    }

    fn progress(
        &self,
        technique: &str,
        attack: &str,
        at: usize,
        tally: &Tally,
    ) -> TechniqueProgress {
        let rung = &tally.rungs[at];
        let score = tally.score_so_far(self.plan);
        TechniqueProgress {
            technique: technique.into(),
            attack: attack.into(),
            norm: self.plan.norm.to_string(),
            eps: rung.eps,
            done: rung.done,
            of: self.data.len(),
            correct: rung.correct,
            successes: rung.successes,
            rate: rung.rate(),
            interval: rung.anytime(),
            score: score.as_ref().map(|s| s.value),
            score_interval: score.as_ref().map(|s| s.interval),
            queries: tally.spent.queries,
            gradients: tally.spent.gradients,
            seconds: tally.seconds,
        }
    }

    /// The reliability checks, on the first batch, so that what they find is said early.
    fn probe(&mut self, batch: Batch, white_box: Option<Vec<Option<usize>>>) -> Result<(), Error> {
        let some: Vec<usize> = (0..batch.ids.len().min(PROBE)).collect();
        let Batch { ids, x, y, .. } = batch.select(&some);
        let white_box = white_box.map(|b| b.into_iter().take(PROBE).collect());
        let (plan, target, stop) = (self.plan, self.target, self.stop);
        self.findings = Probe {
            ids,
            x,
            y,
            white_box,
            plan,
            target,
            stop,
        }
        .findings()?;
        let warned: Vec<Finding> = self
            .findings
            .iter()
            .filter(|f| is_warning(f))
            .cloned()
            .collect();
        warned.iter().try_for_each(|finding| self.warn(finding))
    }

    fn warn(&mut self, finding: &Finding) -> Result<(), Error> {
        Ok((self.emit)(&Event::Warning(Warning {
            code: finding.check.code().into(),
            what: finding.detail.clone(),
            advice: finding.check.advice().into(),
            technique: None,
        }))?)
    }

    fn keep_strip(
        &mut self,
        technique: &str,
        attack: &str,
        eps: f64,
        batch: &Batch,
        success: &scoville_attacks::Success,
    ) {
        let &[channels, height, width] = self.data.shape.as_slice() else {
            return;
        };
        let kept = self
            .strips
            .iter()
            .filter(|s| s.technique == technique)
            .count();
        if kept >= STRIPS || !matches!(channels, 1 | 3) {
            return;
        }
        self.strips.push(SampleStrip {
            index: batch.ids[success.row] as usize,
            label: batch.y[success.row],
            predicted: success.predicted,
            eps,
            attack: attack.into(),
            technique: technique.into(),
            channels,
            height,
            width,
            clean: batch.sample(success.row).to_vec(),
            adversarial: success.x.clone(),
        });
    }

    fn finish(mut self, ended: &str) -> Result<Finished, Error> {
        self.late_checks()?;
        let mut scored = Vec::new();
        let union = TechniquePlan {
            id: EVASION,
            attacks: Vec::new(),
        };
        for t in 0..=self.tallies.len() {
            let technique = self.plan.techniques.get(t).unwrap_or(&union);
            let event = self.scored(technique, self.tallies.get(t).unwrap_or(&self.union));
            (self.emit)(&Event::TechniqueScored(event.clone()))?;
            scored.push(event);
        }
        let headline = headline(&scored);
        let breaches = self.breaches(&scored);
        let exit_code = match (breaches.is_empty(), &headline) {
            (false, _) => BREACHED,
            (true, Some(_)) => DONE,
            (true, None) => INCONCLUSIVE,
        };
        let spent = self.target.spent();
        let finished = RunFinished {
            verdict: verdict(headline.as_ref(), &scored),
            headline,
            ended: ended.into(),
            clean: Accuracy {
                correct: self.clean.correct,
                samples: self.clean.done,
                interval: clopper_pearson(self.clean.correct, self.clean.done, LEVEL),
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
                    "needs a white-box attack and a finished batch",
                ));
            }
        }
        Ok(())
    }

    fn black_box_beats_white_box(&self) -> Finding {
        let check = Check::BlackBoxBeatsWhiteBox;
        let (Some(white), Some(black)) =
            (self.family(Access::Gradients), self.family(Access::Scores))
        else {
            return not_run(check, "needs both a white-box and a black-box attack");
        };
        let worst = white
            .rungs
            .iter()
            .zip(&black.rungs)
            .map(|(w, b)| b.rate() - w.rate());
        let worst = worst.fold(f64::NEG_INFINITY, f64::max);
        let detail = format!(
            "black-box rate minus white-box rate is at most {:+.1} points",
            worst * 100.0
        );
        finding(check, worst > 0.0, detail)
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

    fn family(&self, access: Access) -> Option<&Tally> {
        let uses = |t: &TechniquePlan| t.attacks.iter().any(|a| a.row.access == access);
        self.plan
            .techniques
            .iter()
            .position(uses)
            .map(|t| &self.tallies[t])
    }

    fn scored(&self, technique: &TechniquePlan, tally: &Tally) -> TechniqueScored {
        let conduct = Conduct {
            white_box: self.family(Access::Gradients).is_some(),
            black_box: self.family(Access::Scores).is_some(),
            samples: tally.correct(),
            widest_interval: tally.final_width(),
            inconclusive: self.clean.inconclusive(),
        };
        let (grade, reason) = evidence::grade(&conduct, &self.findings);
        let score = tally.final_score(self.plan);
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
            curve: tally.curve(),
            grade: grade.to_string(),
            grade_reason: reason,
            checks: self.findings.iter().map(check).collect(),
            queries: tally.spent.queries,
            gradients: tally.spent.gradients,
            seconds: tally.seconds,
        }
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

impl Clean {
    /// Books one answer; true when it is correct.
    fn note(&mut self, label: u32, answer: u32) -> bool {
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

    fn never_predicted(&self) -> Finding {
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

    /// Why no score can rest on this model and these labels, if so.
    fn inconclusive(&self) -> Option<String> {
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
                "clean accuracy {:.1} % is no better than chance: check the labels, --mean/--std, --pixel-range, \
                 --layout and --transpose",
                100.0 * self.correct as f64 / self.done as f64
            )
        })
    }
}

impl Batch {
    fn sample(&self, row: usize) -> &[f32] {
        let cols = self.x.len() / self.ids.len().max(1);
        &self.x[row * cols..(row + 1) * cols]
    }

    fn select(&self, rows: &[usize]) -> Batch {
        Batch {
            size: rows.len(),
            ids: rows.iter().map(|&i| self.ids[i]).collect(),
            x: rows.iter().flat_map(|&i| self.sample(i)).copied().collect(),
            y: rows.iter().map(|&i| self.y[i]).collect(),
        }
    }
}

/// Where a sample was broken; never is after every rung.
fn rung(broken: &Option<Broken>) -> usize {
    broken.as_ref().map_or(usize::MAX, |b| b.rung)
}

fn is_warning(finding: &Finding) -> bool {
    finding.outcome == evidence::Outcome::Warned
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
            evidence::Outcome::Passed => String::new(),
            _ => finding.check.advice().into(),
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
