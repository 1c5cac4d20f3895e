//! Layer normalisation.

use super::{Value, agrees, net};
use crate::testing::{normed, numbers};
use crate::{Kind, Layer, Layout, Net, Norm};

/// Of each element the value, and its derivatives by the elements of its pixel.
pub(super) fn truth(norm: &Norm, x: &Value) -> Vec<(f64, Vec<(usize, f64)>)> {
    let [channels, rows, cols] = x.shape;
    let pixels = rows * cols;
    let n = channels as f64;
    let one = |i: usize| {
        let (c, pixel) = (i / pixels, i % pixels);
        let of = |c: usize| x.data[c * pixels + pixel];
        let all = || (0..channels).map(of);
        let mean = if norm.centre {
            all().sum::<f64>() / n
        } else {
            0.0
        };
        let variance = all().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
        let by = 1.0 / (variance + f64::from(norm.epsilon)).sqrt();
        let (scale, bias) = (norm.scale[c], norm.bias.get(c).copied().unwrap_or(0.0));
        let own = (of(c) - mean) * by;
        let slope = |j: usize| {
            let centred = f64::from(u8::from(norm.centre)) / n;
            let direct = f64::from(u8::from(j == c)) - centred;
            f64::from(scale) * by * (direct - own * (of(j) - mean) * by / n)
        };
        let slopes = (0..channels).map(|j| (j * pixels + pixel, slope(j)));
        (f64::from(scale) * own + f64::from(bias), slopes.collect())
    };
    (0..x.data.len()).map(one).collect()
}

#[test]
fn over_channels_that_fill_blocks_and_that_do_not() {
    for channels in [16, 20, 5, 48] {
        for centre in [false, true] {
            agrees(&normed(channels, centre));
        }
    }
}

/// A network of pixels whose channels come last gives what it gives by planes.
#[test]
fn channels_last_are_the_same_in_another_order() {
    let b = normed(20, true);
    let [first, last] = [Layout::First, Layout::Last];
    let [channels, rows, cols] = b.input();
    let samples = 3;
    let turned = |x: &[f32], channels: usize| -> Vec<f32> {
        let pixels = rows * cols;
        let of = |i: usize| {
            let (s, pixel, c) = (i / channels / pixels, i / channels % pixels, i % channels);
            x[(s * channels + c) * pixels + pixel]
        };
        (0..x.len()).map(of).collect()
    };
    let outputs = b.shapes.last().unwrap()[0];
    let x = numbers(3, samples * channels * rows * cols);
    let by = numbers(4, samples * outputs * rows * cols);
    let (y, tape) = net(&b).forward(&x, true);
    let gradient = net(&b).backward(&tape.unwrap(), &by);
    for ends in [[first, last], [last, first], [last, last]] {
        let other = Net::with_layout(b.input(), b.layers.clone(), ends).unwrap();
        let turn = |layout, x: &[f32], channels| match layout {
            Layout::First => x.to_vec(),
            Layout::Last => turned(x, channels),
        };
        let (ours, tape) = other.forward(&turn(ends[0], &x, channels), true);
        assert_eq!(ours, turn(ends[1], &y, outputs), "{ends:?}");
        let ours = other.backward(&tape.unwrap(), &turn(ends[1], &by, outputs));
        assert_eq!(ours, turn(ends[0], &gradient, channels), "{ends:?}");
    }
}

#[test]
fn what_does_not_fit() {
    let norm = Norm {
        scale: vec![1.0; 3],
        bias: vec![],
        epsilon: 1e-5,
        centre: true,
    };
    let kind = Kind::Norm(norm);
    let inputs = vec![0];
    let refused = Net::new([4, 2, 2], vec![Layer { kind, inputs }]).unwrap_err();
    assert_eq!(refused.what, "its scale or bias does not fit the channels");
}
