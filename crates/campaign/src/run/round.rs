//! One round: the clean answers, then every technique up the ladder on what was right.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Instant;

use scoville_attacks::{Access, Attack, Measure, Success};
use scoville_report::event::Event;
use scoville_targets::Spent;

use super::samples::Samples;
use super::workers::Split;
use super::{EXAMPLES, Run};
use crate::evidence::PROBE;
use crate::field::{Abreast, Exhibit, Field};
use crate::tally::{Broken, Tally};
use crate::{EVASION, Error};

impl<F: Field> Run<'_, '_, F> {
    /// Where somebody stops the round, the techniques that were through with it count it.
    pub(super) fn round(&mut self, rows: &[usize]) -> Result<(), Error> {
        let (samples, answers) = self.correct(rows)?;
        let mut worst: Vec<Option<Broken>> = vec![None; samples.len()];
        let mut white_box: Vec<Option<usize>> = vec![None; samples.len()];
        let mut transfer: Vec<Option<usize>> = vec![None; samples.len()];
        let mut interrupt = None;
        for t in 0..self.tallies.len() {
            let broken = match self.technique(t, rows.len(), &samples) {
                Err(error) if error.is_interrupt() => {
                    interrupt = Some(error);
                    break;
                }
                broken => broken?,
            };
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
        if self.is_even() {
            self.count_transfer(&transfer, &white_box);
            self.unite(rows.len(), &worst)?;
            self.judged(rows, &answers, &worst)?;
            self.fill_probe(&samples, &white_box);
        }
        interrupt.map_or(Ok(()), Err)
    }

    /// Whether all techniques that have finished samples have finished the same ones: the union of others would not be
    /// the worst of all.
    fn is_even(&self) -> bool {
        let mut done = self.tallies.iter().map(Tally::done);
        let through = |done| done == self.clean.done;
        done.clone().any(through) && done.all(|done| done == 0 || through(done))
    }

    fn count_transfer(&mut self, transfer: &[Option<usize>], white_box: &[Option<usize>]) {
        for (at, alone) in self.transfer_alone.iter_mut().enumerate() {
            let reached = |rung: &Option<usize>| rung.is_some_and(|rung| rung <= at);
            let pairs = transfer.iter().zip(white_box);
            *alone += pairs.filter(|(t, w)| reached(t) && !reached(w)).count();
        }
    }

    /// Keeps the first correct samples for the reliability checks.
    fn fill_probe(&mut self, samples: &Samples, white_box: &[Option<usize>]) {
        let wanted = PROBE
            .min(self.workers.room())
            .saturating_sub(self.probe.len());
        let some: Vec<usize> = (0..samples.len().min(wanted)).collect();
        self.probe_broken.extend(some.iter().map(|&i| white_box[i]));
        self.probe.append(samples.select(&some));
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

    /// One technique on one round of `size` samples, which it does not count if it is stopped. What that cost stays on the meter.
    fn technique(
        &mut self,
        t: usize,
        size: usize,
        samples: &Samples,
    ) -> Result<Vec<Option<Broken>>, Error> {
        let before = self.tallies[t].clone();
        let broken = self.climb(t, size, samples);
        if broken.is_err() {
            self.tallies[t].forget_since(before);
        }
        broken
    }

    /// One technique up the ladder: what a small eps broke stays broken at every larger one. What an attack found ahead at a
    /// larger eps counts for the samples that are still open there. An attack that seeks the nearest point runs once, at the
    /// largest eps, and breaks a sample at the first rung that reaches so far. A corruption costs little and runs on every
    /// sample that it has not broken itself.
    fn climb(
        &mut self,
        t: usize,
        size: usize,
        samples: &Samples,
    ) -> Result<Vec<Option<Broken>>, Error> {
        let plan = self.plan;
        let technique = &plan.techniques[t];
        let mut broken: Vec<Option<Broken>> = vec![None; samples.len()];
        let mut alone = vec![vec![None; samples.len()]; technique.attacks.len()];
        let mut ahead = BTreeMap::new();
        for at in 0..plan.ladder.len() {
            for (a, attack) in technique.attacks.iter().enumerate() {
                if attack.is_minimal() && at > 0 {
                    continue;
                }
                let stands = |i: &usize| match plan.measure {
                    Measure::Severity => alone[a][*i].is_none(),
                    _ => rung(&broken[*i]) > at,
                };
                let open: Vec<usize> = (0..broken.len()).filter(stands).collect();
                if at == 0 {
                    self.tallies[t].efforts[a].samples += open.len();
                }
                if !open.is_empty() {
                    self.begins((t, a), at, open.len())?;
                }
                if !ahead.contains_key(&(a, at)) {
                    let found = self.attack(t, a, at, samples, &open)?;
                    ahead.extend((at..).map(|at| (a, at)).zip(found));
                }
                for success in ahead.remove(&(a, at)).into_iter().flatten() {
                    alone[a][success.row].get_or_insert(at);
                    let place = &mut broken[success.row];
                    if rung(place) > at {
                        let top = plan.rung_of(attack, at);
                        self.show(t, attack, plan.ladder[top], samples, &success)?;
                        let found = self.broken((t, a), at, samples.ids[success.row], &success);
                        if found.rung < rung(place) {
                            *place = Some(found);
                        }
                    }
                }
            }
            self.tallies[t].book(at, size, &broken);
            let attack = technique.attacks.last().map_or("", |a| &*a.name);
            self.progress(technique.id, attack, at, &self.tallies[t].clone(), None)?;
        }
        for broken in broken.iter().flatten() {
            self.tallies[t].efforts[broken.number - plan.first_attack(t)].broken += 1;
        }
        for (effort, alone) in self.tallies[t].efforts.iter_mut().zip(&alone) {
            effort.book_alone(alone);
        }
        Ok(broken)
    }

    /// What attack `a` of technique `t` found of sample `id` at rung `at`.
    fn broken(
        &self,
        (t, a): (usize, usize),
        at: usize,
        id: u32,
        success: &Success<F::Found>,
    ) -> Broken {
        let plan = self.plan;
        let attack = &plan.techniques[t].attacks[a];
        let black_box = attack.access() < Access::Gradients;
        Broken {
            rung: match attack.is_minimal() {
                true => self.field.reach(plan, id, success.distance),
                false => at,
            },
            attack: attack.name.clone(),
            number: plan.first_attack(t) + a,
            distance: success.distance,
            queries: black_box.then_some((success.asked, plan.rung_of(attack, at))),
        }
    }

    /// One attack on the samples that are open, at one rung and, where a batch has room, at the next ones ahead, and with its
    /// restarts side by side: for each rung those of `samples` that it breaks.
    fn attack(
        &mut self,
        t: usize,
        a: usize,
        at: usize,
        samples: &Samples,
        open: &[usize],
    ) -> Result<Vec<Vec<Success<F::Found>>>, Error> {
        let (plan, stop, field) = (self.plan, self.stop, self.field);
        let attack = &plan.techniques[t].attacks[a];
        let universal = attack.algorithm.is_universal();
        let ladder = &plan.ladder[plan.rung_of(attack, at)..];
        let restarts = !attack.is_minimal() && attack.restarts(self.field.classes()) > 1;
        let alone = universal || attack.is_transfer() || (ladder.len() == 1 && !restarts);
        let runs = match alone {
            true => 1,
            false => self.workers.abreast(open.len()),
        };
        let budgets = &ladder[..runs.min(ladder.len())];
        let abreast = Abreast {
            budgets,
            parts: runs / budgets.len(),
        };
        let (spent, since) = (self.workers.spent(), Instant::now());
        let split = match universal {
            true => Split::Whole,
            false => Split::Finely,
        };
        let parts = self.workers.each(open.len(), split, |at, range| {
            let batch = samples.select(&open[range]);
            field.attack(at, attack, &batch, plan, abreast, stop)
        });
        let now = self.workers.spent();
        let spent = [now[0].since(spent[0]), now[1].since(spent[1])];
        self.tallies[t].spend(a, spent, since.elapsed().as_secs_f64());
        let mut all: Vec<Vec<_>> = budgets.iter().map(|_| Vec::new()).collect();
        for (range, part) in parts? {
            for (all, found) in all.iter_mut().zip(part) {
                all.extend(found.into_iter().map(|success| Success {
                    row: open[range.start + success.row],
                    ..success
                }));
            }
        }
        Ok(all)
    }

    /// AML.T0015 from what the techniques found.
    fn unite(&mut self, size: usize, worst: &[Option<Broken>]) -> Result<(), Error> {
        self.united = self.tallies.clone();
        self.sum_spent();
        for at in 0..self.plan.ladder.len() {
            self.union.book(at, size, worst);
            self.progress(EVASION, "", at, &self.union.clone(), None)?;
        }
        Ok(())
    }

    /// What the union took is what all techniques did.
    pub(super) fn sum_spent(&mut self) {
        self.union.spent = self.tallies.iter().map(|t| t.spent).sum::<Spent>();
        self.union.seconds = self.tallies.iter().map(|t| t.seconds).sum();
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

#[cfg(test)]
mod tests;
