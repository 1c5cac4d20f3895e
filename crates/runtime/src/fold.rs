//! Folds BatchNormalization into the convolution or Gemm before it, when nothing else reads that
//! layer.
//!
//! `scale * (conv(x, w) + b - mean) / sqrt(var + epsilon) + bias` is a convolution with weights
//! `w * f` and bias `(b - mean) * f + bias`, where `f = scale / sqrt(var + epsilon)` per filter.
//! Computed in f64.

use std::collections::{BTreeMap, BTreeSet};

use scoville_onnx::{Data, Graph, Node, Tensor};

use crate::ops::normalise::batch_normalization as norm;

/// Folds wherever the weights and the statistics are constants; returns how many were folded.
pub(crate) fn batch_normalizations(graph: &mut Graph) -> usize {
    let readers = readers(graph);
    let mut conv_of_output: BTreeMap<String, usize> = BTreeMap::new();
    let mut folded = BTreeSet::new();
    for i in 0..graph.nodes.len() {
        let Some(node) = graph.nodes.get(i).cloned() else {
            break;
        };
        match node.op.as_str() {
            "Conv" | "Gemm" => {
                conv_of_output.extend(node.outputs.first().map(|name| (name.clone(), i)));
            }
            "BatchNormalization" => {
                let source = node
                    .inputs
                    .first()
                    .filter(|name| readers.get(*name) == Some(&1));
                if let Some(&conv) = source.and_then(|name| conv_of_output.get(name))
                    && fold(graph, conv, &node, &readers).is_some()
                {
                    folded.insert(i);
                }
            }
            _ => {}
        }
    }
    let mut index = 0..;
    graph
        .nodes
        .retain(|_| index.next().is_some_and(|i| !folded.contains(&i)));
    folded.len()
}

/// The axis of the weights that counts the filters; `None` where the layer is more than a product and
/// a bias.
fn filter_axis(node: &Node) -> Option<usize> {
    if node.op == "Conv" {
        return Some(0);
    }
    let attributes = &node.attributes;
    let plain = attributes.float_or("alpha", 1.0).ok()? == 1.0
        && attributes.float_or("beta", 1.0).ok()? == 1.0;
    let transposed = attributes.int_or("transB", 0).ok()? != 0;
    plain.then_some(usize::from(!transposed))
}

/// How often each value is read, the graph's output being a reader too.
pub(crate) fn readers(graph: &Graph) -> BTreeMap<String, usize> {
    let read = graph.nodes.iter().flat_map(|node| &node.inputs);
    let mut readers = BTreeMap::new();
    for name in read.chain(graph.outputs.iter().map(|port| &port.name)) {
        *readers.entry(name.clone()).or_insert(0) += 1;
    }
    readers
}

/// Puts `node` into the convolution at `conv`, or changes nothing.
fn fold(
    graph: &mut Graph,
    conv: usize,
    node: &Node,
    readers: &BTreeMap<String, usize>,
) -> Option<()> {
    norm::inference_only(node).ok()?;
    let convolution = graph.nodes.get(conv)?;
    let [x, weights_name] = [0, 1].map(|i| convolution.inputs.get(i).cloned());
    let (x, weights_name) = (x?, weights_name?);
    let weights = graph.constants.get(&weights_name)?;
    let axis = filter_axis(convolution)?;
    let (factors, bias) = factors(graph, convolution, node, *weights.shape.get(axis)?)?;
    let weights = scaled(weights, axis, &factors)?;

    // Fresh names: another node may read the same weights. If none does, they go.
    if readers.get(&weights_name) == Some(&1) {
        graph.constants.remove(&weights_name);
    }
    let names = ["weights", "bias"].map(|what| format!("{} folded {what}", node.name));
    let folded = names.clone().into_iter().zip([weights, bias]);
    graph.constants.extend(folded);
    let convolution = graph.nodes.get_mut(conv)?;
    let [weights, bias] = names;
    convolution.inputs = vec![x, weights, bias];
    convolution.outputs = vec![node.outputs.first()?.clone()];
    Some(())
}

/// What each filter's weights are multiplied by, and the bias that then takes the place of both.
fn factors(
    graph: &Graph,
    convolution: &Node,
    node: &Node,
    filters: usize,
) -> Option<(Vec<f64>, Tensor)> {
    let epsilon = f64::from(norm::epsilon(node).ok()?);
    let floats = |name: &String| {
        let values = graph.constants.get(name)?.to_f32()?;
        let values: Vec<f64> = values.iter().map(|&v| v.into()).collect();
        (values.len() == filters).then_some(values)
    };
    let [scale, bias, mean, variance] = [1, 2, 3, 4].map(|i| node.inputs.get(i).and_then(floats));
    let (scale, bias, mean, variance) = (scale?, bias?, mean?, variance?);
    let own = match convolution.inputs.get(2).filter(|name| !name.is_empty()) {
        Some(name) => floats(name)?,
        None => vec![0.0; filters],
    };
    let factor = |(s, v): (&f64, &f64)| s / (v + epsilon).sqrt();
    let factors: Vec<f64> = scale.iter().zip(&variance).map(factor).collect();
    let terms = own.iter().zip(&factors).zip(mean.iter().zip(&bias));
    let bias = terms.map(|((own, f), (mean, bias))| ((own - mean) * f + bias) as f32);
    let bias = finite(vec![filters], bias.collect())?;
    Some((factors, bias))
}

/// The weights, those of each filter along `axis` times its factor.
fn scaled(weights: &Tensor, axis: usize, factors: &[f64]) -> Option<Tensor> {
    // Elements that one step along the axis spans.
    let span = weights
        .shape
        .iter()
        .skip(axis + 1)
        .product::<usize>()
        .max(1);
    let elements = weights.to_f32()?;
    let scaled = elements.iter().enumerate().map(|(i, &w)| {
        let f = factors.get((i / span).checked_rem(factors.len())?)?;
        Some((f64::from(w) * f) as f32)
    });
    finite(weights.shape.clone(), scaled.collect::<Option<_>>()?)
}

/// A tensor of these values, if all are finite.
fn finite(shape: Vec<usize>, values: Vec<f32>) -> Option<Tensor> {
    let all = values.iter().all(|value| value.is_finite());
    let data = Data::F32(values);
    all.then_some(Tensor { shape, data })
}
