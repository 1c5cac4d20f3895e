//! One round: the clean answers, then every technique up the ladder on what was right.

use std::sync::atomic::Ordering;
use std::time::Instant;

use scoville_attacks::{Access, Attack, Success};
use scoville_report::event::Event;
use scoville_targets::Spent;

use super::samples::Samples;
use super::workers::Split;
use super::{EXAMPLES, Run};
use crate::evidence::PROBE;
use crate::field::{Exhibit, Field};
use crate::tally::Broken;
use crate::{EVASION, Error};

impl<F: Field> Run<'_, '_, F> {
    pub(super) fn round(&mut self, rows: &[usize]) -> Result<(), Error> {
        let (samples, answers) = self.correct(rows)?;
        let mut worst: Vec<Option<Broken>> = vec![None; samples.len()];
        let mut white_box: Vec<Option<usize>> = vec![None; samples.len()];
        let mut transfer: Vec<Option<usize>> = vec![None; samples.len()];
        for t in 0..self.tallies.len() {
            let broken = self.technique(t, rows.len(), &samples)?;
            let technique = &self.plan.techniques[t];
            for (i, broken) in broken.into_iter().enumerate() {
                let rung_of = |broken: &Option<Broken>| broken.as_ref().map(|b| b.rung);
                if technique.is_white_box() {
                    white_box[i] = rung_of(&broken);
                } else if technique.is_transfer() {
                    transfer[i] = rung_of(&broken);
                }
                if rung(&broken) < rung(&worst[i]) {
                    worst[i] = broken;
                }
            }
        }
        for (at, alone) in self.transfer_alone.iter_mut().enumerate() {
            let reached = |rung: &Option<usize>| rung.is_some_and(|rung| rung <= at);
            let pairs = transfer.iter().zip(&white_box);
            *alone += pairs.filter(|(t, w)| reached(t) && !reached(w)).count();
        }
        self.unite(rows.len(), &worst)?;
        self.judged(rows, &answers, &worst)?;
        let wanted = PROBE
            .min(self.workers.room())
            .saturating_sub(self.probe.len());
        let some: Vec<usize> = (0..samples.len().min(wanted)).collect();
        self.probe_broken.extend(some.iter().map(|&i| white_box[i]));
        self.probe.append(samples.select(&some));
        Ok(())
    }

