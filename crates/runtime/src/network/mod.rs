//! A program behind its prologue on one backend: any batch size, with or without the tape.

mod engine;
mod fast;
mod recipe;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use burn_backend::AutodiffBackend;
use scoville_kernels::{Bridge, Device};
use scoville_onnx::Graph;

use crate::contained::contained;
use crate::ops::stand_in::StandIns;
use crate::program::{Plan, Program};
use crate::prologue::Scaling;
use crate::{Bpda, Error};

pub(crate) use engine::{End, Engine};
pub(crate) use recipe::{FinalSoftmax, Recipe};

/// One model on one backend.
pub(crate) struct Network<B: AutodiffBackend> {
    recipe: Arc<Recipe>,
    /// Its constants are the program's now.
    graph: Graph,
    program: Program<B>,
    /// Whether the graph takes a batch; otherwise its samples run one by one.
    pub batched: bool,
    /// Whether logits are the input of the final softmax.
    cut: bool,
    device: Device,
    scaling: Option<Scaling>,
    /// The output's shape for one sample.
    shape: Vec<usize>,
    classes: usize,
    plans: Mutex<HashMap<(usize, End), Arc<Plan>>>,
}

/// Most plans that are kept: batches shrink as samples finish, so there are many sizes.
const MAX_PLANS: usize = 64;

impl<B> Network<B>
where
    B: AutodiffBackend,
    B::InnerBackend: Bridge,
{
    /// Compiles the recipe's graph, pruned and folded, for `device`, and lifts a baked batch.
    pub fn load(recipe: Arc<Recipe>, mut graph: Graph, device: &Device) -> Result<Self, Error> {
        let burn_device = <B::InnerBackend as Bridge>::device(device)?;
        let limit = device.memory_limit().min(recipe.memory.unwrap_or(u64::MAX));
        let mut program = contained("load", || {
            Program::<B>::compile(&mut graph, &burn_device, limit)
        })?;
        let batch = recipe.baked.unwrap_or(1);
        let exported = contained("planning", || {
            program.plan(vec![recipe.feed(batch)], &[recipe.output.as_str()])
        })?;
        if recipe.baked.is_some() {
            program.lift(&exported);
        }
        let (shape, classes) = sample_output(&exported, batch)?;
        let mut network = Network {
            scaling: recipe.prologue.scaling(device)?,
            device: device.clone(),
            recipe,
            graph,
            program,
            batched: false,
            cut: false,
            shape,
            classes,
            plans: Mutex::default(),
        };
        network.cut = network.softmax_covers_classes();
        network.batched = network.plans_batches();
        Ok(network)
    }

    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Settles through which operators gradients are taken by what stands for them. Left to itself the network does so for those
    /// that quantise, and for all where no gradient reaches the input otherwise.
    pub fn stand_in(&mut self, bpda: Bpda) -> Result<StandIns, Error> {
        let plan = self.plan(self.recipe.baked.unwrap_or(1), End::Logits)?;
        let passes = |stand_ins| self.program.passes_gradient(&plan, stand_ins);
        self.program.stand_ins = match bpda {
            Bpda::On => StandIns::All,
            Bpda::Off => StandIns::None,
            Bpda::Auto if !passes(StandIns::Quantised) && passes(StandIns::All) => StandIns::All,
            Bpda::Auto => StandIns::Quantised,
        };
        Ok(self.program.stand_ins)
    }

    /// The same as another network of the model settled.
    pub fn set_stand_ins(&mut self, stand_ins: StandIns) {
        self.program.stand_ins = stand_ins;
    }

    /// Elements of a sample.
    pub fn sample_len(&self) -> usize {
        self.recipe.prologue.sample().iter().product()
    }

    /// The output's shape for one sample.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The operator that was cut after the logits.
    pub fn cut(&self) -> Option<&str> {
        self.recipe
            .softmax
            .as_ref()
            .filter(|_| self.cut)
            .map(|softmax| softmax.op.as_str())
    }

    /// Whether the final softmax is over the classes and nothing else.
    fn softmax_covers_classes(&self) -> bool {
        let Some(softmax) = &self.recipe.softmax else {
            return false;
        };
        let n = self.recipe.baked.unwrap_or(1);
        let plan = contained("planning", || {
            self.program
                .plan(vec![self.recipe.feed(n)], &[&softmax.input])
        });
        plan.is_ok_and(|plan| softmax.normalised.covers_samples(plan.shape(), n))
    }

    /// Whether every shape works out for a batch, one row a sample.
    fn plans_batches(&self) -> bool {
        let rows = |n: usize| match self.plan(n, End::Output) {
            Ok(plan) => {
                plan.shape().first() == Some(&n)
                    && plan.shape().iter().product::<usize>() == n * self.classes
            }
            Err(_) => false,
        };
        rows(2) && rows(3)
    }

    /// Whether the graph shows that samples stay apart; otherwise the first node that may mix them.
    pub fn keeps_samples_apart(&self) -> Result<(), String> {
        let plan = self
            .plan(2, End::Output)
            .map_err(|error| error.to_string())?;
        match self.program.samples(&plan) {
            Ok(samples) => match samples.get(plan.target_slot()) {
                Some(Some(samples)) if samples.axis == 0 => Ok(()),
                _ => Err("the output's first axis is not the batch".into()),
            },
            Err((node, op)) => Err(format!("node {node} ({op}) may mix samples")),
        }
    }

    fn plan(&self, n: usize, end: End) -> Result<Arc<Plan>, Error> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans.get(&(n, end)) {
            return Ok(plan.clone());
        }
        let target = match (end, &self.recipe.softmax, &self.recipe.features) {
            (End::Features, _, Some(features)) => features,
            (End::Features, _, None) => return Err(no_features("no layer of weights reads one")),
            (End::Logits, Some(softmax), _) if self.cut => &softmax.input,
            _ => self.recipe.output.as_str(),
        };
        let plan = contained("planning", || {
            self.program.plan(vec![self.recipe.feed(n)], &[target])
        })?;
        if end == End::Features && plan.shape().first() != Some(&n) {
            return Err(no_features("its first axis is not the batch"));
        }
        let plan = Arc::new(plan);
        if plans.len() >= MAX_PLANS {
            plans.clear();
        }
        plans.insert((n, end), plan.clone());
        Ok(plan)
    }
}

/// The output's shape for one sample of a batch of `n`, and its elements.
fn sample_output(plan: &Plan, n: usize) -> Result<(Vec<usize>, usize), Error> {
    let refuse = |what: String| Error::Interface {
        port: "first output".into(),
        what,
    };
    let Some(fact) = plan.target(0).filter(|fact| !fact.is_known()) else {
        return Err(refuse("it does not depend on the input".into()));
    };
    let elements = fact.shape().iter().product::<usize>();
    if elements == 0 || elements % n != 0 {
        let shape = fact.shape();
        return Err(refuse(format!(
            "it has shape {shape:?} for {n} samples; as many values a sample are needed"
        )));
    }
    let mut shape = fact.shape().to_vec();
    if let Some(first) = shape.first_mut().filter(|first| **first % n == 0) {
        *first /= n;
    }
    Ok((shape, elements / n))
}

fn no_features(what: &str) -> Error {
    Error::Interface {
        port: "layer of features".into(),
        what: what.into(),
    }
}
