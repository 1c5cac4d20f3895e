use crate::words::{UnknownWord, parse};
use std::fmt;
use std::str::FromStr;

/// The severity of a score, in the bands of CVSS; ordered from none to critical.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Band {
    /// Exactly 0.
    None,
    /// Above 0, below 4.
    Low,
    /// From 4, below 7.
    Medium,
    /// From 7, below 9.
    High,
    /// From 9.
    Critical,
}

impl Band {
    /// All bands, the least first.
    pub const ALL: [Self; 5] = [
        Self::None,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::Critical,
    ];

    /// The band of a score. The score is not rounded first, and one that is not a number is
    /// critical: a gate must not open on it.
    pub fn of(score: f64) -> Self {
        if score == 0.0 {
            Self::None
        } else if score < 4.0 {
            Self::Low
        } else if score < 7.0 {
            Self::Medium
        } else if score < 9.0 {
            Self::High
        } else {
            Self::Critical
        }
    }

    /// The word for it, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Band {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Band {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        parse("band", &Self::ALL, Self::name, word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_of_scores() {
        let table = [
            (0.0, Band::None),
            (-0.0, Band::None),
            (f64::MIN_POSITIVE, Band::Low),
            (0.04, Band::Low),
            (3.999, Band::Low),
            (4.0, Band::Medium),
            (6.999, Band::Medium),
            (7.0, Band::High),
            (8.999, Band::High),
            (9.0, Band::Critical),
            (10.0, Band::Critical),
            (f64::NAN, Band::Critical),
        ];
        for (score, band) in table {
            assert_eq!(Band::of(score), band, "{score}");
        }
    }

    #[test]
    fn words_and_order() {
        let words = ["none", "low", "medium", "high", "critical"];
        for (band, word) in Band::ALL.into_iter().zip(words) {
            assert_eq!((band.to_string().as_str(), word.parse()), (word, Ok(band)));
        }
        assert!(Band::ALL.is_sorted());
        assert_eq!(format!("[{:>8}]", Band::Low), "[     low]");
        assert!("severe".parse::<Band>().is_err());
    }
}
