//! Networks against a plain interpreter in double precision.

mod bent;
mod channels;
mod merged;
mod multiplied;
mod normed;
mod zeros;

use crate::testing::{Builder, convolution, mean, mean_inside, numbers, window};
use crate::{Activation, Convolution, Kind, Layer, Net, Window};

type Shape = [usize; 3];
/// Output element, which input, its element, factor.
type Term = (usize, usize, usize, f64);

/// A value of one sample: channels, rows, columns.
#[derive(Clone)]
struct Value {
    shape: Shape,
    data: Vec<f64>,
}

impl Value {
    fn zeros(shape: Shape) -> Value {
        Value {
            shape,
            data: vec![0.0; shape.iter().product()],
        }
    }

    fn at(&self, c: usize, y: usize, x: usize) -> usize {
        (c * self.shape[1] + y) * self.shape[2] + x
    }
}

/// The input pixels below (y, x) that lie inside, with the kernel's place.
fn below(window: &Window, size: [usize; 2], [y, x]: [usize; 2]) -> Vec<([usize; 2], [usize; 2])> {
    let mut pixels = Vec::new();
    for ky in 0..window.kernel[0] {
        for kx in 0..window.kernel[1] {
            let py = (y * window.stride[0] + ky * window.dilation[0]) as isize
                - window.begin[0] as isize;
            let px = (x * window.stride[1] + kx * window.dilation[1]) as isize
                - window.begin[1] as isize;
            if (0..size[0] as isize).contains(&py) && (0..size[1] as isize).contains(&px) {
                pixels.push(([ky, kx], [py as usize, px as usize]));
            }
        }
    }
    pixels
}

/// The terms of a layer at its inputs, and what is added to each output.
fn linear(kind: &Kind, x: &[&Value], out: Shape) -> (Vec<Term>, Vec<f64>) {
    let mut terms = Vec::new();
    let y = Value::zeros(out);
    let mut bias = vec![0.0; y.data.len()];
    let [channels, rows, cols] = x[0].shape;
    let pixels = (0..out[1]).flat_map(|y| (0..out[2]).map(move |x| [y, x]));
    match kind {
        Kind::Convolution(conv) => {
            let [kr, kc] = conv.window.kernel;
            let depth = channels / conv.groups;
            for f in 0..conv.filters {
                for [oy, ox] in pixels.clone() {
                    let to = y.at(f, oy, ox);
                    bias[to] = conv.bias.get(f).copied().unwrap_or(0.0).into();
                    for ([ky, kx], [py, px]) in below(&conv.window, [rows, cols], [oy, ox]) {
                        for i in 0..depth {
                            let c = f / (conv.filters / conv.groups) * depth + i;
                            let w = conv.weights[((f * depth + i) * kr + ky) * kc + kx];
                            terms.push((to, 0, x[0].at(c, py, px), w.into()));
                        }
                    }
                }
            }
        }
        Kind::Dense(dense) => {
            let inputs = x[0].data.len();
            for (o, bias) in bias.iter_mut().enumerate() {
                *bias = dense.bias.get(o).copied().unwrap_or(0.0).into();
                terms.extend((0..inputs).map(|i| (o, 0, i, dense.weights[o * inputs + i].into())));
            }
        }
        Kind::Add => {
            for i in 0..y.data.len() {
                terms.extend([(i, 0, i, 1.0), (i, 1, i, 1.0)]);
            }
        }
        Kind::Activation(activation) => {
            for (i, &v) in x[0].data.iter().enumerate() {
                let (value, slope) = match *activation {
                    Activation::Relu => (v.max(0.0), f64::from(v > 0.0)),
                    Activation::Leaky(_) if v > 0.0 => (v, 1.0),
                    Activation::Leaky(a) => (v * f64::from(a), a.into()),
                    Activation::Clip(lo, hi) => {
                        let clipped = v.clamp(lo.into(), hi.into());
                        (clipped, f64::from(clipped == v))
                    }
                };
                terms.push((i, 0, i, slope));
                bias[i] = value - slope * v;
            }
        }
        Kind::Smooth(smooth) => {
            for (i, &v) in x[0].data.iter().enumerate() {
                let (value, slope) = bent::truth(*smooth, v);
                terms.push((i, 0, i, slope));
                bias[i] = value - slope * v;
            }
        }
        Kind::Norm(norm) => {
            for (i, term) in normed::truth(norm, x[0]).into_iter().enumerate() {
                let (value, slopes) = term;
                bias[i] = value;
                for (from, slope) in slopes {
                    bias[i] -= slope * x[0].data[from];
                    terms.push((i, 0, from, slope));
                }
            }
        }
        Kind::Multiply => {
            let pixels = x[0].data.len() / x[1].data.len();
            for (i, &a) in x[0].data.iter().enumerate() {
                let b = x[1].data[i / pixels];
                terms.extend([(i, 0, i, b), (i, 1, i / pixels, a)]);
                bias[i] = -a * b;
            }
        }
        Kind::Channels(places) => {
            for (c, &(input, channel)) in places.iter().enumerate() {
                let each = rows * cols;
                terms.extend((0..each).map(|i| (c * each + i, input, channel * each + i, 1.0)));
            }
        }
        Kind::MaxPool(window) => {
            for c in 0..channels {
                for [oy, ox] in pixels.clone() {
                    let places = below(window, [rows, cols], [oy, ox]);
                    let at = places.iter().map(|(_, [py, px])| x[0].at(c, *py, *px));
                    let best = at.reduce(|a, b| if x[0].data[b] > x[0].data[a] { b } else { a });
                    terms.push((y.at(c, oy, ox), 0, best.unwrap(), 1.0));
                }
            }
        }
        Kind::AveragePool {
            window,
            count_padding,
        } => {
            for c in 0..channels {
                for [oy, ox] in pixels.clone() {
                    let places = below(window, [rows, cols], [oy, ox]);
                    let all = window.kernel[0] * window.kernel[1];
                    let count = if *count_padding { all } else { places.len() };
                    terms.extend(places.iter().map(|(_, [py, px])| {
                        (y.at(c, oy, ox), 0, x[0].at(c, *py, *px), 1.0 / count as f64)
                    }));
                }
            }
        }
    }
    (terms, bias)
}

