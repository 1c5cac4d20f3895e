//! Attacks from scores alone.

pub mod bandits;
pub mod nes;
pub mod one_pixel;
pub mod simba;
pub mod spsa;
pub mod square;
pub mod wasserstein_square;
pub mod zoo;

use scoville_kernels::{Array, Loss, head};
use scoville_targets::Scores;

use crate::search::gather_in_place;
use crate::{Error, Search};

/// Queries the target at `x`, offers it, and returns how far each label leads.
fn ask(x: &Array, search: &mut Search<'_>, target: &dyn Scores) -> Result<Array, Error> {
    let answer = head(&target.scores(x)?, &search.y, Loss::Margin)?;
    search.offer(x, &answer.predicted)?;
    Ok(answer.margin)
}

/// Queries the target at points that need not lie in the ball: how far each label is behind.
fn behind(x: &Array, search: &Search<'_>, target: &dyn Scores) -> Result<Array, Error> {
    search.heed_stop()?;
    Ok(head(&target.scores(x)?, &search.y, Loss::Margin)?.loss)
}

/// Takes finished samples out of the batch and out of the attack's `state`. Whether every sample is finished.
fn compact(search: &mut Search<'_>, state: &mut [&mut Array]) -> Result<bool, Error> {
    let Some(rows) = search.compact()? else {
        return Ok(search.is_done());
    };
    if search.is_done() {
        return Ok(true);
    }
    for array in state {
        gather_in_place(array, &rows)?;
    }
    Ok(false)
}
