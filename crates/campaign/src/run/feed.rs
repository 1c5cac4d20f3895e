//! How many samples go to the device at once.

use std::ops::Range;

use crate::Error;

/// Most batches of a round: samples that the attacks leave over run together, and an interrupt throws away no more.
const ROUND: usize = 4;

/// Samples a batch: as planned, until memory runs out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Feed {
    batch: usize,
    /// The most that memory is known to hold.
    pub room: usize,
}

impl Feed {
    pub fn new(batch: usize) -> Self {
        Self {
            batch: batch.max(1),
            room: usize::MAX,
        }
    }

    /// Samples of the round after `done`: as many as before it, so that the first results come soon, in whole batches.
    pub fn round(&self, done: usize) -> usize {
        self.batch * (done / self.batch).clamp(1, ROUND)
    }

    /// Runs `n` samples in batches of equal size. One that memory does not hold is run again in halves, and no later one is
    /// as large.
    pub fn each(
        &mut self,
        n: usize,
        mut run: impl FnMut(Range<usize>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut at = 0;
        while at < n {
            let left = n - at;
            let size = left.div_ceil(left.div_ceil(self.batch.min(self.room)));
            match run(at..at + size) {
                Err(error) if size > 1 && error.is_out_of_memory() => self.room = size.div_ceil(2),
                done => {
                    done?;
                    at += size;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn too_large() -> Error {
        scoville_kernels::Error::TooLarge { bytes: 2, limit: 1 }.into()
    }

    /// What reaches the device, where it holds `room` samples.
    fn fed(feed: &mut Feed, n: usize, room: usize) -> Result<Vec<Range<usize>>, Error> {
        let mut seen = Vec::new();
        feed.each(n, |rows| match rows.len() > room {
            true => Err(too_large()),
            false => {
                seen.push(rows);
                Ok(())
            }
        })?;
        Ok(seen)
    }

    #[test]
    fn batches_are_equal_and_cover_all_samples_once() {
        for (n, batch) in [(0, 8), (1, 8), (8, 8), (9, 8), (100, 7), (5, 0)] {
            let batches = fed(&mut Feed::new(batch), n, usize::MAX).unwrap();
            let rows: Vec<usize> = batches.iter().cloned().flatten().collect();
            assert_eq!(rows, (0..n).collect::<Vec<_>>());
            let sizes = batches.iter().map(ExactSizeIterator::len);
            let (least, most) = (sizes.clone().min(), sizes.max());
            assert!(most <= Some(batch.max(1)) && most.unwrap_or(0) <= least.unwrap_or(0) + 1);
        }
    }

    #[test]
    fn a_batch_is_halved_until_it_fits_and_stays_so() {
        let mut feed = Feed::new(128);
        let batches = fed(&mut feed, 100, 30).unwrap();
        assert_eq!(batches.iter().cloned().flatten().count(), 100);
        assert_eq!(feed.room, 25);
        assert_eq!(fed(&mut feed, 60, 30).unwrap(), [0..20, 20..40, 40..60]);
    }

    #[test]
    fn one_sample_that_does_not_fit_is_an_error() {
        assert!(
            fed(&mut Feed::new(16), 5, 0)
                .unwrap_err()
                .is_out_of_memory()
        );
        let other = Feed::new(4).each(4, |_| Err(scoville_attacks::Error::Interrupted.into()));
        assert!(!other.unwrap_err().is_out_of_memory());
    }

    #[test]
    fn rounds_grow_with_what_is_done() {
        let feed = Feed::new(10);
        let rounds: Vec<usize> = [0, 10, 20, 40, 80, 1000]
            .map(|done| feed.round(done))
            .into();
        assert_eq!(rounds, [10, 10, 20, 40, 40, 40]);
    }
}
