//! The samples that an attack is still working on, on the device.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use scoville_kernels::{
    Array, Ball, Device, Image, Word, claim, claim_at, distance_rows, gather, is_class, keep_lower,
    select,
};

use crate::Error;
use crate::constraints::{Constraints, Limits};
use crate::counted::{Count, Counted};

/// On a GPU the host looks at the found flags this often; on the CPU looking costs nothing.
const GPU_CHECK_EVERY: usize = 10;

/// What f32 may add to the distance of a point on the ball's surface.
const ROUNDING: f32 = 1e-6;

/// Which of the points that an attack offers the driver asks the target about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The first that is misclassified; its sample is finished.
    First,
    /// The last that is misclassified, or the last of all where none is. No sample finishes early: what fools a
    /// surrogate only just fools no other model.
    Last,
}

/// One attack's view of its batch: the clean samples still running, where they lie, and a place to hand in finds.
///
/// An attack calls [`offer`](Self::offer) with every answer that it gets and [`compact`](Self::compact) once an
/// iteration; when `compact` returns rows, the attack gathers its own state with them.
pub struct Search<'a> {
    /// The feasible set round each clean sample.
    pub ball: Ball,
    /// Seed of this attack's randomness; streams are told apart by sample id.
    pub seed: u64,
    /// How a row is laid out, for attacks that use the image's geometry.
    pub image: Image,
    /// Clean samples, `running x sample_len`.
    pub x0: Array,
    /// Labels, `running x 1`.
    pub y: Array<u32>,
    /// Stable sample ids, `running x 1`: random numbers depend on these, never on the place in a batch.
    pub ids: Array<u32>,
    /// The place of each running row in the batch that the driver gave.
    rows: Vec<usize>,
    count: Rc<Count>,
    /// For each row how often the target had been asked when it was found, 0 before.
    found: Array<u32>,
    adversarial: Array,
    /// How far the kept point of each row is from the clean sample; for [`offer_nearer`](Self::offer_nearer).
    nearest: Array,
    finished: Vec<Candidate>,
    keep: Keep,
    calls: usize,
    pub(crate) constraints: Option<&'a Constraints>,
    stop: &'a AtomicBool,
}

/// A point that an attack handed in.
pub(crate) struct Candidate {
    /// Its row in the driver's batch.
    pub row: usize,
    /// How often the target had been asked about the sample when a point in the ball was first found.
    pub asked: u32,
    pub x: Vec<f32>,
}

impl<'a> Search<'a> {
    pub(crate) fn new(
        (x0, y, ids): (Array, Array<u32>, Array<u32>),
        ball: Ball,
        seed: u64,
        image: Image,
        keep: Keep,
        limits: Option<Limits>,
        stop: &'a AtomicBool,
    ) -> Result<Self, Error> {
        let (n, cols, device) = (x0.rows(), x0.cols(), x0.device());
        let search = Self {
            ball,
            seed,
            image,
            rows: (0..n).collect(),
            count: Rc::new(Count::new(limits)),
            found: Array::zeros(&device, n, 1)?,
            adversarial: match keep {
                Keep::First => Array::zeros(&device, n, cols)?,
                Keep::Last => x0.copy()?,
            },
            nearest: Array::filled(&device, n, 1, ball.eps * (1.0 + ROUNDING))?,
            finished: Vec::new(),
            keep,
            calls: 0,
            constraints: None,
            x0,
            y,
            ids,
            stop,
        };
        search.count.running.set(n);
        Ok(search)
    }