/// Output and gradient of one sample.
fn reference(
    input: Shape,
    shapes: &[Shape],
    layers: &[Layer],
    x: &[f32],
    by: &[f32],
) -> (Vec<f64>, Vec<f64>) {
    let mut values = vec![Value {
        shape: input,
        data: x.iter().map(|&v| v.into()).collect(),
    }];
    let mut all = Vec::new();
    for (layer, &shape) in layers.iter().zip(shapes) {
        let inputs: Vec<&Value> = layer.inputs.iter().map(|&i| &values[i]).collect();
        let (terms, mut out) = linear(&layer.kind, &inputs, shape);
        for &(to, place, from, w) in &terms {
            out[to] += w * inputs[place].data[from];
        }
        all.push(terms);
        values.push(Value { shape, data: out });
    }
    let mut gradients: Vec<Vec<f64>> = values.iter().map(|v| vec![0.0; v.data.len()]).collect();
    *gradients.last_mut().unwrap() = by.iter().map(|&v| v.into()).collect();
    for (i, (layer, terms)) in layers.iter().zip(&all).enumerate().rev() {
        for &(to, place, from, w) in terms {
            let by = gradients[i + 1][to];
            gradients[layer.inputs[place]][from] += w * by;
        }
    }
    (values.last().unwrap().data.clone(), gradients[0].clone())
}

fn net(b: &Builder) -> Net {
    Net::new(b.input(), b.layers.clone()).unwrap()
}

/// Compares values and gradients of some samples.
fn agrees(b: &Builder) {
    let net = net(b);
    for samples in [1, 5] {
        let (inputs, outputs) = (net.inputs(), net.outputs());
        let x = numbers(11, samples * inputs);
        let by = numbers(13, samples * outputs);
        let (y, tape) = net.forward(&x, true);
        let gradient = net.backward(&tape.unwrap(), &by);
        let (again, none) = net.forward(&x, false);
        assert!(none.is_none());
        assert_eq!(y, again, "with and without the tape");
        for s in 0..samples {
            let of = |data: &[f32], n: usize| data[s * n..][..n].to_vec();
            let (by, x) = (of(&by, outputs), of(&x, inputs));
            let (value, derivative) = reference(b.input(), &b.shapes[1..], &b.layers, &x, &by);
            close("values", &of(&y, outputs), &value);
            close("gradient", &of(&gradient, inputs), &derivative);
        }
    }
}

