//! The attacks by name: one row an attack.

use std::collections::BTreeMap;
use std::fmt;

use scoville_kernels::{Loss, Norm};

use crate::evasion::{apgd::apgd, bim::bim, fgsm::fgsm, mi_fgsm::mi_fgsm, pgd::pgd};
use crate::evasion::{cw::CarliniWagner, ddn::Ddn, deepfool::DeepFool, fmn::Fmn};
use crate::evasion::{fab::Fab, square::Square};
use crate::evasion::{
    ni_fgsm::ni_fgsm, si_ni_fgsm::si_ni_fgsm, ti_fgsm::ti_fgsm, vmi_fgsm::vmi_fgsm,
};
use crate::{BlackBox, WhiteBox};

/// What an attack must reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Logits or probabilities.
    Scores,
    /// Input gradients.
    Gradients,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::Scores => "scores",
            Access::Gradients => "gradients",
        })
    }
}

/// An attack, ready to run with what it needs.
pub enum Algorithm {
    WhiteBox(Box<dyn WhiteBox>),
    BlackBox(Box<dyn BlackBox>),
}

/// An attack with its parameters.
pub struct Attack {
    pub row: &'static Row,
    pub algorithm: Algorithm,
    values: Values,
}

impl Attack {
    fn new(row: &'static Row, values: Values) -> Self {
        Self {
            row,
            algorithm: (row.build)(&values),
            values,
        }
    }

    /// Whether one run serves every eps: see [`WhiteBox::is_minimal`].
    pub fn is_minimal(&self) -> bool {
        match &self.algorithm {
            Algorithm::WhiteBox(attack) => attack.is_minimal(),
            Algorithm::BlackBox(_) => false,
        }
    }

    /// The same attack with twice the steps, if it has steps: what it still gains shows that it had not converged.
    pub fn doubled(&self) -> Option<Attack> {
        let mut values = self.values.clone();
        *values.0.get_mut("steps")? *= 2.0;
        Some(Attack::new(self.row, values))
    }
}

/// `apgd-ce (100 steps, 5 restarts)`.
impl fmt::Display for Attack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.row.parameters.is_empty() {
            return f.write_str(self.row.name);
        }
        write!(f, "{} ({})", self.row.name, self.values.describe(self.row))
    }
}

/// One attack of the registry.
pub struct Row {
    pub name: &'static str,
    /// The ATLAS technique that it emulates.
    pub technique: &'static str,
    pub access: Access,
    pub norms: &'static [Norm],
    /// The fewest classes of a model that its loss is defined for.
    pub least_classes: usize,
    /// Parameters with their defaults.
    pub parameters: &'static [Parameter],
    /// First author and year, and where to read it.
    pub paper: &'static str,
    build: fn(&Values) -> Algorithm,
}

/// A parameter of an attack.
pub struct Parameter {
    pub name: &'static str,
    pub default: f64,
    /// Least and most value.
    pub range: (f64, f64),
    pub whole: bool,
}

const fn whole(name: &'static str, default: f64, most: f64) -> Parameter {
    Parameter {
        name,
        default,
        range: (1.0, most),
        whole: true,
    }
}

const fn real(name: &'static str, default: f64, range: (f64, f64)) -> Parameter {
    Parameter {
        name,
        default,
        range,
        whole: false,
    }
}

const BOTH: &[Norm] = &[Norm::Linf, Norm::L2];
const LINF: &[Norm] = &[Norm::Linf];
const L2: &[Norm] = &[Norm::L2];
const WHITE_BOX: &str = "AML.T0043.000";
const BLACK_BOX: &str = "AML.T0043.001";

