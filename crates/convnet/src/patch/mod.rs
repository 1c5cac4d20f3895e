//! Samples of which only a patch changed since they were last run, as random searches ask about them: a square of pixels,
//! or a single one.
//!
//! What the first layers made of each sample is kept, and only those of its pixels are made anew that the change reaches,
//! by the same operations in the same order, so that the result is the same to the last bit. From the layer on where that
//! no longer pays, all of the samples that changed is run; the others keep their outputs. A search goes back to its best point again and again, so of each sample two runs are kept:
//! the last one, and the point that it and those before it started from.
//!
//! | module | what |
//! |---|---|
//! | `spread` | how far a change spreads through the layers, and what running that much costs |
//! | `group` | what is kept of samples that run together |
//! | `kept` | the groups of a batch |

mod group;
mod kept;
mod spread;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::ThreadId;

use crate::net::Net;
use crate::plan::Program;
use crate::rect::Rect;
use group::difference;
use kept::Kept;
use spread::{Costs, Spread};

/// Bytes that all threads together may keep between calls.
const MOST_BYTES: usize = 256 << 20;
/// Of these, what a batch may take as it is.
const MOST_BATCH: usize = 32 << 20;
/// The share of the whole cost below which it pays to start, and above which it no longer pays to go on.
const START: f64 = 0.85;
const STOP: f64 = 0.95;
/// How much better another depth must be.
const BETTER: f64 = 0.85;
/// Fewer calls than this were not worth a start.
const FEW: usize = 8;
/// Most calls that pass before the next start.
const MOST_WAIT: usize = 64;

/// What is kept of the calls from each thread.
#[derive(Debug)]
pub(crate) struct Patches {
    costs: Costs,
    /// Threads that may call.
    threads: usize,
    /// Calls that run now.
    calls: AtomicUsize,
    /// The last to call is the last.
    recent: Mutex<Vec<(ThreadId, Recent)>>,
}

/// A call, and the most steps that there is memory for.
struct Call<'a> {
    costs: &'a Costs,
    net: &'a Net,
    deepest: usize,
    x: &'a [f32],
}

/// What one thread's last calls leave.
#[derive(Debug, Default)]
struct Recent {
    /// The last call's samples, and those of the one before.
    before: [Vec<f32>; 2],
    kept: Option<Kept>,
    /// Calls to let pass before the next start, and how many it was the last time.
    wait: usize,
    waited: usize,
}

impl Patches {
    /// For a program that starts from images.
    pub fn new(program: &Program) -> Option<Patches> {
        Some(Patches {
            costs: Costs::new(program)?,
            threads: std::thread::available_parallelism().map_or(1, |threads| threads.get()),
            calls: AtomicUsize::new(0),
            recent: Mutex::default(),
        })
    }

    /// Bytes that are kept of `samples` at most.
    pub fn bytes(&self, samples: usize) -> usize {
        let each = 2 * self.costs.input_bytes() + self.costs.bytes(usize::MAX);
        samples.saturating_mul(each).min(MOST_BYTES)
    }

    /// Writes the outputs of `x`, if little enough of it is new.
    pub fn forward(&self, net: &Net, x: &[f32], out: &mut [f32]) -> bool {
        let thread = std::thread::current().id();
        let lock = || self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut recent, others) = {
            let mut all = lock();
            let own = all.iter().position(|(of, _)| *of == thread);
            let own = own.map(|own| all.remove(own).1);
            (own.unwrap_or_default(), all.len())
        };
        let callers = others + self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let call = Call {
            costs: &self.costs,
            deepest: self.deepest(x.len() / net.inputs(), callers),
            net,
            x,
        };
        let done = recent.follow(&call, out) || recent.start(&call, out);
        recent.remember(x);
        self.calls.fetch_sub(1, Ordering::Relaxed);
        let mut all = lock();
        all.retain(|(of, _)| *of != thread);
        all.push((thread, recent));
        // Threads end without a word: those that have not called for longest go first.
        let mut bytes: usize = all.iter().map(|(_, recent)| recent.bytes(self)).sum();
        while all.len() > self.threads || bytes > MOST_BYTES {
            let (_, oldest) = all.remove(0);
            bytes -= oldest.bytes(self);
        }
        done
    }

    /// The most steps that there is memory for, of so many samples of one of so many callers.
    fn deepest(&self, samples: usize, callers: usize) -> usize {
        let share = MOST_BYTES / callers.clamp(1, self.threads);
        let each = share / samples.max(1);
        let before = 2 * self.costs.input_bytes();
        self.costs.deepest(each.saturating_sub(before))
    }

    #[cfg(test)]
    pub fn depth(&self) -> Option<usize> {
        let all = self.recent.lock().unwrap();
        all.last()?.1.kept.as_ref().map(|kept| kept.depth)
    }
}

