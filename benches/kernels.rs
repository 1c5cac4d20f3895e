//! The kernels of an attack step on a batch of CIFAR-10's size: `cargo bench -p scoville -p scoville-kernels --bench kernels`.
//!
//! `SCOVILLE_BENCH_DEVICE=vulkan:0` runs them on a GPU; without it, on the CPU, where `RAYON_NUM_THREADS` sets the threads.
//! The counter is the bytes that a kernel must read and write: how near it comes to a copy is how good it is.

use std::sync::OnceLock;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use scoville_kernels::{
    Array, Ball, Device, DeviceSpec, Image, Loss, Norm, Reduce, Windows, apgd_step, claim, combine,
    distance_rows, fab_step, gather, head, project_l1, select, square_linf_propose, start, step,
};

const ROWS: usize = 128;
const COLS: usize = 3072;
const CLASSES: usize = 10;
const BATCH: usize = 4 * ROWS * COLS;
const IMAGE: Image = Image {
    channels: 3,
    height: 32,
    width: 32,
};

fn main() {
    divan::main();
}

fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    let open = || match std::env::var("SCOVILLE_BENCH_DEVICE") {
        Ok(name) => {
            let spec: DeviceSpec = name.parse().expect("a device such as vulkan:0");
            Device::open(&spec).expect("the device opens")
        }
        Err(_) => Device::Cpu,
    };
    DEVICE.get_or_init(open).clone()
}

fn array(cols: usize, seed: usize) -> Array {
    let value = |i: usize| ((i * 7919 + seed * 104_729) % 1000) as f32 / 1000.0;
    let values = (0..ROWS * cols).map(value).collect();
    Array::from_vec(&device(), ROWS, cols, values).expect("fits")
}

fn words(value: impl Fn(u32) -> u32) -> Array<u32> {
    Array::from_vec(&device(), ROWS, 1, (0..ROWS as u32).map(value).collect()).expect("fits")
}

fn ball(norm: Norm) -> Ball {
    let eps = match norm {
        Norm::Linf => 8.0 / 255.0,
        Norm::L2 => 0.5,
        Norm::L1 => 12.0,
        Norm::L0 => 16.0,
    };
    Ball {
        norm,
        eps,
        lo: 0.0,
        hi: 1.0,
    }
}

/// Waits for what was submitted, so that a GPU's work is in the time.
fn finish(array: &Array) {
    if array.device().is_gpu() {
        let one = Array::from_vec(&array.device(), 1, 1, vec![0]).expect("fits");
        black_box(
            gather(array, &one)
                .and_then(|row| row.to_vec())
                .expect("reads"),
        );
    }
}

/// What the others are held against.
#[divan::bench]
fn copy(bencher: Bencher) {
    let x = array(COLS, 0);
    bencher
        .counter(BytesCount::new(2 * BATCH))
        .bench_local(|| finish(&x.copy().expect("copies")));
}

#[divan::bench(args = [Norm::Linf, Norm::L2, Norm::L1])]
fn step_of(bencher: Bencher, norm: Norm) {
    let (mut x, x0, gradient) = (array(COLS, 0), array(COLS, 0), array(COLS, 1));
    bencher.counter(BytesCount::new(4 * BATCH)).bench_local(|| {
        step(&mut x, &x0, &gradient, 0.01, &ball(norm)).expect("steps");
        finish(&x);
    });
}

#[divan::bench(args = [Norm::Linf, Norm::L2])]
fn apgd_step_of(bencher: Bencher, norm: Norm) {
    let (mut x, mut previous) = (array(COLS, 0), array(COLS, 0));
    let (x0, gradient, alpha) = (array(COLS, 0), array(COLS, 1), array(1, 2));
    bencher.counter(BytesCount::new(6 * BATCH)).bench_local(|| {
        let ball = ball(norm);
        apgd_step(&mut x, &mut previous, &x0, &gradient, &alpha, 0.75, &ball).expect("steps");
        finish(&x);
    });
}