    /// Asks about the clean samples: the correct ones, and all answers.
    fn correct(&mut self, rows: &[usize]) -> Result<(Samples, Vec<u32>), Error> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(scoville_attacks::Error::Interrupted.into());
        }
        let field = self.field;
        let asked = self.workers.each(rows.len(), Split::Finely, |at, range| {
            field.clean(at.target, &rows[range])
        })?;
        let (mut samples, mut all) = (Samples::default(), Vec::new());
        for (_, (mut answers, mut x)) in asked {
            samples.x.append(&mut x);
            all.append(&mut answers);
        }
        for (&row, &answer) in rows.iter().zip(&all) {
            let label = field.labels()[row];
            if self.clean.note(label, answer) {
                samples.ids.push(row as u32);
                samples.y.push(label);
            }
        }
        Ok((samples, all))
    }

    /// One technique on one round of `size` samples, up the ladder: what a small eps broke stays broken at every larger
    /// one. An attack that seeks the nearest point runs once, at the largest eps, and breaks a sample at the first rung
    /// that reaches so far.
    fn technique(
        &mut self,
        t: usize,
        size: usize,
        samples: &Samples,
    ) -> Result<Vec<Option<Broken>>, Error> {
        let plan = self.plan;
        let technique = &plan.techniques[t];
        let mut broken: Vec<Option<Broken>> = vec![None; samples.len()];
        for at in 0..plan.ladder.len() {
            for (a, attack) in technique.attacks.iter().enumerate() {
                if attack.is_minimal() && at > 0 {
                    continue;
                }
                let black_box = attack.access() < Access::Gradients;
                let top = plan.rung_of(attack, at);
                let open: Vec<usize> = (0..broken.len())
                    .filter(|&i| rung(&broken[i]) > at)
                    .collect();
                if at == 0 {
                    self.tallies[t].efforts[a].samples += open.len();
                }
                for success in self.attack(t, a, at, samples, &open)? {
                    let id = samples.ids[success.row];
                    let reached = match attack.is_minimal() {
                        true => self.field.reach(plan, id, success.distance),
                        false => at,
                    };
                    let place = &mut broken[success.row];
                    if reached < rung(place) {
                        *place = Some(Broken {
                            rung: reached,
                            attack: attack.name.clone(),
                            number: plan.first_attack(t) + a,
                            distance: success.distance,
                            queries: black_box.then_some((success.asked, top)),
                        });
                    }
                }
            }
            self.tallies[t].book(at, size, &broken);
            let attack = technique.attacks.last().map_or("", |a| &*a.name);
            self.progress(technique.id, attack, at, &self.tallies[t].clone())?;
        }
        for broken in broken.iter().flatten() {
            self.tallies[t].efforts[broken.number - plan.first_attack(t)].broken += 1;
        }
        Ok(broken)
    }

    /// One attack at one rung on the samples that are open: those of `samples` that it breaks.
    fn attack(
        &mut self,
        t: usize,
        a: usize,
        at: usize,
        samples: &Samples,
        open: &[usize],
    ) -> Result<Vec<Success<F::Found>>, Error> {
        let (plan, stop, field) = (self.plan, self.stop, self.field);
        let attack = &plan.techniques[t].attacks[a];
        let eps = plan.ladder[plan.rung_of(attack, at)];
        let (spent, since) = (self.workers.spent(), Instant::now());
        let split = match attack.algorithm.is_universal() {
            true => Split::Whole,
            false => Split::Finely,
        };
        let found = self.workers.each(open.len(), split, |at, range| {
            let batch = samples.select(&open[range]);
            field.attack(at, attack, &batch, plan, eps, stop)
        });
        let now = self.workers.spent();
        let spent = [now[0].since(spent[0]), now[1].since(spent[1])];
        self.tallies[t].spend(a, spent, since.elapsed().as_secs_f64());
        let mut successes = Vec::new();
        for (range, found) in found? {
            for mut success in found {
                success.row = open[range.start + success.row];
                self.show(t, attack, eps, samples, &success)?;
                successes.push(success);
            }
        }
        Ok(successes)
    }

    /// AML.T0015 from what the techniques found.
    fn unite(&mut self, size: usize, worst: &[Option<Broken>]) -> Result<(), Error> {
        self.union.spent = self.tallies.iter().map(|t| t.spent).sum::<Spent>();
        self.union.seconds = self.tallies.iter().map(|t| t.seconds).sum();
        for at in 0..self.plan.ladder.len() {
            self.union.book(at, size, worst);
            self.progress(EVASION, "", at, &self.union.clone())?;
        }
        Ok(())
    }

    /// Keeps an example of what was found, or says it.
    fn show(
        &mut self,
        t: usize,
        attack: &Attack,
        eps: f64,
        samples: &Samples,
        success: &Success<F::Found>,
    ) -> Result<(), Error> {
        if self.shown[t] >= EXAMPLES {
            return Ok(());
        }
        match self.field.exhibit(attack, eps, samples, success) {
            None => return Ok(()),
            Some(Exhibit::Image(strip)) => self.strips.push(strip),
            Some(Exhibit::Text(event)) => (self.emit)(&Event::TextBroken(event))?,
            Some(Exhibit::Row(event)) => (self.emit)(&Event::SampleChanged(event))?,
        }
        self.shown[t] += 1;
        Ok(())
    }
}

/// Where a sample was broken; never is after every rung.
fn rung(broken: &Option<Broken>) -> usize {
    broken.as_ref().map_or(usize::MAX, |b| b.rung)
}
