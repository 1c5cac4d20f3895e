//! What a run has said so far, kept for the reports that need more than the last event.

use std::io;

use crate::{
    Sink,
    event::{
        AttackBudget, CurvePoint, Event, QueryCurve, RunFinished, RunStarted, SampleChanged,
        SamplesJudged, TechniqueProgress, TechniqueScored, TextBroken, Warning,
    },
};

/// The events of a run, accumulated.
#[derive(Debug, Clone, Default)]
pub struct Record {
    pub started: Option<RunStarted>,
    /// In the order of the plan; one that was not planned comes last.
    pub techniques: Vec<TechniqueRecord>,
    pub warnings: Vec<Warning>,
    /// Examples of broken texts.
    pub texts: Vec<TextBroken>,
    /// The verdict on every sample so far, where it is kept.
    pub samples: Option<SamplesJudged>,
    /// What was changed in rows of a table.
    pub changed: Vec<SampleChanged>,
    pub finished: Option<RunFinished>,
}

/// One technique of a run: planned, then in progress, then scored.
#[derive(Debug, Clone, Default)]
pub struct TechniqueRecord {
    /// ATLAS id.
    pub id: String,
    pub name: String,
    pub attacks: Vec<String>,
    /// The latest progress at each eps, ascending.
    pub rungs: Vec<TechniqueProgress>,
    /// The progress of an attack that runs.
    pub running: Option<TechniqueProgress>,
    /// The verdict. `None` before it, and for ever when the run ended first.
    pub scored: Option<TechniqueScored>,
}

/// Attack success at one eps, while running or at the end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rung {
    pub eps: f64,
    pub correct: usize,
    pub rate: f64,
}

/// What a technique has cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Spent {
    pub queries: u64,
    pub gradients: u64,
    pub seconds: f64,
}

impl Sink for Record {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.add(event);
        Ok(())
    }
}

impl Record {
    /// A record that also keeps the verdict on every sample.
    pub fn with_samples() -> Self {
        Record {
            samples: Some(SamplesJudged::default()),
            ..Record::default()
        }
    }

    /// Takes one event.
    pub fn add(&mut self, event: &Event) {
        match event {
            Event::RunStarted(e) => {
                for planned in &e.plan.techniques {
                    let technique = self.technique(&planned.id);
                    technique.name.clone_from(&planned.name);
                    technique.attacks.clone_from(&planned.attacks);
                }
                self.started = Some(RunStarted::clone(e));
            }
            Event::TechniqueStarted(e) => {
                let technique = self.technique(&e.technique);
                technique.name.clone_from(&e.name);
                technique.attacks.clone_from(&e.attacks);
            }
            Event::TechniqueProgress(e) => self.technique(&e.technique).progress(e),
            Event::TextBroken(e) => self.texts.push(e.clone()),
            Event::SamplesJudged(e) => {
                if let Some(samples) = &mut self.samples {
                    samples.append(e);
                }
            }
            Event::SampleChanged(e) => self.changed.push(e.clone()),
            Event::TechniqueScored(e) => {
                let technique = self.technique(&e.technique);
                technique.name.clone_from(&e.name);
                technique.scored = Some(e.clone());
            }
            Event::Warning(e) => self.warnings.push(e.clone()),
            Event::RunFinished(e) => self.finished = Some(e.clone()),
        }
    }

    fn technique(&mut self, id: &str) -> &mut TechniqueRecord {
        let known = self.techniques.iter().position(|t| t.id == id);
        let at = known.unwrap_or_else(|| {
            self.techniques.push(TechniqueRecord {
                id: id.into(),
                ..Default::default()
            });
            self.techniques.len() - 1
        });
        &mut self.techniques[at]
    }

    /// Every eps that the plan or a technique names, ascending.
    pub(crate) fn ladder(&self) -> Vec<f64> {
        let planned = self
            .started
            .iter()
            .flat_map(|s| s.plan.eps_ladder.iter().copied());
        let tried = self
            .techniques
            .iter()
            .flat_map(|t| t.curve().into_iter().map(|r| r.eps));
        let mut ladder: Vec<f64> = planned.chain(tried).collect();
        ladder.sort_by(f64::total_cmp);
        ladder.dedup();
        ladder
    }

    /// Seconds to go for the whole run, until each of its attacks has begun unknown.
    pub(crate) fn seconds_left(&self) -> Option<f64> {
        let planned = &self.started.as_ref()?.plan;
        let rungs = planned.eps_ladder.len();
        let attacking = self.techniques.iter().filter(|t| !t.attacks.is_empty());
        attacking.map(|t| t.seconds_left(rungs)).sum()
    }

