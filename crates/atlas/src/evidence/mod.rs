//! The quality of the evidence behind a score: reliability [`Check`]s and the [`grade`] that
//! follows from them.

mod check;

pub use check::Check;
use std::fmt;

/// The fewest samples that a score can rest on.
pub const LEAST_SAMPLES: usize = 30;

/// Grade A takes an interval narrower than this.
pub const NARROW: f64 = 0.1;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nothing amiss.
    Passed,
    /// The figures may flatter the target.
    Warned,
    /// It could not be made, or was not asked for.
    NotRun,
}

/// The outcome of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was checked.
    pub check: Check,
    /// How it came out.
    pub outcome: Outcome,
    /// What was seen, with figures.
    pub detail: String,
}

/// How the measurement was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Conduct {
    /// Whether attacks with gradients ran.
    pub white_box: bool,
    /// Whether attacks with scores or labels alone ran.
    pub black_box: bool,
    /// Samples that were attacked.
    pub samples: usize,
    /// Width of the widest interval among the rates of the ladder.
    pub widest_interval: f64,
    /// Why nothing can be concluded, if so: the output is NaN or constant, the labels do not match
    /// the model.
    pub inconclusive: Option<String>,
}

/// The quality of the evidence, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grade {
    /// White-box and black-box attacks ran, all checks passed, the interval is narrow.
    A,
    /// No check warned, but something of A is missing.
    B,
    /// A check warned: the score is a lower bound.
    C,
    /// Inconclusive: there is no score.
    D,
}

impl Grade {
    /// Whether there is a score at all.
    pub fn is_conclusive(self) -> bool {
        self != Self::D
    }

    /// Whether the score is only a lower bound, to be printed as `>= 6.1`.
    pub fn is_lower_bound(self) -> bool {
        self == Self::C
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
        })
    }
}

/// The grade of a measurement, with the reason in words.
///
/// The worst rule that applies decides: D when inconclusive or on fewer than [`LEAST_SAMPLES`]; C
/// when a check warned; B when a family of attacks is missing, the interval is not narrower than
/// [`NARROW`] or a check did not pass (one that is absent from `findings` was not run, which counts unless it
/// [needs a surrogate](Check::needs_surrogate)); else A.
pub fn grade(conduct: &Conduct, findings: &[Finding]) -> (Grade, String) {
    if let Some(reason) = why_inconclusive(conduct) {
        return (Grade::D, reason);
    }
    let warned = warnings(findings);
    if !warned.is_empty() {
        return (Grade::C, format!("lower bound: {}", warned.join(", ")));
    }
    let missing = missing_for_a(conduct, findings);
    if !missing.is_empty() {
        return (Grade::B, missing.join("; "));
    }
    let reason = format!(
        "white-box and black-box attacks ran, all {} checks passed, widest interval {:.3}",
        findings
            .iter()
            .filter(|f| f.outcome == Outcome::Passed)
            .count(),
        conduct.widest_interval
    );
    (Grade::A, reason)
}

fn why_inconclusive(conduct: &Conduct) -> Option<String> {
    if let Some(reason) = &conduct.inconclusive {
        Some(reason.clone())
    } else if conduct.samples < LEAST_SAMPLES {
        let n = conduct.samples;
        Some(format!(
            "{n} samples, a score takes {LEAST_SAMPLES} or more"
        ))
    } else if !conduct.white_box && !conduct.black_box {
        Some("no attack ran".to_owned())
    } else {
        None
    }
}

/// The codes of the checks that warned; what they saw stands with the checks.
fn warnings(findings: &[Finding]) -> Vec<&'static str> {
    let warned = findings
        .iter()
        .filter(|finding| finding.outcome == Outcome::Warned);
    warned.map(|finding| finding.check.code()).collect()
}

