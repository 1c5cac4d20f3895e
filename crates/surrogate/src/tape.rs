//! The network on burn's tape: logits, and the gradient of a cross-entropy by the weights.

use burn_autodiff::Autodiff;
use burn_backend::ops::{ActivationOps, ConvOptions, FloatTensorOps, ModuleOps};
use burn_backend::tensor::FloatTensor;
use burn_backend::{AutodiffBackend, Shape, TensorData};
use burn_flex::{Flex, FlexDevice};
use scoville_kernels::Bridge;

use crate::Error;
use crate::network::{Layer, Network};
use crate::oracle::softmax;

type B = Autodiff<Flex>;

/// The gradient of the mean cross-entropy against `wanted`, n x classes probabilities, by each parameter; `x` are n scaled
/// samples.
pub(crate) fn gradient(
    network: &Network,
    x: Vec<f32>,
    wanted: &[f32],
) -> Result<Vec<Vec<f32>>, Error> {
    let n = wanted.len() / network.classes;
    let leaves: Vec<_> = network
        .parameters
        .iter()
        .map(|p| B::float_set_require_grad(tensor(p.value.clone(), &p.shape), true))
        .collect();
    let logits = forward(network, x, &leaves, n);
    let values = read(B::inner(logits.clone()), n * network.classes)?;
    // The slope of a softmax's cross-entropy, times the logits, is a root with that gradient.
    let rows = values
        .chunks_exact(network.classes)
        .zip(wanted.chunks_exact(network.classes));
    let slope = rows.flat_map(|(logits, wanted)| {
        let slope = softmax(logits).into_iter().zip(wanted);
        slope
            .map(|(p, wanted)| (p - wanted) / n as f32)
            .collect::<Vec<f32>>()
    });
    let slope = tensor(slope.collect(), &[n, network.classes]);
    let gradients = B::backward(B::float_mul(logits, slope));
    let parameters = leaves.iter().zip(&network.parameters);
    parameters
        .map(|(leaf, parameter)| match B::grad(leaf, &gradients) {
            Some(gradient) => read(gradient, parameter.value.len()),
            None => Ok(vec![0.0; parameter.value.len()]),
        })
        .collect()
}

fn tensor(values: Vec<f32>, shape: &[usize]) -> FloatTensor<B> {
    B::float_from_data(
        TensorData::new(values, Shape::from(shape.to_vec())),
        &FlexDevice,
    )
}

fn read(tensor: FloatTensor<Flex>, len: usize) -> Result<Vec<f32>, Error> {
    Ok(<Flex as Bridge>::export(tensor, 1, len)?.to_vec()?)
}

fn forward(network: &Network, x: Vec<f32>, leaves: &[FloatTensor<B>], n: usize) -> FloatTensor<B> {
    let shape: Vec<usize> = [n].iter().chain(&network.sample).copied().collect();
    let mut x = tensor(x, &shape);
    let mut pairs = leaves.chunks_exact(2);
    for &layer in &network.layers {
        if let Layer::Shrink(k) = layer {
            x = B::avg_pool2d(x, [k, k], [k, k], [0, 0], true, false);
        } else if let Some([weight, bias]) = pairs.next() {
            x = step(layer, x, weight.clone(), bias.clone(), n);
        }
    }
    x
}

fn step(
    layer: Layer,
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    n: usize,
) -> FloatTensor<B> {
    match layer {
        Layer::Shrink(_) => x,
        Layer::Convolution { .. } => {
            let same = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
            let x = B::relu(B::conv2d(x, weight, Some(bias), same));
            B::max_pool2d(x, [2, 2], [2, 2], [0, 0], [1, 1], false)
        }
        Layer::Dense { from, to, last } => {
            let x = B::float_reshape(x, Shape::from(vec![n, from]));
            let bias = B::float_reshape(bias, Shape::from(vec![1, to]));
            let x = B::float_add(B::float_matmul(x, weight), bias);
            if last { x } else { B::relu(x) }
        }
    }
}

#[cfg(test)]
mod tests {
    use scoville_kernels::{Array, Device};
    use scoville_runtime::Model;

    use super::*;
    use crate::graph;
    use crate::network::Parameter;
    use crate::random::Random;

    /// The mean cross-entropy by the ONNX graph, as the runtime runs it.
    fn loss(network: &Network, x: &[f32], wanted: &[f32]) -> f64 {
        let graph = graph::graph(network).unwrap();
        let model = Model::load(graph, &graph::input(network), &Device::Cpu).unwrap();
        let n = wanted.len() / network.classes;
        let x = Array::from_vec(&Device::Cpu, n, x.len() / n, x.to_vec()).unwrap();
        let logits = model.logits(&x).unwrap().to_vec().unwrap();
        let rows = logits.chunks_exact(network.classes).map(softmax);
        let terms = rows.flatten().zip(wanted);
        terms
            .map(|(p, wanted)| -f64::from(*wanted) * f64::from(p).ln())
            .sum::<f64>()
            / n as f64
    }

    #[test]
    fn the_gradient_is_that_of_the_graph() {
        for sample in [vec![1, 9, 10], vec![2, 65, 64], vec![6]] {
            let mut random = Random(5);
            let len: usize = sample.iter().product();
            let x: Vec<f32> = (0..3 * len).map(|_| random.unit()).collect();
            let wanted = [0.7, 0.2, 0.1, 0.0, 1.0, 0.0, 0.2, 0.0, 0.8];
            let mut network = Network::new(&sample, 3, &x, &mut random).unwrap();
            let gradients = gradient(&network, network.scaled(&x), &wanted).unwrap();
            assert_eq!(gradients.len(), network.parameters.len());
            for (at, gradient) in gradients.iter().enumerate() {
                // Along the gradient, by a central difference.
                let norm: f32 = gradient.iter().map(|g| g * g).sum();
                let mut along = |step: f32| {
                    let Parameter { value, .. } = &mut network.parameters[at];
                    let before = value.clone();
                    value
                        .iter_mut()
                        .zip(gradient)
                        .for_each(|(v, g)| *v += step * g);
                    let loss = loss(&network, &x, &wanted);
                    network.parameters[at].value = before;
                    loss
                };
                let step = 2e-3 / norm.sqrt();
                let slope = (along(step) - along(-step)) / f64::from(2.0 * step);
                assert!(
                    norm > 0.0 && (slope - f64::from(norm)).abs() < 0.05 * f64::from(norm),
                    "{sample:?} {at}: {slope} {norm}"
                );
            }
        }
    }
}
