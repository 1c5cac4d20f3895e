use super::{UNKNOWN, informative, lower_edge};
use statrs::function::beta::ln_beta;
use std::f64::consts::PI;

/// An interval for a Bernoulli rate that holds at every sample size at once.
///
/// With `alpha = 1 - level` it is the set of rates that the mixture martingale has not rejected,
/// `{p : M_n(p) < 1 / alpha}`. `M_n(p)` is the likelihood of the outcomes averaged over rates
/// drawn from Beta(1/2, 1/2), divided by their likelihood at `p`. At the true rate it is a
/// martingale that starts at 1, so by Ville's inequality it *ever* reaches `1 / alpha` with
/// probability `alpha` at most: stopping at any moment, for any reason, keeps the level.
/// Beta(1/2, 1/2) makes the set narrow where attacks end, near 0 and 1, for a few percent of width
/// elsewhere.
///
/// It contains `successes / n`. No trials, more successes than trials, or a level outside (0, 1)
/// give `[0, 1]`.
///
/// Robbins, "Statistical methods related to the law of the iterated logarithm", Ann. Math. Statist.
/// 41, 1970; Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic
/// confidence sequences", Ann. Statist. 49, 2021.
pub fn anytime(successes: usize, n: usize, level: f64) -> [f64; 2] {
    if !informative(successes, n, level) {
        return UNKNOWN;
    }
    let accepted = Accepted::new(successes, n, level);
    [
        accepted.lower_edge(),
        1.0 - accepted.mirrored().lower_edge(),
    ]
}

/// The rates that `successes` and `failures` have not rejected: those whose log-likelihood is above
/// `floor`.
#[derive(Clone, Copy)]
struct Accepted {
    successes: f64,
    failures: f64,
    floor: f64,
}

impl Accepted {
    fn new(successes: usize, n: usize, level: f64) -> Self {
        let [successes, failures] = [successes as f64, (n - successes) as f64];
        let mixture = ln_beta(successes + 0.5, failures + 0.5) - PI.ln();
        // M_n(p) < 1 / alpha, solved for the likelihood at p.
        let floor = mixture + (1.0 - level).ln();
        Self {
            successes,
            failures,
            floor,
        }
    }

    /// The same trials with successes and failures swapped, `p` for `1 - p`.
    fn mirrored(self) -> Self {
        Self {
            successes: self.failures,
            failures: self.successes,
            ..self
        }
    }

    fn contains(&self, p: f64) -> bool {
        times(self.successes, p.ln()) + times(self.failures, (-p).ln_1p()) > self.floor
    }

    fn lower_edge(&self) -> f64 {
        if self.successes == 0.0 {
            return 0.0;
        }
        lower_edge(self.successes / (self.successes + self.failures), |p| {
            self.contains(p)
        })
    }
}

/// `count · log`, where no count of an impossible outcome is 0.
fn times(count: f64, log: f64) -> f64 {
    if count == 0.0 { 0.0 } else { count * log }
}

/// The interval of a rate while its trials come in one by one: the running intersection of
/// [`anytime`].
///
/// What was once rejected stays rejected, so the interval narrows, and it covers the true rate at
/// all times together with probability `level`. Trials that drift can push the estimate out of what
/// is left of the range; then the past rejections are dropped and the interval starts again from
/// [`anytime`] of all trials. Dropping them only widens it, so the level holds, and the interval
/// always contains the estimate.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfidenceSequence {
    level: f64,
    successes: usize,
    n: usize,
    interval: [f64; 2],
}

impl ConfidenceSequence {
    /// No trials yet: the interval is `[0, 1]`, and stays so for a level outside (0, 1).
    pub fn new(level: f64) -> Self {
        Self {
            level,
            successes: 0,
            n: 0,
            interval: UNKNOWN,
        }
    }