    /// Where success was counted by queries: the technique, the eps, the rates. The union of one technique says nothing of
    /// its own.
    pub(crate) fn query_curves(&self) -> Vec<(&str, &CurvePoint, &QueryCurve)> {
        let scored = || self.techniques.iter().filter_map(|t| t.scored.as_ref());
        let attacking = scored().filter(|t| !t.budgets.is_empty()).count();
        let telling = scored().filter(|t| !t.budgets.is_empty() || attacking > 1);
        // A transfer attack asks once a sample, and says no more by it.
        let tells = |q: &&QueryCurve| !q.within.is_empty() || q.median != Some(1);
        let points = telling.flat_map(|t| t.curve.iter().map(|p| (t.technique.as_str(), p)));
        points
            .filter_map(|(t, p)| Some((t, p, p.queries.as_ref().filter(tells)?)))
            .collect()
    }

    /// The attacks that ran on every sample, each with what it breaks by itself; none where there is but one.
    pub(crate) fn alone(&self) -> Vec<&AttackBudget> {
        let scored = self.techniques.iter().filter_map(|t| t.scored.as_ref());
        let budgets = scored.flat_map(|t| &t.budgets);
        let alone: Vec<_> = budgets
            .filter(|b| b.samples > 0 && !b.curve.is_empty())
            .collect();
        match alone.len() {
            1 => Vec::new(),
            _ => alone,
        }
    }

    /// The name of a class: as given, else its number.
    pub(crate) fn class_name(&self, class: u32) -> String {
        let named = self
            .started
            .as_ref()
            .and_then(|s| s.target.class_names.get(class as usize));
        named.cloned().unwrap_or_else(|| format!("class {class}"))
    }
}

impl TechniqueRecord {
    fn progress(&mut self, e: &TechniqueProgress) {
        self.running = e.running.is_some().then(|| e.clone());
        if e.running.is_some() {
            return;
        }
        match self.rungs.binary_search_by(|r| r.eps.total_cmp(&e.eps)) {
            Ok(at) => self.rungs[at] = e.clone(),
            Err(at) => self.rungs.insert(at, e.clone()),
        }
    }

    /// Success rates by eps, final if there are any.
    pub(crate) fn curve(&self) -> Vec<Rung> {
        match &self.scored {
            Some(scored) => scored
                .curve
                .iter()
                .map(|p| Rung {
                    eps: p.eps,
                    correct: p.correct,
                    rate: p.rate,
                })
                .collect(),
            None => self
                .rungs
                .iter()
                .map(|p| Rung {
                    eps: p.eps,
                    correct: p.correct,
                    rate: p.rate,
                })
                .collect(),
        }
    }

    /// Samples finished at every eps, and samples in the run. `None` before the first attack.
    pub(crate) fn samples(&self) -> Option<(usize, usize)> {
        let done = match &self.scored {
            Some(scored) => scored.curve.iter().map(|p| p.samples).min(),
            None => self.latest().map(|p| p.done).min(),
        }?;
        Some((done, self.latest().map(|p| p.of).max().unwrap_or(done)))
    }

    fn latest(&self) -> impl Iterator<Item = &TechniqueProgress> {
        self.rungs.iter().chain(&self.running)
    }

    pub(crate) fn spent(&self) -> Spent {
        match &self.scored {
            Some(e) => Spent {
                queries: e.queries,
                gradients: e.gradients,
                seconds: e.seconds,
            },
            None => self.latest().fold(Spent::default(), |sum, e| Spent {
                queries: sum.queries.max(e.queries),
                gradients: sum.gradients.max(e.gradients),
                seconds: sum.seconds.max(e.seconds),
            }),
        }
    }

    /// The score so far and its interval, while running.
    pub(crate) fn running_score(&self) -> Option<(f64, [f64; 2])> {
        let latest = self.rungs.iter().max_by_key(|p| (p.done, p.queries))?;
        latest.score.zip(latest.score_interval)
    }

