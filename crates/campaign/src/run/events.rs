//! What a run says while it goes on.

use scoville_atlas::evidence::{Finding, LEAST_SAMPLES};
use scoville_kernels::INVALID;
use scoville_report::event::{
    Event, FORMAT, PlannedTechnique, RunStarted, SamplesJudged, TechniqueProgress,
    TechniqueStarted, Warning,
};

use super::{Manifest, Run};
use crate::field::Field;
use crate::tally::{Broken, Tally};
use crate::{EVASION, Error};

impl<F: Field> Run<'_, '_, F> {
    pub(super) fn announce(&mut self, manifest: Manifest) -> Result<(), Error> {
        let plan = self.plan.info();
        let started = plan.techniques.clone();
        let device = manifest.devices.first().cloned().ok_or(Error::NoDevice)?;
        let event = RunStarted {
            format: FORMAT,
            version: manifest.version,
            seed: self.plan.seed,
            command: manifest.command,
            target: manifest.target,
            surrogates: manifest.surrogates,
            data: manifest.data,
            device,
            devices: manifest.devices,
            plan,
        };
        (self.emit)(&Event::RunStarted(event.into()))?;
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

    pub(super) fn progress(
        &mut self,
        technique: &str,
        attack: &str,
        at: usize,
        tally: &Tally,
    ) -> Result<(), Error> {
        let rung = &tally.rungs[at];
        let score = tally.score_so_far(self.plan);
        let progress = TechniqueProgress {
            technique: technique.into(),
            attack: attack.into(),
            norm: self.plan.measure.to_string(),
            eps: rung.eps,
            done: rung.done,
            of: self.of,
            correct: rung.correct,
            successes: rung.successes,
            rate: rung.rate(),
            interval: rung.anytime(),
            score: score.as_ref().map(|s| s.value),
            score_interval: score.as_ref().map(|s| s.interval),
            queries: tally.spent.queries,
            gradients: tally.spent.gradients,
            seconds: tally.seconds,
        };
        Ok((self.emit)(&Event::TechniqueProgress(progress))?)
    }

    /// The verdict on each of `rows`: what the target said before, and how it was broken if it was right.
    pub(super) fn judged(
        &mut self,
        rows: &[usize],
        answers: &[u32],
        worst: &[Option<Broken>],
    ) -> Result<(), Error> {
        let mut event = SamplesJudged::default();
        let mut worst = worst.iter();
        for (&row, &answer) in rows.iter().zip(answers) {
            let label = self.field.labels()[row];
            let right = answer == label;
            let broken = right.then(|| worst.next()?.as_ref()).flatten();
            event.sample.push(row as u32);
            event.label.push(label);
            event.predicted.push((answer != INVALID).then_some(answer));
            event.rung.push(broken.map(|b| b.rung as u16));
            event.attack.push(broken.map(|b| b.number as u16));
            event.distance.push(broken.map(|b| b.distance as f32));
        }
        Ok((self.emit)(&Event::SamplesJudged(event))?)
    }

    pub(super) fn warn(&mut self, finding: &Finding) -> Result<(), Error> {
        let check = finding.check;
        self.say(check.code(), finding.detail.clone(), check.advice())
    }

    /// A run on too few samples says so before it begins.
    pub(super) fn warn_of_few(&mut self) -> Result<(), Error> {
        if self.of >= LEAST_SAMPLES {
            return Ok(());
        }
        let (given, aside) = (self.field.labels().len(), self.plan.aside);
        let (apart, advice) = match aside {
            0 => (String::new(), "Give more samples: raise --limit."),
            _ => (
                format!(
                    ", as {} of {given} are set aside for the surrogate",
                    aside.min(given)
                ),
                "Give more samples (raise --limit), or train the surrogate on others (--surrogate-data).",
            ),
        };
        let what = format!(
            "{} samples are attacked{apart}: there will be no score, which takes {LEAST_SAMPLES} that the model gets right",
            self.of
        );
        self.say("few-samples", what, advice)
    }

    /// A round that some techniques finished before somebody stopped it, and others did not.
    pub(super) fn warn_of_stop(&mut self) -> Result<(), Error> {
        let techniques = || self.plan.techniques.iter().zip(&self.tallies);
        let through = |tally: &Tally| tally.done() == self.clean.done;
        let ids = |wanted: bool| {
            let those = techniques().filter(|(_, tally)| through(tally) == wanted);
            those.map(|(t, _)| t.id).collect::<Vec<_>>().join(", ")
        };
        let (counted, not_counted) = (ids(true), ids(false));
        let Some(size) = self.stopped_in else {
            return Ok(());
        };
        if counted.is_empty() || not_counted.is_empty() {
            return Ok(());
        }
        let union = match through(&self.union) {
            true => format!("is that of {counted} alone"),
            false => "counts the rounds before".into(),
        };
        let what = format!(
            "the last round, of {size} samples, is counted for {counted} and not for {not_counted}, whose queries about them are; {EVASION} {union}"
        );
        self.say(
            "stopped-in-a-round",
            what,
            "Let the run end for scores on the same samples.",
        )
    }

    fn say(&mut self, code: &str, what: String, advice: &str) -> Result<(), Error> {
        Ok((self.emit)(&Event::Warning(Warning {
            code: code.into(),
            what,
            advice: advice.into(),
            technique: None,
        }))?)
    }
}