#[divan::bench(args = [Norm::Linf, Norm::L2, Norm::L1])]
fn fab_step_of(bencher: Bencher, norm: Norm) {
    let (x, x0, gradient, margin) = (array(COLS, 4), array(COLS, 0), array(COLS, 1), array(1, 2));
    bencher
        .counter(BytesCount::new(4 * BATCH))
        .with_inputs(|| x.copy().expect("copies"))
        .bench_local_refs(|x| {
            fab_step(x, &x0, &gradient, &margin, &ball(norm)).expect("steps");
            finish(x);
        });
}

#[divan::bench(args = [Norm::Linf, Norm::L2, Norm::L1])]
fn start_of(bencher: Bencher, norm: Norm) {
    let (x0, ids) = (array(COLS, 0), words(|row| row));
    bencher.counter(BytesCount::new(2 * BATCH)).bench_local(|| {
        finish(&start(&x0, &ids, &ball(norm), 1, 0, true).expect("starts"));
    });
}

#[divan::bench]
fn square_proposal(bencher: Bencher) {
    let (x, x0, ids) = (array(COLS, 0), array(COLS, 0), words(|row| row));
    let mut candidate = array(COLS, 0);
    let (ball, windows) = (
        ball(Norm::Linf),
        Windows {
            image: IMAGE,
            side: 8,
            seed: 1,
            iteration: 1,
        },
    );
    bencher.counter(BytesCount::new(2 * BATCH)).bench_local(|| {
        square_linf_propose(&mut candidate, &x, &x0, &ids, &windows, None, &ball)
            .expect("proposes");
        finish(&candidate);
    });
}

#[divan::bench]
fn projection_l1(bencher: Bencher) {
    let (x, x0, radius) = (array(COLS, 1), array(COLS, 0), array(1, 3));
    bencher
        .counter(BytesCount::new(3 * BATCH))
        .with_inputs(|| x.copy().expect("copies"))
        .bench_local_refs(|x| {
            project_l1(x, &x0, &radius, &ball(Norm::L1)).expect("projects");
            finish(x);
        });
}

#[divan::bench(args = [Reduce::Linf, Reduce::L2, Reduce::L1])]
fn distance(bencher: Bencher, kind: Reduce) {
    let (x, x0) = (array(COLS, 1), array(COLS, 0));
    bencher
        .counter(BytesCount::new(2 * BATCH))
        .bench_local(|| finish(&distance_rows(&x, &x0, kind).expect("measures")));
}

#[divan::bench]
fn combination(bencher: Bencher) {
    let (mut x, other) = (array(COLS, 1), array(COLS, 0));
    bencher.counter(BytesCount::new(3 * BATCH)).bench_local(|| {
        combine(&mut x, 0.5, &other, 0.5).expect("combines");
        finish(&x);
    });
}

/// A tenth of the rows is claimed and kept.
#[divan::bench]
fn claim_and_select(bencher: Bencher) {
    let (mut kept, x) = (array(COLS, 0), array(COLS, 1));
    let (predicted, labels) = (words(|row| u32::from(row % 10 == 0)), words(|_| 0));
    bencher
        .counter(BytesCount::new(2 * BATCH / 10))
        .bench_local(|| {
            let mut found = words(|_| 0);
            let first = claim(&mut found, &predicted, &labels).expect("claims");
            select(&mut kept, &x, &first).expect("selects");
            finish(&kept);
        });
}

/// Half of the rows stay.
#[divan::bench]
fn compaction(bencher: Bencher) {
    let x = array(COLS, 0);
    let half: Vec<u32> = (0..ROWS as u32).step_by(2).collect();
    let rows = Array::from_vec(&device(), half.len(), 1, half).expect("fits");
    bencher
        .counter(BytesCount::new(BATCH))
        .bench_local(|| finish(&gather(&x, &rows).expect("gathers")));
}

#[divan::bench(args = [Loss::CrossEntropy, Loss::Margin, Loss::Dlr])]
fn head_of(bencher: Bencher, loss: Loss) {
    let (logits, labels) = (array(CLASSES, 0), words(|row| row % CLASSES as u32));
    bencher.bench_local(|| finish(&head(&logits, &labels, loss).expect("runs").loss));
}
