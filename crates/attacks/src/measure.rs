//! What budgets count.

use std::fmt;

use scoville_kernels::Norm;

/// What the budget of an attack may be counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// The radius of a ball, in one of these norms.
    Ball(&'static [Norm]),
    /// The severity of a corruption of images, from 1 to 5.
    Severity,
    /// Words of a text that are changed.
    Edits,
}

impl Budget {
    /// The norms of its balls; none where there is no ball.
    pub fn norms(self) -> &'static [Norm] {
        match self {
            Budget::Ball(norms) => norms,
            Budget::Severity | Budget::Edits => &[],
        }
    }

    /// Whether it can be counted in `measure`.
    pub fn allows(self, measure: Measure) -> bool {
        match measure {
            Measure::Norm(norm) => self.norms().contains(&norm),
            Measure::Severity => self == Budget::Severity,
            Measure::Edits | Measure::Share => self == Budget::Edits,
        }
    }

    /// What it is counted in where balls are in `norm`.
    pub fn measure(self, norm: Norm) -> Measure {
        match self {
            Budget::Ball(_) => Measure::Norm(norm),
            Budget::Severity => Measure::Severity,
            Budget::Edits => Measure::Edits,
        }
    }
}

/// What the budgets of a run count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Radii of balls.
    Norm(Norm),
    Severity,
    /// Words of a text that are changed.
    Edits,
    /// The same as a share of all its words, of which one is always allowed.
    Share,
}

impl Measure {
    /// The norm of the balls. Severities pass through the driver as radii of Linf balls, which hold every image from 1 on.
    pub fn norm(self) -> Norm {
        match self {
            Measure::Norm(norm) => norm,
            Measure::Severity | Measure::Edits | Measure::Share => Norm::Linf,
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Measure::Norm(norm) => norm.fmt(f),
            Measure::Severity => f.write_str("severity"),
            Measure::Edits => f.write_str("edits"),
            Measure::Share => f.write_str("share"),
        }
    }
}
