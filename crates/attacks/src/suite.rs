//! Several attacks under one name, with the parameters of the paper that put them together.

use scoville_kernels::Norm;

use crate::registry::{ALL, Attack, AttackError, MANUAL, PREFIX, WHITE_BOX, list, parse, rows};

/// Attacks that run together: each on what the ones before it left, as one ensemble under one technique.
///
/// Who has gradients has scores, too: a suite that needs gradients is white-box as a whole, and a black-box attack in
/// it is an emulation of white-box access. Named beside the suite, the same attack runs on every sample as black box.
pub struct Suite {
    /// `FAMILY:VERSION`; the family alone means its first version.
    pub name: &'static str,
    /// In the order in which they run.
    pub attacks: &'static [&'static str],
    /// The same in L1, where its authors give other parameters.
    pub in_l1: Option<&'static [&'static str]>,
    /// The ATLAS technique that the ensemble emulates.
    pub technique: &'static str,
    pub paper: &'static str,
}

const SUITES: &[Suite] = &[
    Suite {
        name: "autoattack:standard",
        attacks: &[
            "apgd-ce:steps=100:restarts=1",
            "apgd-t:steps=100:targets=9",
            "fab-t:steps=100:targets=9:restarts=1",
            "square:queries=5000:schedule=2",
        ],
        // Croce & Hein 2021, arXiv:2103.01208.
        in_l1: Some(&[
            "apgd-ce:steps=100:restarts=5",
            "apgd-t:steps=100:targets=5",
            "fab-t:steps=100:targets=9:restarts=1",
            "square:queries=5000:schedule=2",
        ]),
        technique: WHITE_BOX,
        paper: "Croce 2020, arXiv:2003.01690",
    },
    Suite {
        name: "autoattack:plus",
        attacks: &[
            "apgd-ce:steps=100:restarts=5",
            "apgd-dlr:steps=100:restarts=5",
            "fab:steps=100:candidates=9:restarts=5",
            "square:queries=5000:schedule=2",
            "apgd-t:steps=100:targets=9",
            "fab-t:steps=100:targets=9:restarts=1",
        ],
        in_l1: None,
        technique: WHITE_BOX,
        paper: "Croce 2020, arXiv:2003.01690",
    },
    Suite {
        name: "autoattack:rand",
        attacks: &[
            "apgd-ce:steps=100:restarts=1:eot=20",
            "apgd-dlr:steps=100:restarts=1:eot=20",
        ],
        in_l1: None,
        technique: WHITE_BOX,
        paper: "Croce 2020, arXiv:2003.01690",
    },
    Suite {
        name: "corruptions:common",
        attacks: &[
            "corrupt-gaussian-noise",
            "corrupt-shot-noise",
            "corrupt-impulse-noise",
            "corrupt-speckle-noise",
            "corrupt-gaussian-blur",
            "corrupt-defocus-blur",
            "corrupt-motion-blur",
            "corrupt-zoom-blur",
            "corrupt-glass-blur",
            "corrupt-brightness",
            "corrupt-contrast",
            "corrupt-saturate",
            "corrupt-fog",
            "corrupt-snow",
            "corrupt-frost",
            "corrupt-pixelate",
            "corrupt-jpeg",
            "corrupt-rotation",
            "corrupt-translation",
            "corrupt-elastic",
            "corrupt-occlusion",
        ],
        in_l1: None,
        technique: MANUAL,
        paper: "Hendrycks 2019, arXiv:1903.12261",
    },
];

impl Suite {
    /// Whether `text` is its name, or its family's.
    pub fn is_called(&self, text: &str) -> bool {
        text == self.name || text == self.family()
    }

    pub(crate) fn family(&self) -> &'static str {
        self.name.split(':').next().unwrap_or_default()
    }

    /// Its attacks in that norm.
    pub fn attacks_in(&self, norm: Norm) -> &'static [&'static str] {
        self.in_l1
            .filter(|_| norm == Norm::L1)
            .unwrap_or(self.attacks)
    }
}

/// Every suite.
pub fn suites() -> &'static [Suite] {
    SUITES
}

/// Parses attacks and suites for a run in `norm`; what is named twice runs once.
pub fn parse_all<T: AsRef<str>>(texts: &[T], norm: Norm) -> Result<Vec<Attack>, AttackError> {
    let mut attacks: Vec<Attack> = Vec::new();
    for text in texts {
        for attack in expand(text.as_ref().trim(), norm)? {
            if !attacks.contains(&attack) {
                attacks.push(attack);
            }
        }
    }
    Ok(attacks)
}

