//! Thresholds that fail a run: `--fail-on high`, `--fail-on AML.T0043.000=6`.

use std::fmt;
use std::str::FromStr;

use scoville_atlas::score::Band;
use scoville_report::event::{Gate, GateOutcome, TechniqueScored};
use scoville_report::score_text;

/// One threshold.
#[derive(Debug, Clone, PartialEq)]
pub enum FailOn {
    /// Any technique whose score is in this band or above.
    Band(Band),
    /// One technique whose score is at least this.
    Score { technique: String, least: f64 },
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error(
    "`{0}` is no threshold: write a band (low, medium, high, critical) or TECHNIQUE=SCORE with a score from 0 to 10, \
     for example AML.T0043.000=6"
)]
pub struct FailOnError(String);

impl FromStr for FailOn {
    type Err = FailOnError;

    fn from_str(text: &str) -> Result<Self, FailOnError> {
        let wrong = || FailOnError(text.into());
        let Some((technique, least)) = text.split_once('=') else {
            let band = text.parse::<Band>().map_err(|_| wrong())?;
            return if band == Band::None {
                Err(wrong())
            } else {
                Ok(FailOn::Band(band))
            };
        };
        let least: f64 = least.trim().parse().map_err(|_| wrong())?;
        if !(0.0..=10.0).contains(&least) {
            return Err(wrong());
        }
        Ok(FailOn::Score {
            technique: technique.trim().into(),
            least,
        })
    }
}

/// As on the command line.
impl fmt::Display for FailOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailOn::Band(least) => least.fmt(f),
            FailOn::Score { technique, least } => write!(f, "{technique}={least}"),
        }
    }
}

impl FailOn {
    /// The technique that it is for, if for one.
    pub fn technique(&self) -> Option<&str> {
        match self {
            FailOn::Band(_) => None,
            FailOn::Score { technique, .. } => Some(technique),
        }
    }

    /// The breach in words, if `technique` with `score` is one.
    pub fn breach(&self, technique: &str, score: f64) -> Option<String> {
        match self {
            FailOn::Band(least) if Band::of(score) >= *least => Some(format!(
                "{technique} scores {} {}, fail-on {self}",
                score_text(score, false),
                Band::of(score)
            )),
            FailOn::Score {
                technique: id,
                least,
            } if id == technique && score >= *least => Some(format!(
                "{technique} scores {}, fail-on {self}",
                score_text(score, false)
            )),
            _ => None,
        }
    }
}

/// In words, at most one a technique.
pub(crate) fn breaches(fail_on: &[FailOn], scored: &[TechniqueScored]) -> Vec<String> {
    let breach = |t: &TechniqueScored| {
        let score = t.score?;
        fail_on.iter().find_map(|f| f.breach(&t.technique, score))
    };
    scored.iter().filter_map(breach).collect()
}

/// What the thresholds came to: nothing is passed where one is set for something that has no score.
pub(crate) fn outcome(
    fail_on: &[FailOn],
    breaches: &[String],
    scored: &[TechniqueScored],
) -> Option<Gate> {
    let concerned = |t: &&TechniqueScored| {
        let concerns = |f: &FailOn| f.technique().is_none_or(|id| id == t.technique);
        t.score.is_none() && fail_on.iter().any(concerns)
    };
    let unscored: Vec<&str> = scored
        .iter()
        .filter(concerned)
        .map(|t| t.technique.as_str())
        .collect();
    let (outcome, detail) = match (fail_on, breaches, unscored.as_slice()) {
        ([], ..) => return None,
        (_, [], []) => {
            let thresholds: Vec<String> = fail_on.iter().map(ToString::to_string).collect();
            (
                GateOutcome::Passed,
                format!("fail-on {}", thresholds.join(", ")),
            )
        }
        (_, [], ids) => (
            GateOutcome::NotDecided,
            format!("no score of {}", ids.join(", ")),
        ),
        (_, breaches, _) => (GateOutcome::Failed, breaches.join("; ")),
    };
    Some(Gate { outcome, detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_read() {
        assert_eq!("high".parse(), Ok(FailOn::Band(Band::High)));
        let score = FailOn::Score {
            technique: "AML.T0043.000".into(),
            least: 6.0,
        };
        assert_eq!("AML.T0043.000=6".parse(), Ok(score));
        for wrong in [
            "",
            "none",
            "severe",
            "AML.T0015=",
            "AML.T0015=11",
            "AML.T0015=nan",
            "=-1",
        ] {
            assert!(wrong.parse::<FailOn>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn breaches_are_found() {
        let low = FailOn::Band(Band::Low).breach("T", 6.97);
        assert_eq!(low.as_deref(), Some("T scores 6.9 medium, fail-on low"));
        let high = FailOn::Band(Band::High);
        assert!(high.breach("T", 7.0).is_some() && high.breach("T", 6.9).is_none());
        let six: FailOn = "T=6".parse().unwrap();
        let at = six.breach("T", 6.0);
        assert_eq!(at.as_deref(), Some("T scores 6.0, fail-on T=6"));
        assert!(six.breach("T", 5.9).is_none() && six.breach("U", 9.0).is_none());
    }
}
