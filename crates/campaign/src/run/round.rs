//! One round: the clean answers, then every technique up the ladder on what was right.

use std::sync::atomic::Ordering;
use std::time::Instant;

use scoville_attacks::{Access, Problem, Success};
use scoville_kernels::{Array, Loss, head};
use scoville_report::SampleStrip;
use scoville_targets::{Labels, Scores, Spent};

use super::samples::Samples;
use super::workers::{Split, Target};
use super::{Run, STRIPS};
use crate::evidence::PROBE;
use crate::order::attack_seed;
use crate::tally::Broken;
use crate::{EVASION, Error};

impl Run<'_, '_> {
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
        let data = self.data;
        let cols = data.sample_len();
        let asked = self.workers.each(rows.len(), Split::Finely, |at, range| {
            let rows = &rows[range];
            let mut x = data.read(rows)?;
            let y = rows.iter().map(|&row| data.y[row]).collect();
            let answers = predict(at.target, &x, y)?;
            let right = rows
                .iter()
                .zip(&answers)
                .map(|(&row, &answer)| data.y[row] == answer);
            keep_rows(&mut x, cols, right);
            Ok((answers, x))
        })?;
        let (mut samples, mut all) = (Samples::default(), Vec::new());
        for (_, (mut answers, mut x)) in asked {
            samples.x.append(&mut x);
            all.append(&mut answers);
        }
        for (&row, &answer) in rows.iter().zip(&all) {
            let label = data.y[row];
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
                    let reached = match attack.is_minimal() {
                        true => plan.reach(success.distance),
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
    ) -> Result<Vec<Success>, Error> {
        let (plan, stop) = (self.plan, self.stop);
        let attack = &plan.techniques[t].attacks[a];
        let eps = plan.ladder[plan.rung_of(attack, at)];
        let (spent, since) = (self.workers.spent(), Instant::now());
        let split = match attack.algorithm.is_universal() {
            true => Split::Whole,
            false => Split::Finely,
        };
        let found = self.workers.each(open.len(), split, |at, range| {
            let batch = samples.select(&open[range]);
            let problem = Problem {
                ids: &batch.ids,
                x: &batch.x,
                y: &batch.y,
                norm: plan.measure.norm(),
                eps,
                bounds: (0.0, 1.0),
                seed: attack_seed(plan.seed, &attack.name, eps),
                goal: plan.goal,
                stop,
            };
            Ok(attack.run(at.target, at.surrogate(), &problem)?)
        });
        let now = self.workers.spent();
        let spent = [now[0].since(spent[0]), now[1].since(spent[1])];
        self.tallies[t].spend(a, spent, since.elapsed().as_secs_f64());
        let mut successes = Vec::new();
        for (range, found) in found? {
            for mut success in found {
                success.row = open[range.start + success.row];
                self.keep_strip(plan.techniques[t].id, &attack.name, eps, samples, &success);
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

    fn keep_strip(
        &mut self,
        technique: &str,
        attack: &str,
        eps: f64,
        samples: &Samples,
        success: &Success,
    ) {
        let &[channels, height, width] = self.data.shape.as_slice() else {
            return;
        };
        let kept = self.strips.iter().filter(|s| s.technique == technique);
        if kept.count() >= STRIPS || !matches!(channels, 1 | 3) {
            return;
        }
        self.strips.push(SampleStrip {
            index: samples.ids[success.row] as usize,
            label: samples.y[success.row],
            predicted: success.predicted,
            eps,
            attack: attack.into(),
            technique: technique.into(),
            channels,
            height,
            width,
            clean: samples.sample(success.row).to_vec(),
            adversarial: success.x.clone(),
        });
    }
}

/// What the target says of samples with the labels `y`.
fn predict(target: &Target, x: &[f32], y: Vec<u32>) -> Result<Vec<u32>, Error> {
    let (device, n) = (target.device(), y.len());
    let x = Array::from_vec(device, n, x.len() / n.max(1), x.to_vec())?;
    let y = Array::from_vec(device, n, 1, y)?;
    let scores = target.scores(&x)?;
    Ok(head(&scores, &y, Loss::Margin)?.predicted.to_vec()?)
}

/// Takes the rows out of `x` that are not to be kept.
fn keep_rows(x: &mut Vec<f32>, cols: usize, keep: impl Iterator<Item = bool>) {
    let mut kept = 0;
    for (row, _) in keep.enumerate().filter(|(_, keep)| *keep) {
        x.copy_within(row * cols..(row + 1) * cols, kept * cols);
        kept += 1;
    }
    x.truncate(kept * cols);
}

/// Where a sample was broken; never is after every rung.
fn rung(broken: &Option<Broken>) -> usize {
    broken.as_ref().map_or(usize::MAX, |b| b.rung)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_kept_in_order() {
        let mut x: Vec<f32> = (0..8u8).map(f32::from).collect();
        keep_rows(&mut x, 2, [false, true, false, true].into_iter());
        assert_eq!(x, [2.0, 3.0, 6.0, 7.0]);
        keep_rows(&mut x, 2, [false, false].into_iter());
        assert!(x.is_empty());
    }
}
