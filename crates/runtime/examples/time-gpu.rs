//! Times a GPU: what it can do, and what a model does on it.
//!
//!     time-gpu DEVICE roofline SIZE ROUNDS              a product of two SIZE x SIZE matrices, a copy of as much
//!     time-gpu DEVICE layers BATCH,.. ROUNDS            chains of convolutions, each kind by itself
//!     time-gpu DEVICE MODEL.onnx BATCH,.. ROUNDS [plain]  forward pass, forward pass and input gradient
//!
//! One JSON line a measurement: the fastest of the rounds, each of several runs and one short read that waits for them. With
//! `plain` burn runs every node by itself.

use std::path::Path;
use std::time::Instant;

use burn_backend::ops::FloatTensorOps;
use burn_cubecl::CubeBackend;
use scoville_convnet::testing::{Builder, numbers, window};
use scoville_kernels::{
    Array, Bridge, ConvNet, Device, DeviceSpec, Reduce, reduce_rows, store_pipelines,
};
use scoville_runtime::{Model, ModelSpec};

type Failure = Box<dyn std::error::Error>;

/// Runs between two reads.
const REPEATS: usize = 5;
/// Seconds that a GPU runs before it is timed: one that idled needs a while to reach its clocks.
const WARM: f64 = 0.1;

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
        [device, "layers", batches, rounds] => {
            layers(&open(device)?, batches, rounds.parse()?)?;
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

/// Layers of a chain, and of one whose layers do next to nothing.
const CHAIN: usize = 8;
const LONG_CHAIN: usize = 60;

/// Channels, rows and columns; filters; kernel, stride and padding.
type Kind = ([usize; 3], usize, usize, usize, usize);

const KINDS: [Kind; 11] = [
    ([16, 32, 32], 16, 3, 1, 1),
    ([32, 16, 16], 32, 3, 1, 1),
    ([64, 8, 8], 64, 3, 1, 1),
    ([256, 14, 14], 256, 3, 1, 1),
    ([64, 56, 56], 64, 3, 1, 1),
    ([64, 8, 8], 64, 1, 1, 0),
    ([3, 32, 32], 16, 3, 1, 1),
    ([16, 32, 32], 32, 3, 2, 1),
    ([32, 16, 16], 64, 1, 2, 0),
    ([3, 32, 32], 8, 4, 2, 1),
    // What a dispatch takes by itself.
    ([4, 1, 1], 4, 1, 1, 0),
];

/// Forward and back through chains of one kind of convolution; one layer where it does not keep the shape.
fn layers(device: &Device, batches: &str, rounds: usize) -> Result<(), Failure> {
    for (input, filters, kernel, stride, pad) in KINDS {
        let mut b = Builder::new(input);
        let window = window([kernel; 2], [stride; 2], [pad; 2]);
        let mut value = 0;
        let chain = match input[0] == filters && stride == 1 {
            true if input[1] == 1 => LONG_CHAIN,
            true => CHAIN,
            false => 1,
        };
        for _ in 0..chain {
            let conv = b.conv(value, filters, 1, window);
            value = b.relu(conv);
        }
        let out = b.shapes[value];
        let flops = 2 * chain * out.iter().product::<usize>() * input[0] * kernel * kernel;
        let net = ConvNet::new(device, input, &b.layers)?;
        for batch in batches.split(',') {
            let batch: usize = batch.parse()?;
            let array = |len: usize| Array::from_vec(device, batch, len, numbers(5, batch * len));
            let (x, by) = (array(input.iter().product())?, array(out.iter().product())?);
            let (_, tape) = net.forward(&x)?;
            let forward = fastest(rounds, || Ok(net.forward(&x)?.0))?;
            let backward = fastest(rounds, || Ok(net.backward(&tape, &by)?))?;
            let gflops = |seconds: f64| (flops * batch) as f64 / seconds / 1e9;
            println!(
                "{{\"what\": \"layer\", \"input\": {input:?}, \"filters\": {filters}, \"kernel\": {kernel}, \"stride\": {stride}, \
                 \"batch\": {batch}, \"forward_us\": {:.1}, \"backward_us\": {:.1}, \"forward_gflops\": {:.1}, \
                 \"backward_gflops\": {:.1}}}",
                forward / chain as f64 * 1e6,
                backward / chain as f64 * 1e6,
                gflops(forward),
                gflops(backward),
            );
        }
    }
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

/// Seconds of a run, on a device that is warm.
fn fastest(rounds: usize, mut run: impl FnMut() -> Result<Array, Failure>) -> Result<f64, Failure> {
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < WARM {
        wait(&run()?)?;
    }
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
