//! The attacks, one a file, and the driver that judges them.
//!
//! An attack proposes; the [`driver`] projects what it proposes into the ball, asks the target again about the stored
//! f32 sample, and only then counts a success. Gradient attacks are values of a few [`parts`] (loss x start x rule x
//! schedule), not copies of one loop. To add an attack: one file, one row in the [`registry`].

mod abreast;
mod constraints;
mod counted;
pub mod driver;
pub mod evasion;
mod goal;
mod measure;
pub mod parts;
pub mod projection;
pub mod registry;
mod search;
pub mod suite;
#[cfg(test)]
mod tables_tests;
pub mod text;
mod transport;

use std::ops::Range;

pub use abreast::abreast;
pub use constraints::{Constraints, Element};
pub use driver::{Problem, Structure, Success, black_box, labels_only, white_box};
pub use goal::Goal;
pub use measure::{Budget, Measure};
pub use registry::{
    Access, Algorithm, Attack, AttackError, EOT, PREFIX, Parameter, Row, TRANSFER, TRANSFERRED,
    parse, rows,
};
pub use search::Search;
pub use suite::{Suite, parse_all, suites};

use scoville_targets::{Gradients, Labels, Scores};

/// An attack did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Target(#[from] scoville_targets::Error),
    #[error(transparent)]
    Kernel(#[from] scoville_kernels::Error),
    /// The attack reads trees.
    #[error("the model does not consist of decision trees that an attack could read")]
    NoTrees,
    #[error("{0} runs on a surrogate, and none was given")]
    NoSurrogate(String),
    /// Somebody asked to stop; the batch in hand is discarded.
    #[error("interrupted")]
    Interrupted,
    #[error("an attack on text cannot run on numbers, nor one on numbers on text")]
    Kind,
}

impl Error {
    /// Whether a smaller batch may help.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Error::Target(error) => error.is_out_of_memory(),
            Error::Kernel(error) => error.is_out_of_memory(),
            Error::NoTrees | Error::NoSurrogate(_) | Error::Interrupted | Error::Kind => false,
        }
    }
}

/// An attack that needs input gradients (ATLAS AML.T0044, full model access).
pub trait WhiteBox: Send + Sync {
    /// Proposes candidates to `search` until its budget is spent or every sample is finished.
    fn run(&self, search: &mut Search<'_>, target: &dyn Gradients) -> Result<(), Error>;

    /// Its restarts on a target of so many classes: what one finds does not depend on the others.
    fn restarts(&self, classes: usize) -> usize {
        let _ = classes;
        1
    }

    /// The same as [`run`](Self::run), for some of the restarts.
    fn run_some(
        &self,
        restarts: Range<usize>,
        search: &mut Search<'_>,
        target: &dyn Gradients,
    ) -> Result<(), Error> {
        match restarts.contains(&0) {
            true => self.run(search, target),
            false => Ok(()),
        }
    }

    /// Whether it seeks the nearest adversarial point, whatever the radius of the ball: one run serves every eps.
    fn is_minimal(&self) -> bool {
        false
    }

    /// Whether it learns from its samples together, and so does better with more of them.
    fn is_universal(&self) -> bool {
        false
    }

    /// Whether it can be led towards a class, and not away from the clean answer alone.
    fn has_aim(&self) -> bool {
        true
    }
}

/// An attack that needs scores alone (ATLAS AML.T0040, inference API access).
pub trait BlackBox: Send + Sync {
    /// Proposes candidates to `search` until its budget is spent or every sample is finished.
    fn run(&self, search: &mut Search<'_>, target: &dyn Scores) -> Result<(), Error>;

    /// See [`WhiteBox::is_minimal`].
    fn is_minimal(&self) -> bool {
        false
    }
}

/// An attack that needs the predicted class alone (ATLAS AML.T0040, inference API access).
pub trait LabelsOnly: Send + Sync {
    /// Proposes candidates to `search` until its budget is spent or every sample is finished.
    fn run(&self, search: &mut Search<'_>, target: &dyn Labels) -> Result<(), Error>;

    /// See [`WhiteBox::is_minimal`].
    fn is_minimal(&self) -> bool {
        false
    }
}

/// An attack that reads the trees of an ensemble (ATLAS AML.T0044, full model access). It seeks the nearest adversarial
/// point: one run serves every eps.
pub trait TreeAttack: Send + Sync {
    /// Proposes candidates to `search`; the target has the last word on each.
    fn run(
        &self,
        search: &mut Search<'_>,
        target: &dyn Labels,
        structure: &Structure<'_>,
    ) -> Result<(), Error>;

    /// The most trees that it takes.
    fn most_trees(&self) -> usize {
        usize::MAX
    }
}
