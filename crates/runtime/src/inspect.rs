//! What a loaded graph is made of, node by node, for one sample.

use std::collections::{BTreeMap, BTreeSet};

use burn_backend::Backend;

use crate::ops::Gradient;
use crate::program::{Plan, Planned, Program};
use crate::value::Fact;

/// A graph as it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// In the order in which they run.
    pub nodes: Vec<NodeReport>,
    /// Nodes whose results are known before a run: shapes and constants.
    pub computed_before: usize,
    /// Elements of float constants that some node reads, after folding.
    pub parameters: u64,
}

/// One node that runs.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeReport {
    pub name: String,
    /// With its domain, unless that is the default one.
    pub op: String,
    /// Shapes of what it reads; constants in brackets.
    pub inputs: String,
    /// Shapes of what it makes.
    pub outputs: String,
    /// Elements of the float constants that it reads.
    pub parameters: u64,
    /// Floating-point operations on one sample: a multiplication and an addition are two.
    pub flops: u64,
    /// Bytes of what it makes of one sample.
    pub bytes: u64,
    /// Whether a gradient passes.
    pub differentiable: bool,
    /// Whether something smooth stands for it where gradients are taken.
    pub stand_in: bool,
    /// The number of the convolutional network that it is run in, if not by itself.
    pub network: Option<usize>,
}

impl Inspection {
    /// Floating-point operations on one sample.
    pub fn flops(&self) -> u64 {
        self.nodes.iter().map(|node| node.flops).sum()
    }

    /// Bytes of all that the nodes make of one sample: what a gradient keeps.
    pub fn bytes(&self) -> u64 {
        self.nodes.iter().map(|node| node.bytes).sum()
    }

    /// Convolutional networks that run as one step each.
    pub fn networks(&self) -> usize {
        let numbers = self.nodes.iter().filter_map(|node| node.network);
        numbers.max().map_or(0, |last| last + 1)
    }

    /// The operators through which no gradient passes, with how many nodes each.
    pub fn not_differentiable(&self) -> BTreeMap<&str, usize> {
        self.count(|node| !node.differentiable && !node.stand_in)
    }

    /// The operators for which something smooth stands where gradients are taken, with how many nodes each.
    pub fn stand_ins(&self) -> BTreeMap<&str, usize> {
        self.count(|node| node.stand_in)
    }

    fn count(&self, which: impl Fn(&NodeReport) -> bool) -> BTreeMap<&str, usize> {
        let mut ops = BTreeMap::new();
        for node in self.nodes.iter().filter(|node| which(node)) {
            *ops.entry(node.op.as_str()).or_default() += 1;
        }
        ops
    }
}

/// The nodes of `plan`, which is for `samples` samples.
pub(crate) fn inspect<B: Backend>(program: &Program<B>, plan: &Plan, samples: usize) -> Inspection {
    let samples = samples.max(1) as u64;
    let mut nodes = Vec::new();
    let mut computed_before = program.folded();
    let mut constants = BTreeSet::new();
    let mut parameters = 0;
    for step in program.planned(plan) {
        if step.outputs.iter().all(Fact::is_known) {
            computed_before += 1;
            continue;
        }
        let weights = step.inputs.iter().flatten();
        for input in weights.filter(|input| input.constant && input.fact.is_float()) {
            if constants.insert(input.slot) {
                parameters += input.fact.len() as u64;
            }
        }
        nodes.push(NodeReport {
            name: step.node.into(),
            op: step.op.into(),
            inputs: inputs(&step),
            outputs: shapes(step.outputs.iter().map(shape)),
            parameters: constant_elements(&step),
            flops: flops(&step) / samples,
            bytes: step
                .outputs
                .iter()
                .map(|fact| 4 * fact.len() as u64)
                .sum::<u64>()
                / samples,
            differentiable: step.gradient == Gradient::Exact,
            stand_in: matches!(step.gradient, Gradient::Stepped | Gradient::Quantised)
                && program.stand_ins.cover(step.gradient),
            network: program.segment_of(plan, step.index),
        });
    }
    Inspection {
        nodes,
        computed_before,
        parameters,
    }
}

fn shape(fact: &Fact) -> String {
    let sizes: Vec<String> = fact.shape().iter().map(usize::to_string).collect();
    match sizes.as_slice() {
        [] => "scalar".into(),
        sizes => sizes.join("x"),
    }
}

fn shapes(shapes: impl Iterator<Item = String>) -> String {
    shapes.collect::<Vec<_>>().join(" ")
}

fn inputs(step: &Planned) -> String {
    shapes(step.inputs.iter().flatten().map(|input| {
        match input.constant || input.fact.is_known() {
            true => format!("[{}]", shape(input.fact)),
            false => shape(input.fact),
        }
    }))
}

fn constant_elements(step: &Planned) -> u64 {
    let inputs = step.inputs.iter().flatten();
    let weights = inputs.filter(|input| input.constant && input.fact.is_float());
    weights.map(|input| input.fact.len() as u64).sum()
}

/// Operations of the products in it; of other operators one an element, of those that only move
/// elements none.
fn flops(step: &Planned) -> u64 {
    let elements = |i: usize| {
        let input = step.inputs.get(i).and_then(Option::as_ref);
        input.map_or(0, |input| input.fact.len() as u64)
    };
    let size = |i: usize, axis: usize| {
        let input = step.inputs.get(i).and_then(Option::as_ref);
        let size = input.and_then(|input| input.fact.shape().get(axis).copied());
        size.unwrap_or(1).max(1) as u64
    };
    let out = step.outputs.first();
    let out_elements = out.map_or(0, |fact| fact.len() as u64);
    let out_rows = out.and_then(|fact| fact.shape().first().copied());
    let product = |sizes: &[u64]| sizes.iter().copied().fold(2, u64::saturating_mul);
    match step.op {
        "Conv" | "com.microsoft.FusedConv" => product(&[out_elements, elements(1)]) / size(1, 0),
        "ConvTranspose" => product(&[elements(0), elements(1)]) / size(1, 0),
        "MatMul" | "com.microsoft.FusedMatMul" => {
            let inner = step.inputs.first().and_then(Option::as_ref);
            let inner = inner.and_then(|input| input.fact.shape().last().copied());
            product(&[out_elements, inner.unwrap_or(1) as u64])
        }
        "Gemm" => product(&[out_elements, elements(0)]) / out_rows.unwrap_or(1).max(1) as u64,
        "RNN" | "GRU" | "LSTM" => product(&[
            size(0, 0),
            size(0, 1),
            elements(1).saturating_add(elements(2)),
        ]),
        _ if step.moves => 0,
        _ => out_elements.max(elements(0)),
    }
}
