//! What a run says while it goes on.

use scoville_atlas::evidence::Finding;
use scoville_kernels::INVALID;
use scoville_report::event::{
    Event, FORMAT, PlannedTechnique, RunStarted, SamplesJudged, TechniqueProgress,
    TechniqueStarted, Warning,
};

use super::{Manifest, Run};
use crate::Error;
use crate::field::Field;
use crate::tally::{Broken, Tally};

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
        Ok((self.emit)(&Event::Warning(Warning {
            code: finding.check.code().into(),
            what: finding.detail.clone(),
            advice: finding.check.advice().into(),
            technique: None,
        }))?)
    }
}
