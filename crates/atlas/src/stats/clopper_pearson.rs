use super::{UNKNOWN, informative, lower_edge};
use statrs::function::beta::beta_reg;

/// The exact two-sided interval of Clopper and Pearson for a Bernoulli rate.
///
/// Each bound is the rate at which an outcome at least as extreme as the one seen has probability
/// `(1 - level) / 2`. The interval covers the true rate with probability `level` or more, whatever
/// the rate, when `n` was fixed before looking. It contains `successes / n`.
///
/// No trials, more successes than trials, or a level outside (0, 1) say nothing about the rate:
/// `[0, 1]`.
///
/// Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the
/// binomial", Biometrika 26, 1934.
pub fn clopper_pearson(successes: usize, n: usize, level: f64) -> [f64; 2] {
    if !informative(successes, n, level) {
        return UNKNOWN;
    }
    let tail = 0.5 * (1.0 - level);
    [
        lower_bound(successes, n, tail),
        1.0 - lower_bound(n - successes, n, tail),
    ]
}

/// The rate `p` at which `k` successes or more in `n` trials have probability `tail`.
///
/// That probability is the incomplete beta function I_p(k, n - k + 1). It is inverted by bisection:
/// statrs' own `inv_beta_reg` is off in the seventh digit where the bound is small, and its Newton
/// steps need not end.
fn lower_bound(k: usize, n: usize, tail: f64) -> f64 {
    if k == 0 {
        return 0.0;
    }
    let [a, b] = [k as f64, (n - k + 1) as f64];
    lower_edge(k as f64 / n as f64, |p| beta_reg(a, b, p) > tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    // scipy.stats.beta.ppf(a / 2, k, n - k + 1) and .isf(a / 2, k + 1, n - k) with a = 1 - level,
    // scipy 1.17.1
    const SCIPY: &[(usize, usize, f64, [f64; 2])] = &[
        (0, 1, 0.95, [0.0, 0.975]),
        (1, 1, 0.95, [0.025, 1.0]),
        (0, 30, 0.95, [0.0, 0.115703308222]),
        (1, 10, 0.95, [0.002528578544462, 0.4450161170282]),
        (5, 10, 0.95, [0.1870860284474, 0.8129139715526]),
        (10, 10, 0.95, [0.6915028921812, 1.0]),
        (23, 100, 0.95, [0.151731611301, 0.3248587327751]),
        (99, 100, 0.95, [0.9455406146079, 0.999746853967]),
        (60, 77, 0.99, [0.635769933229, 0.8869052292556]),
        (7, 20, 0.5, [0.2609839670639, 0.4506967130754]),
        (317, 1000, 0.95, [0.2882348567259, 0.3468470305589]),
        (3, 100_000, 0.95, [6.186763958922e-06, 8.767020256636e-05]),
        (49_000, 100_000, 0.95, [0.4868969723791, 0.4931036077125]),
    ];

    #[test]
    fn agrees_with_scipy() {
        for &(k, n, level, expected) in SCIPY {
            let got = clopper_pearson(k, n, level);
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
            assert_eq!(
                clopper_pearson(k, n, level),
                [0.0, 1.0],
                "{k}/{n} at {level}"
            );
        }
    }

    #[test]
    fn contains_the_estimate_and_nests_by_level() {
        for n in 1..=60 {
            for k in 0..=n {
                let [lower, upper] = clopper_pearson(k, n, 0.95);
                let estimate = k as f64 / n as f64;
                assert!(0.0 <= lower && lower <= estimate, "{k}/{n}: {lower}");
                assert!(estimate <= upper && upper <= 1.0, "{k}/{n}: {upper}");
                let wide = clopper_pearson(k, n, 0.99);
                assert!(wide[0] <= lower && upper <= wide[1], "{k}/{n}");
            }
        }
    }

    /// Not a simulation: the coverage is a finite sum of binomial probabilities.
    #[test]
    fn coverage_is_never_below_the_level() {
        for n in [1, 7, 30, 100] {
            let intervals: Vec<_> = (0..=n).map(|k| clopper_pearson(k, n, 0.95)).collect();
            for step in 1..200 {
                let p = step as f64 / 200.0;
                let mut probability = (1.0 - p).powi(n as i32);
                let mut coverage = 0.0;
                for (k, [lower, upper]) in intervals.iter().enumerate() {
                    if *lower <= p && p <= *upper {
                        coverage += probability;
                    }
                    probability *= p / (1.0 - p) * (n - k) as f64 / (k + 1) as f64;
                }
                assert!(coverage >= 0.95 - 1e-9, "n {n}, p {p}: {coverage}");
            }
        }
    }
}
