//! The run itself: round by round through every technique and rung of the ladder.

mod events;
mod fill;
mod late;
mod queue;
mod round;
mod samples;
mod verdict;
mod workers;

use std::io;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use scoville_atlas::evidence::{self, Finding};
use scoville_attacks::text::Lexicon;
use scoville_data::{Dataset, TextData};
use scoville_report::SampleStrip;
use scoville_report::event::{DataInfo, DeviceInfo, Event, SurrogateInfo, TargetInfo};
use scoville_targets::{Ensemble, Metered, ModelTarget, OnDevice, TextTarget};

use crate::clean::Clean;
use crate::evidence::PROBE;
use crate::field::{Field, Numbers, Texts};
use crate::order::shuffled;
use crate::tally::{Size, Tally};
use crate::{Error, Plan, TechniquePlan};

pub(crate) use samples::Samples;
pub(crate) use workers::Place;
use workers::Workers;

/// The targets, and the surrogates beside them, or none.
type Models<'a, F> = (
    &'a [Metered<<F as Field>::Target>],
    &'a [Metered<<F as Field>::Surrogate>],
);

/// Examples kept for the reports, per technique.
const EXAMPLES: usize = 6;

/// Where events go; an error ends the run.
pub type Emit<'a> = dyn FnMut(&Event) -> io::Result<()> + 'a;

/// What is known of target, data and devices before the run.
pub struct Manifest {
    pub version: String,
    pub command: Vec<String>,
    pub target: TargetInfo,
    pub surrogates: Vec<SurrogateInfo>,
    pub data: DataInfo,
    /// One a target.
    pub devices: Vec<DeviceInfo>,
}

/// What a run leaves behind besides its events.
pub struct Finished {
    pub exit_code: u8,
    /// Examples of what was found, the smallest eps first.
    pub strips: Vec<SampleStrip>,
}

/// Runs `plan` on `data` and says through `emit` what happens. `targets` are the same model, once on each device; they
/// share the samples. `surrogates` are what transfer attacks run on, once on each device, or none. Setting `stop` ends the run with
/// the scores so far; a device that fails sets it too.
pub fn run(
    plan: &Plan,
    (targets, surrogates): (&[Metered<ModelTarget>], &[Metered<Ensemble>]),
    data: &Dataset,
    manifest: Manifest,
    stop: &AtomicBool,
    emit: &mut Emit<'_>,
) -> Result<Finished, Error> {
    let models = (targets, surrogates);
    run_in(plan, models, &Numbers { data }, manifest, stop, emit)
}

/// As [`run`], on texts; attacks write words of the `lexicon`. A surrogate is one model of texts.
pub fn run_texts(
    plan: &Plan,
    (targets, surrogates): (&[Metered<TextTarget>], &[Metered<TextTarget>]),
    (data, lexicon): (&TextData, &Lexicon),
    manifest: Manifest,
    stop: &AtomicBool,
    emit: &mut Emit<'_>,
) -> Result<Finished, Error> {
    let field = Texts { data, lexicon };
    run_in(plan, (targets, surrogates), &field, manifest, stop, emit)
}

fn run_in<F: Field>(
    plan: &Plan,
    (targets, surrogates): Models<'_, F>,
    field: &F,
    manifest: Manifest,
    stop: &AtomicBool,
    emit: &mut Emit<'_>,
) -> Result<Finished, Error> {
    let others = targets.get(1..).ok_or(Error::NoDevice)?;
    let mut before = vec![manifest.target.weights_sha256.clone()];
    before.extend(digests(others)?);
    let mut run = Run::new(plan, (targets, surrogates), field, stop, emit)?;
    run.announce(manifest)?;
    let ended = run.rounds()?;
    for (before, after) in before.into_iter().zip(digests(targets)?) {
        if before != after {
            return Err(Error::WeightsChanged { before, after });
        }
    }
    run.finish(ended)
}

fn digests<T: OnDevice>(targets: &[Metered<T>]) -> Result<Vec<String>, Error> {
    let digests = targets.iter().map(|t| t.inner().model().weights_digest());
    let digests = digests.collect::<Result<_, _>>();
    Ok(digests.map_err(scoville_targets::Error::from)?)
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
        Err(error) if error.is_interrupt() => Ok(Ended::Interrupted),
        other => other.map(|()| Ended::Completed),
    }
}

