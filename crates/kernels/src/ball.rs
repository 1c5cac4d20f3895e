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
    /// How many elements are changed. It is no norm, but is called one.
    L0,
    /// How much of an image's mass is moved, and how many pixels far: the least L1 length of a flow between neighbouring
    /// pixels that makes the change, over the sum of the clean image's values.
    Wasserstein,
}

impl FromStr for Norm {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "linf" => Ok(Norm::Linf),
            "l2" => Ok(Norm::L2),
            "l1" => Ok(Norm::L1),
            "l0" => Ok(Norm::L0),
            "wasserstein" => Ok(Norm::Wasserstein),
            _ => Err(Error::Unknown {
                what: "norm",
                got: name.into(),
                expected: "linf, l2, l1, l0 or wasserstein",
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
            Norm::L0 => "l0",
            Norm::Wasserstein => "wasserstein",
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

impl Ball {
    /// The least and the largest value that an element may have in the Linf ball about `x0` and in the range.
    #[inline(always)]
    pub(crate) fn interval(&self, x0: f32) -> (f32, f32) {
        let in_range = |v| nearest_in(v, self.lo, self.hi);
        (in_range(x0 - self.eps), in_range(x0 + self.eps))
    }

    /// An error for a kernel that looks at one element after the other, where distances are not made of such.
    pub(crate) fn expect_elementwise(&self, kernel: &'static str) -> Result<(), Error> {
        match self.norm {
            Norm::Wasserstein => Err(self.unknown_to(kernel)),
            _ => Ok(()),
        }
    }

    /// The same for a kernel that needs a convex ball as well.
    pub(crate) fn expect_convex(&self, kernel: &'static str) -> Result<(), Error> {
        match self.norm {
            Norm::L0 => Err(self.unknown_to(kernel)),
            _ => self.expect_elementwise(kernel),
        }
    }

    fn unknown_to(&self, kernel: &'static str) -> Error {
        Error::Norm {
            kernel,
            norm: self.norm,
        }
    }
}

/// The nearest number in `[lo, hi]`, `lo` for NaN. Each side is one instruction; `f32::max` and `f32::min` take three.
#[inline(always)]
pub(crate) fn nearest_in(v: f32, lo: f32, hi: f32) -> f32 {
    let v = if v > lo { v } else { lo };
    if v < hi { v } else { hi }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_refuses_what_it_does_not_know() {
        let ball = |norm| Ball {
            norm,
            eps: 1.0,
            lo: 0.0,
            hi: 1.0,
        };
        assert!(ball(Norm::L1).expect_convex("step").is_ok());
        let error = ball(Norm::L0).expect_convex("step").unwrap_err();
        assert_eq!(error.to_string(), "step cannot be done in l0");
        assert!(ball(Norm::L0).expect_elementwise("valid").is_ok());
        let error = ball(Norm::Wasserstein).expect_convex("step").unwrap_err();
        assert_eq!(error.to_string(), "step cannot be done in wasserstein");
    }

    #[test]
    fn names_round_trip() {
        for norm in [Norm::Linf, Norm::L2, Norm::L1, Norm::L0, Norm::Wasserstein] {
            assert_eq!(norm.to_string().parse::<Norm>().unwrap(), norm);
        }
        let error = "l3".parse::<Norm>().unwrap_err().to_string();
        let expected = "unknown norm `l3`: expected linf, l2, l1, l0 or wasserstein";
        assert_eq!(error, expected);
    }
}
