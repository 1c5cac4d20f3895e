//! Products that leave out what is zero.

use super::{close, net, reference};
use crate::Kind;
use crate::testing::{Builder, numbers, window};

/// Beside samples of which all is other than zero, nothing is left out; alone, most of it is.
#[test]
fn what_is_zero_is_left_out_and_changes_nothing() {
    let dense = |depth: usize, size: usize| {
        let mut b = Builder::new([depth, size, size]);
        let x = b.dense(0, 100);
        let x = b.relu(x);
        b.dense(x, 70);
        b
    };
    let conv = |kernel: usize, stride: usize| {
        let mut b = Builder::new([40, 12, 12]);
        b.conv(0, 24, 1, window([kernel; 2], [stride; 2], [1, 1]));
        b
    };
    let pointwise = {
        let mut b = Builder::new([40, 6, 6]);
        b.conv(0, 80, 1, window([1, 1], [1, 1], [0, 0]));
        b
    };
    let networks = [
        dense(300, 1),
        dense(20, 4),
        conv(3, 1),
        conv(4, 2),
        pointwise,
    ];
    for (i, b) in networks.iter().enumerate() {
        let net = net(b);
        let (inputs, outputs) = (net.inputs(), net.outputs());
        let pixels = inputs / b.input()[0];
        let few = numbers(5, inputs).into_iter().enumerate();
        // Of each third channel, three elements of ten.
        let few = few.map(|(i, x)| match i / pixels % 3 == 1 && x < -0.4 {
            true => x,
            false => 0.0,
        });
        let few: Vec<f32> = few.collect();
        let many = [few.clone(), numbers(6, 7 * inputs)].concat();
        let by = numbers(7, 8 * outputs);
        let run = |x: &[f32]| {
            let (y, tape) = net.forward(x, true);
            let by = &by[..y.len()];
            let gradient = net.backward(&tape.unwrap(), by);
            (y[..outputs].to_vec(), gradient[..inputs].to_vec())
        };
        assert_eq!(run(&few), run(&many), "network {i}");
        let (value, derivative) =
            reference(b.input(), &b.shapes[1..], &b.layers, &few, &by[..outputs]);
        let (y, gradient) = run(&few);
        close("values", &y, &value);
        close("gradient", &gradient, &derivative);
    }
}

#[test]
fn weights_that_are_not_finite_meet_zeros() {
    for size in [1, 8] {
        let mut b = Builder::new([64, size, size]);
        match size {
            1 => b.dense(0, 64),
            _ => b.conv(0, 64, 1, window([3, 3], [1, 1], [1, 1])),
        };
        match &mut b.layers[0].kind {
            Kind::Dense(dense) => dense.weights[0] = f32::INFINITY,
            Kind::Convolution(conv) => conv.weights[0] = f32::INFINITY,
            _ => unreachable!(),
        }
        let net = net(&b);
        let (y, _) = net.forward(&vec![0.0; net.inputs()], false);
        assert!(y[net.outputs() - size * size - 1].is_finite() && y.iter().any(|y| y.is_nan()));
    }
}
