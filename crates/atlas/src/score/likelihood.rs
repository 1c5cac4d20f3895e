use crate::stats::clopper_pearson;

/// What was counted at one rung of a technique's budget ladder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RungCounts {
    /// What the attacker spends: eps, queries, or the technique's own unit.
    pub budget: f64,
    /// Trials in which the attack succeeded.
    pub successes: usize,
    /// Trials: samples that the target got right before the attack.
    pub n: usize,
}

/// A success rate with its interval, all in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// `successes / n`.
    pub rate: f64,
    /// `[lower, upper]`, which contains the rate.
    pub interval: [f64; 2],
}

/// How likely an attack is to succeed, over the whole ladder, in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likelihood {
    /// The weighted mean of the rates.
    pub value: f64,
    /// `[lower, upper]`, which contains the value.
    pub interval: [f64; 2],
}

/// The rates of a ladder, the cheapest rung first, with Clopper-Pearson intervals at `level`.
///
/// `None` where there is nothing to score: no rung, or one without trials. Untested is not 0.
pub fn rates(ladder: &[RungCounts], level: f64) -> Option<Vec<Rate>> {
    let mut rungs = ladder.to_vec();
    rungs.sort_by(|a, b| a.budget.total_cmp(&b.budget));
    let tested = !rungs.is_empty() && rungs.iter().all(|rung| rung.n > 0);
    tested.then(|| rungs.iter().map(|rung| rate(rung, level)).collect())
}

fn rate(rung: &RungCounts, level: f64) -> Rate {
    Rate {
        rate: rung.successes as f64 / rung.n as f64,
        interval: clopper_pearson(rung.successes, rung.n, level),
    }
}

/// The mean of the rates, cheapest rung first, with weights 1/2, 1/4, 1/8, ... scaled to sum to 1:
/// what succeeds cheaply counts more, and success everywhere counts 1.
///
/// The interval is the same mean of the rates' bounds. That is conservative: the standard deviation
/// of a weighted mean is at most the weighted mean of the standard deviations, however the rungs
/// depend on each other (they share their samples), and equal only when they move together.
///
/// An empty ladder has excluded nothing and gets the worst, 1 with the interval [0, 1]; [`rates`]
/// is `None` then, so that such a technique is reported as not tested.
pub fn likelihood(rungs: &[Rate]) -> Likelihood {
    if rungs.is_empty() {
        return Likelihood {
            value: 1.0,
            interval: [0.0, 1.0],
        };
    }
    Likelihood {
        value: mean(rungs.iter().map(|rung| rung.rate)),
        interval: [0, 1].map(|bound| mean(rungs.iter().map(|rung| rung.interval[bound]))),
    }
}

