//! The feasible set of an evasion attack: a norm ball cut with the input range.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// The norm that measures a perturbation, over one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Norm {
    /// The largest absolute change of an element.
    Linf,
    /// The Euclidean length of the change.
    L2,
    /// The sum of the absolute changes.
    L1,
}

impl FromStr for Norm {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "linf" => Ok(Norm::Linf),
            "l2" => Ok(Norm::L2),
            "l1" => Ok(Norm::L1),
            _ => Err(Error::Unknown {
                what: "norm",
                got: name.into(),
                expected: "linf, l2 or l1",
            }),
        }
    }
}

impl fmt::Display for Norm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Norm::Linf => "linf",
            Norm::L2 => "l2",
            Norm::L1 => "l1",
        })
    }
}

/// All `x` with `|x - x0| <= eps` in `norm` and `lo <= x <= hi` in every element.
///
/// `x0` itself must lie in `[lo, hi]`; then clipping after projecting stays in the ball.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ball {
    pub norm: Norm,
    /// Radius, in the units of the input.
    pub eps: f32,
    pub lo: f32,
    pub hi: f32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for norm in [Norm::Linf, Norm::L2, Norm::L1] {
            assert_eq!(norm.to_string().parse::<Norm>().unwrap(), norm);
        }
        let error = "l3".parse::<Norm>().unwrap_err().to_string();
        assert_eq!(error, "unknown norm `l3`: expected linf, l2 or l1");
    }
}
