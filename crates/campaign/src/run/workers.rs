//! Sharing samples out to the devices.

use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rayon::{ThreadPool, ThreadPoolBuilder};
use scoville_kernels::Device;
use scoville_targets::{Metered, OnDevice, Spent};

use super::fill;
use super::queue::{Queue, equal_parts};
use crate::Error;

/// What lies on one device.
pub(crate) struct Place<'a, T, S> {
    pub target: &'a Metered<T>,
    pub surrogate: Option<&'a Metered<S>>,
}

/// Most batches a device in a round: samples that the attacks leave over run together, and an interrupt throws away no
/// more.
const ROUND: usize = 4;

/// Parts that each thread of the CPU is to get at least, so that none waits long for the last.
const PARTS: usize = 2;

/// Fewer samples are not worth a part of their own.
const LEAST: usize = 4;

/// Whether batches may be cut for the CPU's threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Split {
    /// A batch stays whole.
    Whole,
    /// Each thread of the CPU runs samples of its own.
    Finely,
}

/// What takes samples: a device, or one thread of the CPU, on which no kernel has to wait for another thread.
struct Lane<'a, T> {
    target: &'a Metered<T>,
    /// The place of its target in the list.
    device: usize,
    thread: Option<ThreadPool>,
    /// The most samples at once.
    most: usize,
}

impl<'a, T: OnDevice + Sync> Lane<'a, T> {
    fn whole(device: usize, target: &'a Metered<T>, batch: usize) -> Self {
        Lane {
            target,
            device,
            thread: None,
            most: batch,
        }
    }

    /// The lanes of one device, of whose `threads` each is to have a lane.
    fn of<S: OnDevice>(
        device: usize,
        target: &'a Metered<T>,
        surrogate: Option<&Metered<S>>,
        batch: usize,
        threads: usize,
    ) -> Result<Vec<Self>, Error> {
        // What a random model answers would depend on which thread came first.
        let random = target.inner().is_random() || surrogate.is_some_and(|s| s.inner().is_random());
        if target.inner().model().device().is_gpu() || random || threads < 2 {
            return Ok(vec![Lane::whole(device, target, batch)]);
        }
        let lane = |_| {
            let thread = ThreadPoolBuilder::new().num_threads(1).build()?;
            Ok(Lane {
                target,
                device,
                thread: Some(thread),
                most: batch.div_ceil(threads),
            })
        };
        (0..threads).map(lane).collect()
    }

    fn device(&self) -> &Device {
        self.target.inner().model().device()
    }

    fn run<R: Send>(&self, run: impl FnOnce() -> Result<R, Error> + Send) -> Result<R, Error> {
        match &self.thread {
            Some(thread) => thread.install(run),
            None => run(),
        }
    }
}

/// The devices, each with the model on it, and how many samples go to one at once: as planned, until memory runs out.
pub(super) struct Workers<'a, T, S> {
    targets: &'a [Metered<T>],
    /// One a target, or none.
    surrogates: &'a [Metered<S>],
    /// Set when one device fails, so that the others do not work on for nothing.
    stop: &'a AtomicBool,
    batch: usize,
    /// The most samples that the memory of each device is known to hold.
    rooms: Vec<AtomicUsize>,
    /// Whether the devices gain by several runs side by side.
    pub(super) gains: OnceLock<bool>,
    /// One a device.
    whole: Vec<Lane<'a, T>>,
    /// One a GPU, and one a thread of the CPU.
    fine: Vec<Lane<'a, T>>,
}

impl<'a, T: OnDevice + Sync, S: OnDevice + Sync> Workers<'a, T, S> {
    pub fn new(
        targets: &'a [Metered<T>],
        surrogates: &'a [Metered<S>],
        batch: usize,
        stop: &'a AtomicBool,
    ) -> Result<Self, Error> {
        if targets.is_empty() {
            return Err(Error::NoDevice);
        }
        let batch = batch.max(1);
        let cpus = targets
            .iter()
            .filter(|t| !t.inner().model().device().is_gpu())
            .count();
        let threads = rayon::current_num_threads() / cpus.max(1);
        let mut fine = Vec::new();
        for (device, target) in targets.iter().enumerate() {
            fine.append(&mut Lane::of(
                device,
                target,
                surrogates.get(device),
                batch,
                threads,
            )?);
        }
        let whole = targets.iter().enumerate();
        Ok(Self {
            targets,
            surrogates,
            stop,
            batch,
            gains: OnceLock::new(),
            rooms: targets
                .iter()
                .map(|_| AtomicUsize::new(usize::MAX))
                .collect(),
            whole: whole
                .map(|(at, target)| Lane::whole(at, target, batch))
                .collect(),
            fine,
        })
    }

