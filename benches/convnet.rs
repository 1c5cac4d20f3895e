//! Layers of the CPU's convolutional networks, forward and backward: `cargo bench -p scoville-convnet`.
//!
//! The counter is multiplications and additions of the plain convolution, so that Winograd shows as more than the machine
//! can do. `RAYON_NUM_THREADS` sets the threads.

use divan::Bencher;
use divan::counter::ItemsCount;
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
