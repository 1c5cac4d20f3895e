//! Times a model: load, forward pass, forward pass and input gradient; and the memory it took.
//!
//!     time-model MODEL.onnx BATCH ROUNDS [N,..]     N,..: a sample's shape, where the model leaves it open
//!
//! One JSON line: seconds of loading, medians of the rounds in milliseconds, peak resident MiB.

use std::path::Path;
use std::time::Instant;

use scoville_kernels::{Array, Device};
use scoville_runtime::{Model, ModelSpec};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [path, batch, rounds, shape @ ..] = args.as_slice() else {
        return Err("usage: time-model MODEL.onnx BATCH ROUNDS [N,..]".into());
    };
    let (batch, rounds): (usize, usize) = (batch.parse()?, rounds.parse()?);
    let shape = shape
        .first()
        .map(|text| text.split(',').map(str::parse).collect());
    let spec = ModelSpec {
        shape: shape.transpose()?,
        ..ModelSpec::raw()
    };
    let start = Instant::now();
    let model = Model::load(scoville_onnx::load(Path::new(path))?, &spec, &Device::Cpu)?;
    let load = start.elapsed().as_secs_f64();
    let loaded = peak_mib();

    let len = model.sample_len();
    let values = (0..batch * len).map(|i| (i % 251) as f32 / 251.0).collect();
    let x = Array::from_vec(&Device::Cpu, batch, len, values)?;
    let mut head = |logits: &Array| Array::filled(&Device::Cpu, batch, logits.cols(), 1.0f32);
    let forward = median(rounds, || model.logits(&x).map(drop))?;
    let gradient = median(rounds, || model.gradient(&x, &mut head).map(drop))?;
    println!(
        "{{\"runtime\": \"scoville\", \"load_s\": {load:.4}, \"forward_ms\": {forward:.3}, \"gradient_ms\": {gradient:.3}, \
         \"loaded_mib\": {loaded}, \"peak_mib\": {}}}",
        peak_mib()
    );
    Ok(())
}

/// Median milliseconds of a run, after one to warm up.
fn median(
    rounds: usize,
    mut run: impl FnMut() -> Result<(), scoville_runtime::Error>,
) -> Result<f64, Failure> {
    run()?;
    let mut times = Vec::new();
    for _ in 0..rounds.max(1) {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// The most memory that this process has had resident; 0 where the system does not say.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
    kib.map_or(0, |kib: u64| kib / 1024)
}
