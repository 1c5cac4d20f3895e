//! Searches the boxes of a VNN-LIB property for a counter-example.
//!
//! The search is incomplete: it finds points, it proves nothing. What it answers is [`Answer::found`], a point that lies in the
//! box by f64 arithmetic and whose outputs, as exported and run alone in float32, satisfy the property without any tolerance;
//! or nothing, which says nothing about the model.
//!
//! First gradient descent on the margin from many starts at once (`descent`), then random search (`random`). Gradients are
//! taken through what stands for steps such as `Sign`, through which none passes ([`Bpda::On`]).

#![forbid(unsafe_code)]

mod descent;
mod goal;
mod random;
mod rng;
mod search;
mod space;

use std::time::Duration;

use scoville_kernels::Device;
use scoville_onnx::Graph;
use scoville_runtime::{Bpda, Model, ModelSpec};
use scoville_vnnlib::Property;

use search::Search;
use space::Space;

/// A property cannot be searched with this model.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Runtime(#[from] scoville_runtime::Error),
    #[error(transparent)]
    Kernel(#[from] scoville_kernels::Error),
    #[error(
        "the property is about {inputs} inputs and {outputs} outputs, the model has {model_inputs} and {model_outputs}"
    )]
    Mismatch {
        inputs: usize,
        outputs: usize,
        model_inputs: usize,
        model_outputs: usize,
    },
}

/// How to search.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub seed: u64,
    /// How often, after a short look, 64 new starts are made.
    pub restarts: u32,
    /// Gives up after this; the search ends by itself in any case.
    pub timeout: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            seed: 0,
            restarts: 1,
            timeout: None,
        }
    }
}

/// What a search came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    pub found: Option<Counterexample>,
    /// The largest margin that a stored point reached: the least slack of a conjunction's constraints, of the best conjunction;
    /// at least 0 in a counter-example. `None` where no point was looked at.
    pub margin: Option<f64>,
    /// The property's cases whose box holds no float32 point, such as one from 0.1 to 0.1: there is nothing to look at.
    pub empty: usize,
    /// Samples sent through the model forward.
    pub queries: u64,
    /// Samples sent forward and backward. Not counted among the queries.
    pub gradients: u64,
}

/// A point that satisfies the property.
#[derive(Debug, Clone, PartialEq)]
pub struct Counterexample {
    /// Which of the property's cases.
    pub case: usize,
    pub point: Vec<f32>,
    pub outputs: Vec<f32>,
}

/// A model, ready to be searched.
pub struct Falsifier {
    model: Model,
}

impl Falsifier {
    /// Compiles the graph for `device`. Inputs are the model's own, as they stand.
    pub fn load(graph: Graph, device: &Device) -> Result<Falsifier, Error> {
        let spec = ModelSpec {
            bpda: Bpda::On,
            ..ModelSpec::raw()
        };
        let model = Model::load(graph, &spec, device)?;
        Ok(Falsifier { model })
    }

    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Looks for a counter-example. The same seed on the same device finds the same, unless the timeout cuts it off.
    pub fn search(&self, property: &Property, settings: &Settings) -> Result<Answer, Error> {
        let (inputs, outputs) = (self.model.sample_len(), self.model.classes());
        if (property.inputs, property.outputs) != (inputs, outputs) {
            return Err(Error::Mismatch {
                inputs: property.inputs,
                outputs: property.outputs,
                model_inputs: inputs,
                model_outputs: outputs,
            });
        }
        let spaces = property.cases.iter().map(Space::of).enumerate();
        let mut cases: Vec<_> = spaces
            .filter_map(|(at, space)| Some((at, space?)))
            .collect();
        let mut search = Search::new(self, settings);
        let empty = property.cases.len() - cases.len();
        for round in 0..=settings.restarts {
            for (at, space) in &mut cases {
                if search.done() {
                    return search.answer(empty);
                }
                search.enter(*at, &property.cases[*at]);
                descent::round(&mut search, space, round)?;
            }
        }
        for (at, space) in &mut cases {
            if search.done() {
                break;
            }
            search.enter(*at, &property.cases[*at]);
            random::search(&mut search, space)?;
        }
        search.answer(empty)
    }
}
