//! What an attack costs besides the model: the seconds of a whole run against those of the same evaluations alone.
//!
//!     own-cost MODEL.onnx cifar10:FILE SAMPLES MEAN,.. STD,.. EPS ROUNDS ATTACK..
//!
//! One JSON line an attack, the fastest of the rounds. `seconds` is the run, `target_s` what it spent in the target,
//! `model_s` the same batches through the model alone, without mean and deviation, loss or attack: each right after the
//! target's own call, so that a busy machine disturbs both alike. `own` is the share of the run outside the target,
//! `around` the share that `model_s` does not explain.

use std::cell::RefCell;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use scoville_attacks::{Attack, Goal, Problem, driver, parse};
use scoville_data::{Dataset, Source};
use scoville_kernels::{Array, Device, Loss, Norm};
use scoville_runtime::{Model, ModelSpec};
use scoville_targets::{Evaluation, Gradients, Labels, ModelTarget, Scores};

type Failure = Box<dyn std::error::Error>;

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
        spent: RefCell::default(),
    };
    for text in attacks {
        let attack = parse(text)?;
        let mut best: Option<Times> = None;
        for _ in 0..rounds.parse()? {
            let times = measure(&attack, &target, &data, eps.parse()?)?;
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
    target.spent.take();
    let ids: Vec<u32> = (0..data.len() as u32).collect();
    let problem = Problem {
        ids: &ids,
        x: &data.read_all()?,
        y: &data.y,
        norm: Norm::Linf,
        eps,
        bounds: (0.0, 1.0),
        seed: 0,
        goal: Goal::Any,
        constraints: None,
        stop: &AtomicBool::new(false),
    };
    let start = Instant::now();
    let found = driver::run(&attack.algorithm, target, &problem)?;
    let run = start.elapsed().as_secs_f64();
    let spent = target.spent.take();
    Ok(Times {
        run: run - spent.model,
        found: found.len(),
        ..spent
    })
}

/// A target that notes what its calls take, and what the model alone would have taken.
struct Timed {
    target: ModelTarget,
    alone: Model,
    spent: RefCell<Times>,
}

impl Timed {
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
        let mut spent = self.spent.borrow_mut();
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
