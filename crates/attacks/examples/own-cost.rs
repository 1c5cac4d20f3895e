//! What an attack costs besides the model: the seconds of a whole run against those of the same evaluations alone.
//!
//!     own-cost MODEL.onnx cifar10:FILE SAMPLES MEAN,.. STD,.. EPS ROUNDS ATTACK..
//!
//! One JSON line an attack, the fastest of the rounds. `seconds` is the run, `target_s` what it spent in the target,
//! `model_s` the same batches through the model alone, without mean and deviation, loss or attack: each right after the
//! target's own call, so that a busy machine disturbs both alike. `own` is the share of the run outside the target,
//! `around` the share that `model_s` does not explain. All of it runs in a pool of one thread and on 32
//! samples at once, as a lane of a run does.

use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use scoville_attacks::{Attack, Goal, Problem, driver, parse};
use scoville_data::{Dataset, Source};
use scoville_kernels::{Array, Device, Loss, Norm};
use scoville_runtime::{Model, ModelSpec};
use scoville_targets::{Evaluation, Gradients, Labels, ModelTarget, Scores};

/// Samples that a thread of a run works on at once: of a batch of 128 each of two threads takes two parts.
const PART: usize = 32;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, data, samples, mean, std, eps, rounds, attacks @ ..] = args.as_slice() else {
        return Err(
            "usage: own-cost MODEL cifar10:FILE SAMPLES MEAN,.. STD,.. EPS ROUNDS ATTACK..".into(),
        );
    };
    let data = data.parse::<Source>()?.load(None, Some(samples.parse()?))?;
    let spec = ModelSpec {
        shape: Some(data.shape.clone()),
        mean: floats(mean)?,
        std: floats(std)?,
        ..ModelSpec::default()
    };
    let raw = ModelSpec {
        shape: Some(data.shape.clone()),
        ..ModelSpec::raw()
    };
    let load = |spec: &ModelSpec| -> Result<Model, Failure> {
        Ok(Model::load(
            scoville_onnx::load(model.as_ref())?,
            spec,
            &Device::Cpu,
        )?)
    };
    let target = Timed {
        target: ModelTarget::new(load(&spec)?),
        alone: load(&raw)?,
        spent: Mutex::default(),
    };
    let lane = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    for text in attacks {
        let attack = parse(text)?;
        let mut best: Option<Times> = None;
        for _ in 0..rounds.parse()? {
            let eps = eps.parse()?;
            let times = lane.install(|| measure(&attack, &target, &data, eps));
            let times = times.map_err(|e| e.to_string())?;
            if best.is_none_or(|best| times.run < best.run) {
                best = Some(times);
            }
        }
        if let Some(times) = best {
            println!("{}", times.row(&attack.to_string(), data.len()));
        }
    }
    Ok(())
}

fn floats(text: &str) -> Result<Vec<f32>, std::num::ParseFloatError> {
    text.split(',').map(str::parse).collect()
}

/// Seconds of one run, and how many samples it found and evaluated.
#[derive(Clone, Copy, Default)]
struct Times {
    run: f64,
    target: f64,
    model: f64,
    found: usize,
    evaluations: usize,
}

impl Times {
    fn row(self, attack: &str, samples: usize) -> String {
        let Times {
            run,
            target,
            model,
            found,
            evaluations,
        } = self;
        format!(
            "{{\"attack\": \"{attack}\", \"samples\": {samples}, \"found\": {found}, \"evaluations\": {evaluations}, \
             \"seconds\": {run:.4}, \"target_s\": {target:.4}, \"model_s\": {model:.4}, \"own\": {:.4}, \"around\": {:.4}}}",
            1.0 - target / run,
            1.0 - model / run
        )
    }
}

fn measure(attack: &Attack, target: &Timed, data: &Dataset, eps: f64) -> Result<Times, Failure> {
    std::mem::take(&mut *target.spent());
    let ids: Vec<u32> = (0..data.len() as u32).collect();
    let x = data.read_all()?;
    let start = Instant::now();
    let mut found = 0;
    let parts = ids.chunks(PART).zip(data.y.chunks(PART));
    for ((ids, y), x) in parts.zip(x.chunks(PART * data.sample_len())) {
        let problem = Problem {
            ids,
            x,
            y,
            norm: Norm::Linf,
            eps,
            bounds: (0.0, 1.0),
            seed: 0,
            goal: Goal::Any,
            constraints: None,
            stop: &AtomicBool::new(false),
        };
        found += driver::run(&attack.algorithm, target, &problem)?.len();
    }
    let run = start.elapsed().as_secs_f64();
    let spent = std::mem::take(&mut *target.spent());
    Ok(Times {
        run: run - spent.model,
        found,
        ..spent
    })
}

/// A target that notes what its calls take, and what the model alone would have taken.
struct Timed {
    target: ModelTarget,
    alone: Model,
    spent: Mutex<Times>,
}

impl Timed {
    fn spent(&self) -> std::sync::MutexGuard<'_, Times> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note<T>(&self, x: &Array, gradient: bool, call: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = call();
        let between = Instant::now();
        let mut ones = |logits: &Array| Array::filled(&Device::Cpu, x.rows(), logits.cols(), 1.0);
        let done = match gradient {
            true => self.alone.gradient(x, &mut ones).is_ok(),
            false => self.alone.logits(x).is_ok(),
        };
        assert!(done, "the model ran before, behind its mean and deviation");
        let mut spent = self.spent();
        spent.target += (between - start).as_secs_f64();
        spent.model += between.elapsed().as_secs_f64();
        spent.evaluations += x.rows();
        result
    }
}

impl Labels for Timed {
    fn classes(&self) -> usize {
        self.target.classes()
    }

    fn sample_shape(&self) -> &[usize] {
        self.target.sample_shape()
    }

    fn device(&self) -> &Device {
        self.target.device()
    }

    fn labels(&self, x: &Array) -> Result<Array<u32>, scoville_targets::Error> {
        self.note(x, false, || self.target.labels(x))
    }
}

impl Scores for Timed {
    fn scores(&self, x: &Array) -> Result<Array, scoville_targets::Error> {
        self.note(x, false, || self.target.scores(x))
    }
}

impl Gradients for Timed {
    fn gradient(
        &self,
        x: &Array,
        y: &Array<u32>,
        loss: Loss,
    ) -> Result<Evaluation, scoville_targets::Error> {
        self.note(x, true, || self.target.gradient(x, y, loss))
    }

    fn divergence(&self, x: &Array, from: &Array) -> Result<Array, scoville_targets::Error> {
        self.note(x, true, || self.target.divergence(x, from))
    }
}
