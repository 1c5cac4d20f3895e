//! Several attacks under one name, with the parameters of the paper that put them together.

use crate::registry::{Attack, AttackError, parse};

/// Attacks that run together.
pub struct Suite {
    /// `FAMILY:VERSION`; the family alone means its first version.
    pub name: &'static str,
    /// In the order in which they run.
    pub attacks: &'static [&'static str],
    pub paper: &'static str,
}

const SUITES: &[Suite] = &[Suite {
    name: "autoattack:standard",
    attacks: &[
        "apgd-ce:steps=100:restarts=1",
        "apgd-t:steps=100:targets=9",
        "fab-t:steps=100:targets=9:restarts=1",
        "square:queries=5000:schedule=2",
    ],
    paper: "Croce 2020, arXiv:2003.01690",
}];

/// Every suite.
pub fn suites() -> &'static [Suite] {
    SUITES
}

/// Parses attacks and suites; what is named twice runs once.
pub fn parse_all<T: AsRef<str>>(texts: &[T]) -> Result<Vec<Attack>, AttackError> {
    let mut names: Vec<&str> = Vec::new();
    for text in texts {
        for name in expand(text.as_ref())? {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names.into_iter().map(parse).collect()
}

/// The attacks of a suite; anything else is itself.
fn expand(text: &str) -> Result<Vec<&str>, AttackError> {
    let text = text.trim();
    let family = text.split(':').next().unwrap_or_default();
    let mut versions = SUITES
        .iter()
        .filter(|s| s.name.split(':').next() == Some(family))
        .peekable();
    if versions.peek().is_none() {
        return Ok(vec![text]);
    }
    let known: Vec<&str> = versions.clone().map(|s| s.name).collect();
    let named = versions.find(|s| text == family || text == s.name);
    named
        .map(|suite| suite.attacks.to_vec())
        .ok_or_else(|| AttackError::Version {
            text: text.into(),
            known: known.join(", "),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Vec<String> {
        let attacks = parse_all(texts).unwrap();
        attacks.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_suite_is_made_of_known_attacks_and_runs_by_name() {
        for suite in SUITES {
            assert_eq!(
                names(&[suite.name]).len(),
                suite.attacks.len(),
                "{}",
                suite.name
            );
        }
    }

    #[test]
    fn autoattack_is_its_standard_version() {
        let standard = [
            "apgd-ce (100 steps, 1 restart)",
            "apgd-t (100 steps, 9 targets)",
            "fab-t (100 steps, 9 targets, 1 restart)",
            "square (5000 queries, schedule 2)",
        ];
        assert_eq!(names(&["autoattack"]), standard);
        assert_eq!(names(&["autoattack:standard", "autoattack"]), standard);
        let more = names(&["fgsm", "autoattack", "fgsm"]);
        assert_eq!((more.len(), more[0].as_str()), (5, "fgsm"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |text: &str| parse_all(&[text]).err().map(|e| e.to_string());
        let version = message("autoattack:fast").unwrap();
        assert!(version.contains("`autoattack:fast`") && version.contains("autoattack:standard"));
        assert!(message("autoattac").unwrap().contains("`autoattac`"));
    }
}
