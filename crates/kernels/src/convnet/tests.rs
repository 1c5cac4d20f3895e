//! Networks on the GPU against the CPU's, which are held against double precision in their own crate.

use scoville_convnet::testing::{
    Builder, FUNCTIONS, THREE, bent, bent_dense, excited, half_read, mean, mean_inside, multiplied,
    normed, numbers, shuffled, together, window,
};
use scoville_convnet::{Activation, Kind, Net, Window};

use super::ConvNet;
use crate::testing;
use crate::{Array, Device};

/// Values and gradients of a few batches agree with the CPU's, one workspace after the other.
fn agrees(b: &Builder) {
    let Some(device) = testing::gpu() else { return };
    let ours = ConvNet::new(&device, b.input(), &b.layers).unwrap();
    let twin = Net::new(b.input(), b.layers.clone()).unwrap();
    for samples in [3, 1, 6] {
        let x = numbers(11, samples * twin.inputs());
        let by = numbers(13, samples * twin.outputs());
        let (values, tape) = twin.forward(&x, true);
        let gradient = twin.backward(&tape.unwrap(), &by);
        let array = |data: &[f32]| {
            Array::from_vec(&device, samples, data.len() / samples, data.to_vec()).unwrap()
        };
        let (out, tape) = ours.forward(&array(&x)).unwrap();
        close("values", &out, &values);
        // Twice: what is on the tape stays there.
        for what in ["gradient", "gradient again"] {
            let by_input = ours.backward(&tape, &array(&by)).unwrap();
            close(what, &by_input, &gradient);
        }
    }
}

/// To 1e-4 of the largest value.
fn close(what: &str, ours: &Array, twin: &[f32]) {
    let ours = ours.to_vec().unwrap();
    assert_eq!(ours.len(), twin.len());
    let largest = twin.iter().fold(1e-3f32, |m, v| m.max(v.abs()));
    for (i, (a, b)) in ours.iter().zip(twin).enumerate() {
        assert!((a - b).abs() <= 1e-4 * largest, "{what} {i}: {a} for {b}");
    }
}

#[test]
fn convolutions() {
    let table = [
        // Input, filters, kernel, stride, padding.
        ([3, 9, 7], 5, [3, 3], [1, 1], [1, 1]),
        ([3, 9, 7], 20, [3, 3], [2, 2], [1, 1]),
        ([18, 8, 8], 33, [1, 1], [1, 1], [0, 0]),
        ([16, 9, 9], 16, [1, 1], [2, 2], [0, 0]),
        ([5, 11, 6], 7, [5, 2], [3, 2], [2, 1]),
        ([4, 1, 40], 9, [1, 7], [1, 3], [0, 3]),
        ([2, 4, 4], 3, [4, 4], [1, 1], [0, 0]),
        ([20, 3, 4], 18, [5, 4], [2, 3], [1, 0]),
        ([9, 7, 13], 70, [3, 3], [1, 1], [1, 1]),
        ([8, 6, 6], 8, [3, 3], [1, 1], [2, 2]),
        ([3, 32, 32], 10, [16, 16], [16, 16], [0, 0]),
        ([4, 20, 20], 6, [20, 20], [1, 1], [0, 0]),
        ([2, 30, 30], 9, [11, 11], [4, 4], [2, 2]),
    ];
    for (input, filters, kernel, stride, pad) in table {
        let mut b = Builder::new(input);
        let c = b.conv(0, filters, 1, window(kernel, stride, pad));
        b.relu(c);
        agrees(&b);
    }
}

/// Patches beside and below one another, for every number of filters of a tile.
#[test]
fn many_patches() {
    for filters in [16, 32, 64] {
        let mut b = Builder::new([2, 128, 257]);
        let c = b.conv(0, filters, 1, window([1, 1], [1, 1], [0, 0]));
        let r = b.relu(c);
        b.conv(r, 1, 1, window([1, 1], [1, 1], [0, 0]));
        agrees(&b);
    }
}

#[test]
fn dilation_uneven_padding_and_groups() {
    let uneven = Window {
        kernel: [3, 2],
        stride: [2, 1],
        dilation: [2, 3],
        begin: [2, 0],
        end: [1, 3],
    };
    for (channels, filters, groups) in [
        (6, 10, 1),
        (32, 64, 2),
        (48, 48, 3),
        (96, 96, 2),
        (160, 160, 2),
        (21, 21, 21),
    ] {
        let mut b = Builder::new([channels, 11, 10]);
        let c = b.conv(0, filters, groups, uneven);
        let r = b.act(c, Activation::Leaky(0.1));
        b.conv(r, 4, 1, THREE);
        agrees(&b);
    }
}

#[test]
fn pools() {
    let uneven = Window {
        kernel: [3, 2],
        stride: [2, 3],
        dilation: [2, 1],
        begin: [1, 0],
        end: [2, 1],
    };
    for window in [
        window([2, 2], [2, 2], [0, 0]),
        window([3, 3], [2, 2], [1, 1]),
        uneven,
    ] {
        for kind in [Kind::MaxPool, mean, mean_inside] {
            let mut b = Builder::new([3, 9, 10]);
            let c = b.conv(0, 18, 1, THREE);
            let r = b.act(c, Activation::Clip(-0.5, 0.75));
            let p = b.pool(r, window, kind);
            b.dense(p, 5);
            agrees(&b);
        }
    }
}

