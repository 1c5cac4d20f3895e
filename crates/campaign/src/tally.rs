//! What is known of one technique so far.

use std::collections::BTreeMap;
use std::sync::Arc;

use scoville_atlas::score::{Rate, Score, likelihood, score};
use scoville_atlas::stats::{ConfidenceSequence, LEVEL, anytime, clopper_pearson};
use scoville_report::event::{AttackShare, CurvePoint, QueryCurve, WithinQueries};
use scoville_targets::Spent;

use crate::Plan;

/// Queries within which successes are counted.
const WITHIN: [u64; 3] = [100, 1_000, 10_000];

/// How a sample was broken.
#[derive(Debug, Clone, PartialEq)]
pub struct Broken {
    /// The lowest rung of the ladder at which it was.
    pub rung: usize,
    /// The attack that did it.
    pub attack: Arc<str>,
    /// Its place among the attacks of the plan.
    pub number: usize,
    /// How far the adversarial sample is from the clean one.
    pub distance: f64,
    /// How many queries about the sample it took, where no gradient was used, and the lowest rung for which that holds.
    pub queries: Option<(u64, usize)>,
}

/// How the number of samples came about, and so which interval is valid for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Fixed before the run: Clopper-Pearson.
    Planned,
    /// Somebody looked and stopped: the anytime-valid interval.
    Stopped,
}

impl Size {
    /// The interval of a rate of `successes` in `n`.
    pub fn interval(self, successes: usize, n: usize) -> [f64; 2] {
        match self {
            Size::Planned => clopper_pearson(successes, n, LEVEL),
            Size::Stopped => anytime(successes, n, LEVEL),
        }
    }
}

/// Counts at one eps.
#[derive(Clone)]
pub struct Rung {
    pub eps: f64,
    /// Samples finished here.
    pub done: usize,
    /// Of those, correctly classified before.
    pub correct: usize,
    /// Of those, misclassified after.
    pub successes: usize,
    sequence: ConfidenceSequence,
    by_attack: BTreeMap<Arc<str>, usize>,
    /// How many successes took how many queries; `None` once those of one are not known.
    queries: Option<BTreeMap<u64, usize>>,
}

impl Rung {
    fn new(eps: f64) -> Self {
        Self {
            eps,
            done: 0,
            correct: 0,
            successes: 0,
            sequence: ConfidenceSequence::new(LEVEL),
            by_attack: BTreeMap::new(),
            queries: Some(BTreeMap::new()),
        }
    }

    /// `successes / correct`, 0 before the first.
    pub fn rate(&self) -> f64 {
        ratio(self.successes, self.correct)
    }

    /// Valid at any moment, however the decision to stop was made.
    pub fn anytime(&self) -> [f64; 2] {
        self.sequence.interval()
    }
}

/// What one attack took and yielded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Effort {
    /// Samples that it was tried on.
    pub samples: usize,
    /// Samples whose first break is its own.
    pub broken: usize,
    pub spent: Spent,
    /// What a surrogate was asked.
    pub surrogate: Spent,
    pub seconds: f64,
}

/// Counts of one technique over the ladder.
#[derive(Clone)]
pub struct Tally {
    pub rungs: Vec<Rung>,
    /// One an attack of the technique.
    pub efforts: Vec<Effort>,
    pub spent: Spent,
    pub seconds: f64,
}

impl Tally {
    /// Of a technique of so many attacks.
    pub fn new(plan: &Plan, attacks: usize) -> Self {
        Self {
            efforts: vec![Effort::default(); attacks],
            rungs: plan.ladder.iter().map(|&eps| Rung::new(eps)).collect(),
            spent: Spent::default(),
            seconds: 0.0,
        }
    }

    /// Books a finished batch at rung `at`: `batch` samples, of which those in `broken` were correct before; each says
    /// how it was broken, if it was.
    pub fn book(&mut self, at: usize, batch: usize, broken: &[Option<Broken>]) {
        let rung = &mut self.rungs[at];
        rung.done += batch;
        for sample in broken {
            let hit = sample.as_ref().filter(|b| b.rung <= at);
            rung.correct += 1;
            rung.successes += usize::from(hit.is_some());
            rung.sequence.push(hit.is_some());
            if let Some(broken) = hit {
                *rung.by_attack.entry(broken.attack.clone()).or_default() += 1;
                let known = broken.queries.filter(|&(_, from)| from <= at);
                match (&mut rung.queries, known) {
                    (Some(counts), Some((queries, _))) => {
                        *counts.entry(queries).or_default() += 1;
                    }
                    (counts, _) => *counts = None,
                }
            }
        }
    }

