//! The model's evaluations and whole attacks on the built-in model: `cargo bench -p scoville -p scoville-attacks --bench attacks`.
//!
//! `forward` and `gradient` are what a query and a gradient evaluation cost; an attack's time over its number of those is
//! what it adds. CPU, 128 glyphs; `RAYON_NUM_THREADS` sets the threads.

use std::sync::atomic::AtomicBool;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use scoville_attacks::{Goal, Problem, parse};
use scoville_data::glyphs::{Split, generate};
use scoville_kernels::{Array, Device, Loss, Norm};
use scoville_runtime::{Model, ModelSpec};
use scoville_targets::{Gradients, ModelTarget, Scores};

const SAMPLES: usize = 128;
const MODEL: &[u8] = include_bytes!("../datasets/glyphs-cnn.onnx");

fn main() {
    divan::main();
}

struct Bed {
    target: ModelTarget,
    ids: Vec<u32>,
    x: Vec<f32>,
    y: Vec<u32>,
}

impl Bed {
    fn new() -> Self {
        let graph = scoville_onnx::parse(MODEL.into(), None).expect("reads");
        let spec = ModelSpec {
            shape: Some(vec![1, 28, 28]),
            ..ModelSpec::default()
        };
        let data = generate(Split::Test, SAMPLES, 0);
        Self {
            target: ModelTarget::new(Model::load(graph, &spec, &Device::Cpu).expect("loads")),
            ids: (0..SAMPLES as u32).collect(),
            x: data.read_all().expect("reads"),
            y: data.y.to_vec(),
        }
    }

    fn x(&self) -> Array {
        let cols = self.x.len() / SAMPLES;
        Array::from_vec(&Device::Cpu, SAMPLES, cols, self.x.clone()).expect("fits")
    }

    fn y(&self) -> Array<u32> {
        Array::from_vec(&Device::Cpu, SAMPLES, 1, self.y.clone()).expect("fits")
    }
}

#[divan::bench]
fn forward(bencher: Bencher) {
    let bed = Bed::new();
    let x = bed.x();
    bencher
        .counter(ItemsCount::new(SAMPLES))
        .bench_local(|| black_box(bed.target.scores(&x).expect("runs")));
}

#[divan::bench]
fn gradient(bencher: Bencher) {
    let bed = Bed::new();
    let (x, y) = (bed.x(), bed.y());
    bencher.counter(ItemsCount::new(SAMPLES)).bench_local(|| {
        let seen = bed.target.gradient(&x, &y, Loss::CrossEntropy);
        black_box(seen.expect("runs"))
    });
}

/// The ball is small enough that few samples leave the batch.
#[divan::bench(args = [
    "pgd:steps=20", "apgd-ce:steps=20", "fab-t:steps=20:targets=1", "deepfool:steps=20:candidates=1", "ddn:steps=20",
    "square:queries=20", "nes:queries=100", "hop-skip-jump:queries=100",
])]
fn attack(bencher: Bencher, name: &str) {
    let bed = Bed::new();
    let attack = parse(name).expect("parses");
    let linf = attack.row.budget.norms().contains(&Norm::Linf);
    let stop = AtomicBool::new(false);
    let problem = Problem {
        ids: &bed.ids,
        x: &bed.x,
        y: &bed.y,
        norm: if linf { Norm::Linf } else { Norm::L2 },
        eps: if linf { 1.0 / 255.0 } else { 0.05 },
        bounds: (0.0, 1.0),
        seed: 1,
        goal: Goal::Any,
        constraints: None,
        stop: &stop,
    };
    bencher
        .counter(ItemsCount::new(SAMPLES))
        .bench_local(|| black_box(attack.run(&bed.target, None, &problem).expect("runs")));
}