const ROWS: &[Row] = &[
    Row {
        name: "fgsm",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: 2,
        parameters: &[],
        paper: "Goodfellow 2015, arXiv:1412.6572",
        build: |_| Algorithm::WhiteBox(Box::new(fgsm())),
    },
    Row {
        name: "bim",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: 2,
        parameters: &[whole("steps", 10.0, 1e6), real("step", 0.2, (1e-6, 10.0))],
        paper: "Kurakin 2017, arXiv:1607.02533",
        build: |v| Algorithm::WhiteBox(Box::new(bim(v.whole("steps"), v.real("step")))),
    },
    Row {
        name: "pgd",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: 2,
        parameters: &[
            whole("steps", 40.0, 1e6),
            real("step", 0.25, (1e-6, 10.0)),
            whole("restarts", 1.0, 1e4),
        ],
        paper: "Madry 2018, arXiv:1706.06083",
        build: |v| {
            let attack = pgd(v.whole("steps"), v.real("step"), v.whole("restarts"));
            Algorithm::WhiteBox(Box::new(attack))
        },
    },
    Row {
        name: "mi-fgsm",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: 2,
        parameters: &[whole("steps", 10.0, 1e6), real("decay", 1.0, (0.0, 10.0))],
        paper: "Dong 2018, arXiv:1710.06081",
        build: |v| Algorithm::WhiteBox(Box::new(mi_fgsm(v.whole("steps"), v.real("decay")))),
    },
    Row {
        name: "ni-fgsm",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: LINF,
        least_classes: 2,
        parameters: &[whole("steps", 10.0, 1e6), real("decay", 1.0, (0.0, 10.0))],
        paper: "Lin 2020, arXiv:1908.06281",
        build: |v| {
            let (steps, decay) = (v.whole("steps"), v.real("decay"));
            Algorithm::WhiteBox(Box::new(ni_fgsm(steps, decay)))
        },
    },
    Row {
        name: "si-ni-fgsm",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: LINF,
        least_classes: 2,
        parameters: &[
            whole("steps", 10.0, 1e6),
            real("decay", 1.0, (0.0, 10.0)),
            whole("scales", 5.0, 32.0),
        ],
        paper: "Lin 2020, arXiv:1908.06281",
        build: |v| {
            let (steps, decay) = (v.whole("steps"), v.real("decay"));
            Algorithm::WhiteBox(Box::new(si_ni_fgsm(steps, decay, v.whole("scales"))))
        },
    },
    Row {
        name: "vmi-fgsm",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: 2,
        parameters: &[
            whole("steps", 10.0, 1e6),
            real("decay", 1.0, (0.0, 10.0)),
            whole("neighbours", 20.0, 1e4),
            real("reach", 1.5, (1e-6, 1e3)),
        ],
        paper: "Wang 2021, arXiv:2103.15571",
        build: |v| {
            let (steps, decay) = (v.whole("steps"), v.real("decay"));
            let (neighbours, reach) = (v.whole("neighbours"), v.real("reach"));
            Algorithm::WhiteBox(Box::new(vmi_fgsm(steps, decay, neighbours, reach, false)))
        },
    },
    Row {
        name: "vni-fgsm",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: LINF,
        least_classes: 2,
        parameters: &[
            whole("steps", 10.0, 1e6),
            real("decay", 1.0, (0.0, 10.0)),
            whole("neighbours", 20.0, 1e4),
            real("reach", 1.5, (1e-6, 1e3)),
        ],
        paper: "Wang 2021, arXiv:2103.15571",
        build: |v| {
            let (steps, decay) = (v.whole("steps"), v.real("decay"));
            let (neighbours, reach) = (v.whole("neighbours"), v.real("reach"));
            Algorithm::WhiteBox(Box::new(vmi_fgsm(steps, decay, neighbours, reach, true)))
        },
    },
    Row {
        name: "ti-fgsm",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: 2,
        parameters: &[
            whole("steps", 10.0, 1e6),
            real("decay", 1.0, (0.0, 10.0)),
            whole("radius", 7.0, 100.0),
        ],
        paper: "Dong 2019, arXiv:1904.02884",
        build: |v| {
            let (steps, decay) = (v.whole("steps"), v.real("decay"));
            Algorithm::WhiteBox(Box::new(ti_fgsm(steps, decay, v.whole("radius"))))
        },
    },
    Row {
        name: "apgd-ce",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: 2,
        parameters: &[whole("steps", 100.0, 1e6), whole("restarts", 1.0, 1e4)],
        paper: "Croce 2020, arXiv:2003.01690",
        build: |v| {
            let attack = apgd(Loss::CrossEntropy, v.whole("steps"), v.whole("restarts"));
            Algorithm::WhiteBox(Box::new(attack))
        },
    },
    Row {
        name: "apgd-dlr",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: Loss::Dlr.least_classes(),
        parameters: &[whole("steps", 100.0, 1e6), whole("restarts", 1.0, 1e4)],
        paper: "Croce 2020, arXiv:2003.01690",
        build: |v| {
            let attack = apgd(Loss::Dlr, v.whole("steps"), v.whole("restarts"));
            Algorithm::WhiteBox(Box::new(attack))
        },
    },
    Row {
        name: "apgd-t",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: Loss::TargetedDlr.least_classes(),
        parameters: &[whole("steps", 100.0, 1e6), whole("targets", 9.0, 1e4)],
        paper: "Croce 2020, arXiv:2003.01690",
        build: |v| {
            let attack = apgd(Loss::TargetedDlr, v.whole("steps"), v.whole("targets"));
            Algorithm::WhiteBox(Box::new(attack))
        },
    },
    Row {
        name: "fab-t",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: Loss::TargetedMargin.least_classes(),
        parameters: &[
            whole("steps", 100.0, 1e6),
            whole("targets", 9.0, 1e4),
            whole("restarts", 1.0, 1e4),
        ],
        paper: "Croce 2020, arXiv:1907.02044",
        build: |v| {
            Algorithm::WhiteBox(Box::new(Fab {
                steps: v.whole("steps"),
                targets: v.whole("targets"),
                restarts: v.whole("restarts"),
            }))
        },
    },
    Row {
        name: "deepfool",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: 2,
        parameters: &[
            whole("steps", 50.0, 1e6),
            whole("candidates", 9.0, 1e4),
            real("overshoot", 0.02, (0.0, 10.0)),
        ],
        paper: "Moosavi-Dezfooli 2016, arXiv:1511.04599",
        build: |v| {
            Algorithm::WhiteBox(Box::new(DeepFool {
                steps: v.whole("steps"),
                candidates: v.whole("candidates"),
                overshoot: v.real("overshoot"),
            }))
        },
    },
    Row {
        name: "cw",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: L2,
        least_classes: 2,
        parameters: &[
            whole("steps", 200.0, 1e6),
            whole("searches", 9.0, 100.0),
            real("rate", 0.01, (1e-6, 10.0)),
        ],
        paper: "Carlini 2017, arXiv:1608.04644",
        build: |v| {
            Algorithm::WhiteBox(Box::new(CarliniWagner {
                steps: v.whole("steps"),
                searches: v.whole("searches"),
                rate: v.real("rate"),
            }))
        },
    },
    Row {
        name: "ddn",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: L2,
        least_classes: 2,
        parameters: &[whole("steps", 100.0, 1e6), real("gamma", 0.05, (1e-4, 0.9))],
        paper: "Rony 2019, arXiv:1811.09600",
        build: |v| {
            Algorithm::WhiteBox(Box::new(Ddn {
                steps: v.whole("steps"),
                gamma: v.real("gamma"),
            }))
        },
    },
    Row {
        name: "fmn",
        technique: WHITE_BOX,
        access: Access::Gradients,
        norms: BOTH,
        least_classes: 2,
        parameters: &[whole("steps", 100.0, 1e6), real("gamma", 0.05, (1e-4, 0.9))],
        paper: "Pintor 2021, arXiv:2102.12827",
        build: |v| {
            Algorithm::WhiteBox(Box::new(Fmn {
                steps: v.whole("steps"),
                gamma: v.real("gamma"),
            }))
        },
    },
    Row {
        name: "square",
        technique: BLACK_BOX,
        access: Access::Scores,
        norms: BOTH,
        least_classes: 2,
        parameters: &[
            whole("queries", 1000.0, 1e7),
            real("schedule", 1.0, (1e-3, 1e3)),
        ],
        paper: "Andriushchenko 2020, arXiv:1912.00049",
        build: |v| {
            Algorithm::BlackBox(Box::new(Square {
                queries: v.whole("queries"),
                schedule: v.double("schedule"),
            }))
        },
    },
];