    /// Counts one more trial.
    pub fn push(&mut self, success: bool) {
        self.n += 1;
        self.successes += usize::from(success);
        let [lower, upper] = self.interval;
        let estimate = self.successes as f64 / self.n as f64;
        if estimate < lower || upper < estimate {
            self.interval = anytime(self.successes, self.n, self.level);
        } else if self.rejects(lower) || self.rejects(upper) {
            let now = anytime(self.successes, self.n, self.level);
            self.interval = [lower.max(now[0]), upper.min(now[1])];
        }
    }

    /// Whether the trials so far reject the rate `p`. Most trials move neither bound; asking first
    /// saves solving.
    fn rejects(&self, p: f64) -> bool {
        !Accepted::new(self.successes, self.n, self.level).contains(p)
    }

    /// `[lower, upper]`, both in [0, 1].
    pub fn interval(&self) -> [f64; 2] {
        self.interval
    }

    /// The width of the interval, 1 before the first trial.
    pub fn width(&self) -> f64 {
        self.interval[1] - self.interval[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::clopper_pearson;

    const LEVEL: f64 = 0.95;

    // scipy.optimize.brentq on either side of s / n, of betaln(s + .5, f + .5) - betaln(.5, .5) -
    // xlogy(s, p) - xlog1py(f, -p) + log(1 - level), scipy 1.17.1
    const SCIPY: &[(usize, usize, f64, [f64; 2])] = &[
        (0, 1, 0.95, [0.0, 0.975]),
        (1, 1, 0.95, [0.025, 1.0]),
        (0, 30, 0.95, [0.0, 0.1611824684077]),
        (1, 10, 0.95, [0.0004656240743906, 0.5440086761068]),
        (5, 10, 0.95, [0.1175629240796, 0.8824370759204]),
        (10, 10, 0.95, [0.6230126490093, 1.0]),
        (23, 100, 0.95, [0.1123745285021, 0.3860496696374]),
        (99, 100, 0.95, [0.915977685536, 0.9999858222045]),
        (60, 77, 0.99, [0.576475258006, 0.9180262161388]),
        (7, 20, 0.5, [0.1504323380218, 0.5947248714076]),
        (317, 1000, 0.95, [0.2650234859494, 0.3722209284621]),
        (3, 100_000, 0.95, [5.613906397609e-07, 0.0001723592707053]),
        (49_000, 100_000, 0.95, [0.4833028419284, 0.4966995520729]),
    ];

    /// SplitMix64 (Steele, Lea and Flood 2014), as trials that succeed with probability `p`.
    struct Trials {
        state: u64,
        p: f64,
    }

    impl Trials {
        fn next(&mut self) -> bool {
            self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let uniform = ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
            uniform < self.p
        }
    }

    /// The fraction of `paths` whose interval, looked at after each of `horizon` trials, ever
    /// excludes `p`.
    fn ever_missed(
        p: f64,
        paths: u64,
        horizon: usize,
        mut interval: impl FnMut(usize, bool) -> [f64; 2],
    ) -> f64 {
        let missed = (0..paths).filter(|&path| {
            let mut trials = Trials {
                state: path << 32,
                p,
            };
            (1..=horizon).any(|n| {
                let [lower, upper] = interval(n, trials.next());
                p < lower || upper < p
            })
        });
        missed.count() as f64 / paths as f64
    }

    #[test]
    fn agrees_with_scipy() {
        for &(k, n, level, expected) in SCIPY {
            let got = anytime(k, n, level);
            for (got, expected) in got.into_iter().zip(expected) {
                let error = (got - expected).abs();
                assert!(
                    error <= 1e-9 * expected,
                    "{k}/{n} at {level}: {got} for {expected}"
                );
            }
        }
    }

    #[test]
    fn what_says_nothing_gives_the_whole_range() {
        for (k, n, level) in [
            (0, 0, 0.95),
            (3, 2, 0.95),
            (1, 2, 1.0),
            (1, 2, 0.0),
            (1, 2, f64::NAN),
        ] {
            assert_eq!(anytime(k, n, level), [0.0, 1.0], "{k}/{n} at {level}");
        }
        let mut sequence = ConfidenceSequence::new(2.0);
        sequence.push(true);
        assert_eq!((sequence.interval(), sequence.width()), ([0.0, 1.0], 1.0));
    }

    /// The price of looking at any time is paid: wider than an interval for one fixed size, but not
    /// much.
    #[test]
    fn is_wider_than_clopper_pearson_by_less_than_twice() {
        for n in [30, 100, 1000] {
            for k in 0..=n {
                let [fixed, any] = [clopper_pearson(k, n, LEVEL), anytime(k, n, LEVEL)];
                let ratio = (any[1] - any[0]) / (fixed[1] - fixed[0]);
                assert!(1.0 < ratio && ratio < 2.0, "{k}/{n}: {ratio}");
            }
        }
    }

    #[test]
    fn coverage_holds_when_stopped_at_the_worst_moment() {
        for p in [0.01, 0.1, 0.5, 0.77] {
            let mut sequence = ConfidenceSequence::new(LEVEL);
            let missed = ever_missed(p, 500, 500, |n, success| {
                if n == 1 {
                    sequence = ConfidenceSequence::new(LEVEL);
                }
                sequence.push(success);
                sequence.interval()
            });
            assert!(missed <= 0.05, "p {p}: {missed}");
        }
    }

    /// The same harness finds the fault in an interval that was not made for this, looked at 25
    /// times.
    #[test]
    fn clopper_pearson_fails_when_stopped_at_the_worst_moment() {
        let mut successes = 0;
        let missed = ever_missed(0.5, 200, 500, |n, success| {
            successes = if n == 1 { 0 } else { successes } + usize::from(success);
            let look = n % 20 == 0;
            if look {
                clopper_pearson(successes, n, LEVEL)
            } else {
                UNKNOWN
            }
        });
        assert!(missed > 0.12, "{missed}");
    }

    #[test]
    fn is_narrow_enough_to_be_of_use() {
        for (p, bound) in [(0.01, 0.09), (0.1, 0.2), (0.5, 0.31), (0.9, 0.2)] {
            let width = |path: u64| {
                let mut trials = Trials {
                    state: path << 32,
                    p,
                };
                let mut sequence = ConfidenceSequence::new(LEVEL);
                (0..100).for_each(|_| sequence.push(trials.next()));
                sequence.width()
            };
            let mean = (0..200).map(width).sum::<f64>() / 200.0;
            assert!(mean < bound, "p {p}: {mean}");
        }
    }

    #[test]
    fn contains_the_estimate_and_never_widens_while_trials_agree() {
        for p in [0.0, 0.03, 0.5, 1.0] {
            let mut trials = Trials { state: 7, p };
            let mut sequence = ConfidenceSequence::new(LEVEL);
            let mut successes = 0;
            for n in 1..=2000 {
                let success = trials.next();
                successes += usize::from(success);
                let before = sequence.width();
                sequence.push(success);
                let [lower, upper] = sequence.interval();
                let estimate = successes as f64 / n as f64;
                assert!(lower <= estimate && estimate <= upper, "p {p}, n {n}");
                assert!(sequence.width() <= before, "p {p}, n {n}");
            }
            assert!(sequence.width() < 0.1, "p {p}");
        }
    }

    #[test]
    fn a_drift_starts_the_intersection_again() {
        let mut sequence = ConfidenceSequence::new(LEVEL);
        (0..200).for_each(|_| sequence.push(false));
        assert!(sequence.interval()[1] < 0.05);
        let mut restarts = 0;
        for n in 201..=400 {
            let before = sequence.interval();
            sequence.push(true);
            let [lower, upper] = sequence.interval();
            let estimate = (n - 200) as f64 / n as f64;
            assert!(
                lower <= estimate && estimate <= upper,
                "{n}: [{lower}, {upper}]"
            );
            if before[1] < estimate {
                assert_eq!([lower, upper], anytime(n - 200, n, LEVEL));
                restarts += 1;
            }
        }
        assert!(restarts > 0);
    }
}