fn close(what: &str, ours: &[f32], truth: &[f64]) {
    assert_eq!(ours.len(), truth.len());
    let largest = truth.iter().fold(1e-3, |m: f64, v| m.max(v.abs()));
    for (i, (&a, &b)) in ours.iter().zip(truth).enumerate() {
        let difference = (f64::from(a) - b).abs() / largest;
        assert!(difference < 2e-5, "{what} {i}: {a} for {b}");
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
        // Images whose rows are longer than a vector, or just as long.
        ([1, 28, 28], 6, [5, 5], [1, 1], [2, 2]),
        ([2, 5, 37], 20, [3, 3], [2, 2], [1, 1]),
        ([3, 33, 32], 8, [7, 7], [2, 2], [3, 3]),
        ([3, 16, 16], 16, [4, 4], [4, 4], [0, 0]),
        // Winograd, whole tiles and cut ones.
        ([16, 8, 8], 16, [3, 3], [1, 1], [1, 1]),
        ([9, 7, 13], 40, [3, 3], [1, 1], [1, 1]),
        ([17, 10, 6], 8, [3, 3], [1, 1], [0, 0]),
        ([8, 6, 6], 8, [3, 3], [1, 1], [2, 2]),
        // Winograd by the grids of a stride, and with two taps.
        ([10, 14, 14], 17, [4, 4], [2, 2], [1, 1]),
        ([16, 15, 17], 16, [4, 4], [2, 2], [2, 0]),
        ([9, 16, 16], 12, [5, 5], [2, 2], [2, 2]),
        ([8, 16, 8], 9, [4, 3], [2, 1], [1, 1]),
        ([16, 9, 9], 16, [2, 2], [1, 1], [0, 1]),
    ];
    for (input, filters, kernel, stride, pad) in table {
        let mut b = Builder::new(input);
        b.conv(0, filters, 1, window(kernel, stride, pad));
        agrees(&b);
    }
}

#[test]
fn dense_layers_read_images() {
    for input in [[1, 6, 7], [3, 5, 4], [40, 1, 1]] {
        let mut b = Builder::new(input);
        let hidden = b.dense(0, 20);
        let active = b.act(hidden, Activation::Relu);
        b.dense(active, 3);
        agrees(&b);
    }
}

#[test]
fn uneven_padding_dilation_and_groups() {
    let uneven = Window {
        kernel: [3, 3],
        stride: [2, 1],
        dilation: [1, 2],
        begin: [0, 2],
        end: [1, 0],
    };
    let mut b = Builder::new([6, 8, 9]);
    b.conv(0, 8, 1, uneven);
    agrees(&b);
    let even = window([3, 3], [1, 1], [1, 1]);
    let mut b = Builder::new([32, 6, 6]);
    b.conv(0, 64, 2, even);
    agrees(&b);
    for stride in [1, 2, 3] {
        let mut b = Builder::new([21, 9, 6]);
        b.conv(0, 21, 21, window([3, 3], [stride, stride], [1, 1]));
        agrees(&b);
    }
}

#[test]
fn pools() {
    let windows = [
        window([2, 2], [2, 2], [0, 0]),
        window([3, 3], [2, 2], [1, 1]),
        window([3, 2], [1, 1], [0, 0]),
        window([7, 6], [1, 1], [0, 0]),
    ];
    for w in windows {
        for kind in [Kind::MaxPool, mean, mean_inside] {
            let mut b = Builder::new([19, 7, 6]);
            b.pool(0, w, kind);
            agrees(&b);
        }
    }
}

#[test]
fn activations_alone_and_behind_a_convolution() {
    for activation in [
        Activation::Relu,
        Activation::Leaky(0.1),
        Activation::Clip(-0.2, 0.3),
    ] {
        let mut b = Builder::new([20, 5, 4]);
        b.act(0, activation);
        agrees(&b);
        let mut b = Builder::new([4, 5, 4]);
        let x = b.conv(0, 12, 1, window([3, 3], [1, 1], [1, 1]));
        let x = b.act(x, activation);
        let x = b.conv(x, 12, 1, window([3, 3], [1, 1], [1, 1]));
        b.act(x, activation);
        agrees(&b);
    }
}

