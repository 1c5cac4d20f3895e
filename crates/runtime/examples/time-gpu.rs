//! Times a GPU: what it can do, and what a model does on it.
//!
//!     time-gpu DEVICE roofline SIZE ROUNDS              a product of two SIZE x SIZE matrices, a copy of as much
//!     time-gpu DEVICE MODEL.onnx BATCH,.. ROUNDS [plain]  forward pass, forward pass and input gradient
//!
//! One JSON line a measurement: the fastest of the rounds, each of several runs and one short read that waits for them. With
//! `plain` burn runs every node by itself.

use std::path::Path;
use std::time::Instant;

use burn_backend::ops::FloatTensorOps;
use burn_cubecl::CubeBackend;
use scoville_kernels::{Array, Bridge, Device, DeviceSpec, Reduce, reduce_rows, store_pipelines};
use scoville_runtime::{Model, ModelSpec};

type Failure = Box<dyn std::error::Error>;

/// Runs between two reads.
const REPEATS: usize = 5;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let open = |device: &str| -> Result<Device, Failure> {
        Ok(Device::open(&device.parse::<DeviceSpec>()?)?)
    };
    match words.as_slice() {
        [device, "roofline", size, rounds] => {
            roofline(&open(device)?, size.parse()?, rounds.parse()?)?;
        }
        [device, path, batches, rounds] => {
            model(&open(device)?, path, batches, rounds.parse()?, false)?;
        }
        [device, path, batches, rounds, "plain"] => {
            model(&open(device)?, path, batches, rounds.parse()?, true)?;
        }
        _ => return Err("usage: see the head of time-gpu.rs".into()),
    }
    store_pipelines();
    Ok(())
}

fn roofline(device: &Device, size: usize, rounds: usize) -> Result<(), Failure> {
    let values = (0..size * size).map(|i| (i % 251) as f32 / 251.0);
    let matrix = Array::from_vec(device, size, size, values.collect())?;
    let operand = || CubeBackend::import(&matrix, &[size, size]);
    let product = fastest(rounds, || {
        let product = CubeBackend::float_matmul(operand()?, operand()?);
        Ok(CubeBackend::export(product, size, size)?)
    })?;
    let copy = fastest(rounds, || Ok(matrix.copy()?))?;
    let cube = (size as f64).powi(3);
    println!(
        "{{\"what\": \"roofline\", \"size\": {size}, \"matmul_ms\": {:.4}, \"matmul_gflops\": {:.2}, \"copy_ms\": {:.4}, \
         \"copy_gbytes\": {:.2}}}",
        product * 1e3,
        2.0 * cube / product / 1e9,
        copy * 1e3,
        8.0 * (size * size) as f64 / copy / 1e9
    );
    Ok(())
}

fn model(
    device: &Device,
    path: &str,
    batches: &str,
    rounds: usize,
    plain: bool,
) -> Result<(), Failure> {
    let spec = ModelSpec {
        plain,
        ..ModelSpec::raw()
    };
    let start = Instant::now();
    let model = Model::load(scoville_onnx::load(Path::new(path))?, &spec, device)?;
    let load = start.elapsed().as_secs_f64();
    let flops = model.inspect()?.flops();
    for batch in batches.split(',') {
        let batch: usize = batch.parse()?;
        let len = batch * model.sample_len();
        let values = (0..len).map(|i| (i % 251) as f32 / 251.0).collect();
        let x = Array::from_vec(device, batch, model.sample_len(), values)?;
        let ones = Array::filled(device, batch, model.classes(), 1.0)?;
        let start = Instant::now();
        model.logits(&x)?.to_vec()?;
        let first = start.elapsed().as_secs_f64();
        let forward = fastest(rounds, || Ok(model.logits(&x)?))?;
        let gradient = fastest(rounds, || Ok(model.gradient(&x, &mut |_| ones.copy())?.1))?;
        println!(
            "{{\"what\": \"model\", \"plain\": {plain}, \"batch\": {batch}, \"load_s\": {load:.3}, \"first_forward_s\": {first:.4}, \
             \"forward_ms\": {:.4}, \"gradient_ms\": {:.4}, \"forward_gflops\": {:.2}, \"gradient_gflops\": {:.2}, \
             \"notes\": {:?}}}",
            forward * 1e3,
            gradient * 1e3,
            (flops * batch as u64) as f64 / forward / 1e9,
            // Back to the input it is the same products again.
            (2 * flops * batch as u64) as f64 / gradient / 1e9,
            model.notes()
        );
    }
    Ok(())
}

/// Seconds of a run, after one to warm up.
fn fastest(rounds: usize, mut run: impl FnMut() -> Result<Array, Failure>) -> Result<f64, Failure> {
    wait(&run()?)?;
    let mut best = f64::INFINITY;
    for _ in 0..rounds.max(1) {
        let start = Instant::now();
        for _ in 1..REPEATS {
            run()?;
        }
        wait(&run()?)?;
        best = best.min(start.elapsed().as_secs_f64() / REPEATS as f64);
    }
    Ok(best)
}

/// Reads a number a row: that waits for all that was asked of the device.
fn wait(of: &Array) -> Result<(), Failure> {
    reduce_rows(of, Reduce::Linf)?.to_vec()?;
    Ok(())
}
