//! Batches that wait for a device.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Error;

/// `0..n` in `parts` ranges whose lengths differ by at most one.
pub(super) fn equal_parts(n: usize, parts: usize) -> VecDeque<Range<usize>> {
    let bound = |i: usize| (n as u128 * i as u128 / parts.max(1) as u128) as usize;
    (0..parts).map(|i| bound(i)..bound(i + 1)).collect()
}

/// Batches that wait for a device, and what came of the others.
pub(super) struct Queue<T>(Mutex<State<T>>);

struct State<T> {
    waiting: VecDeque<Range<usize>>,
    done: Vec<(Range<usize>, T)>,
    failure: Option<Error>,
}

impl<T> Queue<T> {
    pub fn new(waiting: VecDeque<Range<usize>>) -> Self {
        Queue(Mutex::new(State {
            waiting,
            done: Vec::new(),
            failure: None,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What one lane does until nothing waits or something failed.
    pub fn work(
        &self,
        room: &AtomicUsize,
        most: usize,
        stop: &AtomicBool,
        run: impl Fn(Range<usize>) -> Result<T, Error>,
    ) {
        while let Some(range) = self.next(most.min(room.load(Ordering::Relaxed))) {
            match run(range.clone()) {
                Ok(result) => self.lock().done.push((range, result)),
                Err(error) if range.len() > 1 && error.is_out_of_memory() => {
                    room.fetch_min(range.len().div_ceil(2), Ordering::Relaxed);
                    self.lock().waiting.push_front(range);
                }
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    self.lock().fail(error);
                }
            }
        }
    }

    /// The next batch, or as much of it as fits.
    fn next(&self, room: usize) -> Option<Range<usize>> {
        let mut state = self.lock();
        if state.failure.is_some() {
            return None;
        }
        let range = state.waiting.pop_front()?;
        if range.len() <= room {
            return Some(range);
        }
        let cut = range.start + room;
        state.waiting.push_front(cut..range.end);
        Some(range.start..cut)
    }

    pub fn finish(self) -> Result<Vec<(Range<usize>, T)>, Error> {
        let State {
            mut done, failure, ..
        } = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(range, _)| range.start);
        failure.map_or(Ok(done), Err)
    }
}

impl<T> State<T> {
    /// Keeps the first failure, and rather what went wrong than that others were stopped by it.
    fn fail(&mut self, error: Error) {
        if self.failure.as_ref().is_none_or(Error::is_interrupt) {
            self.failure = Some(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn too_large() -> Error {
        scoville_kernels::Error::TooLarge { bytes: 2, limit: 1 }.into()
    }

    fn interrupted() -> Error {
        scoville_attacks::Error::Interrupted.into()
    }

    /// What reaches a device that holds `holds` samples, where `room` is known of it.
    fn fed(
        n: usize,
        parts: usize,
        holds: usize,
        room: &AtomicUsize,
    ) -> Result<Vec<Range<usize>>, Error> {
        let queue = Queue::new(equal_parts(n, parts));
        queue.work(room, usize::MAX, &AtomicBool::new(false), |rows| {
            match rows.len() > holds {
                true => Err(too_large()),
                false => Ok(()),
            }
        });
        Ok(queue
            .finish()?
            .into_iter()
            .map(|(range, ())| range)
            .collect())
    }

    #[test]
    fn parts_are_equal_and_cover_all_samples_once() {
        for (n, parts) in [(0, 0), (0, 3), (1, 1), (9, 2), (100, 15), (3, 3)] {
            let ranges = equal_parts(n, parts);
            let sizes: Vec<usize> = ranges.iter().map(ExactSizeIterator::len).collect();
            let rows: Vec<usize> = ranges.into_iter().flatten().collect();
            assert_eq!(rows, (0..n).collect::<Vec<_>>());
            let (least, most) = (sizes.iter().min(), sizes.iter().max());
            assert!(most.unwrap_or(&0) - least.unwrap_or(&0) <= 1, "{sizes:?}");
        }
    }

    #[test]
    fn a_batch_is_halved_until_it_fits_and_stays_so() {
        let room = AtomicUsize::new(usize::MAX);
        let batches = fed(100, 1, 30, &room).unwrap();
        assert_eq!(batches, [0..25, 25..50, 50..75, 75..100]);
        assert_eq!(room.load(Ordering::Relaxed), 25);
        assert_eq!(
            fed(60, 2, 30, &room).unwrap(),
            [0..25, 25..30, 30..55, 55..60]
        );
    }

    #[test]
    fn one_sample_that_does_not_fit_is_an_error() {
        let error = fed(5, 1, 0, &AtomicUsize::new(16)).unwrap_err();
        assert!(error.is_out_of_memory());
        let queue = Queue::<()>::new(equal_parts(4, 1));
        let stop = AtomicBool::new(false);
        queue.work(&AtomicUsize::new(16), 16, &stop, |_| Err(interrupted()));
        assert!(!queue.finish().unwrap_err().is_out_of_memory());
        assert!(stop.into_inner());
    }

    #[test]
    fn what_went_wrong_is_said_and_not_that_others_stopped() {
        for order in [[true, false], [false, true]] {
            let queue = Queue::<()>::new(VecDeque::new());
            for stopped in order {
                let error = if stopped { interrupted() } else { too_large() };
                queue.lock().fail(error);
            }
            assert!(queue.finish().unwrap_err().is_out_of_memory());
        }
    }
}
