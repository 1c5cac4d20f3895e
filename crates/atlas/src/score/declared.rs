//! What the user declares: how exposed the target is, and how much harm its loss would do.

use crate::words::{UnknownWord, parse};
use std::fmt;
use std::str::FromStr;

/// Who can reach the target, by where the trust boundaries lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Exposure {
    /// Nobody across a trust boundary: 0.
    None,
    /// Those inside the organisation: 0.3.
    Internal,
    /// Anyone with an account: 0.6.
    Authenticated,
    /// Anyone: 1.
    Public,
}

impl Exposure {
    /// All values, the worst first.
    pub const ALL: [Self; 4] = [
        Self::Public,
        Self::Authenticated,
        Self::Internal,
        Self::None,
    ];

    /// The factor in the score, in [0, 1].
    pub fn weight(self) -> f64 {
        match self {
            Self::Public => 1.0,
            Self::Authenticated => 0.6,
            Self::Internal => 0.3,
            Self::None => 0.0,
        }
    }

    /// The word for it: `public`, `authenticated`, `internal`, `none`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Authenticated => "authenticated",
            Self::Internal => "internal",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Exposure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Exposure {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        parse("exposure", &Self::ALL, Self::name, word)
    }
}

/// The harm when the asset's confidentiality, integrity or availability is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Impact {
    /// 0.25.
    Low,
    /// 0.5.
    Medium,
    /// 0.75.
    High,
    /// 1.
    Critical,
}

impl Impact {
    /// All values, the worst first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    /// The factor in the score, in [0, 1].
    pub fn weight(self) -> f64 {
        match self {
            Self::Low => 0.25,
            Self::Medium => 0.5,
            Self::High => 0.75,
            Self::Critical => 1.0,
        }
    }

    /// The word for it: `low`, `medium`, `high`, `critical`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Impact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Impact {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        parse("impact", &Self::ALL, Self::name, word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_weights_and_order() {
        let table = [
            (Exposure::Public, "public", 1.0),
            (Exposure::Authenticated, "authenticated", 0.6),
            (Exposure::Internal, "internal", 0.3),
            (Exposure::None, "none", 0.0),
        ];
        for ((exposure, word, weight), listed) in table.into_iter().zip(Exposure::ALL) {
            assert_eq!(
                (exposure, exposure.to_string().as_str(), exposure.weight()),
                (listed, word, weight)
            );
            assert_eq!(word.parse(), Ok(exposure));
        }
        let table = [
            (Impact::Critical, "critical", 1.0),
            (Impact::High, "high", 0.75),
            (Impact::Medium, "medium", 0.5),
            (Impact::Low, "low", 0.25),
        ];
        for ((impact, word, weight), listed) in table.into_iter().zip(Impact::ALL) {
            assert_eq!(
                (impact, impact.to_string().as_str(), impact.weight()),
                (listed, word, weight)
            );
            assert_eq!(word.parse(), Ok(impact));
        }
        assert!(Exposure::ALL.is_sorted_by(|a, b| a > b) && Impact::ALL.is_sorted_by(|a, b| a > b));
    }

    #[test]
    fn other_words_are_refused() {
        assert_eq!("PUBLIC".parse(), Ok(Exposure::Public));
        for word in ["", " public", "0.6", "extern"] {
            assert!(word.parse::<Exposure>().is_err(), "{word:?}");
            assert!(word.parse::<Impact>().is_err(), "{word:?}");
        }
    }
}