/// Every attack.
pub fn rows() -> &'static [Row] {
    ROWS
}

/// An attack that was asked for in a way that cannot be.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum AttackError {
    #[error("no attack is called `{name}`; there are {known}")]
    Unknown { name: String, known: String },
    #[error("no suite is called `{text}`; there are {known}")]
    Version { text: String, known: String },
    #[error("`{text}` in `{attack}`: write NAME:KEY=VALUE, for example pgd:steps=40:restarts=5")]
    Syntax { attack: String, text: String },
    #[error("{attack} has no parameter `{key}`; it has {known}")]
    Parameter {
        attack: &'static str,
        key: String,
        known: String,
    },
    #[error("{attack}: {key}={value} must be {wanted}")]
    Value {
        attack: &'static str,
        key: &'static str,
        value: String,
        wanted: String,
    },
}

/// Parses one attack, `NAME[:KEY=VALUE]...`, for example `apgd-ce:steps=100:restarts=5`.
pub fn parse(text: &str) -> Result<Attack, AttackError> {
    let mut words = text.split(':');
    let name = words.next().unwrap_or_default().trim();
    let row = ROWS
        .iter()
        .find(|row| row.name == name)
        .ok_or_else(|| AttackError::Unknown {
            name: name.into(),
            known: list(ROWS.iter().map(|row| row.name).chain(["autoattack"])),
        })?;
    let mut values = Values::defaults(row);
    for word in words {
        let (key, value) = word.split_once('=').ok_or_else(|| AttackError::Syntax {
            attack: text.into(),
            text: word.into(),
        })?;
        values.set(row, key.trim(), value.trim())?;
    }
    Ok(Attack::new(row, values))
}