/// The attacks of a suite; anything else is one attack.
fn expand(text: &str, norm: Norm) -> Result<Vec<Attack>, AttackError> {
    let prefixed = text.strip_prefix(PREFIX).and_then(|t| t.strip_prefix(':'));
    if let Some(suite) = prefixed.map(find).transpose()?.flatten() {
        return Err(not_transferable(suite, norm));
    }
    let Some(suite) = find(text)? else {
        return Ok(vec![parse(text)?]);
    };
    let attacks: Vec<Attack> = parsed(suite, norm)?;
    let allows = |norm: Norm| move |a: &Attack| a.row.budget.allows(a.row.budget.measure(norm));
    if !attacks.iter().all(allows(norm)) {
        let own = ALL
            .norms()
            .iter()
            .filter(|norm| attacks.iter().all(allows(**norm)));
        let known = rows()
            .iter()
            .filter(|row| row.budget.norms().contains(&norm));
        return Err(AttackError::SuiteNorm {
            suite: suite.name,
            norm,
            own: list(own.map(Norm::to_string)),
            known: list(known.map(|row| row.name)),
        });
    }
    let under = |attack: Attack| attack.under(suite.technique);
    Ok(attacks.into_iter().map(under).collect())
}

fn parsed(suite: &Suite, norm: Norm) -> Result<Vec<Attack>, AttackError> {
    suite
        .attacks_in(norm)
        .iter()
        .map(|name| parse(name))
        .collect()
}

/// What to name in place of a suite that is to run on a surrogate.
fn not_transferable(suite: &'static Suite, norm: Norm) -> AttackError {
    let named = suite
        .attacks_in(norm)
        .iter()
        .map(|name| format!("{PREFIX}:{name}"));
    let known = list(named.filter(|name| parse(name).is_ok()));
    AttackError::SuiteTransferred {
        suite: suite.name,
        known: if known.is_empty() {
            "there are none".into()
        } else {
            known
        },
    }
}

/// The suite of that name, if its family is one of suites.
fn find(text: &str) -> Result<Option<&'static Suite>, AttackError> {
    let family = text.split(':').next().unwrap_or_default();
    let versions = || SUITES.iter().filter(move |suite| suite.family() == family);
    let Some(first) = versions().next() else {
        return Ok(None);
    };
    let named = versions().find(|s| text == s.name);
    named
        .or((text == family).then_some(first))
        .map(Some)
        .ok_or_else(|| AttackError::Version {
            text: text.into(),
            known: versions().map(|s| s.name).collect::<Vec<_>>().join(", "),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::BLACK_BOX;

    fn names(texts: &[&str]) -> Vec<String> {
        let attacks = parse_all(texts, Norm::Linf).unwrap();
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
        let in_l1 = parse_all(&["autoattack"], Norm::L1).unwrap();
        assert_eq!(in_l1[0].to_string(), "apgd-ce (100 steps, 5 restarts)");
        assert_eq!(in_l1[1].to_string(), "apgd-t (100 steps, 5 targets)");
        let more = names(&["fgsm", "autoattack", "fgsm"]);
        assert_eq!((more.len(), more[0].as_str()), (5, "fgsm"));
    }

    #[test]
    fn a_suite_is_one_technique_and_the_same_attack_alone_another() {
        let attacks = parse_all(
            &["autoattack", "square:queries=5000:schedule=2", "autoattack"],
            Norm::L2,
        )
        .unwrap();
        let techniques: Vec<&str> = attacks.iter().map(|a| a.technique).collect();
        assert_eq!(
            techniques,
            [WHITE_BOX, WHITE_BOX, WHITE_BOX, WHITE_BOX, BLACK_BOX]
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |text: &str| parse_all(&[text], Norm::Linf).err().map(|e| e.to_string());
        let version = message("autoattack:fast").unwrap();
        assert!(version.contains("`autoattack:fast`") && version.contains("autoattack:standard"));
        assert!(message("autoattac").unwrap().contains("`autoattac`"));
        let transferred = message("transfer:autoattack").unwrap();
        assert!(
            transferred.starts_with("transfer:autoattack:standard: a suite does not run")
                && transferred.contains("transfer:apgd-ce:steps=100:restarts=1, transfer:apgd-t:")
                && !transferred.contains("square"),
            "{transferred}"
        );
        assert!(
            message("transfer:corruptions")
                .unwrap()
                .ends_with("there are none")
        );
        assert!(
            message("transfer:autoattack:fast")
                .unwrap()
                .contains("no suite")
        );
        let in_l0 = parse_all(&["autoattack"], Norm::L0)
            .err()
            .unwrap()
            .to_string();
        assert!(
            in_l0.starts_with(
                "autoattack:standard cannot run in l0, but in linf, l2, l1; in l0 run "
            ) && in_l0.contains("pointwise"),
            "{in_l0}"
        );
        assert!(parse_all(&["corruptions"], Norm::L0).is_ok());
    }
}
