//! Layers of the CPU's convolutional networks, forward and backward: `cargo bench -p scoville-convnet`.
//!
//! The counter is multiplications and additions of the plain convolution, so that Winograd shows as more than the machine
//! can do. `search` is a small network under a random search: what a call takes of which all is new, and one of which a
//! square of so many pixels is. `RAYON_NUM_THREADS` sets the threads.

use divan::Bencher;
use divan::counter::ItemsCount;
use scoville_convnet::testing::{self, Builder, THREE, mean, window};
use scoville_convnet::{Activation, Convolution, Kind, Layer, Net, Window};

const SAMPLES: usize = 64;

/// Channels, filters, size, kernel, stride, groups.
type Shape = (usize, usize, usize, usize, usize, usize);

const SHAPES: [Shape; 10] = [
    (1, 32, 28, 5, 2, 1),
    (3, 16, 32, 3, 1, 1),
    (16, 16, 32, 3, 1, 1),
    (32, 32, 16, 3, 1, 1),
    (64, 64, 8, 3, 1, 1),
    (256, 256, 14, 3, 1, 1),
    (32, 64, 14, 4, 2, 1),
    (32, 64, 16, 3, 2, 1),
    (64, 256, 14, 1, 1, 1),
    (96, 96, 28, 3, 1, 96),
];

fn main() {
    divan::main();
}

fn numbers(n: usize) -> Vec<f32> {
    (0..n)
        .map(|i| ((i * 7919) % 1000) as f32 / 1000.0 - 0.5)
        .collect()
}

/// A convolution and a rectifier, four times over where the shape allows it, and the operations of a batch.
fn net((channels, filters, size, kernel, stride, groups): Shape) -> (Net, usize) {
    let weights = numbers(filters * channels / groups * kernel * kernel);
    let out = (size + 2 * (kernel / 2) - kernel) / stride + 1;
    let times = if channels == filters && stride == 1 {
        4
    } else {
        1
    };
    let operations = SAMPLES * times * 2 * weights.len() * out * out;
    let window = Window {
        kernel: [kernel; 2],
        stride: [stride; 2],
        dilation: [1, 1],
        begin: [kernel / 2; 2],
        end: [kernel / 2; 2],
    };
    let convolution = Kind::Convolution(Convolution {
        weights,
        bias: vec![0.1; filters],
        filters,
        groups,
        window,
    });
    let layer = |kind, input| Layer {
        kind,
        inputs: vec![input],
    };
    let layers = (0..times).flat_map(|i| {
        let rectifier = Kind::Activation(Activation::Relu);
        [
            layer(convolution.clone(), 2 * i),
            layer(rectifier, 2 * i + 1),
        ]
    });
    let layers = layers.collect();
    let net = Net::new([channels, size, size], layers).expect("fits");
    (net, operations)
}

#[divan::bench(args = SHAPES.map(Named))]
fn forward(bencher: Bencher, Named(shape): Named) {
    let (net, operations) = net(shape);
    let x = numbers(SAMPLES * net.inputs());
    let bencher = bencher.counter(ItemsCount::new(operations));
    bencher.bench_local(|| net.forward(&x, false));
}

#[divan::bench(args = SHAPES.map(Named))]
fn backward(bencher: Bencher, Named(shape): Named) {
    let (net, operations) = net(shape);
    let x = numbers(SAMPLES * net.inputs());
    let (y, tape) = net.forward(&x, true);
    let tape = tape.expect("recorded");
    let bencher = bencher.counter(ItemsCount::new(operations));
    bencher.bench_local(|| net.backward(&tape, &y));
}

/// Inputs of a matrix with 256 outputs, and how many of a hundred are not zero.
const MATRICES: [(usize, usize); 8] = [
    (256, 100),
    (256, 50),
    (256, 33),
    (256, 16),
    (784, 100),
    (784, 50),
    (784, 33),
    (784, 16),
];

#[divan::bench(args = MATRICES)]
fn dense(bencher: Bencher, (inputs, percent): (usize, usize)) {
    let mut b = Builder::new([inputs, 1, 1]);
    b.dense(0, 256);
    let net = Net::new(b.input(), b.layers).expect("fits");
    let mut x = testing::numbers(1, SAMPLES * inputs);
    for (x, draw) in x.iter_mut().zip(testing::numbers(2, SAMPLES * inputs)) {
        if 50.0 * (draw + 1.0) >= percent as f32 {
            *x = 0.0;
        }
    }
    let bencher = bencher.counter(ItemsCount::new(SAMPLES * 2 * 256 * inputs));
    bencher.bench_local(|| net.forward(&x, false));
}

