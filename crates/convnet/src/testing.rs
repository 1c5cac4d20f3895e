//! Small networks with weights that look random, for the tests of every device's networks.

use crate::{Activation, Convolution, Dense, Function, Kind, Layer, Norm, Smooth, Window};

/// A kernel of 3 x 3 that keeps the size.
pub const THREE: Window = window([3, 3], [1, 1], [1, 1]);

/// A window with padding alike on both sides.
pub const fn window(kernel: [usize; 2], stride: [usize; 2], pad: [usize; 2]) -> Window {
    Window {
        kernel,
        stride,
        dilation: [1, 1],
        begin: pad,
        end: pad,
    }
}

/// Numbers in [-1, 1) that look random.
pub fn numbers(seed: u64, n: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// Weights of `outputs` sums, each over `terms` numbers, that keep a value's size.
fn weights(seed: u64, outputs: usize, terms: usize) -> Vec<f32> {
    let reach = (3.0 / terms as f32).sqrt();
    let weights = numbers(seed, outputs * terms).into_iter();
    weights.map(|weight| weight * reach).collect()
}

/// A convolution over `channels`.
pub fn convolution(channels: usize, filters: usize, groups: usize, window: Window) -> Kind {
    let terms = channels / groups * window.kernel.iter().product::<usize>();
    Kind::Convolution(Convolution {
        weights: weights((filters * terms) as u64 + 7, filters, terms),
        bias: numbers(filters as u64, filters),
        filters,
        groups,
        window,
    })
}

/// Layers that follow one another, and the shapes that they make.
pub struct Builder {
    pub layers: Vec<Layer>,
    /// Of the input, and of each layer's value.
    pub shapes: Vec<[usize; 3]>,
}

impl Builder {
    pub fn new(input: [usize; 3]) -> Builder {
        Builder {
            layers: Vec::new(),
            shapes: vec![input],
        }
    }

    pub fn input(&self) -> [usize; 3] {
        self.shapes[0]
    }

    /// Appends a layer; gives its value.
    pub fn push(&mut self, kind: Kind, inputs: &[usize]) -> usize {
        let shapes: Vec<_> = inputs.iter().map(|&value| self.shapes[value]).collect();
        let shape = kind.shape(&shapes);
        self.shapes.push(shape.expect("a layer that fits"));
        self.layers.push(Layer {
            kind,
            inputs: inputs.to_vec(),
        });
        self.layers.len()
    }

    pub fn conv(&mut self, from: usize, filters: usize, groups: usize, window: Window) -> usize {
        let kind = convolution(self.shapes[from][0], filters, groups, window);
        self.push(kind, &[from])
    }

    pub fn dense(&mut self, from: usize, outputs: usize) -> usize {
        let terms = self.shapes[from].iter().product();
        let dense = Dense {
            weights: weights(3, outputs, terms),
            bias: numbers(4, outputs),
            outputs,
        };
        self.push(Kind::Dense(dense), &[from])
    }

    pub fn act(&mut self, from: usize, activation: Activation) -> usize {
        self.push(Kind::Activation(activation), &[from])
    }

    pub fn relu(&mut self, from: usize) -> usize {
        self.act(from, Activation::Relu)
    }

    pub fn smooth(&mut self, from: usize, function: Function, gated: bool) -> usize {
        self.push(Kind::Smooth(Smooth { function, gated }), &[from])
    }

    pub fn multiply(&mut self, a: usize, b: usize) -> usize {
        self.push(Kind::Multiply, &[a, b])
    }

    pub fn add(&mut self, a: usize, b: usize) -> usize {
        self.push(Kind::Add, &[a, b])
    }

    pub fn pool(&mut self, from: usize, window: Window, kind: fn(Window) -> Kind) -> usize {
        self.push(kind(window), &[from])
    }
}

/// A mean of each window in which padding counts.
pub fn mean(window: Window) -> Kind {
    Kind::AveragePool {
        window,
        count_padding: true,
    }
}

/// A mean of each window in which padding does not count.
pub fn mean_inside(window: Window) -> Kind {
    Kind::AveragePool {
        window,
        count_padding: false,
    }
}

/// All functions that bend.
pub const FUNCTIONS: [Function; 5] = [
    Function::Sigmoid,
    Function::Tanh,
    Function::HardSigmoid {
        slope: 0.3,
        shift: 0.41,
    },
    Function::Normal,
    Function::Erf,
];

/// A function behind a convolution, read twice, and behind a sum.
pub fn bent(function: Function, gated: bool) -> Builder {
    let mut b = Builder::new([4, 6, 5]);
    let x = b.conv(0, 20, 1, THREE);
    let bent = b.smooth(x, function, gated);
    let y = b.conv(bent, 20, 1, THREE);
    let sum = b.add(y, bent);
    let x = b.smooth(sum, function, gated);
    b.dense(x, 3);
    b
}

/// Products of values of one shape.
pub fn multiplied() -> Builder {
    let mut b = Builder::new([20, 5, 6]);
    let left = b.conv(0, 20, 1, THREE);
    let right = b.relu(0);
    let product = b.multiply(left, right);
    let square = b.multiply(product, product);
    b.conv(square, 5, 1, THREE);
    b
}

/// Squeeze and excitation, as between the convolutions of EfficientNet and MobileNetV3.
pub fn excited([rows, cols]: [usize; 2]) -> Builder {
    let one = window([1, 1], [1, 1], [0, 0]);
    let mut b = Builder::new([3, rows, cols]);
    let x = b.conv(0, 20, 1, THREE);
    let x = b.relu(x);
    let squeezed = b.pool(x, Window::whole([rows, cols]), mean);
    let few = b.conv(squeezed, 5, 1, one);
    let few = b.relu(few);
    let many = b.conv(few, 20, 1, one);
    let gate = b.smooth(many, Function::Sigmoid, false);
    let x = b.multiply(x, gate);
    b.conv(x, 18, 1, THREE);
    b
}

/// Values of so many channels put together, one of them behind a rectifier.
pub fn together(counts: [usize; 3]) -> Builder {
    let mut b = Builder::new([6, 5, 4]);
    let mut parts = counts.map(|count| b.conv(0, count, 1, THREE));
    parts[1] = b.relu(parts[1]);
    let all = counts.iter().enumerate();
    let places = all.flat_map(|(input, &count)| (0..count).map(move |channel| (input, channel)));
    let whole = b.push(Kind::Channels(places.collect()), &parts);
    b.conv(whole, 9, 1, THREE);
    b
}

/// Channels cut in two and shuffled, as in ShuffleNet; then one value twice, and channels that nobody takes.
pub fn shuffled() -> Builder {
    let mut b = Builder::new([40, 4, 5]);
    let x = b.relu(0);
    let parts = [0..17, 17..40].map(|part| {
        let part = b.push(Kind::Channels(part.map(|c| (0, c)).collect()), &[x]);
        b.conv(part, 20, 1, THREE)
    });
    let shuffled = (0..40).map(|c| (c % 2, c / 2)).collect();
    let x = b.push(Kind::Channels(shuffled), &parts);
    let x = b.conv(x, 4, 1, THREE);
    let x = b.push(Kind::Channels(vec![(1, 3), (0, 1), (0, 3)]), &[x, x]);
    b.conv(x, 2, 1, THREE);
    b
}

/// Layer normalisation before a convolution, and behind a function that bends, as in ConvNeXt.
pub fn normed(channels: usize, centre: bool) -> Builder {
    let norm = |seed: u64| {
        let scale = numbers(seed, channels).iter().map(|v| v + 1.5).collect();
        Kind::Norm(Norm {
            scale,
            bias: numbers(seed + 1, channels),
            epsilon: 1e-3,
            centre,
        })
    };
    let one = window([1, 1], [1, 1], [0, 0]);
    let mut b = Builder::new([channels, 3, 19]);
    let x = b.push(norm(5), &[0]);
    let wide = b.conv(x, 2 * channels, 1, one);
    let wide = b.smooth(wide, Function::Normal, true);
    let narrow = b.conv(wide, channels, 1, one);
    let sum = b.add(narrow, 0);
    let x = b.push(norm(9), &[sum]);
    b.conv(x, 3, 1, one);
    b
}

/// A function between dense layers of many outputs.
pub fn bent_dense(function: Function) -> Builder {
    let mut b = Builder::new([30, 1, 1]);
    let x = b.dense(0, 70);
    let x = b.smooth(x, function, true);
    b.dense(x, 40);
    b
}

/// Channels cut in two, of which nobody reads the second half.
pub fn half_read() -> Builder {
    let mut b = Builder::new([6, 5, 4]);
    let x = b.conv(0, 20, 1, THREE);
    let x = b.relu(x);
    let parts = [0..9, 9..20];
    let [left, _] = parts.map(|part| b.push(Kind::Channels(part.map(|c| (0, c)).collect()), &[x]));
    b.conv(left, 3, 1, THREE);
    b
}