    /// The device that answers what is asked once.
    pub fn first(&self) -> &'a Metered<T> {
        &self.targets[0]
    }

    /// What lies on that device.
    pub fn place(&self) -> Place<'a, T, S> {
        Place {
            target: self.first(),
            surrogate: self.surrogates.first(),
        }
    }

    /// What the first device is known to hold.
    pub fn room(&self) -> usize {
        self.rooms[0].load(Ordering::Relaxed)
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

    /// How many runs on `n` samples each device has room for side by side, where it gains by that.
    pub fn abreast(&self, n: usize) -> usize {
        let room = |lane: &Lane<'_, T>| {
            let room = self.rooms[lane.device].load(Ordering::Relaxed);
            lane.most.min(room)
        };
        let least = self.whole.iter().map(room).min().unwrap_or(1);
        let runs = least / n.div_ceil(self.whole.len()).max(1);
        let gains = || {
            let mut lanes = self.whole.iter();
            lanes.all(|lane| fill::gains(lane.target.inner().model(), least))
        };
        match n > 0 && runs > 1 && *self.gains.get_or_init(gains) {
            true => runs,
            false => 1,
        }
    }

    /// Runs `n` samples in batches of equal size, each on the next lane that is free. What comes out is in the order of the
    /// samples, whichever lane it was.
    ///
    /// A batch that a device's memory does not hold is run again in halves, and it gets no larger one later.
    pub fn each<R: Send>(
        &self,
        n: usize,
        split: Split,
        run: impl Fn(Place<'_, T, S>, Range<usize>) -> Result<R, Error> + Sync,
    ) -> Result<Vec<(Range<usize>, R)>, Error> {
        let lanes = match split {
            Split::Whole => &self.whole,
            Split::Finely => &self.fine,
        };
        let queue = Queue::new(equal_parts(n, self.parts(n, lanes)));
        let work = |lane: &Lane<'_, T>| {
            let run = |range| {
                let place = Place {
                    target: lane.target,
                    surrogate: self.surrogates.get(lane.device),
                };
                let done = lane.run(|| run(place, range));
                match self.targets.len() {
                    1 => done,
                    _ => done.map_err(|e| e.on_device(lane.device, lane.device())),
                }
            };
            queue.work(&self.rooms[lane.device], lane.most, self.stop, run);
        };
        match lanes.as_slice() {
            [only] => work(only),
            several => thread::scope(|scope| {
                for lane in several {
                    scope.spawn(|| work(lane));
                }
            }),
        }
        queue.finish()
    }

    /// In how many parts `n` samples go to the lanes: few enough to be large, and enough for all.
    fn parts(&self, n: usize, lanes: &[Lane<'_, T>]) -> usize {
        let most = lanes.iter().map(|lane| {
            let room = self.rooms[lane.device].load(Ordering::Relaxed);
            lane.most.min(room)
        });
        let wanted = lanes.iter().map(|lane| match lane.thread {
            Some(_) => PARTS,
            None => 1,
        });
        let wanted: usize = wanted.sum();
        let least = match wanted > self.targets.len() {
            true => LEAST,
            false => 1,
        };
        let worth = n.div_ceil(least);
        n.div_ceil(most.max().unwrap_or(1)).max(wanted.min(worth))
    }
}

fn round(batch: usize, done: usize) -> usize {
    batch * (done / batch).clamp(1, ROUND)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use scoville_runtime::{Model, ModelSpec};
    use scoville_targets::{Ensemble, ModelTarget};

    use super::*;

    type Target = Metered<ModelTarget>;

    const ALONE: &[Metered<Ensemble>] = &[];

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
        let workers = Workers::new(&targets, ALONE, 100, &stop).unwrap();
        // Both must be at work for either to go on.
        let both = Barrier::new(2);
        let parts = workers.each(5, Split::Whole, |at, range| {
            both.wait();
            Ok((std::ptr::eq(at.target, &targets[0]), range.len()))
        });
        let parts: Vec<_> = parts.unwrap().into_iter().map(|(_, part)| part).collect();
        assert_eq!(parts.iter().map(|(_, n)| n).sum::<usize>(), 5);
        assert_ne!(parts[0].0, parts[1].0);
        assert!(!stop.load(Ordering::Relaxed));

        let failed = workers.each(2, Split::Whole, |at, _| {
            both.wait();
            match std::ptr::eq(at.target, &targets[1]) {
                true => Err(scoville_kernels::Error::TooLarge { bytes: 2, limit: 1 }.into()),
                false => Ok(()),
            }
        });
        let message = failed.unwrap_err().to_string();
        assert!(
            message.starts_with("device 2 of the list, cpu ("),
            "{message}"
        );
        assert!(stop.load(Ordering::Relaxed));
        let none = Workers::<ModelTarget, Ensemble>::new(&[], &[], 100, &stop);
        assert!(matches!(none.err(), Some(Error::NoDevice)));
    }

    #[test]
    fn each_thread_of_the_cpu_runs_samples_of_its_own() {
        let (targets, stop) = ([target()], AtomicBool::new(false));
        let three = ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let workers = three.install(|| Workers::new(&targets, ALONE, 60, &stop).unwrap());
        let parts = |n, split, together: usize| {
            // All that run together must be at work for any to go on.
            let barrier = Barrier::new(together);
            let run = |_: Place<'_, ModelTarget, Ensemble>, _| {
                barrier.wait();
                Ok(rayon::current_num_threads())
            };
            let parts = three.install(|| workers.each(n, split, run)).unwrap();
            let sizes: Vec<_> = parts.iter().map(|(range, _)| range.len()).collect();
            (sizes, parts.iter().all(|&(_, threads)| threads == 1))
        };
        assert_eq!(parts(48, Split::Finely, 3), (vec![8; 6], true));
        assert_eq!(parts(180, Split::Finely, 3), (vec![20; 9], true));
        assert_eq!(parts(12, Split::Finely, 3), (vec![4; 3], true));
        assert_eq!(parts(3, Split::Finely, 1), (vec![3], true));
        assert_eq!(parts(120, Split::Whole, 1).0, [60, 60]);
    }

    #[test]
    fn rounds_grow_with_what_is_done() {
        let rounds = [0, 10, 20, 40, 80, 1000].map(|done| round(10, done));
        assert_eq!(rounds, [10, 10, 20, 40, 40, 40]);
    }
}