#[test]
fn a_residual_network() {
    let three = |stride: usize| window([3, 3], [stride, stride], [1, 1]);
    let mut b = Builder::new([3, 16, 16]);
    let x = b.conv(0, 16, 1, three(1));
    let mut x = b.act(x, Activation::Relu);
    for (filters, stride) in [(16, 1), (32, 2)] {
        let y = b.conv(x, filters, 1, three(stride));
        let y = b.act(y, Activation::Relu);
        let y = b.conv(y, filters, 1, three(1));
        let shortcut = match stride {
            1 => x,
            _ => b.conv(x, filters, 1, window([1, 1], [2, 2], [0, 0])),
        };
        let y = b.add(shortcut, y);
        x = b.act(y, Activation::Relu);
    }
    let x = b.pool(x, window([8, 8], [1, 1], [0, 0]), mean);
    b.dense(x, 10);
    agrees(&b);
}

#[test]
fn a_network_with_pools_and_dense_layers() {
    let mut b = Builder::new([1, 12, 12]);
    let x = b.conv(0, 20, 1, window([5, 5], [1, 1], [2, 2]));
    let x = b.act(x, Activation::Relu);
    let x = b.pool(x, window([2, 2], [2, 2], [0, 0]), Kind::MaxPool);
    let x = b.conv(x, 10, 1, window([3, 3], [1, 1], [1, 1]));
    let x = b.act(x, Activation::Relu);
    let x = b.pool(x, window([2, 2], [2, 2], [0, 0]), Kind::MaxPool);
    let x = b.dense(x, 30);
    let x = b.act(x, Activation::Relu);
    b.dense(x, 4);
    agrees(&b);
}

#[test]
fn values_that_are_read_more_than_once() {
    let w = window([3, 3], [1, 1], [1, 1]);
    let mut b = Builder::new([8, 6, 6]);
    let x = b.act(0, Activation::Relu);
    let left = b.conv(x, 8, 1, w);
    let right = b.pool(x, w, Kind::MaxPool);
    let sum = b.add(left, right);
    let twice = b.add(sum, sum);
    let last = b.add(twice, x);
    b.act(last, Activation::Leaky(0.2));
    agrees(&b);
}

#[test]
fn layers_that_do_not_fit() {
    let what = |input, kind, inputs: &[usize]| {
        let inputs = inputs.to_vec();
        Net::new(input, vec![Layer { kind, inputs }])
            .unwrap_err()
            .what
    };
    let grouped = convolution(4, 6, 2, window([3, 3], [1, 1], [0, 0]));
    let groups = "its groups are no whole blocks of 16 channels";
    assert_eq!(what([4, 5, 5], grouped, &[0]), groups);
    assert!(Net::new([4, 5, 5], Vec::new()).is_err());
    let unmade = "it reads what no earlier layer makes";
    assert_eq!(what([4, 5, 5], Kind::Add, &[0, 3]), unmade);
    let large = Kind::MaxPool(window([6, 6], [1, 1], [0, 0]));
    assert_eq!(what([4, 5, 5], large, &[0]), "its window does not fit");
    let apart = Kind::MaxPool(Window {
        dilation: [1, 2],
        ..window([1, 2], [1, 1], [0, 1])
    });
    let alone = "a window lies in the padding alone";
    assert_eq!(what([1, 1, 1], apart, &[0]), alone);
    let far = convolution(1, 1, 1, window([1, 1], [90, 90], [0, 0]));
    assert_eq!(what([1, 90, 90], far, &[0]), "its stride is too large");
    let padded = window([1, 1], [8192, 8192], [1 << 20, 1 << 20]);
    let padded = convolution(1, 1, 1, padded);
    let much = "its values take too much memory";
    assert_eq!(what([1, 4, 4], padded, &[0]), much);
}

#[test]
fn not_a_number_stays() {
    let mut b = Builder::new([1, 1, 2]);
    b.act(0, Activation::Relu);
    let net = net(&b);
    let (y, _) = net.forward(&[f32::NAN, 1.0], false);
    assert!(y[0].is_nan() && y[1] == 1.0);
}

#[test]
fn a_sample_is_the_same_in_any_batch() {
    let mut b = Builder::new([3, 12, 12]);
    let x = b.conv(0, 24, 1, window([3, 3], [1, 1], [1, 1]));
    let x = b.act(x, Activation::Relu);
    let x = b.conv(x, 16, 1, window([3, 3], [1, 1], [1, 1]));
    b.dense(x, 5);
    let net = net(&b);
    let x = numbers(1, 9 * net.inputs());
    let (all, _) = net.forward(&x, false);
    for s in 0..9 {
        let (one, _) = net.forward(&x[s * net.inputs()..][..net.inputs()], false);
        assert_eq!(one, all[s * 5..][..5]);
    }
}
