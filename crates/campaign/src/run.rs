//! The run itself: round by round through every technique and rung of the ladder.

mod feed;
mod verdict;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use scoville_atlas::evidence::{self, Finding};
use scoville_attacks::{Access, Attack, Problem, Success};
use scoville_data::Dataset;
use scoville_kernels::{Array, Loss, head};
use scoville_report::SampleStrip;
use scoville_report::event::{
    DataInfo, DeviceInfo, Event, FORMAT, PlannedTechnique, RunStarted, TargetInfo,
    TechniqueProgress, TechniqueStarted, Warning,
};
use scoville_targets::{Labels, Metered, ModelTarget, Scores, Spent};

use crate::clean::Clean;
use crate::evidence::{PROBE, Probe};
use crate::order::{attack_seed, shuffled};
use crate::tally::{Broken, Size, Tally};
use crate::{EVASION, Error, Plan};

use feed::Feed;

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
    let before = manifest.target.weights_sha256.clone();
    let mut run = Run::new(plan, target, data, stop, emit);
    run.announce(manifest)?;
    let ended = run.rounds()?;
    let after = target.inner().weights_digest()?;
    if before != after {
        return Err(Error::WeightsChanged { before, after });
    }
    run.finish(ended)
}

/// How a run came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Completed,
    WidthReached,
    Interrupted,
}

impl Ended {
    fn words(self) -> &'static str {
        match self {
            Ended::Completed => "completed",
            Ended::WidthReached => "width reached",
            Ended::Interrupted => "interrupted",
        }
    }

    fn size(self) -> Size {
        if self == Ended::Completed {
            Size::Planned
        } else {
            Size::Stopped
        }
    }
}

/// An interrupt ends a run; it is no error.
fn unless_interrupted(done: Result<(), Error>) -> Result<Ended, Error> {
    match done {
        Err(Error::Attack(scoville_attacks::Error::Interrupted)) => Ok(Ended::Interrupted),
        other => other.map(|()| Ended::Completed),
    }
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
    feed: Feed,
    findings: Vec<Finding>,
    /// The first correct samples, and the rung at which white-box attacks broke each.
    probe: Batch,
    probe_broken: Vec<Option<usize>>,
    strips: Vec<SampleStrip>,
}

/// The correctly classified samples of one round.
#[derive(Default)]
struct Batch {
    /// Samples in the round, the misclassified ones included.
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
            clean: Clean::new(classes),
            feed: Feed::new(plan.batch),
            findings: Vec::new(),
            probe: Batch::default(),
            probe_broken: Vec::new(),
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

    /// All rounds, until the data, the reader's patience or the asked-for width is reached.
    fn rounds(&mut self) -> Result<Ended, Error> {
        let mut ended = Ended::Completed;
        let order = shuffled(self.data.len(), self.plan.seed);
        let mut left = order.as_slice();
        while !left.is_empty() {
            let size = self.feed.round(order.len() - left.len()).min(left.len());
            let (ids, rest) = left.split_at(size);
            left = rest;
            let rows: Vec<usize> = ids.iter().map(|&id| id as usize).collect();
            let before = (self.tallies.clone(), self.clean.clone());
            if let Ended::Interrupted = unless_interrupted(self.round(&rows))? {
                self.forget_round(before);
                return Ok(Ended::Interrupted);
            }
            let full = self.probe.ids.len() >= PROBE && self.findings.is_empty();
            if full && unless_interrupted(self.check_probe())? == Ended::Interrupted {
                return Ok(Ended::Interrupted);
            }
            if self.narrow_enough() {
                ended = Ended::WidthReached;
                break;
            }
        }
        // A short run ends before the probe is full: it is checked on what there is.
        if self.findings.is_empty() && unless_interrupted(self.check_probe())? == Ended::Interrupted
        {
            return Ok(Ended::Interrupted);
        }
        Ok(ended)
    }

    /// Takes a round back that some techniques finished and others did not, so that all count the same samples. What it
    /// cost stays on the meter.
    fn forget_round(&mut self, (tallies, clean): (Vec<Tally>, Clean)) {
        for (tally, before) in self.tallies.iter_mut().zip(tallies) {
            tally.rungs = before.rungs;
        }
        self.clean = clean;
    }

    fn narrow_enough(&self) -> bool {
        let all = self.tallies.iter().chain([&self.union]);
        let widest = all.map(Tally::width).fold(0.0, f64::max);
        self.plan.until_width.is_some_and(|width| widest <= width)
    }

    fn round(&mut self, rows: &[usize]) -> Result<(), Error> {
        let batch = self.clean(rows)?;
        let mut worst: Vec<Option<Broken>> = vec![None; batch.ids.len()];
        let mut white_box: Vec<Option<usize>> = vec![None; batch.ids.len()];
        for t in 0..self.tallies.len() {
            let broken = self.technique(t, &batch)?;
            let white = self.plan.techniques[t].needs(Access::Gradients);
            for (i, broken) in broken.into_iter().enumerate() {
                if white {
                    white_box[i] = broken.as_ref().map(|b| b.rung);
                }
                if rung(&broken) < rung(&worst[i]) {
                    worst[i] = broken;
                }
            }
        }
        self.unite(&batch, &worst)?;
        let wanted = PROBE
            .min(self.feed.room)
            .saturating_sub(self.probe.ids.len());
        let some: Vec<usize> = (0..batch.ids.len().min(wanted)).collect();
        self.probe_broken.extend(some.iter().map(|&i| white_box[i]));
        self.probe.append(batch.select(&some));
        Ok(())
    }

