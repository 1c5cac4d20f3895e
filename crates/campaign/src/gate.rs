//! Thresholds that fail a run: `--fail-on high`, `--fail-on AML.T0043.000=6`.

use std::str::FromStr;

use scoville_atlas::score::Band;

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
                "{technique} scores {score:.1} ({}), fail-on {least}",
                Band::of(score)
            )),
            FailOn::Score {
                technique: id,
                least,
            } if id == technique && score >= *least => {
                Some(format!("{technique} scores {score:.1}, fail-on {least}"))
            }
            _ => None,
        }
    }
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
        let high = FailOn::Band(Band::High);
        assert!(high.breach("T", 7.0).is_some() && high.breach("T", 6.9).is_none());
        let six: FailOn = "T=6".parse().unwrap();
        assert!(six.breach("T", 6.0).is_some());
        assert!(six.breach("T", 5.9).is_none() && six.breach("U", 9.0).is_none());
    }
}