#[test]
fn functions_that_bend() {
    for function in FUNCTIONS {
        for gated in [false, true] {
            agrees(&bent(function, gated));
        }
        agrees(&bent_dense(function));
    }
}

#[test]
fn products_of_values() {
    agrees(&multiplied());
    agrees(&excited([9, 8]));
    agrees(&excited([120, 100]));
}

#[test]
fn layer_normalisation() {
    for centre in [false, true] {
        agrees(&normed(20, centre));
    }
}

#[test]
fn channels_in_another_order() {
    agrees(&together([16, 32, 16]));
    agrees(&together([5, 20, 16]));
    agrees(&shuffled());
    agrees(&half_read());
}

#[test]
fn dense_layers() {
    let mut b = Builder::new([30, 1, 1]);
    let d = b.dense(0, 37);
    let r = b.relu(d);
    let d = b.dense(r, 18);
    let r = b.relu(d);
    b.dense(r, 3);
    agrees(&b);
}

/// Values that are read twice, a shorter way with a stride, a mean over all, as in a residual network.
#[test]
fn a_residual_network() {
    let mut b = Builder::new([3, 12, 12]);
    let c = b.conv(0, 16, 1, THREE);
    let stem = b.relu(c);
    let c = b.conv(stem, 16, 1, THREE);
    let r = b.relu(c);
    let c = b.conv(r, 16, 1, THREE);
    let sum = b.add(c, stem);
    let block = b.relu(sum);
    let c = b.conv(block, 32, 1, window([3, 3], [2, 2], [1, 1]));
    let r = b.relu(c);
    let c = b.conv(r, 32, 1, THREE);
    let short = b.conv(block, 32, 1, window([1, 1], [2, 2], [0, 0]));
    let sum = b.add(c, short);
    let block = b.relu(sum);
    let pooled = b.pool(block, Window::whole([6, 6]), mean);
    b.dense(pooled, 10);
    agrees(&b);
}

/// The network's input is added, and its output is read inside.
#[test]
fn the_callers_arrays_are_read_and_written_in_the_middle() {
    let mut b = Builder::new([4, 5, 5]);
    let c = b.conv(0, 4, 1, THREE);
    let sum = b.add(c, 0);
    let r = b.relu(sum);
    b.add(r, r);
    agrees(&b);
}

#[test]
fn two_tapes_live_side_by_side() {
    let Some(device) = testing::gpu() else { return };
    let mut b = Builder::new([3, 4, 4]);
    let c = b.conv(0, 5, 1, THREE);
    b.relu(c);
    let twin = Net::new([3, 4, 4], b.layers.clone()).unwrap();
    let ours = ConvNet::new(&device, [3, 4, 4], &b.layers).unwrap();
    let xs = [1, 2].map(|seed| numbers(seed, 2 * 48));
    let by = numbers(13, 2 * 80);
    let array = |data: &[f32]| Array::from_vec(&device, 2, data.len() / 2, data.to_vec()).unwrap();
    let tapes = xs.each_ref().map(|x| ours.forward(&array(x)).unwrap().1);
    for (x, tape) in xs.iter().zip(&tapes) {
        let (_, twins) = twin.forward(x, true);
        let expected = twin.backward(&twins.unwrap(), &by);
        close(
            "gradient",
            &ours.backward(tape, &array(&by)).unwrap(),
            &expected,
        );
    }
}

/// One workspace, prepared for another batch while what is recorded still needs the parameters of the last.
#[test]
fn batches_follow_one_another_unread() {
    let Some(device) = testing::gpu() else { return };
    let mut b = Builder::new([3, 4, 4]);
    let c = b.conv(0, 5, 1, THREE);
    b.relu(c);
    let twin = Net::new(b.input(), b.layers.clone()).unwrap();
    let ours = ConvNet::new(&device, b.input(), &b.layers).unwrap();
    let x = numbers(11, 6 * 48);
    let batches = [6, 1, 3].map(|samples| {
        let x = Array::from_vec(&device, samples, 48, x[..samples * 48].to_vec()).unwrap();
        (samples, ours.forward(&x).unwrap().0)
    });
    for (samples, out) in batches {
        close("values", &out, &twin.forward(&x[..samples * 48], false).0);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    assert!(ConvNet::new(&Device::Cpu, [1, 1, 1], &[]).is_err());
    let Some(device) = testing::gpu() else { return };
    assert!(ConvNet::new(&device, [1, 1, 1], &[]).is_err());
    let mut b = Builder::new([1, 1, 5000]);
    b.conv(0, 1, 1, window([1, 5000], [1, 1], [0, 0]));
    let large = ConvNet::new(&device, b.input(), &b.layers);
    assert!(large.unwrap_err().to_string().contains("too large"));
    let mut b = Builder::new([3, 4, 4]);
    b.conv(0, 5, 1, THREE);
    let ours = ConvNet::new(&device, [3, 4, 4], &b.layers).unwrap();
    let short = Array::zeros(&device, 2, 47).unwrap();
    assert!(ours.forward(&short).is_err());
    let none = Array::zeros(&device, 0, 48).unwrap();
    assert_eq!(ours.forward(&none).unwrap().0.rows(), 0);
}
