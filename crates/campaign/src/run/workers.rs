//! Sharing samples out to the devices.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use scoville_targets::{Ensemble, Gradients, Labels, Metered, ModelTarget, Spent};

use crate::Error;

/// A model on a device, and the meter of what it is asked.
pub(super) type Target = Metered<ModelTarget>;

/// The surrogates on a device, and the meter of what they are asked.
pub(super) type Surrogate = Metered<Ensemble>;

/// What lies on one device.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub target: &'a Target,
    surrogate: Option<&'a Surrogate>,
}

impl<'a> Place<'a> {
    pub fn surrogate(self) -> Option<&'a dyn Gradients> {
        self.surrogate.map(|surrogate| surrogate as &dyn Gradients)
    }
}

/// Most batches a device in a round: samples that the attacks leave over run together, and an interrupt throws away no
/// more.
const ROUND: usize = 4;

/// The devices, each with the model on it, and how many samples go to one at once: as planned, until memory runs out.
pub(super) struct Workers<'a> {
    targets: &'a [Target],
    /// One a target, or none.
    surrogates: &'a [Surrogate],
    /// Set when one device fails, so that the others do not work on for nothing.
    stop: &'a AtomicBool,
    batch: usize,
    /// The most samples that the memory of each device is known to hold.
    rooms: Vec<usize>,
}

impl<'a> Workers<'a> {
    pub fn new(
        targets: &'a [Target],
        surrogates: &'a [Surrogate],
        batch: usize,
        stop: &'a AtomicBool,
    ) -> Result<Self, Error> {
        if targets.is_empty() {
            return Err(Error::NoDevice);
        }
        Ok(Self {
            targets,
            surrogates,
            stop,
            batch: batch.max(1),
            rooms: vec![usize::MAX; targets.len()],
        })
    }

    /// The device that answers what is asked once.
    pub fn first(&self) -> &'a Target {
        &self.targets[0]
    }

    /// What the first device is known to hold.
    pub fn room(&self) -> usize {
        self.rooms[0]
    }

    /// What was spent on all devices so far: of the target, and of the surrogates.
    pub fn spent(&self) -> [Spent; 2] {
        [
            self.targets.iter().map(Metered::spent).sum(),
            self.surrogates.iter().map(Metered::spent).sum(),
        ]
    }

    /// Samples of the round after `done`: as many as before it, so that the first results come soon, in whole batches.
    pub fn round(&self, done: usize) -> usize {
        round(self.batch * self.targets.len(), done)
    }

    /// Runs `n` samples in batches of equal size, each on the next device that is free. What comes out is in the order of
    /// the samples, whichever device it was.
    ///
    /// A batch that a device's memory does not hold is run again in halves, and it gets no larger one later.
    pub fn each<T: Send>(
        &mut self,
        n: usize,
        run: impl Fn(Place<'_>, Range<usize>) -> Result<T, Error> + Sync,
    ) -> Result<Vec<(Range<usize>, T)>, Error> {
        let most = self
            .rooms
            .iter()
            .max()
            .map_or(1, |&room| self.batch.min(room));
        let queue = Queue::new(equal_parts(
            n,
            n.div_ceil(most).max(self.targets.len().min(n)),
        ));
        let surrogates = self.surrogates;
        let place = |at: usize, target| Place {
            target,
            surrogate: surrogates.get(at),
        };
        match (self.targets, self.rooms.as_mut_slice()) {
            ([only], [room]) => queue.work(room, self.stop, |range| run(place(0, only), range)),
            (several, rooms) => thread::scope(|scope| {
                for (at, (target, room)) in several.iter().zip(rooms).enumerate() {
                    let (queue, run, place, stop) = (&queue, &run, &place, self.stop);
                    scope.spawn(move || {
                        let run = |range| run(place(at, target), range);
                        let named = |error: Error| error.on_device(at, target.device());
                        queue.work(room, stop, |range| run(range).map_err(named));
                    });
                }
            }),
        }
        queue.finish()
    }
}

fn round(batch: usize, done: usize) -> usize {
    batch * (done / batch).clamp(1, ROUND)
}

/// `0..n` in `parts` ranges whose lengths differ by at most one.
fn equal_parts(n: usize, parts: usize) -> VecDeque<Range<usize>> {
    let bound = |i: usize| (n as u128 * i as u128 / parts.max(1) as u128) as usize;
    (0..parts).map(|i| bound(i)..bound(i + 1)).collect()
}

