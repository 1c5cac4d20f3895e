//! Samples that are arrays of numbers.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use scoville_atlas::evidence::Finding;
use scoville_attacks::{Attack, Problem, Success, abreast};
use scoville_data::{Change, Dataset, Features};
use scoville_kernels::{Array, Loss, head};
use scoville_report::SampleStrip;
use scoville_report::event::{FeatureChange, SampleChanged};
use scoville_targets::{Ensemble, Gradients, Labels, Metered, ModelTarget, Scores};

use super::{Abreast, Exhibit, Field};
use crate::evidence::Probe;
use crate::run::{Place, Samples};
use crate::{Error, Plan};

pub(crate) struct Numbers<'a> {
    pub data: &'a Dataset,
}

impl Field for Numbers<'_> {
    type Target = ModelTarget;
    type Surrogate = Ensemble;
    type Found = Vec<f32>;

    fn labels(&self) -> &[u32] {
        &self.data.y
    }

    fn classes(&self) -> usize {
        self.data.classes
    }

    fn clean(
        &self,
        target: &Metered<ModelTarget>,
        rows: &[usize],
    ) -> Result<(Vec<u32>, Vec<f32>), Error> {
        let data = self.data;
        let mut x = data.read(rows)?;
        let y = rows.iter().map(|&row| data.y[row]).collect();
        let answers = predict(target, &x, y)?;
        let right = rows
            .iter()
            .zip(&answers)
            .map(|(&row, &answer)| data.y[row] == answer);
        keep_rows(&mut x, data.sample_len(), right);
        Ok((answers, x))
    }

    fn attack(
        &self,
        at: Place<'_, ModelTarget, Ensemble>,
        attack: &Attack,
        samples: &Samples,
        plan: &Plan,
        Abreast { budgets, parts }: Abreast<'_>,
        stop: &AtomicBool,
    ) -> Result<Vec<Vec<Success>>, Error> {
        let run = |attack: &Attack, target: &dyn Gradients, eps: f64| {
            let problem = Problem {
                ids: &samples.ids,
                x: &samples.x,
                y: &samples.y,
                norm: plan.measure.norm(),
                eps,
                bounds: (0.0, 1.0),
                seed: plan.seed_of(attack, eps),
                goal: plan.goal,
                constraints: plan.constraints.as_ref(),
                stop,
            };
            let surrogate = at.surrogate.map(|surrogate| surrogate as &dyn Gradients);
            attack.run(target, surrogate, &problem)
        };
        let cut = in_parts(attack, at.target.classes(), parts);
        let parts: Vec<&Attack> = match cut.is_empty() {
            true => vec![attack],
            false => cut.iter().collect(),
        };
        let (run, parts) = (&run, &parts);
        let runs = budgets.iter().flat_map(|&eps| {
            let runs = parts.iter();
            runs.map(move |part| move |target: &dyn Gradients| run(part, target, eps))
        });
        let mut runs: Vec<_> = runs.collect();
        let found: Result<Vec<_>, _> = match runs.len() {
            1 => runs.drain(..).map(|run| run(at.target)).collect(),
            _ => abreast(at.target, runs).into_iter().collect(),
        };
        let mut found = found?.into_iter();
        let all = budgets.iter();
        Ok(all
            .map(|_| merged(found.by_ref().take(parts.len())))
            .collect())
    }

    fn reach(&self, plan: &Plan, _: u32, distance: f64) -> usize {
        plan.reach(distance)
    }

    fn advice(&self) -> &'static str {
        match self.data.features {
            Some(_) => {
                "check the labels, the order of classes and what --features says of the columns"
            }
            None => "check the labels, --mean/--std, --pixel-range, --layout and --transpose",
        }
    }

    fn findings(
        &self,
        plan: &Plan,
        at: Place<'_, ModelTarget, Ensemble>,
        Samples { ids, x, y }: Samples,
        white_box: Option<Vec<Option<usize>>>,
        stop: &AtomicBool,
    ) -> Result<Vec<Finding>, Error> {
        let probe = Probe {
            ids,
            x,
            y,
            white_box,
            plan,
            target: at.target,
            surrogate: at.surrogate.map(|surrogate| surrogate as &dyn Gradients),
            stop,
        };
        probe.findings()
    }

    fn exhibit(
        &self,
        attack: &Attack,
        eps: f64,
        samples: &Samples,
        success: &Success,
    ) -> Option<Exhibit> {
        if let Some(features) = &self.data.features {
            return Some(Exhibit::Row(changed(features, attack, samples, success)));
        }
        let &[channels @ (1 | 3), height, width] = self.data.shape.as_slice() else {
            return None;
        };
        Some(Exhibit::Image(SampleStrip {
            index: samples.ids[success.row] as usize,
            label: samples.y[success.row],
            predicted: success.predicted,
            eps,
            attack: attack.name.to_string(),
            technique: attack.technique.into(),
            channels,
            height,
            width,
            clean: samples.sample(success.row).to_vec(),
            adversarial: success.x.clone(),
        }))
    }
}

/// The attack in at most so many parts, each with restarts of its own; none where it stays whole.
fn in_parts(attack: &Attack, classes: usize, most: usize) -> Vec<Attack> {
    let restarts = attack.restarts(classes);
    let parts = most.min(restarts);
    if parts < 2 || attack.is_minimal() {
        return Vec::new();
    }
    let bound = |part: usize| part * restarts / parts;
    let part = |part| attack.with_restarts(bound(part)..bound(part + 1));
    (0..parts).map(part).collect()
}

/// What parts of an attack found: of a sample, what the first did.
fn merged(parts: impl Iterator<Item = Vec<Success>>) -> Vec<Success> {
    let mut first: BTreeMap<usize, Success> = BTreeMap::new();
    for success in parts.flatten() {
        first.entry(success.row).or_insert(success);
    }
    first.into_values().collect()
}

/// What an attack changed in the row of a table.
fn changed(
    features: &Features,
    attack: &Attack,
    samples: &Samples,
    success: &Success,
) -> SampleChanged {
    let changes = features.changes(samples.sample(success.row), &success.x);
    let change = |c: Change| FeatureChange {
        feature: c.feature,
        before: c.before,
        after: c.after,
    };
    SampleChanged {
        technique: attack.technique.into(),
        attack: attack.name.to_string(),
        sample: samples.ids[success.row],
        label: samples.y[success.row],
        predicted: success.predicted,
        distance: success.distance,
        changes: changes.into_iter().map(change).collect(),
    }
}

/// What the target says of samples with the labels `y`.
fn predict(target: &Metered<ModelTarget>, x: &[f32], y: Vec<u32>) -> Result<Vec<u32>, Error> {
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
