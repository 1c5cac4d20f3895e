//! The derivative of every node-suite case that passes a gradient, against central differences of
//! its outputs in f64 along random directions.

use std::collections::BTreeMap;

use scoville_onnx::{Data, Graph, Tensor};
use scoville_runtime::{Feed, differentiate, evaluate, passes_gradient};

use crate::excluded::WITHOUT_DERIVATIVE;
use crate::graphs::random;
use crate::node_suite::{matches, suite, tensors};

type Inputs = BTreeMap<String, Tensor>;

#[test]
fn every_derivative() {
    let Some(suite) = suite() else { return };
    let only = std::env::var("SCOVILLE_NODE_CASES").unwrap_or_default();
    let (mut agree, mut excluded) = (0, 0);
    let mut wrong = Vec::new();
    let mut cases: Vec<_> = std::fs::read_dir(suite)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    cases.sort();
    for case in cases {
        let name = case.file_name().expect("a name").to_string_lossy();
        let Ok(graph) = scoville_onnx::load(&case.join("model.onnx")) else {
            continue;
        };
        let Ok(inputs) = tensors(&case.join("test_data_set_0"), "input") else {
            continue;
        };
        if !name.contains(&only) || !passes(&graph) {
            continue;
        }
        let ports = graph.inputs.iter().map(|port| port.name.clone());
        let inputs: Inputs = ports.zip(inputs).collect();
        let known = WITHOUT_DERIVATIVE
            .iter()
            .any(|(pattern, _)| matches(pattern, &name));
        // The suite likes whole numbers, where functions bend: what differs there is tried beside them.
        let found = match disagreement(&graph, &inputs) {
            Some(Some(_)) => disagreement(&graph, &beside(&inputs)),
            found => found,
        };
        match found {
            None => {}
            Some(None) if known => wrong.push(format!("{name}: listed, but it agrees")),
            Some(None) => agree += 1,
            Some(Some(_)) if known => excluded += 1,
            Some(Some(why)) => wrong.push(format!("{name}: {why}")),
        }
    }
    println!("derivatives: {agree} cases agree, {excluded} have none where the suite asks");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(!only.is_empty() || agree > 100, "only {agree} cases");
}

/// Whether every operator passes a gradient; all are at least implemented.
fn passes(graph: &Graph) -> bool {
    graph.nodes.iter().all(|node| {
        let name = match node.domain.as_str() {
            "" => node.op.clone(),
            domain => format!("{domain}.{}", node.op),
        };
        passes_gradient(&name) == Some(true) && node.subgraphs().all(passes)
    })
}

fn weight(i: usize) -> f32 {
    (1.0 + i as f32).sin()
}

/// The objective that `differentiate` derives; `None` where the case does not run.
fn objective(graph: &Graph, inputs: &Inputs) -> Option<f64> {
    let outputs = evaluate(graph.clone(), inputs, Feed::Floats).ok()?;
    let floats = outputs.iter().filter_map(|tensor| match &tensor.data {
        Data::F32(values) => Some(values),
        _ => None,
    });
    let elements = floats.flatten().enumerate();
    Some(
        elements
            .map(|(i, &v)| f64::from(weight(i)) * f64::from(v))
            .sum(),
    )
}

fn floats(tensor: &Tensor) -> Option<Vec<f32>> {
    match &tensor.data {
        Data::F64(values) => Some(values.iter().map(|&v| v as f32).collect()),
        _ => tensor.to_f32().map(|values| values.into_owned()),
    }
}

/// `inputs` with `steps` added to the float input `name`.
fn moved(inputs: &Inputs, name: &str, steps: &[f64]) -> Inputs {
    let mut inputs = inputs.clone();
    if let Some(tensor) = inputs.get_mut(name) {
        let values = floats(tensor).expect("floats");
        let values = values
            .iter()
            .zip(steps)
            .map(|(&v, s)| (f64::from(v) + s) as f32);
        tensor.data = Data::F32(values.collect());
    }
    inputs
}

/// Every float input a little off.
fn beside(inputs: &Inputs) -> Inputs {
    let mut moved_all = inputs.clone();
    for (seed, (name, tensor)) in inputs.iter().enumerate() {
        if floats(tensor).is_some() {
            let steps: Vec<f64> = random(7 + seed as u64, tensor.len())
                .iter()
                .map(|&r| 0.04 + 0.04 * f64::from(r))
                .collect();
            moved_all = moved(&moved_all, name, &steps);
        }
    }
    moved_all
}

/// `None`: nothing to derive; `Some(None)`: it agrees; else what differs.
fn disagreement(graph: &Graph, inputs: &Inputs) -> Option<Option<String>> {
    let value = objective(graph, inputs)?;
    if !value.is_finite() {
        return None;
    }
    let gradients = match differentiate(graph.clone(), inputs, weight) {
        Ok(gradients) => gradients,
        Err(error) => return Some(Some(error.to_string())),
    };
    let mut compared = false;
    for (name, gradient) in gradients {
        let len = inputs.get(&name)?.len();
        let gradient = gradient.unwrap_or_else(|| vec![0.0; len]);
        if let Some(bad) = gradient.iter().find(|g| !g.is_finite()) {
            return Some(Some(format!("by {name}: {bad}")));
        }
        for seed in 0..3 {
            compared = true;
            if let Err(why) = along(graph, inputs, &name, &gradient, seed) {
                return Some(Some(format!("by {name}: {why}")));
            }
        }
    }
    compared.then_some(None)
}

/// Compares along one random direction, with several step lengths: kinks and rounding each spoil
/// some of them.
fn along(
    graph: &Graph,
    inputs: &Inputs,
    name: &str,
    gradient: &[f32],
    seed: u64,
) -> Result<(), String> {
    let direction: Vec<f64> = random(seed, gradient.len())
        .iter()
        .map(|&r| f64::from(r) - 0.5)
        .collect();
    let analytic: f64 = gradient
        .iter()
        .zip(&direction)
        .map(|(&g, d)| f64::from(g) * d)
        .sum();
    let length = gradient
        .iter()
        .map(|&g| f64::from(g).powi(2))
        .sum::<f64>()
        .sqrt();
    let mut closest = f64::INFINITY;
    let mut numeric_at_closest = 0.0;
    for step in [1e-2, 3e-3, 1e-3, 1e-4] {
        let at = |sign: f64| {
            let steps: Vec<f64> = direction.iter().map(|d| sign * step * d).collect();
            objective(graph, &moved(inputs, name, &steps)).unwrap_or(f64::NAN)
        };
        let numeric = (at(1.0) - at(-1.0)) / (2.0 * step);
        // f32 outputs: what rounding may do to the difference.
        let rounding = 1e-6 * (at(0.0).abs() + 1.0) / step;
        let error = (numeric - analytic).abs() / (0.02 * length + rounding.min(0.1) + 1e-3);
        if error < closest {
            (closest, numeric_at_closest) = (error, numeric);
        }
    }
    match closest <= 1.0 {
        true => Ok(()),
        false => Err(format!(
            "{analytic} instead of {numeric_at_closest} (gradient of length {length})"
        )),
    }
}