fn missing_for_a(conduct: &Conduct, findings: &[Finding]) -> Vec<String> {
    let mut missing = Vec::new();
    if !conduct.white_box {
        missing.push("no white-box attack ran".to_owned());
    }
    if !conduct.black_box {
        missing.push("no black-box attack ran".to_owned());
    }
    let width = conduct.widest_interval;
    if width.is_nan() || width >= NARROW {
        missing.push(format!(
            "widest interval {width:.3}, A takes less than {NARROW}"
        ));
    }
    let passed = |check| {
        findings
            .iter()
            .any(|f| f.check == check && f.outcome == Outcome::Passed)
    };
    let open: Vec<_> = Check::ALL
        .into_iter()
        .filter(|&c| !passed(c) && !c.needs_surrogate())
        .map(Check::code)
        .collect();
    if !open.is_empty() {
        missing.push(format!("not checked: {}", open.join(", ")));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thorough() -> Conduct {
        Conduct {
            white_box: true,
            black_box: true,
            samples: 1000,
            widest_interval: 0.063,
            inconclusive: None,
        }
    }

    fn all_passed() -> Vec<Finding> {
        let passed = |check| Finding {
            check,
            outcome: Outcome::Passed,
            detail: String::new(),
        };
        Check::ALL.into_iter().map(passed).collect()
    }

    /// All passed but for one.
    fn with(check: Check, outcome: Outcome, detail: &str) -> Vec<Finding> {
        let mut findings = all_passed();
        let finding = findings
            .iter_mut()
            .find(|finding| finding.check == check)
            .unwrap();
        (finding.outcome, finding.detail) = (outcome, detail.to_owned());
        findings
    }

    #[test]
    fn a_takes_both_families_all_checks_and_a_narrow_interval() {
        let expected =
            "white-box and black-box attacks ran, all 16 checks passed, widest interval 0.063";
        assert_eq!(
            grade(&thorough(), &all_passed()),
            (Grade::A, expected.to_owned())
        );
        assert_eq!(
            grade(
                &Conduct {
                    samples: 30,
                    ..thorough()
                },
                &all_passed()
            )
            .0,
            Grade::A
        );
    }

    #[test]
    fn b_names_what_is_missing() {
        let table = [
            (
                Conduct {
                    white_box: false,
                    ..thorough()
                },
                "no white-box attack ran",
            ),
            (
                Conduct {
                    black_box: false,
                    ..thorough()
                },
                "no black-box attack ran",
            ),
            (
                Conduct {
                    widest_interval: 0.1,
                    ..thorough()
                },
                "widest interval 0.100, A takes less than 0.1",
            ),
            (
                Conduct {
                    widest_interval: f64::NAN,
                    ..thorough()
                },
                "widest interval NaN, A takes less than 0.1",
            ),
            (
                Conduct {
                    black_box: false,
                    widest_interval: 0.25,
                    ..thorough()
                },
                "no black-box attack ran; widest interval 0.250, A takes less than 0.1",
            ),
        ];
        for (conduct, reason) in table {
            assert_eq!(
                grade(&conduct, &all_passed()),
                (Grade::B, reason.to_owned())
            );
        }
    }

    #[test]
    fn b_when_a_check_was_not_run_or_is_absent() {
        let expected = (Grade::B, "not checked: gradient-mismatch".to_owned());
        let findings = with(Check::GradientMismatch, Outcome::NotRun, "scores only");
        assert_eq!(grade(&thorough(), &findings), expected);
        let mut findings = all_passed();
        findings.retain(|finding| finding.check != Check::GradientMismatch);
        assert_eq!(grade(&thorough(), &findings), expected);
        assert_eq!(grade(&thorough(), &[]).0, Grade::B);
    }

    #[test]
    fn a_needs_no_surrogate() {
        let findings = with(Check::TransferBeatsWhiteBox, Outcome::NotRun, "");
        let (grade, reason) = grade(&thorough(), &findings);
        assert_eq!(grade, Grade::A);
        assert!(reason.contains("all 15 checks passed"), "{reason}");
    }

    #[test]
    fn c_for_a_warning_of_any_check() {
        for check in Check::ALL {
            let got = grade(&thorough(), &with(check, Outcome::Warned, "seen 3 of 8"));
            assert_eq!(got, (Grade::C, format!("lower bound: {}", check.code())));
        }
    }

    #[test]
    fn c_names_every_warning_and_outranks_b() {
        let mut findings = with(Check::ZeroGradients, Outcome::Warned, "41 %");
        findings.extend(with(
            Check::MoreIterationsGain,
            Outcome::Warned,
            "+6 points",
        ));
        let got = grade(
            &Conduct {
                black_box: false,
                ..thorough()
            },
            &findings,
        );
        let expected = "lower bound: zero-gradients, more-iterations-gain";
        assert_eq!(got, (Grade::C, expected.to_owned()));
    }

    #[test]
    fn d_outranks_all() {
        let nan = Some("the output is NaN on 3 samples".to_owned());
        let table = [
            (
                Conduct {
                    inconclusive: nan,
                    ..thorough()
                },
                "the output is NaN on 3 samples",
            ),
            (
                Conduct {
                    samples: 29,
                    ..thorough()
                },
                "29 samples, a score takes 30 or more",
            ),
            (
                Conduct {
                    white_box: false,
                    black_box: false,
                    ..thorough()
                },
                "no attack ran",
            ),
        ];
        for (conduct, reason) in table {
            let warned = with(Check::SoftmaxOutputs, Outcome::Warned, "");
            for findings in [all_passed(), warned] {
                assert_eq!(grade(&conduct, &findings), (Grade::D, reason.to_owned()));
            }
        }
    }

    #[test]
    fn only_d_has_no_score_and_only_c_is_a_lower_bound() {
        let grades = [Grade::A, Grade::B, Grade::C, Grade::D];
        assert_eq!(grades.map(Grade::is_conclusive), [true, true, true, false]);
        assert_eq!(
            grades.map(Grade::is_lower_bound),
            [false, false, true, false]
        );
        assert_eq!(grades.map(|grade| grade.to_string()), ["A", "B", "C", "D"]);
    }
}
