//! How many samples go to a device at once, where the user does not say.

use scoville_kernels::Device;
use scoville_runtime::Model;
use scoville_targets::{Ensemble, Metered, OnDevice};

use crate::Error;

/// More gains no speed on the CPU, where samples go through a network in small groups whatever the batch.
const MOST_ON_CPU: usize = 128;
/// A GPU has thousands of threads to fill, but the first results must not be long in coming.
const MOST_ON_GPU: usize = 1024;
/// Arrays of the size of the input that an attack keeps beside the gradient.
const ARRAYS: u64 = 16;
/// The share of the memory that a run may take for itself.
const SHARE: u64 = 4;

/// The largest batch, in powers of two, that pays off and that the memory of each target's device holds. `surrogates` lie
/// on the same devices, or there are none.
pub fn automatic<T: OnDevice>(
    targets: &[Metered<T>],
    surrogates: &[Metered<Ensemble>],
) -> Result<usize, Error> {
    let mut batch = usize::MAX;
    let models = targets.iter().map(|target| target.inner().model());
    for (at, model) in models.clone().enumerate() {
        let surrogates = surrogates.get(at).map(Metered::inner);
        let device = model.device();
        let neighbours = models.clone().filter(|m| m.device() == device).count() as u64;
        let room = device.available_memory() / (SHARE * neighbours);
        batch = batch.min(largest(most_on(device), room, |n| {
            let beside = surrogates.into_iter().flat_map(Ensemble::members);
            let models = [model].into_iter().chain(beside.map(OnDevice::model));
            models
                .map(|model| bytes(model, n))
                .try_fold(0, |most, n| Ok(most.max(n?)))
        })?);
    }
    Ok(batch)
}

fn most_on(device: &Device) -> usize {
    match device.is_gpu() && !device.is_software() {
        true => MOST_ON_GPU,
        false => MOST_ON_CPU,
    }
}

/// The largest of `most`, `most / 2`, ... 1 whose bytes fit; 1 may not.
fn largest(
    most: usize,
    room: u64,
    bytes: impl Fn(usize) -> Result<u64, Error>,
) -> Result<usize, Error> {
    let mut batch = most;
    while batch > 1 && bytes(batch)? > room {
        batch /= 2;
    }
    Ok(batch)
}

/// What an attack on `n` samples holds: a gradient, and arrays of its own.
fn bytes(model: &Model, n: usize) -> Result<u64, Error> {
    let sample = 4 * model.sample_len() as u64;
    let gradient = model.gradient_bytes(n);
    let gradient = gradient.map_err(scoville_targets::Error::from)?;
    Ok(gradient.saturating_add(ARRAYS * sample * n as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_batch_that_fits() {
        let bytes = |n: usize| Ok(100 * n as u64);
        for (room, expected) in [
            (u64::MAX, 128),
            (12_800, 128),
            (12_799, 64),
            (250, 2),
            (99, 1),
            (0, 1),
        ] {
            assert_eq!(largest(128, room, bytes).unwrap(), expected, "{room}");
        }
        let failing = largest(128, 0, |_| Err(std::io::Error::other("no").into()));
        assert!(failing.is_err());
    }
}