    /// Books what a run of the technique's attack `a` took of the target and of a surrogate.
    pub fn spend(&mut self, a: usize, [spent, surrogate]: [Spent; 2], seconds: f64) {
        self.spent += spent;
        self.seconds += seconds;
        self.efforts[a].spent += spent;
        self.efforts[a].surrogate += surrogate;
        self.efforts[a].seconds += seconds;
    }

    /// Goes back to the counts of `before`; what was spent stays spent.
    pub fn forget_since(&mut self, before: Tally) {
        self.rungs = before.rungs;
        for (effort, before) in self.efforts.iter_mut().zip(before.efforts) {
            (effort.samples, effort.broken) = (before.samples, before.broken);
        }
    }

    /// The largest share of the correct samples that `attacks` were the first to break, at any one rung.
    pub fn largest_share_of(&self, attacks: &[&str]) -> f64 {
        let broken = |rung: &Rung| -> usize {
            let counts = attacks.iter().filter_map(|&name| rung.by_attack.get(name));
            counts.sum()
        };
        let (mut below, mut most) = (0, 0.0_f64);
        for rung in &self.rungs {
            let here = broken(rung);
            most = most.max(ratio(here.saturating_sub(below), rung.correct));
            below = here;
        }
        most
    }

    /// Samples finished on every rung.
    pub fn done(&self) -> usize {
        self.rungs.iter().map(|r| r.done).min().unwrap_or(0)
    }

    /// Correct samples finished on every rung.
    pub fn correct(&self) -> usize {
        self.rungs.iter().map(|r| r.correct).min().unwrap_or(0)
    }

    /// The widest anytime-valid interval.
    pub fn width(&self) -> f64 {
        self.rungs
            .iter()
            .map(|r| width(r.anytime()))
            .fold(0.0, f64::max)
    }

    /// The widest interval when the run is over.
    pub fn final_width(&self, size: Size) -> f64 {
        let interval = |r: &Rung| size.interval(r.successes, r.correct);
        self.rungs
            .iter()
            .map(|r| width(interval(r)))
            .fold(0.0, f64::max)
    }

    /// The score so far, with anytime-valid intervals; `None` while a rung is empty.
    pub fn score_so_far(&self, plan: &Plan) -> Option<Score> {
        self.score_with(plan, Rung::anytime)
    }

    /// The score when the run is over.
    pub fn final_score(&self, plan: &Plan, size: Size) -> Option<Score> {
        self.score_with(plan, |r| size.interval(r.successes, r.correct))
    }

    fn score_with(&self, plan: &Plan, interval: impl Fn(&Rung) -> [f64; 2]) -> Option<Score> {
        if self.correct() == 0 {
            return None;
        }
        let rates: Vec<Rate> = self
            .rungs
            .iter()
            .map(|r| Rate {
                rate: r.rate(),
                interval: interval(r),
            })
            .collect();
        Some(score(&likelihood(&rates), plan.exposure, plan.impact))
    }

    /// The security curve, with successes by queries as far as `most`.
    pub fn curve(&self, size: Size, most: u64) -> Vec<CurvePoint> {
        self.rungs
            .iter()
            .map(|r| CurvePoint {
                eps: r.eps,
                samples: r.done,
                correct: r.correct,
                successes: r.successes,
                rate: r.rate(),
                rate_interval: size.interval(r.successes, r.correct),
                robust_accuracy: ratio(r.correct - r.successes, r.done),
                robust_interval: size.interval(r.correct - r.successes, r.done),
                by_attack: shares(&r.by_attack),
                queries: query_curve(r, most),
            })
            .collect()
    }
}

fn shares(by_attack: &BTreeMap<Arc<str>, usize>) -> Vec<AttackShare> {
    let share = |(attack, &successes): (&Arc<str>, &usize)| AttackShare {
        attack: attack.to_string(),
        successes,
    };
    by_attack.iter().map(share).collect()
}

/// `None` unless the queries of every success are known, and there is one.
fn query_curve(rung: &Rung, most: u64) -> Option<QueryCurve> {
    let counts = rung.queries.as_ref().filter(|counts| !counts.is_empty())?;
    let within = |queries: u64| {
        let successes = counts.range(..=queries).map(|(_, n)| n).sum();
        WithinQueries {
            queries,
            successes,
            rate: ratio(successes, rung.correct),
        }
    };
    let mut seen = 0;
    let mut past_half = |&(_, &n): &(&u64, &usize)| {
        seen += n;
        2 * seen > rung.successes
    };
    Some(QueryCurve {
        within: WITHIN
            .into_iter()
            .filter(|&n| n <= most)
            .map(within)
            .collect(),
        median: counts.iter().find(&mut past_half).map(|(&q, _)| q),
    })
}

