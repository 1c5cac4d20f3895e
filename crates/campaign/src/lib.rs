//! Plan a run, run it, and say what happens.
//!
//! [`Plan`] groups attacks by ATLAS technique over a ladder of budgets. [`run`](run::run) takes the samples batch by
//! batch through every technique and rung, so that all rates sharpen together and a reader may stop at any moment.

mod batch;
mod clean;
mod evidence;
mod field;
mod gate;
mod order;
mod plan;
mod run;
mod tally;

pub use batch::automatic as automatic_batch;
pub use gate::{FailOn, FailOnError};
pub use order::set_aside;
pub use plan::{EVASION, Plan, PlanError, TechniquePlan};
pub use run::{Emit, Finished, Manifest, run, run_texts};

use std::io::ErrorKind;

use scoville_kernels::Device;

/// A run that could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Attack(#[from] scoville_attacks::Error),
    #[error(transparent)]
    Data(#[from] scoville_data::Error),
    #[error("cannot write the results: {0}")]
    Output(#[from] std::io::Error),
    #[error("no device to run on")]
    NoDevice,
    #[error("cannot start a thread: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    #[error("device {number} of the list, {device}: {cause}")]
    Device {
        number: usize,
        device: String,
        cause: Box<Error>,
    },
    #[error(
        "the model's weights changed during the run (SHA-256 {before} before, {after} after): the results are void; \
         please report this as a bug"
    )]
    WeightsChanged { before: String, after: String },
}

impl Error {
    /// Whether a smaller batch may help.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Error::Attack(error) => error.is_out_of_memory(),
            Error::Device { cause, .. } => cause.is_out_of_memory(),
            _ => false,
        }
    }

    /// Whether who read the events has left.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Error::Output(error) if error.kind() == ErrorKind::BrokenPipe)
    }

    /// Whether somebody stopped the run.
    fn is_interrupt(&self) -> bool {
        matches!(self, Error::Attack(scoville_attacks::Error::Interrupted))
    }

    /// Says which device of several failed, where it was a device: the one at `at`.
    fn on_device(self, at: usize, device: &Device) -> Error {
        match self {
            Error::Attack(_) if !self.is_interrupt() => Error::Device {
                number: at + 1,
                device: format!("{device:?}"),
                cause: Box::new(self),
            },
            other => other,
        }
    }
}

impl From<scoville_targets::Error> for Error {
    fn from(error: scoville_targets::Error) -> Self {
        Error::Attack(error.into())
    }
}

impl From<scoville_kernels::Error> for Error {
    fn from(error: scoville_kernels::Error) -> Self {
        Error::Attack(error.into())
    }
}
