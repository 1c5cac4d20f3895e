//! Which layers run as one operation.

use crate::end::Activation;
use crate::layer::{Kind, Layer};
use crate::simd::BLOCK;

/// Layers that run as one operation.
pub(super) struct Fused<'a> {
    pub kind: &'a Kind,
    pub source: usize,
    pub add: Option<usize>,
    pub activation: Option<(Activation, usize)>,
    pub out: usize,
    /// Where the picks of a pool lie on the tape.
    pub picks: usize,
}

/// Which layers run as one, in order.
pub(super) fn fuse<'a>(
    layers: &'a [Layer],
    shapes: &[[usize; 3]],
    tape: &mut [usize; 2],
) -> Vec<Fused<'a>> {
    let mut readers = vec![Vec::new(); shapes.len()];
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
    let blocks = |value: usize| {
        let [channels, rows, cols] = shapes[value];
        channels.div_ceil(BLOCK) * rows * cols
    };
    let mut done = vec![false; layers.len()];
    let mut made = vec![false; shapes.len()];
    made[0] = true;
    let mut all = Vec::new();
    for (i, layer) in layers.iter().enumerate() {
        if done[i] {
            continue;
        }
        let mut op = Fused {
            kind: &layer.kind,
            source: layer.inputs[0],
            add: None,
            activation: None,
            out: i + 1,
            picks: 0,
        };
        let product = matches!(layer.kind, Kind::Convolution(_) | Kind::Dense(_));
        match &layer.kind {
            Kind::Add => op.add = Some(layer.inputs[1]),
            Kind::Activation(activation) => op.activation = Some((*activation, 0)),
            Kind::MaxPool(_) => {
                op.picks = tape[1];
                tape[1] += blocks(op.out);
            }
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
            (op.activation, op.out) = (Some((activation, 0)), j + 1);
            done[j] = true;
        }
        if let Some((_, bits)) = &mut op.activation {
            *bits = tape[0];
            tape[0] += blocks(op.out);
        }
        made[op.out] = true;
        all.push(op);
    }
    all
}