/// Batches that wait for a device, and what came of the others.
struct Queue<T>(Mutex<State<T>>);

struct State<T> {
    waiting: VecDeque<Range<usize>>,
    done: Vec<(Range<usize>, T)>,
    failure: Option<Error>,
}

impl<T> Queue<T> {
    fn new(waiting: VecDeque<Range<usize>>) -> Self {
        Queue(Mutex::new(State {
            waiting,
            done: Vec::new(),
            failure: None,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What one device does until nothing waits or something failed.
    fn work(
        &self,
        room: &mut usize,
        stop: &AtomicBool,
        run: impl Fn(Range<usize>) -> Result<T, Error>,
    ) {
        while let Some(range) = self.next(*room) {
            match run(range.clone()) {
                Ok(result) => self.lock().done.push((range, result)),
                Err(error) if range.len() > 1 && error.is_out_of_memory() => {
                    *room = range.len().div_ceil(2);
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

    fn finish(self) -> Result<Vec<(Range<usize>, T)>, Error> {
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
    use std::sync::Barrier;

    use scoville_kernels::Device;
    use scoville_runtime::{Model, ModelSpec};

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
        room: &mut usize,
    ) -> Result<Vec<Range<usize>>, Error> {
        let queue = Queue::new(equal_parts(n, parts));
        queue.work(room, &AtomicBool::new(false), |rows| {
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
        let mut room = usize::MAX;
        let batches = fed(100, 1, 30, &mut room).unwrap();
        assert_eq!(batches, [0..25, 25..50, 50..75, 75..100]);
        assert_eq!(room, 25);
        assert_eq!(
            fed(60, 2, 30, &mut room).unwrap(),
            [0..25, 25..30, 30..55, 55..60]
        );
    }

    #[test]
    fn one_sample_that_does_not_fit_is_an_error() {
        let error = fed(5, 1, 0, &mut 16).unwrap_err();
        assert!(error.is_out_of_memory());
        let queue = Queue::<()>::new(equal_parts(4, 1));
        let stop = AtomicBool::new(false);
        queue.work(&mut 16, &stop, |_| Err(interrupted()));
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

    fn target() -> Target {
        let model = include_bytes!("../../../../datasets/glyphs-cnn.onnx");
        let graph = scoville_onnx::parse(model.as_slice().into(), None).unwrap();
        let spec = ModelSpec {
            shape: Some(vec![1, 28, 28]),
            ..ModelSpec::default()
        };
        Metered::new(ModelTarget::new(
            Model::load(graph, &spec, &Device::Cpu).unwrap(),
        ))
    }

    #[test]
    fn every_device_takes_its_part_and_one_that_fails_is_named() {
        let (targets, stop) = ([target(), target()], AtomicBool::new(false));
        let mut workers = Workers::new(&targets, &[], 100, &stop).unwrap();
        // Both must be at work for either to go on.
        let both = Barrier::new(2);
        let parts = workers.each(5, |at, range| {
            both.wait();
            Ok((std::ptr::eq(at.target, &targets[0]), range.len()))
        });
        let parts: Vec<_> = parts.unwrap().into_iter().map(|(_, part)| part).collect();
        assert_eq!(parts.iter().map(|(_, n)| n).sum::<usize>(), 5);
        assert_ne!(parts[0].0, parts[1].0);
        assert!(!stop.load(Ordering::Relaxed));

        let failed = workers.each(2, |at, _| {
            both.wait();
            match std::ptr::eq(at.target, &targets[1]) {
                true => Err(too_large()),
                false => Ok(()),
            }
        });
        let message = failed.unwrap_err().to_string();
        assert!(
            message.starts_with("device 2 of the list, cpu ("),
            "{message}"
        );
        assert!(stop.load(Ordering::Relaxed));
        let none = Workers::new(&[], &[], 100, &stop);
        assert!(matches!(none.err(), Some(Error::NoDevice)));
    }

    #[test]
    fn rounds_grow_with_what_is_done() {
        let rounds = [0, 10, 20, 40, 80, 1000].map(|done| round(10, done));
        assert_eq!(rounds, [10, 10, 20, 40, 40, 40]);
    }
}