    /// Seconds to go over a ladder of so many `rungs`, as if each took its samples as long: a rough figure. `None` before the
    /// first batch.
    pub(crate) fn seconds_left(&self, rungs: usize) -> Option<f64> {
        let done: usize = self.rungs.iter().map(|p| p.done).sum();
        let of = self.rungs.iter().map(|p| p.of).max()? * rungs.max(self.rungs.len());
        let left = of.saturating_sub(done) as f64;
        // Not those of an attack that runs, on samples that are not done.
        let seconds = self.rungs.iter().map(|p| p.seconds).fold(0.0, f64::max);
        (done > 0).then(|| seconds / done as f64 * left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn progress_replaces_and_stays_in_order() {
        let mut record = Record::default();
        for (eps, done) in [(0.2, 10), (0.1, 10), (0.2, 20), (0.1, 15)] {
            let e = TechniqueProgress {
                eps,
                done,
                ..fixture::progress()
            };
            record.event(&Event::TechniqueProgress(e)).unwrap();
        }
        let rungs = &record.techniques[0].rungs;
        assert_eq!(
            rungs.iter().map(|r| (r.eps, r.done)).collect::<Vec<_>>(),
            [(0.1, 15), (0.2, 20)]
        );
        assert_eq!(record.techniques[0].samples(), Some((15, 1000)));
        assert_eq!(record.ladder(), [0.1, 0.2]);
    }

    #[test]
    fn the_whole_run_is_kept_in_the_order_of_the_plan() {
        let record = fixture::record();
        let started = record.started.as_ref().unwrap();
        let planned: Vec<_> = started
            .plan
            .techniques
            .iter()
            .map(|t| t.id.as_str())
            .collect();
        let kept: Vec<_> = record.techniques.iter().map(|t| t.id.as_str()).collect();
        assert_eq!(kept, planned);
        assert_eq!(record.warnings.len(), 1);
        assert!(record.finished.is_some());
        assert_eq!(record.class_name(1), "automobile");
        assert_eq!(record.class_name(99), "class 99");
    }

    #[test]
    fn samples_are_kept_only_where_they_are_wanted() {
        let events = fixture::events();
        assert_eq!(fixture::record().samples, None);
        let mut record = Record::with_samples();
        for event in events.iter().chain(&events) {
            record.add(event);
        }
        let kept = record.samples.unwrap();
        let once = fixture::judged();
        assert_eq!(kept.sample.len(), 2 * once.sample.len());
        assert_eq!(kept.distance[once.sample.len()..], once.distance);
    }

    #[test]
    fn time_left_counts_the_whole_ladder_and_every_technique() {
        let at = |technique: &str, eps, done, seconds| {
            Event::TechniqueProgress(TechniqueProgress {
                technique: technique.into(),
                eps,
                done,
                of: 20,
                seconds,
                ..fixture::progress()
            })
        };
        let (white, black) = ("AML.T0043.000", "AML.T0043.001");
        let mut record = Record::default();
        record.add(&Event::RunStarted(fixture::started().into()));
        record.add(&at(white, fixture::LADDER[0], 0, 3.0));
        assert_eq!(record.techniques[0].seconds_left(5), None);
        // All samples of one rung of five.
        record.add(&at(white, fixture::LADDER[0], 20, 3.0));
        assert_eq!(record.techniques[0].seconds_left(5), Some(12.0));
        assert_eq!(record.seconds_left(), None);
        record.add(&at(black, fixture::LADDER[0], 10, 1.0));
        assert_eq!(record.seconds_left(), Some(12.0 + 9.0));
        for eps in fixture::LADDER {
            record.add(&at(white, eps, 20, 8.0));
        }
        assert_eq!(record.seconds_left(), Some(9.0));
    }

    #[test]
    fn an_attack_that_runs_counts_nothing_but_its_cost() {
        let at = |done, seconds, running| {
            Event::TechniqueProgress(TechniqueProgress {
                done,
                seconds,
                queries: 100 * seconds as u64,
                running,
                ..fixture::progress()
            })
        };
        let running = || Some(fixture::running());
        let mut record = Record::default();
        record.add(&at(0, 0.0, running()));
        record.add(&at(0, 2.0, running()));
        let technique = &record.techniques[0];
        assert_eq!(technique.samples(), Some((0, 1000)));
        assert_eq!(
            (technique.seconds_left(1), technique.spent().queries),
            (None, 200)
        );
        assert!(technique.curve().is_empty());
        record.add(&at(250, 3.0, None));
        assert_eq!(record.techniques[0].seconds_left(1), Some(9.0));
        assert!(record.techniques[0].running.is_none());
        record.add(&at(250, 5.0, running()));
        let technique = &record.techniques[0];
        assert_eq!(
            (technique.seconds_left(1), technique.spent().queries),
            (Some(9.0), 500)
        );
    }

    #[test]
    fn the_union_of_one_technique_says_nothing_of_queries() {
        let union = |mut scored: TechniqueScored| {
            (scored.technique, scored.budgets) = ("AML.T0015".into(), Vec::new());
            scored
        };
        let mut record = Record::default();
        record.add(&Event::TechniqueScored(fixture::black_box()));
        record.add(&Event::TechniqueScored(union(fixture::black_box())));
        assert_eq!(record.query_curves().len(), 5);
        record.add(&Event::TechniqueScored(fixture::white_box()));
        assert_eq!(record.query_curves().len(), 10);
    }

    #[test]
    fn one_query_a_sample_says_nothing() {
        let mut transfer = fixture::black_box();
        let queries = transfer.curve.iter_mut().filter_map(|p| p.queries.as_mut());
        for queries in queries {
            queries.within.clear();
            queries.median = Some(1);
        }
        let mut record = Record::default();
        record.add(&Event::TechniqueScored(transfer));
        assert_eq!(record.query_curves(), []);
    }
}
