//! Which layers run as one operation.

use crate::end::Activation;
use crate::layer::{Kind, Layer};

/// Layers that run as one operation.
pub(super) struct Fused<'a> {
    pub kind: &'a Kind,
    pub sources: &'a [usize],
    pub add: Option<usize>,
    pub activation: Option<Activation>,
    pub out: usize,
}

/// Which layers run as one, in order, of a network of so many values.
pub(super) fn fuse(layers: &[Layer], values: usize) -> Vec<Fused<'_>> {
    let mut readers = vec![Vec::new(); values];
    for (i, layer) in layers.iter().enumerate() {
        layer
            .inputs
            .iter()
            .for_each(|&value| readers[value].push(i));
    }
    // A value's only reader.
    let only = |value: usize| match readers[value][..] {
        [reader] => Some(reader),
        _ => None,
    };
    let mut done = vec![false; layers.len()];
    let mut made = vec![false; values];
    made[0] = true;
    let mut all = Vec::new();
    for (i, layer) in layers.iter().enumerate() {
        if done[i] {
            continue;
        }
        let mut op = Fused {
            kind: &layer.kind,
            sources: &layer.inputs,
            add: None,
            activation: None,
            out: i + 1,
        };
        let product = matches!(layer.kind, Kind::Convolution(_) | Kind::Dense(_));
        match &layer.kind {
            Kind::Add => (op.sources, op.add) = (&layer.inputs[..1], Some(layer.inputs[1])),
            Kind::Activation(activation) => op.activation = Some(*activation),
            _ => {}
        }
        if product
            && let Some(j) = only(op.out)
            && let Kind::Add = layers[j].kind
        {
            let other = layers[j].inputs.iter().find(|&&value| value != op.out);
            if let Some(&other) = other.filter(|&&other| made[other]) {
                (op.add, op.out) = (Some(other), j + 1);
                done[j] = true;
            }
        }
        if (product || matches!(layer.kind, Kind::Add))
            && let Some(j) = only(op.out)
            && let Kind::Activation(activation) = layers[j].kind
        {
            (op.activation, op.out) = (Some(activation), j + 1);
            done[j] = true;
        }
        made[op.out] = true;
        all.push(op);
    }
    all
}
