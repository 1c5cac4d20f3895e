//! The attacks by name: one row an attack.

mod attack;
mod parameters;
mod parse;
mod rows;

use std::fmt;

use scoville_kernels::Norm;

use crate::measure::Budget;
use crate::text::TextAlgorithm;
use crate::{BlackBox, LabelsOnly, TreeAttack, WhiteBox};
use rows::ROWS;

pub use attack::Attack;
pub use parameters::{EOT, Parameter, Values};
pub(crate) use parameters::{real, whole};
pub(crate) use parse::list;
pub use parse::{AttackError, PREFIX, TRANSFERRED, parse};

/// Norms of attacks that know every ball that is convex.
pub(crate) const CONVEX: Budget = Budget::Ball(&[Norm::Linf, Norm::L2, Norm::L1]);
/// Norms of attacks that know two of them.
pub(crate) const BOTH: Budget = Budget::Ball(&[Norm::Linf, Norm::L2]);
/// Norms of attacks on distances that are sums over the elements.
pub(crate) const SUMS: Budget = Budget::Ball(&[Norm::L2, Norm::L1]);
pub(crate) const LINF: Budget = Budget::Ball(&[Norm::Linf]);
pub(crate) const L2: Budget = Budget::Ball(&[Norm::L2]);
pub(crate) const L0: Budget = Budget::Ball(&[Norm::L0]);
pub(crate) const WASSERSTEIN: Budget = Budget::Ball(&[Norm::Wasserstein]);
/// Norms of attacks that know them all, where distances are made of single elements.
pub(crate) const ALL: Budget = Budget::Ball(&[Norm::Linf, Norm::L2, Norm::L1, Norm::L0]);

/// ATLAS: Craft Adversarial Data, White-Box Optimization.
pub(crate) const WHITE_BOX: &str = "AML.T0043.000";
/// ATLAS: Craft Adversarial Data, Black-Box Optimization.
pub(crate) const BLACK_BOX: &str = "AML.T0043.001";
/// ATLAS: Physical Environment Access.
pub(crate) const PHYSICAL: &str = "AML.T0041";
/// ATLAS: Craft Adversarial Data, Black-Box Transfer.
pub const TRANSFER: &str = "AML.T0043.002";
/// ATLAS: Craft Adversarial Data, Manual Modification.
pub(crate) const MANUAL: &str = "AML.T0043.003";

/// What an attack must reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// The predicted class.
    Labels,
    /// Logits or probabilities.
    Scores,
    /// Input gradients.
    Gradients,
    /// The decision trees that the model consists of.
    Trees,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::Labels => "labels",
            Access::Scores => "scores",
            Access::Gradients => "gradients",
            Access::Trees => "trees",
        })
    }
}

/// An attack, ready to run with what it needs.
pub enum Algorithm {
    WhiteBox(Box<dyn WhiteBox>),
    BlackBox(Box<dyn BlackBox>),
    LabelsOnly(Box<dyn LabelsOnly>),
    Text(TextAlgorithm),
    Trees(Box<dyn TreeAttack>),
}

impl Algorithm {
    /// Whether one run serves every eps: see [`WhiteBox::is_minimal`].
    pub fn is_minimal(&self) -> bool {
        match self {
            Algorithm::WhiteBox(attack) => attack.is_minimal(),
            Algorithm::BlackBox(attack) => attack.is_minimal(),
            Algorithm::LabelsOnly(attack) => attack.is_minimal(),
            Algorithm::Text(_) => true,
            Algorithm::Trees(_) => true,
        }
    }

    /// Whether it can be led towards a class: see [`WhiteBox::has_aim`].
    pub fn has_aim(&self) -> bool {
        !matches!(self, Algorithm::WhiteBox(attack) if !attack.has_aim())
    }

    /// Whether it learns from its samples together: see [`WhiteBox::is_universal`].
    pub fn is_universal(&self) -> bool {
        matches!(self, Algorithm::WhiteBox(attack) if attack.is_universal())
    }
}

/// One attack of the registry.
pub struct Row {
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// The ATLAS technique that it emulates.
    pub technique: &'static str,
    pub access: Access,
    /// What its budget may be counted in.
    pub budget: Budget,
    /// The fewest classes of a model that its loss is defined for.
    pub least_classes: usize,
    /// Parameters with their defaults.
    pub parameters: &'static [Parameter],
    /// First author and year, and where to read it.
    pub paper: &'static str,
    pub(crate) build: fn(&Values) -> Algorithm,
}