struct Run<'a, 'e, F: Field> {
    plan: &'a Plan,
    workers: Workers<'a, F::Target, F::Surrogate>,
    field: &'a F,
    stop: &'a AtomicBool,
    emit: &'a mut Emit<'e>,
    started: Instant,
    /// Samples that are to be attacked.
    of: usize,
    /// Samples of the round in which somebody stopped the run.
    stopped_in: Option<usize>,
    /// One a technique of the plan.
    tallies: Vec<Tally>,
    /// The same when the union last grew: those of the techniques in it count the same samples.
    united: Vec<Tally>,
    /// AML.T0015: the worst of all of them.
    union: Tally,
    clean: Clean,
    findings: Vec<Finding>,
    /// The first correct samples, and the rung at which white-box attacks broke each.
    probe: Samples,
    probe_broken: Vec<Option<usize>>,
    /// Correct samples so far that transfer broke at each rung and no attack with gradients did.
    transfer_alone: Vec<usize>,
    strips: Vec<SampleStrip>,
    /// How many examples of each technique are shown.
    shown: Vec<usize>,
}

impl<'a, 'e, F: Field> Run<'a, 'e, F> {
    fn new(
        plan: &'a Plan,
        (targets, surrogates): Models<'a, F>,
        field: &'a F,
        stop: &'a AtomicBool,
        emit: &'a mut Emit<'e>,
    ) -> Result<Self, Error> {
        let workers = Workers::new(targets, surrogates, plan.batch, stop)?;
        let model = workers.first().inner().model();
        let classes = model.classes().max(field.classes());
        let tallies = plan.techniques.iter();
        let tallies: Vec<Tally> = tallies.map(|t| Tally::new(plan, t.attacks.len())).collect();
        Ok(Self {
            plan,
            workers,
            field,
            stop,
            emit,
            started: Instant::now(),
            of: field.labels().len(),
            stopped_in: None,
            united: tallies.clone(),
            tallies,
            union: Tally::new(plan, 0),
            clean: Clean::new(classes),
            findings: Vec::new(),
            probe: Samples::default(),
            probe_broken: Vec::new(),
            transfer_alone: vec![0; plan.ladder.len()],
            strips: Vec::new(),
            shown: vec![0; plan.techniques.len()],
        })
    }

    /// All rounds, until the data, the reader's patience or the asked-for width is reached.
    fn rounds(&mut self) -> Result<Ended, Error> {
        let mut ended = Ended::Completed;
        let labels = self.field.labels();
        let mut order = shuffled(labels.len(), self.plan.seed);
        order.truncate(labels.len().saturating_sub(self.plan.aside));
        order.retain(|&id| self.plan.goal.concerns(labels[id as usize]));
        self.of = order.len();
        self.warn_of_few()?;
        let mut left = order.as_slice();
        while !left.is_empty() {
            let size = self.workers.round(order.len() - left.len()).min(left.len());
            let (ids, rest) = left.split_at(size);
            left = rest;
            let rows: Vec<usize> = ids.iter().map(|&id| id as usize).collect();
            if let Ended::Interrupted = unless_interrupted(self.round(&rows))? {
                self.stopped_in = Some(size);
                return Ok(Ended::Interrupted);
            }
            let full = self.probe.len() >= PROBE && self.findings.is_empty();
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

    fn narrow_enough(&self) -> bool {
        let all = self.tallies.iter().chain([&self.union]);
        let widest = all.map(Tally::width).fold(0.0, f64::max);
        self.plan.until_width.is_some_and(|width| widest <= width)
    }

    /// The reliability checks on the probe, as soon as it is full, so that what they find is said early.
    fn check_probe(&mut self) -> Result<(), Error> {
        let probe = std::mem::take(&mut self.probe);
        let white_box = self
            .technique_of(TechniquePlan::is_white_box)
            .map(|_| self.probe_broken.clone());
        let (plan, target) = (self.plan, self.workers.first());
        let findings = self
            .field
            .findings(plan, target, probe, white_box, self.stop);
        self.findings = findings?;
        let warned: Vec<Finding> = self
            .findings
            .iter()
            .filter(|f| is_warning(f))
            .cloned()
            .collect();
        warned.iter().try_for_each(|finding| self.warn(finding))
    }
}

fn is_warning(finding: &Finding) -> bool {
    finding.outcome == evidence::Outcome::Warned
}