fn ratio(part: usize, all: usize) -> f64 {
    if all == 0 {
        0.0
    } else {
        part as f64 / all as f64
    }
}

fn width([low, high]: [f64; 2]) -> f64 {
    high - low
}

#[cfg(test)]
mod tests {
    use super::*;
    use scoville_attacks::parse;
    use scoville_kernels::Norm;

    fn broken(rung: usize) -> Option<Broken> {
        Some(Broken {
            rung,
            attack: "square".into(),
            number: 0,
            distance: 0.01,
            queries: Some((10 << rung, rung)),
        })
    }

    #[test]
    fn a_sample_broken_at_a_small_eps_counts_at_every_larger_one() {
        let plan = Plan::new(
            vec![parse("pgd").unwrap()],
            Norm::Linf,
            vec![0.01, 0.02, 0.04],
        )
        .unwrap();
        let mut tally = Tally::new(&plan, 1);
        let batch = [broken(0), broken(2), None];
        for rung in 0..3 {
            tally.book(rung, 4, &batch);
        }
        let curve = tally.curve(Size::Planned, 1_000);
        let successes: Vec<_> = curve.iter().map(|p| p.successes).collect();
        assert_eq!(successes, [1, 1, 2]);
        assert!(curve.iter().all(|p| p.samples == 4 && p.correct == 3));
        assert_eq!(curve[2].robust_accuracy, 0.25);
        assert_eq!(tally.correct(), 3);
        let queries = curve[2].queries.as_ref().unwrap();
        let successes: Vec<_> = queries.within.iter().map(|w| w.successes).collect();
        assert_eq!((successes, queries.median), (vec![2, 2], Some(40)));
        // Weights 4/7, 2/7, 1/7 of the rates 1/3, 1/3, 2/3, times ten.
        let score = tally.final_score(&plan, Size::Planned).unwrap().value;
        assert!(
            (score - 10.0 * (4.0 / 21.0 + 2.0 / 21.0 + 2.0 / 21.0)).abs() < 1e-12,
            "{score}"
        );
    }

    #[test]
    fn the_share_of_an_attack_is_what_it_broke_first_at_a_rung() {
        let plan = Plan::new(vec![parse("pgd").unwrap()], Norm::Linf, vec![0.01, 0.02]).unwrap();
        let mut tally = Tally::new(&plan, 1);
        let by = |rung, attack: &str| {
            Some(Broken {
                rung,
                attack: attack.into(),
                number: 0,
                distance: 0.01,
                queries: None,
            })
        };
        let batch = [
            by(0, "square"),
            by(1, "square"),
            by(1, "square"),
            by(0, "pgd"),
            None,
        ];
        for rung in 0..2 {
            tally.book(rung, 5, &batch);
        }
        assert_eq!(tally.largest_share_of(&["square"]), 0.4);
        assert_eq!(tally.largest_share_of(&["pgd"]), 0.2);
        assert_eq!(tally.largest_share_of(&["fab-t"]), 0.0);
    }

    #[test]
    fn what_a_forgotten_round_took_stays_spent() {
        let plan = Plan::new(vec![parse("pgd").unwrap()], Norm::Linf, vec![0.01]).unwrap();
        let mut tally = Tally::new(&plan, 1);
        let before = tally.clone();
        tally.book(0, 2, &[broken(0)]);
        tally.efforts[0].samples = 1;
        tally.efforts[0].broken = 1;
        let spent = Spent {
            queries: 1,
            gradients: 10,
            calls: 2,
        };
        tally.spend(0, [spent, Spent::default()], 0.5);
        tally.forget_since(before);
        let kept = Effort {
            spent,
            seconds: 0.5,
            ..Effort::default()
        };
        assert_eq!(tally.efforts, [kept]);
        assert_eq!((tally.spent, tally.rungs[0].done), (spent, 0));
    }

    #[test]
    fn a_stopped_run_has_the_wider_interval() {
        let [low, high] = Size::Planned.interval(30, 100);
        let [stopped_low, stopped_high] = Size::Stopped.interval(30, 100);
        assert!(stopped_low < low && high < stopped_high);
    }

    #[test]
    fn nothing_done_is_no_score() {
        let plan = Plan::new(vec![parse("pgd").unwrap()], Norm::Linf, vec![0.01]).unwrap();
        let tally = Tally::new(&plan, 1);
        assert!(
            tally.final_score(&plan, Size::Planned).is_none()
                && tally.score_so_far(&plan).is_none()
        );
        assert_eq!(tally.final_width(Size::Planned), 1.0);
    }
}