impl Recent {
    /// Goes on from what is kept.
    fn follow(&mut self, call: &Call, out: &mut [f32]) -> bool {
        let Call { costs, net, x, .. } = *call;
        let Some(mut kept) = self.kept.take() else {
            return false;
        };
        if x.len() == kept.samples() * net.inputs() {
            let steps = kept.steps(net.program(), x, costs.image());
            let sums = costs.of(net.program(), steps.iter().map(|(_, spread)| spread));
            let (_, least) = sums.best(call.deepest.max(kept.depth));
            let cost = sums.at(kept.depth);
            if cost <= STOP * sums.whole() && BETTER * cost <= least {
                kept.advance(net, x, steps, out);
                self.kept = Some(kept);
                return true;
            }
        }
        match kept.calls < FEW {
            true => self.back_off(),
            false => (self.wait, self.waited) = (0, 0),
        }
        false
    }

    /// Keeps what most of the last three calls agree on, and the way from there to `x`.
    fn start(&mut self, call: &Call, out: &mut [f32]) -> bool {
        let Call { costs, net, x, .. } = *call;
        if self.wait > 0 {
            self.wait -= 1;
            return false;
        }
        let [a, b] = &self.before;
        if x.is_empty() || a.len() != x.len() || b.len() != x.len() {
            return false;
        }
        // Who asks the same again wants to see it run.
        if a.iter().zip(x).all(|(a, x)| a.to_bits() == x.to_bits()) {
            return false;
        }
        let len = net.inputs();
        let anchor: Vec<f32> = a
            .iter()
            .zip(b)
            .zip(x)
            .map(|((a, b), x)| most_of(*a, *b, *x))
            .collect();
        let image = costs.image();
        // The last call's samples must be near, too: three that are all different agree on nothing.
        let near = [a.as_slice(), x].map(|x| {
            let pairs = anchor.chunks_exact(len).zip(x.chunks_exact(len));
            let changed: Vec<Rect> = pairs.map(|(a, x)| difference(a, x, image)).collect();
            let spread = Spread::of(net.program(), &changed);
            let sums = costs.of(net.program(), [&spread]);
            let (depth, cost) = sums.best(call.deepest);
            (cost <= START * sums.whole()).then_some(depth)
        });
        let depth = match near {
            [Some(_), Some(depth)] => depth,
            _ => {
                self.back_off();
                return false;
            }
        };
        let mut kept = Kept::new(net, depth, &anchor);
        let steps = kept.steps(net.program(), x, image);
        kept.advance(net, x, steps, out);
        self.kept = Some(kept);
        true
    }

    /// Lets some calls pass before the next start, more each time.
    fn back_off(&mut self) {
        self.waited = (2 * self.waited + 1).min(MOST_WAIT);
        self.wait = self.waited;
    }

    /// Bytes that it takes.
    fn bytes(&self, patches: &Patches) -> usize {
        let before: usize = self.before.iter().map(Vec::capacity).sum();
        let kept = self.kept.as_ref();
        before * size_of::<f32>()
            + kept.map_or(0, |kept| kept.samples() * patches.costs.bytes(kept.depth))
    }

    fn remember(&mut self, x: &[f32]) {
        // Only the two calls before a start are looked at.
        if self.kept.is_none() && self.wait > 1 {
            return;
        }
        if 2 * size_of_val(x) > MOST_BATCH {
            self.before = Default::default();
            return;
        }
        self.before.swap(0, 1);
        self.before[0].clear();
        self.before[0].extend_from_slice(x);
    }
}

/// What two of three agree on, or the last.
fn most_of(a: f32, b: f32, c: f32) -> f32 {
    match a.to_bits() == b.to_bits() {
        true => a,
        false => c,
    }
}