#[derive(Clone)]
struct Values(BTreeMap<&'static str, f64>);

impl Values {
    fn defaults(row: &Row) -> Self {
        Self(row.parameters.iter().map(|p| (p.name, p.default)).collect())
    }

    fn set(&mut self, row: &Row, key: &str, text: &str) -> Result<(), AttackError> {
        let parameter = row
            .parameters
            .iter()
            .find(|p| p.name == key)
            .ok_or_else(|| {
                let known = list(row.parameters.iter().map(|p| p.name));
                AttackError::Parameter {
                    attack: row.name,
                    key: key.into(),
                    known: if known.is_empty() {
                        "none".into()
                    } else {
                        known
                    },
                }
            })?;
        let (least, most) = parameter.range;
        let value = text
            .parse::<f64>()
            .ok()
            .filter(|v| (least..=most).contains(v) && (!parameter.whole || v.fract() == 0.0));
        let value = value.ok_or_else(|| AttackError::Value {
            attack: row.name,
            key: parameter.name,
            value: text.into(),
            wanted: format!(
                "a {}number from {least} to {most}",
                if parameter.whole { "whole " } else { "" }
            ),
        })?;
        self.0.insert(parameter.name, value);
        Ok(())
    }

    fn double(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    fn real(&self, name: &str) -> f32 {
        self.double(name) as f32
    }

    fn whole(&self, name: &str) -> usize {
        self.double(name) as usize
    }

    fn describe(&self, row: &Row) -> String {
        list(row.parameters.iter().map(|p| {
            let value = self.double(p.name);
            match (p.whole, value == 1.0) {
                (true, true) => format!("1 {}", singular(p.name)),
                (true, false) => format!("{value} {}", p.name),
                (false, _) => format!("{} {value}", p.name),
            }
        }))
    }
}

fn singular(plural: &str) -> &str {
    match plural {
        "queries" => "query",
        other => other.strip_suffix('s').unwrap_or(other),
    }
}

fn list<T: Into<String>>(words: impl Iterator<Item = T>) -> String {
    words.map(Into::into).collect::<Vec<String>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_defaults_are_allowed() {
        for (i, row) in ROWS.iter().enumerate() {
            assert!(ROWS[..i].iter().all(|other| other.name != row.name));
            let attack = parse(row.name).unwrap();
            let white = matches!(attack.algorithm, Algorithm::WhiteBox(_));
            assert_eq!(white, row.access == Access::Gradients, "{}", row.name);
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
            attack.doubled().unwrap().to_string(),
            "apgd-ce (100 steps, 5 restarts)"
        );
        assert!(parse("fgsm").unwrap().doubled().is_none());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |text: &str| parse(text).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(message("pgdd").contains("`pgdd`"));
        assert!(message("pgd:steps").contains("KEY=VALUE"));
        assert!(message("pgd:stepz=3").contains("`stepz`"));
        for text in [
            "pgd:steps=0",
            "pgd:steps=1.5",
            "pgd:steps=x",
            "pgd:step=nan",
            "pgd:step=-1",
        ] {
            assert!(message(text).contains("must be"), "{text}");
        }
        assert!(message("fgsm:steps=1").contains("none"));
    }
}