/// The mean with weights 2^-i, i = 1, 2, ...
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let [mut weight, mut sum, mut total] = [1.0, 0.0, 0.0];
    for value in values {
        weight *= 0.5;
        sum += weight * value;
        total += weight;
    }
    sum / total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(rate: f64) -> Rate {
        Rate {
            rate,
            interval: [rate, rate],
        }
    }

    #[test]
    fn weighs_the_cheap_rungs_more() {
        let table: [(&[f64], f64); 8] = [
            (&[0.3], 0.3),
            (&[1.0, 0.0], 2.0 / 3.0),
            (&[0.0, 1.0], 1.0 / 3.0),
            (&[1.0, 0.0, 0.0, 0.0, 0.0], 16.0 / 31.0),
            (&[0.0, 0.0, 0.0, 0.0, 1.0], 1.0 / 31.0),
            (
                &[0.1, 0.2, 0.4, 0.8, 1.0],
                (1.6 + 1.6 + 1.6 + 1.6 + 1.0) / 31.0,
            ),
            (&[1.0, 1.0, 1.0, 1.0, 1.0], 1.0),
            (&[0.0, 0.0, 0.0, 0.0, 0.0], 0.0),
        ];
        for (rates, expected) in table {
            let rungs: Vec<Rate> = rates.iter().map(|&rate| exact(rate)).collect();
            let got = likelihood(&rungs);
            for got in [got.value, got.interval[0], got.interval[1]] {
                assert!(
                    (got - expected).abs() < 1e-15,
                    "{rates:?}: {got} for {expected}"
                );
            }
        }
    }

    #[test]
    fn certain_success_is_exactly_one_on_any_ladder() {
        for rungs in 1..=1100 {
            assert_eq!(
                likelihood(&vec![exact(1.0); rungs]).value,
                1.0,
                "{rungs} rungs"
            );
        }
    }

    #[test]
    fn the_interval_is_the_mean_of_the_bounds() {
        let rungs = [
            Rate {
                rate: 0.25,
                interval: [0.125, 0.5],
            },
            Rate {
                rate: 0.75,
                interval: [0.5, 1.0],
            },
        ];
        let got = likelihood(&rungs);
        let [third, two_thirds] = [1.0 / 3.0, 2.0 / 3.0];
        assert!((got.value - (0.25 * two_thirds + 0.75 * third)).abs() < 1e-15);
        assert!((got.interval[0] - (0.125 * two_thirds + 0.5 * third)).abs() < 1e-15);
        assert!((got.interval[1] - (0.5 * two_thirds + third)).abs() < 1e-15);
    }

    #[test]
    fn rises_with_every_rate_and_contains_the_value() {
        for n in [1, 30, 100] {
            for rung in 0..5 {
                let mut last = Likelihood {
                    value: -1.0,
                    interval: [-1.0, -1.0],
                };
                for successes in 0..=n {
                    let counts = |i| if i == rung { successes } else { n / 2 };
                    let ladder: Vec<RungCounts> = (0..5)
                        .map(|i| RungCounts {
                            budget: i as f64,
                            successes: counts(i),
                            n,
                        })
                        .collect();
                    let got = likelihood(&rates(&ladder, 0.95).unwrap());
                    assert!(last.value < got.value, "rung {rung}, {successes}/{n}");
                    assert!(
                        last.interval[0] <= got.interval[0] && last.interval[1] <= got.interval[1]
                    );
                    assert!(got.interval[0] <= got.value && got.value <= got.interval[1]);
                    assert!((0.0..=1.0).contains(&got.interval[0]) && got.interval[1] <= 1.0);
                    last = got;
                }
            }
        }
    }

    #[test]
    fn rungs_are_taken_by_budget() {
        let rung = |budget, successes| RungCounts {
            budget,
            successes,
            n: 10,
        };
        let got = rates(&[rung(8.0, 9), rung(1.0, 2), rung(4.0, 5)], 0.95).unwrap();
        assert_eq!(
            got.iter().map(|rate| rate.rate).collect::<Vec<_>>(),
            [0.2, 0.5, 0.9]
        );
        assert_eq!(got[0].interval, clopper_pearson(2, 10, 0.95));
    }

    #[test]
    fn untested_is_not_zero() {
        assert_eq!(rates(&[], 0.95), None);
        let tested = RungCounts {
            budget: 1.0,
            successes: 0,
            n: 10,
        };
        let untested = RungCounts {
            budget: 2.0,
            successes: 0,
            n: 0,
        };
        assert_eq!(rates(&[tested, untested], 0.95), None);
        assert_eq!(
            likelihood(&[]),
            Likelihood {
                value: 1.0,
                interval: [0.0, 1.0]
            }
        );
    }

    /// Samples of which each breaks at some least budget, so that the rungs depend on each other as
    /// in a run.
    #[test]
    fn the_interval_covers_when_the_rungs_share_their_samples() {
        let chances = [0.1, 0.25, 0.5, 0.8, 0.95];
        let truth = likelihood(&chances.map(exact)).value;
        let mut state = 1u64;
        let mut uniform = || {
            // Knuth's MMIX generator; the high bits are the good ones.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let mut covered = 0;
        for _ in 0..1000 {
            let samples: [f64; 100] = std::array::from_fn(|_| uniform());
            let ladder: Vec<RungCounts> = chances
                .iter()
                .map(|&chance| RungCounts {
                    budget: chance,
                    successes: samples.iter().filter(|&&least| least < chance).count(),
                    n: samples.len(),
                })
                .collect();
            let [lower, upper] = likelihood(&rates(&ladder, 0.95).unwrap()).interval;
            covered += usize::from(lower <= truth && truth <= upper);
        }
        assert!(covered >= 950, "{covered} of 1000");
    }
}
