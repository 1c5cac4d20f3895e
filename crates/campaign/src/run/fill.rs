//! Whether half a batch leaves a device with something to spare.

use std::time::{Duration, Instant};

use scoville_kernels::{Array, Reduce, reduce_rows};
use scoville_runtime::{Error, Model};

/// A whole batch gains by what it takes less than this share of two halves.
const SHARE: f64 = 0.75;
/// Gradients that are timed, after one that is not.
const RUNS: usize = 3;

/// Whether a gradient of `batch` samples takes clearly less than two of half as many, measured now. The CPU never gains, a software
/// GPU is one; and a model that draws random numbers would draw others.
pub(super) fn gains(model: &Model, batch: usize) -> bool {
    let device = model.device();
    if !device.is_gpu() || device.is_software() || model.is_random() || batch < 2 {
        return false;
    }
    match (time(model, batch / 2), time(model, batch)) {
        (Ok(half), Ok(whole)) => whole.as_secs_f64() < SHARE * 2.0 * half.as_secs_f64(),
        // Where it cannot be measured, the run will say why.
        _ => false,
    }
}

/// The shortest of a few gradients.
fn time(model: &Model, samples: usize) -> Result<Duration, Error> {
    let x = Array::filled(model.device(), samples, model.sample_len(), 0.5)?;
    let once = || -> Result<Duration, Error> {
        let start = Instant::now();
        let mut head =
            |logits: &Array| Array::filled(&logits.device(), samples, logits.cols(), 1.0);
        let (_, gradient) = model.gradient(&x, &mut head)?;
        // Reading a number a sample waits for the device.
        reduce_rows(&gradient, Reduce::Linf)?.to_vec()?;
        Ok(start.elapsed())
    };
    let mut shortest = once().and(once())?;
    for _ in 1..RUNS {
        shortest = shortest.min(once()?);
    }
    Ok(shortest)
}
