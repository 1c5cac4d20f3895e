//! Layers and groups that are taken together.

use super::*;
use crate::Function;

#[test]
fn groups_that_are_taken_together() {
    // Channels, filters, groups, and how many are left.
    for (channels, filters, groups, left) in [
        (64, 64, 16, 4),
        (48, 96, 6, 3),
        (24, 40, 8, 1),
        (12, 24, 12, 1),
        (32, 64, 32, 2),
        (32, 32, 2, 2),
        (32, 32, 32, 32),
    ] {
        let kind = convolution(channels, filters, groups, window([3, 3], [2, 1], [1, 1]));
        let Kind::Convolution(conv) = kind.clone() else {
            panic!("a convolution");
        };
        let layers = vec![Layer {
            kind,
            inputs: vec![0],
        }];
        let mut together = Builder::new([channels, 7, 6]);
        let conv = conv.in_whole_blocks(channels);
        assert_eq!(conv.groups, left, "{channels} to {filters} in {groups}");
        together.push(Kind::Convolution(conv), &[0]);
        let net = net(&together);
        let x = numbers(11, net.inputs());
        let by = numbers(13, net.outputs());
        let (y, tape) = net.forward(&x, true);
        let gradient = net.backward(&tape.unwrap(), &by);
        let shapes = &together.shapes[1..];
        let (value, derivative) = reference(together.input(), shapes, &layers, &x, &by);
        close("values", &y, &value);
        close("gradient", &gradient, &derivative);
    }
}

/// Nothing is made of what has no weights, or fewer channels or filters than groups.
#[test]
fn groups_that_do_not_fit_stay() {
    for (channels, filters, kernel) in [(0, 4, 3), (1, 4, 3), (4, 1, 3), (4, 4, 0), (6, 6, 3)] {
        let Kind::Convolution(conv) = convolution(4, 4, 2, window([kernel; 2], [1, 1], [0, 0]))
        else {
            panic!("a convolution");
        };
        let conv = Convolution {
            weights: vec![0.0; filters * (channels / 4) * kernel * kernel],
            filters,
            groups: 4,
            ..conv
        };
        assert_eq!(conv.in_whole_blocks(channels).groups, 4);
    }
}

#[test]
fn a_product_takes_a_shift_as_its_bias() {
    let shift = |factor: f32| {
        let mut kind = convolution(6, 6, 6, window([1, 1], [1, 1], [0, 0]));
        if let Kind::Convolution(conv) = &mut kind {
            conv.weights.fill(factor);
        }
        kind
    };
    let bare = |mut b: Builder| {
        match &mut b.layers[0].kind {
            Kind::Convolution(conv) => conv.bias.clear(),
            Kind::Dense(dense) => dense.bias.clear(),
            _ => unreachable!(),
        }
        b
    };
    let dense = |outputs| {
        let mut b = Builder::new([20, 1, 1]);
        b.dense(0, outputs);
        b
    };
    let conv = || {
        let mut b = Builder::new([3, 5, 5]);
        b.conv(0, 6, 1, window([3, 3], [1, 1], [1, 1]));
        b
    };
    for mut b in [bare(dense(6)), bare(conv())] {
        let mut layer = b.layers[0].clone();
        assert!(layer.absorb(1, &shift(1.0), &[1]));
        let one = Net::new(b.input(), vec![layer]).unwrap();
        b.push(shift(1.0), &[1]);
        let x = numbers(3, one.inputs());
        assert_eq!(one.forward(&x, false).0, net(&b).forward(&x, false).0);
    }
    let refuses = |b: Builder, next: &Kind| {
        let mut layer = b.layers[0].clone();
        !layer.absorb(1, next, &[1]) && format!("{layer:?}") == format!("{:?}", b.layers[0])
    };
    // A bias of its own may be too small to be added to the shift.
    assert!(refuses(dense(6), &shift(1.0)));
    assert!(refuses(bare(dense(6)), &shift(2.0)));
    assert!(refuses(bare(dense(5)), &shift(1.0)));
    let wide = convolution(6, 6, 6, window([3, 3], [1, 1], [1, 1]));
    assert!(refuses(bare(conv()), &wide));
    assert!(refuses(bare(conv()), &Kind::Activation(Activation::Relu)));
}

#[test]
fn a_function_becomes_a_factor_of_its_argument() {
    for gate_first in [false, true] {
        let mut b = Builder::new([5, 4, 3]);
        let gate = b.smooth(0, Function::Normal, false);
        let inputs = if gate_first { [gate, 0] } else { [0, gate] };
        let mut layer = b.layers[0].clone();
        assert!(layer.absorb(gate, &Kind::Multiply, &inputs));
        let one = Net::new(b.input(), vec![layer.clone()]).unwrap();
        b.push(Kind::Multiply, &inputs);
        let x = numbers(3, one.inputs());
        assert_eq!(one.forward(&x, false).0, net(&b).forward(&x, false).0);
        assert!(
            !layer.absorb(gate, &Kind::Multiply, &inputs),
            "it is one already"
        );
        let mut layer = b.layers[0].clone();
        assert!(
            !layer.absorb(gate, &Kind::Multiply, &[gate, gate]),
            "of another value"
        );
        assert!(!layer.absorb(gate, &Kind::Add, &inputs));
    }
}
