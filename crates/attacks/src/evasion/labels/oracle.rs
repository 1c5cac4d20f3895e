//! A target that answers so many queries a sample and no more.

use scoville_kernels::Array;
use scoville_targets::Labels;

use crate::{Error, Search};

/// Why an attack's loop ends.
pub(super) enum Halt {
    /// The budget is spent, or no sample is left.
    Spent,
    Error(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Halt::Error(error)
    }
}

impl From<scoville_kernels::Error> for Halt {
    fn from(error: scoville_kernels::Error) -> Self {
        Halt::Error(error.into())
    }
}

/// The target with what is left of the budget. Every point that it is asked about is offered to the search.
pub(super) struct Oracle<'a, 's> {
    pub search: &'a mut Search<'s>,
    target: &'a dyn Labels,
    left: usize,
}

impl<'a, 's> Oracle<'a, 's> {
    /// Runs `attack` until `queries` queries a sample are spent.
    pub fn spend(
        queries: usize,
        search: &'a mut Search<'s>,
        target: &'a dyn Labels,
        attack: impl FnOnce(&mut Self) -> Result<(), Halt>,
    ) -> Result<(), Error> {
        let mut oracle = Self {
            search,
            target,
            left: queries,
        };
        match attack(&mut oracle) {
            Ok(()) | Err(Halt::Spent) => Ok(()),
            Err(Halt::Error(error)) => Err(error),
        }
    }

    /// The mask (n x 1) of the rows that are misclassified at `x`. One query.
    pub fn wrong(&mut self, x: &Array) -> Result<Array<u32>, Halt> {
        if self.left == 0 || self.search.is_done() {
            return Err(Halt::Spent);
        }
        self.left -= 1;
        self.search.heed_stop()?;
        let predicted = self.target.labels(x).map_err(Error::from)?;
        Ok(self.search.offer_nearer(x, &predicted)?)
    }
}
