//! The plan of the queries, and the surrogate that comes of the answers.
//!
//! Papernot et al. 2017, "Practical black-box attacks against machine learning", <https://arxiv.org/abs/1602.02697>: where
//! there are fewer samples than queries, points are made of them, a step away along the sign of the surrogate's own gradient
//! of the class that the target gave, and the target is asked about those.

use std::sync::atomic::{AtomicBool, Ordering};

use scoville_kernels::{Array, Device, Loss};
use scoville_onnx::Graph;
use scoville_runtime::{Model, ModelSpec};
use scoville_targets::{Gradients, Labels, ModelTarget};

use crate::network::Network;
use crate::oracle::{Answer, Oracle};
use crate::random::Random;
use crate::{Error, adam, graph};

/// The fewest samples: four to learn from, one to measure on.
pub(crate) const LEAST: usize = 5;
/// Of so many samples one is held out.
pub(crate) const HELD_OUT: usize = 5;
/// The most that are.
pub(crate) const MOST_HELD_OUT: usize = 500;
/// Before new points are made it is trained for a shorter time than at the end.
const SHORT: usize = 5;
/// How far new points lie, and after how many rounds they lie on the other side (Papernot et al. 2016,
/// <https://arxiv.org/abs/1605.07277>).
const STEP: f32 = 0.1;
const PERIOD: usize = 3;
/// Samples whose gradient is taken at once.
const BATCH: usize = 128;

/// How a surrogate is to be trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipe {
    /// Samples that the target may be asked about.
    pub queries: usize,
    /// Steps of 32 samples at the end.
    pub steps: usize,
    pub seed: u64,
}

impl Recipe {
    /// With as many steps as so many queries are worth.
    pub fn new(queries: usize, seed: u64) -> Self {
        Self {
            queries,
            steps: (queries / 3).max(1000),
            seed,
        }
    }
}

/// Brings a point that was made of a sample, which comes first, to one that the target may be asked about.
pub type Valid<'a> = &'a dyn Fn(&[f32], &mut [f32]);

/// A trained network.
pub struct Surrogate {
    pub graph: Graph,
    /// What the graph wants of pixels.
    pub input: ModelSpec,
    /// Whether it is a convolutional network; otherwise all layers are dense.
    pub convolutional: bool,
    pub figures: Figures,
}

/// What a training took, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Samples that the target was asked about.
    pub queries: usize,
    /// Samples that it learnt from, and what was made of them.
    pub samples: usize,
    pub synthetic: usize,
    /// Samples kept apart, and of those the ones that it classifies as the target does.
    pub held_out: usize,
    pub agreed: usize,
}

/// Trains a surrogate on what `oracle` says of `x`, row after row, values in [0, 1]. Of the rows that the budget allows one in
/// five is held out; what is left of the budget goes to `valid` points made of the others. Setting `stop` ends it.
pub fn train(
    oracle: Oracle<'_>,
    x: &[f32],
    valid: Valid<'_>,
    recipe: Recipe,
    stop: &AtomicBool,
) -> Result<Surrogate, Error> {
    let sample: usize = oracle.sample_shape().iter().product();
    let rows = (x.len() / sample.max(1)).min(recipe.queries);
    if rows < LEAST {
        return Err(Error::TooFew(rows));
    }
    let held_out = (rows / HELD_OUT).min(MOST_HELD_OUT);
    let (seeds, held) = x[..rows * sample].split_at((rows - held_out) * sample);
    let mut study = Study::new(oracle, seeds, recipe.seed, stop)?;
    let samples = study.labels.len();
    let mut left = recipe.queries - rows;
    let mut round = 0;
    while left > 0 {
        study.fit(recipe.steps / SHORT)?;
        let sign = if (round / PERIOD).is_multiple_of(2) {
            1.0
        } else {
            -1.0
        };
        let made = study.points(left, sign * STEP, valid)?;
        left -= made.len() / sample;
        study.learn(&made)?;
        round += 1;
    }
    study.fit(recipe.steps)?;
    let answers = oracle.ask(held)?;
    let model = study.model()?;
    Ok(Surrogate {
        graph: graph::graph(&study.network)?,
        input: graph::input(&study.network),
        convolutional: study.network.is_convolutional(),
        figures: Figures {
            queries: recipe.queries - left,
            samples,
            synthetic: study.labels.len() - samples,
            held_out,
            agreed: agreed(&model, held, &answers)?,
        },
    })
}

impl Surrogate {
    /// It as an ONNX file that takes samples as attacks see them: pixels, or elements of a table, in [0, 1].
    pub fn file(&self) -> Vec<u8> {
        graph::file(&self.graph, &self.input)
    }
}