impl Row {
    /// Whether it climbs gradients, for which a surrogate's can stand.
    fn climbs(&self) -> bool {
        self.access == Access::Gradients
    }

    /// Whether the mean of several gradients can stand for one.
    fn takes_means(&self) -> bool {
        self.climbs() && self.budget != Budget::Edits
    }
}

/// Every attack.
pub fn rows() -> &'static [Row] {
    ROWS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_defaults_are_allowed() {
        for (i, row) in ROWS.iter().enumerate() {
            assert!(ROWS[..i].iter().all(|other| other.name != row.name));
            let attack = parse(row.name).unwrap();
            let access = match &attack.algorithm {
                Algorithm::WhiteBox(_) => Access::Gradients,
                Algorithm::BlackBox(_) => Access::Scores,
                Algorithm::LabelsOnly(_) => Access::Labels,
                Algorithm::Text(attack) => match attack {
                    TextAlgorithm::WhiteBox(_) => Access::Gradients,
                    TextAlgorithm::BlackBox(_) => Access::Scores,
                    TextAlgorithm::LabelsOnly(_) => Access::Labels,
                },
                Algorithm::Trees(_) => Access::Trees,
            };
            let on_text = matches!(attack.algorithm, Algorithm::Text(_));
            assert_eq!(on_text, row.budget == Budget::Edits, "{}", row.name);
            assert_eq!(access, row.access, "{}", row.name);
            for p in row.parameters {
                assert!(
                    (p.range.0..=p.range.1).contains(&p.default),
                    "{}.{}",
                    row.name,
                    p.name
                );
            }
        }
    }

    #[test]
    fn parameters_are_read_and_described() {
        let attack = parse("apgd-ce:steps=50:restarts=5").unwrap();
        assert_eq!(attack.to_string(), "apgd-ce (50 steps, 5 restarts)");
        assert_eq!(
            parse("square:queries=1").unwrap().to_string(),
            "square (1 query, schedule 1)"
        );
        assert_eq!(parse("fgsm").unwrap().to_string(), "fgsm");
        assert_eq!(
            attack.longer().unwrap().to_string(),
            "apgd-ce (100 steps, 1 restart)"
        );
        let targeted = parse("apgd-t:steps=10:targets=9").unwrap().longer();
        assert_eq!(
            targeted.unwrap().to_string(),
            "apgd-t (20 steps, 3 targets)"
        );
        assert!(parse("fgsm").unwrap().longer().is_none());
        let mean = parse("pgd:eot=20").unwrap().longer().unwrap();
        assert!(mean.to_string().ends_with(", mean of 20 gradients)"));
    }

    #[test]
    fn any_attack_with_gradients_can_be_transferred() {
        let attack = parse("transfer:pgd:steps=5:eot=2").unwrap();
        assert!(attack.to_string().starts_with("transfer:pgd (5 steps, "));
        assert!(attack.is_transfer() && attack.access() == Access::Labels);
        assert_eq!(attack.technique, TRANSFER);
        let alone = parse("transfer").unwrap();
        assert!(alone == parse("transfer:mi-fgsm").unwrap() && alone != parse("mi-fgsm").unwrap());
        for row in ROWS {
            let transferred = parse(&format!("transfer:{}", row.name));
            assert_eq!(transferred.is_ok(), row.climbs(), "{}", row.name);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |text: &str| parse(text).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(message("pgdd").contains("`pgdd`; did you mean pgd?"));
        assert!(message("autoatack").contains("did you mean autoattack?"));
        assert!(message("corrupt-frog").contains("did you mean corrupt-fog, corrupt-frost?"));
        assert!(!message("harmless").contains("did you mean"));
        assert!(message("pgd:steps").contains("KEY=VALUE"));
        assert!(message("pgd:stepz=3").contains("`stepz`"));
        for text in [
            "pgd:steps=0",
            "pgd:steps=1.5",
            "pgd:steps=x",
            "pgd:step=nan",
            "pgd:step=-1",
            "pgd:eot=0",
        ] {
            assert!(message(text).contains("must be"), "{text}");
        }
        assert!(message("fgsm:steps=1").contains("none"));
        assert!(message("square:eot=2").contains("`eot`"));
        assert!(message("transfer:square").contains("needs gradients"));
        assert!(message("transfer:pgdd").contains("`pgdd`"));
        assert!(message("transfers").contains("`transfers`"));
    }
}
