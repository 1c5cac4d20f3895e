//! The risk score of a technique, version 1: `10 · exposure · likelihood · impact`.
//!
//! Likelihood is measured, exposure and impact are declared. Scores of techniques are never added
//! up: a run's headline is its worst technique.

mod band;
mod declared;
mod likelihood;

pub use band::Band;
pub use declared::{Exposure, Impact};
pub use likelihood::{Likelihood, Rate, RungCounts, likelihood, rates};

/// A score with the parts that it was made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// 0 to 10.
    pub value: f64,
    /// The score at either end of the likelihood's interval.
    pub interval: [f64; 2],
    /// Weight of the declared exposure, 1 when none was declared.
    pub exposure: f64,
    /// What was measured.
    pub likelihood: Likelihood,
    /// Weight of the declared impact, 1 when none was declared.
    pub impact: f64,
    /// Whether an exposure was declared. Without one the score is a susceptibility, not a risk.
    pub declared: bool,
}

impl Score {
    /// `risk` when an exposure was declared, else `susceptibility`.
    pub fn kind(&self) -> &'static str {
        if self.declared {
            "risk"
        } else {
            "susceptibility"
        }
    }
}

/// The score of a technique; what is not declared counts as the worst.
pub fn score(likelihood: &Likelihood, exposure: Option<Exposure>, impact: Option<Impact>) -> Score {
    let [e, i] = [
        exposure.map_or(1.0, Exposure::weight),
        impact.map_or(1.0, Impact::weight),
    ];
    let scaled = |likelihood: f64| 10.0 * e * i * likelihood;
    Score {
        value: scaled(likelihood.value),
        interval: likelihood.interval.map(scaled),
        exposure: e,
        likelihood: *likelihood,
        impact: i,
        declared: exposure.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURED: Likelihood = Likelihood {
        value: 0.6,
        interval: [0.5, 0.8],
    };

    #[test]
    fn is_ten_times_the_product_of_the_parts() {
        use {Exposure as E, Impact as I};
        let table = [
            (None, None, 6.0, [5.0, 8.0]),
            (Some(E::Public), Some(I::Critical), 6.0, [5.0, 8.0]),
            (Some(E::Authenticated), None, 3.6, [3.0, 4.8]),
            (Some(E::Internal), Some(I::High), 1.35, [1.125, 1.8]),
            (None, Some(I::Medium), 3.0, [2.5, 4.0]),
            (Some(E::Public), Some(I::Low), 1.5, [1.25, 2.0]),
            (Some(E::None), Some(I::Critical), 0.0, [0.0, 0.0]),
        ];
        for (exposure, impact, value, interval) in table {
            let got = score(&MEASURED, exposure, impact);
            let expected = [value, interval[0], interval[1]];
            for (got, expected) in [got.value, got.interval[0], got.interval[1]]
                .iter()
                .zip(expected)
            {
                assert!(
                    (got - expected).abs() < 1e-12,
                    "{exposure:?} {impact:?}: {got}"
                );
            }
            assert!((10.0 * got.exposure * got.impact * 0.6 - value).abs() < 1e-12);
            assert_eq!(got.likelihood, MEASURED);
        }
    }

    #[test]
    fn certain_success_on_a_public_critical_asset_is_ten() {
        let certain = Likelihood {
            value: 1.0,
            interval: [1.0, 1.0],
        };
        let worst = score(&certain, Some(Exposure::Public), Some(Impact::Critical));
        assert_eq!((worst.value, worst.interval), (10.0, [10.0, 10.0]));
    }

    #[test]
    fn is_a_susceptibility_until_an_exposure_is_declared() {
        assert_eq!(
            score(&MEASURED, None, Some(Impact::Low)).kind(),
            "susceptibility"
        );
        assert_eq!(score(&MEASURED, Some(Exposure::None), None).kind(), "risk");
    }
}