    /// `target`, counting what it is asked for this search.
    pub(crate) fn counted<'t, T: ?Sized>(&self, target: &'t T) -> Counted<'t, T> {
        Counted {
            target,
            count: self.count.clone(),
        }
    }

    /// The device that the samples lie on.
    pub fn device(&self) -> Device {
        self.x0.device()
    }

    /// Samples still in the batch.
    pub fn running(&self) -> usize {
        self.rows.len()
    }

    /// Whether every sample is finished.
    pub fn is_done(&self) -> bool {
        self.rows.is_empty()
    }

    /// Hands in the target's answers at `x`: rows that are misclassified for the first time are kept. Nothing is read
    /// back.
    pub fn offer(&mut self, x: &Array, predicted: &Array<u32>) -> Result<(), Error> {
        let valid = self.count.valid(x)?;
        let x = valid.as_ref().unwrap_or(x);
        if self.keep == Keep::Last {
            let none_yet = is_class(&self.found, 0)?;
            select(&mut self.adversarial, x, &none_yet)?;
            let wrong = self.wrong(predicted)?;
            select(&mut self.adversarial, x, &wrong)?;
        }
        let asked = self.count.asked().max(1);
        let first = claim_at(&mut self.found, predicted, &self.y, asked)?;
        Ok(select(&mut self.adversarial, x, &first)?)
    }

    /// The mask of the rows that are misclassified.
    fn wrong(&self, predicted: &Array<u32>) -> Result<Array<u32>, Error> {
        let mut none = Array::zeros(&self.device(), self.running(), 1)?;
        Ok(claim(&mut none, predicted, &self.y)?)
    }

    /// Hands in the target's answers at `x`: of all misclassified points of a row within the ball the nearest is kept.
    /// Gives the mask of the rows that are misclassified at `x`, near or far. Nothing is read back.
    pub fn offer_nearer(&mut self, x: &Array, predicted: &Array<u32>) -> Result<Array<u32>, Error> {
        let valid = self.count.valid(x)?;
        let x = valid.as_ref().unwrap_or(x);
        let wrong = self.wrong(predicted)?;
        let mut distance = Array::filled(&self.device(), self.running(), 1, f32::MAX)?;
        let here = distance_rows(x, &self.x0, self.ball.norm.try_into()?)?;
        select(&mut distance, &here, &wrong)?;
        let nearer = keep_lower(&mut self.nearest, &distance)?;
        select(&mut self.adversarial, x, &nearer)?;
        let mut inside = self.y.copy()?;
        select(&mut inside, predicted, &nearer)?;
        claim_at(&mut self.found, &inside, &self.y, self.count.asked().max(1))?;
        Ok(wrong)
    }

    /// What may become of a sample, where not everything within ball and range.
    pub fn constraints(&self) -> Option<&'a Constraints> {
        self.constraints
    }

    /// Moves `x` into the range that each element may have, where a sample's own is narrower than the ball's.
    pub(crate) fn confine(&self, x: &mut Array) -> Result<(), Error> {
        if let Some(limits) = &self.count.limits {
            *x = limits.boxed(x)?;
        }
        Ok(())
    }

    /// Takes finished samples out of the batch, when it is worth it. Returns the rows that stay, for the attack to
    /// [`gather`](gather()) its own state; `None` when nothing changed.
    pub fn compact(&mut self) -> Result<Option<Array<u32>>, Error> {
        self.calls += 1;
        let gpu = self.device().is_gpu();
        if gpu && !self.calls.is_multiple_of(GPU_CHECK_EVERY) {
            return self.heed_stop().map(|()| None);
        }
        // On a GPU a slightly smaller batch is no faster: wait until a quarter is finished.
        self.take_out(if gpu { self.running().div_ceil(4) } else { 1 })
    }

    /// Takes every finished sample out: between restarts, when the attack has no state to gather.
    pub fn settle(&mut self) -> Result<(), Error> {
        self.take_out(1).map(|_| ())
    }

    /// An error when somebody asked to stop; [`compact`](Self::compact) heeds it, too.
    pub fn heed_stop(&self) -> Result<(), Error> {
        if self.stop.load(Ordering::Relaxed) {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    }

    /// Takes finished samples out if there are at least so many.
    fn take_out(&mut self, least: usize) -> Result<Option<Array<u32>>, Error> {
        self.heed_stop()?;
        if self.keep == Keep::Last {
            return Ok(None);
        }
        let found = self.found.to_vec()?;
        let hits = found.iter().filter(|&&f| f != 0).count();
        if hits >= least.max(1) {
            self.retire(&found).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Takes the samples out for which `keep` is 0, found or not. Returns the rows that stay.
    pub(crate) fn give_up(&mut self, keep: &Array<u32>) -> Result<Array<u32>, Error> {
        let gone: Vec<bool> = keep.to_vec()?.into_iter().map(|keep| keep == 0).collect();
        let found = self.found.to_vec()?;
        self.part_with(&gone, &found)
    }

    fn retire(&mut self, found: &[u32]) -> Result<Array<u32>, Error> {
        let gone: Vec<bool> = found.iter().map(|&found| found != 0).collect();
        self.part_with(&gone, found)
    }

    fn part_with(&mut self, gone: &[bool], found: &[u32]) -> Result<Array<u32>, Error> {
        self.collect(gone, found)?;
        let keep = staying(gone);
        self.rows = keep.iter().map(|&i| self.rows[i]).collect();
        self.count.running.set(self.rows.len());
        let keep: Vec<u32> = keep.into_iter().map(|i| i as u32).collect();
        let keep = Array::from_vec(&self.device(), keep.len(), 1, keep)?;
        gather_in_place(&mut self.x0, &keep)?;
        gather_in_place(&mut self.y, &keep)?;
        gather_in_place(&mut self.ids, &keep)?;
        gather_in_place(&mut self.adversarial, &keep)?;
        gather_in_place(&mut self.nearest, &keep)?;
        gather_in_place(&mut self.found, &keep)?;
        if let Some(limits) = &self.count.limits {
            limits.gather(&keep)?;
        }
        Ok(keep)
    }

    /// Keeps the candidates of the samples that are gone.
    fn collect(&mut self, gone: &[bool], found: &[u32]) -> Result<(), Error> {
        let hits: Vec<u32> = (0u32..)
            .zip(gone.iter().zip(found))
            .filter(|(_, (gone, found))| **gone && (**found != 0 || self.keep == Keep::Last))
            .map(|(row, _)| row)
            .collect();
        if hits.is_empty() {
            return Ok(());
        }
        let rows = Array::from_vec(&self.device(), hits.len(), 1, hits.clone())?;
        let candidates = gather(&self.adversarial, &rows)?.to_vec()?;
        let candidates = candidates.chunks_exact(self.adversarial.cols());
        for (row, candidate) in hits.into_iter().zip(candidates) {
            self.finished.push(Candidate {
                row: self.rows[row as usize],
                asked: found[row as usize],
                x: candidate.to_vec(),
            });
        }
        Ok(())
    }

    /// Every candidate handed in.
    pub(crate) fn into_candidates(mut self) -> Result<Vec<Candidate>, Error> {
        let found = self.found.to_vec()?;
        self.collect(&vec![true; found.len()], &found)?;
        self.finished.sort_unstable_by_key(|c| c.row);
        Ok(self.finished)
    }
}

/// The rows that are not gone, the last ones in the places of those that are: on the CPU only these move.
fn staying(gone: &[bool]) -> Vec<usize> {
    let count = gone.iter().filter(|&&gone| !gone).count();
    let mut last = (count..gone.len()).filter(|&row| !gone[row]);
    (0..count)
        .filter_map(|row| if gone[row] { last.next() } else { Some(row) })
        .collect()
}

/// Replaces `array` by its `rows`.
pub(crate) fn gather_in_place<T: Word>(
    array: &mut Array<T>,
    rows: &Array<u32>,
) -> Result<(), Error> {
    Ok(scoville_kernels::gather_in_place(array, rows)?)
}

#[cfg(test)]
mod tests {
    use super::staying;

    #[test]
    fn the_last_rows_take_the_places_of_those_that_are_gone() {
        let table: [(&[u8], &[usize]); 7] = [
            (&[], &[]),
            (&[1], &[]),
            (&[0, 0, 0], &[0, 1, 2]),
            (&[0, 1, 0], &[0, 2]),
            (&[1, 0, 0, 1], &[2, 1]),
            (&[1, 1, 0, 0, 0], &[3, 4, 2]),
            (&[0, 0, 1, 1], &[0, 1]),
        ];
        for (gone, expected) in table {
            let gone: Vec<bool> = gone.iter().map(|&gone| gone == 1).collect();
            assert_eq!(staying(&gone), expected, "{gone:?}");
        }
    }
}