/// Samples of a search: a thread's share of a few that stand, fewer of large images.
const FEW: usize = 16;
const FEW_LARGE: usize = 4;
/// Each network, with images of which all changes, and with squares.
const SEARCHES: [(&str, usize); 12] = [
    ("mnist", 28),
    ("mnist", 5),
    ("mnist", 2),
    ("strided", 28),
    ("strided", 5),
    ("strided", 2),
    ("resnet20", 32),
    ("resnet20", 5),
    ("resnet20", 2),
    ("resnet18", 224),
    ("resnet18", 50),
    ("resnet18", 18),
];

#[divan::bench(args = SEARCHES)]
fn search(bencher: Bencher, (name, side): (&str, usize)) {
    let b = match name {
        "mnist" => mnist(),
        "strided" => strided(),
        "resnet20" => {
            let mut b = Builder::new([3, 32, 32]);
            let x = b.conv(0, 16, 1, THREE);
            let x = b.relu(x);
            residual(b, x, &[16, 32, 64], 3, 8)
        }
        _ => {
            let mut b = Builder::new([3, 224, 224]);
            let x = b.conv(0, 64, 1, window([7, 7], [2, 2], [3, 3]));
            let x = b.relu(x);
            let x = b.pool(x, window([3, 3], [2, 2], [1, 1]), Kind::MaxPool);
            residual(b, x, &[64, 128, 256, 512], 2, 7)
        }
    };
    let net = Net::new(b.input(), b.layers.clone()).expect("fits");
    let [channels, rows, cols] = b.input();
    let few = if rows > 100 { FEW_LARGE } else { FEW };
    let best = numbers(few * net.inputs());
    let mut call = 0;
    let mut next = || {
        let mut x = best.clone();
        for (s, x) in x.chunks_exact_mut(net.inputs()).enumerate() {
            call += 1;
            let [top, left] = [rows, cols].map(|len| (call * 7919 + s * 31) % (len - side + 1));
            for c in 0..channels {
                for y in top..top + side {
                    let at = (c * rows + y) * cols + left;
                    x[at..at + side].fill((call % 100) as f32 / 100.0);
                }
            }
        }
        x
    };
    // It takes some calls to see what they have in common.
    for _ in 0..20 {
        net.forward(&next(), false);
    }
    bencher
        .counter(ItemsCount::new(few))
        .with_inputs(next)
        .bench_local_refs(|x| net.forward(x, false));
}

/// Two pairs of 3 x 3 convolutions and pools, and dense layers.
fn mnist() -> Builder {
    let bare = window([3, 3], [1, 1], [0, 0]);
    let halve = window([2, 2], [2, 2], [0, 0]);
    let mut b = Builder::new([1, 28, 28]);
    let mut x = 0;
    for filters in [32, 64] {
        for _ in 0..2 {
            x = b.conv(x, filters, 1, bare);
            x = b.relu(x);
        }
        x = b.pool(x, halve, Kind::MaxPool);
    }
    let x = b.dense(x, 200);
    let x = b.relu(x);
    b.dense(x, 10);
    b
}

/// The layers of mnist_colt_0.1.
fn strided() -> Builder {
    let mut b = Builder::new([1, 28, 28]);
    let x = b.conv(0, 32, 1, window([5, 5], [2, 2], [2, 2]));
    let x = b.relu(x);
    let x = b.conv(x, 64, 1, window([4, 4], [2, 2], [1, 1]));
    let x = b.relu(x);
    let x = b.dense(x, 100);
    let x = b.relu(x);
    b.dense(x, 10);
    b
}

/// Stages of so many blocks each, all but the first of half the size of the one before, and the mean of the last's pixels.
fn residual(mut b: Builder, mut x: usize, stages: &[usize], blocks: usize, side: usize) -> Builder {
    for (stage, &filters) in stages.iter().enumerate() {
        for block in 0..blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let y = b.conv(x, filters, 1, window([3, 3], [stride; 2], [1, 1]));
            let y = b.relu(y);
            let y = b.conv(y, filters, 1, THREE);
            let short = match stride {
                1 => x,
                _ => b.conv(x, filters, 1, window([1, 1], [2, 2], [0, 0])),
            };
            let y = b.add(short, y);
            x = b.relu(y);
        }
    }
    let x = b.pool(x, window([side; 2], [side; 2], [0, 0]), mean);
    b.dense(x, 10);
    b
}

#[derive(Clone, Copy)]
struct Named(Shape);

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (channels, filters, size, kernel, stride, groups) = self.0;
        write!(f, "{channels}-{filters} at {size}, {kernel}x{kernel}")?;
        if stride > 1 {
            write!(f, ", stride {stride}")?;
        }
        if groups > 1 {
            write!(f, ", depthwise")?;
        }
        Ok(())
    }
}