    /// Asks the target about the clean samples and keeps the correct ones.
    fn clean(&mut self, rows: &[usize]) -> Result<Batch, Error> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(scoville_attacks::Error::Interrupted.into());
        }
        let mut batch = Batch {
            size: rows.len(),
            ..Batch::default()
        };
        let mut answers = Vec::new();
        let mut feed = self.feed;
        feed.each(rows.len(), |range| {
            let rows = &rows[range];
            let x = self.data.read(rows)?;
            let predicted = self.predict(rows, &x)?;
            let samples = x.chunks_exact(self.data.sample_len());
            for ((&row, &answer), sample) in rows.iter().zip(&predicted).zip(samples) {
                if self.data.y[row] == answer {
                    batch.x.extend_from_slice(sample);
                }
            }
            answers.extend(predicted);
            Ok(())
        })?;
        self.feed = feed;
        for (&row, &answer) in rows.iter().zip(&answers) {
            let label = self.data.y[row];
            if self.clean.note(label, answer) {
                batch.ids.push(row as u32);
                batch.y.push(label);
            }
        }
        Ok(batch)
    }

    /// What the target says of samples of the data.
    fn predict(&self, rows: &[usize], x: &[f32]) -> Result<Vec<u32>, Error> {
        let (device, n, cols) = (self.target.device(), rows.len(), self.data.sample_len());
        let x = Array::from_vec(device, n, cols, x.to_vec())?;
        let labels = rows.iter().map(|&i| self.data.y[i]).collect();
        let labels = Array::from_vec(device, n, 1, labels)?;
        let scores = self.target.scores(&x)?;
        Ok(head(&scores, &labels, Loss::Margin)?.predicted.to_vec()?)
    }

    /// One technique on one round, up the ladder: what a small eps broke stays broken at every larger one. An attack that
    /// seeks the nearest point runs once, at the largest eps, and breaks a sample at the first rung that reaches so far.
    fn technique(&mut self, t: usize, batch: &Batch) -> Result<Vec<Option<Broken>>, Error> {
        let plan = self.plan;
        let technique = &plan.techniques[t];
        let mut broken: Vec<Option<Broken>> = vec![None; batch.ids.len()];
        for (at, &eps) in plan.ladder.iter().enumerate() {
            for attack in &technique.attacks {
                let minimal = attack.is_minimal();
                if minimal && at > 0 {
                    continue;
                }
                let largest = plan.ladder.last().copied();
                let eps = largest.filter(|_| minimal).unwrap_or(eps);
                let rows: Vec<usize> = (0..broken.len())
                    .filter(|&i| rung(&broken[i]) > at)
                    .collect();
                let mut feed = self.feed;
                feed.each(rows.len(), |range| {
                    let rows = &rows[range];
                    for success in self.attack(t, attack, eps, batch.select(rows))? {
                        let reached = match minimal {
                            true => plan.reach(success.distance),
                            false => at,
                        };
                        let place = &mut broken[rows[success.row]];
                        if reached < rung(place) {
                            *place = Some(Broken {
                                rung: reached,
                                attack: attack.row.name.to_owned(),
                            });
                        }
                    }
                    Ok(())
                })?;
                self.feed = feed;
            }
            self.tallies[t].book(at, batch.size, &broken);
            let attack = technique.attacks.last().map_or("", |a| a.row.name);
            let progress = self.progress(technique.id, attack, at, &self.tallies[t]);
            (self.emit)(&Event::TechniqueProgress(progress))?;
        }
        Ok(broken)
    }

    /// One attack at one eps on samples that still stand: those that it breaks.
    fn attack(
        &mut self,
        t: usize,
        attack: &Attack,
        eps: f64,
        open: Batch,
    ) -> Result<Vec<Success>, Error> {
        let (spent, since) = (self.target.spent(), Instant::now());
        let problem = Problem {
            ids: &open.ids,
            x: &open.x,
            y: &open.y,
            norm: self.plan.norm,
            eps,
            bounds: (0.0, 1.0),
            seed: attack_seed(self.plan.seed, attack.row.name, eps),
            stop: self.stop,
        };
        let found = attack.run(self.target, &problem);
        self.tallies[t].spend(
            self.target.spent().since(spent),
            since.elapsed().as_secs_f64(),
        );
        let found = found?;
        let technique = self.plan.techniques[t].id;
        for success in &found {
            self.keep_strip(technique, attack.row.name, eps, &open, success);
        }
        Ok(found)
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
            norm: self.plan.measure(),
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

    /// The reliability checks on the probe, as soon as it is full, so that what they find is said early.
    fn check_probe(&mut self) -> Result<(), Error> {
        let Batch { ids, x, y, .. } = std::mem::take(&mut self.probe);
        let white_box = self
            .has(Access::Gradients)
            .then(|| self.probe_broken.clone());
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
}

impl Batch {
    fn sample(&self, row: usize) -> &[f32] {
        let cols = self.x.len() / self.ids.len().max(1);
        &self.x[row * cols..(row + 1) * cols]
    }

    fn append(&mut self, mut other: Batch) {
        self.size += other.size;
        self.ids.append(&mut other.ids);
        self.x.append(&mut other.x);
        self.y.append(&mut other.y);
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