/// Of `x`, those that `model` classifies as the target did.
fn agreed(model: &ModelTarget, x: &[f32], answers: &[Option<Answer>]) -> Result<usize, Error> {
    let x = Array::from_vec(
        &Device::Cpu,
        answers.len(),
        x.len() / answers.len().max(1),
        x.to_vec(),
    )?;
    let labels = model.labels(&x)?.to_vec()?;
    let pairs = labels.into_iter().zip(answers);
    Ok(pairs
        .filter(|(label, answer)| {
            answer
                .as_ref()
                .is_some_and(|answer| answer.label == *label as usize)
        })
        .count())
}

/// A network and what it has learnt from.
struct Study<'a> {
    oracle: Oracle<'a>,
    network: Network,
    random: Random,
    /// Samples as they are, and scaled.
    x: Vec<f32>,
    scaled: Vec<f32>,
    labels: Vec<u32>,
    wanted: Vec<f32>,
    stop: &'a AtomicBool,
}

impl<'a> Study<'a> {
    fn new(oracle: Oracle<'a>, x: &[f32], seed: u64, stop: &'a AtomicBool) -> Result<Self, Error> {
        let shape = oracle.sample_shape();
        let mut random = Random(seed);
        let network = Network::new(shape, oracle.classes(), x, &mut random);
        let mut study = Self {
            network: network.ok_or_else(|| Error::Shape(shape.to_vec()))?,
            oracle,
            random,
            x: Vec::new(),
            scaled: Vec::new(),
            labels: Vec::new(),
            wanted: Vec::new(),
            stop,
        };
        let n = x.len() / study.sample();
        study.learn(x)?;
        if study.labels.len() < LEAST - 1 {
            return Err(Error::NotFinite(n - study.labels.len(), n));
        }
        Ok(study)
    }

    fn sample(&self) -> usize {
        self.network.sample.iter().product()
    }

    /// Asks about the rows of `x`, and keeps those with a finite answer.
    fn learn(&mut self, x: &[f32]) -> Result<(), Error> {
        self.heed()?;
        let answers = self.oracle.ask(x)?;
        for (x, answer) in x.chunks_exact(self.sample()).zip(answers) {
            if let Some(answer) = answer {
                self.scaled.extend(self.network.scaled(x));
                self.x.extend(x);
                self.labels.push(answer.label as u32);
                self.wanted.extend(answer.probabilities);
            }
        }
        Ok(())
    }

    fn fit(&mut self, steps: usize) -> Result<(), Error> {
        let stop = self.stop;
        let heed = || heed(stop);
        let (x, wanted) = (&self.scaled, &self.wanted);
        adam::fit(&mut self.network, x, wanted, steps, &mut self.random, &heed)
    }

    fn model(&self) -> Result<ModelTarget, Error> {
        let model = Model::load(
            graph::graph(&self.network)?,
            &graph::input(&self.network),
            &Device::Cpu,
        )?;
        Ok(ModelTarget::new(model))
    }

    /// At most so many points, one of each sample so far: a step from it towards its class as the network sees it.
    fn points(&self, most: usize, step: f32, valid: Valid<'_>) -> Result<Vec<f32>, Error> {
        let (model, sample) = (self.model()?, self.sample());
        let mut points = Vec::new();
        let rows = self.labels.len().min(most);
        let batches = self.x[..rows * sample]
            .chunks(BATCH * sample)
            .zip(self.labels[..rows].chunks(BATCH));
        for (x, y) in batches {
            self.heed()?;
            let array = Array::from_vec(&Device::Cpu, y.len(), sample, x.to_vec())?;
            let labels = Array::from_vec(&Device::Cpu, y.len(), 1, y.to_vec())?;
            let slope = model
                .gradient(&array, &labels, Loss::CrossEntropy)?
                .gradient
                .to_vec()?;
            // Where the cross-entropy falls, the probability of the class rises.
            let moved = x
                .iter()
                .zip(slope)
                .map(|(x, slope)| (x - step * sign(slope)).clamp(0.0, 1.0));
            points.extend(moved);
        }
        let pairs = self
            .x
            .chunks_exact(sample)
            .zip(points.chunks_exact_mut(sample));
        pairs.for_each(|(x, point)| valid(x, point));
        Ok(points)
    }

    fn heed(&self) -> Result<(), Error> {
        heed(self.stop)
    }
}

pub(crate) fn heed(stop: &AtomicBool) -> Result<(), Error> {
    match stop.load(Ordering::Relaxed) {
        true => Err(Error::Interrupted),
        false => Ok(()),
    }
}

fn sign(v: f32) -> f32 {
    if v == 0.0 || v.is_nan() {
        0.0
    } else {
        v.signum()
    }
}
