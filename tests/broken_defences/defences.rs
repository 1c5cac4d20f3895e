//! Defences that do not defend, each a change of the built-in model's graph (28 x 28 pixels, values `image`, `relu1`,
//! `relu2`, `relu3`, `logits`).
//!
//! Besides the defences that draw random numbers stand some with a pseudo-random number that the input decides, the sine of a
//! large multiple: no average over answers helps against those.

use scoville_onnx::{Attribute, Graph};

use super::quantised::quantise;
use super::wrap::{Wrap, wrap};

pub struct Defence {
    pub name: &'static str,
    pub build: fn(&mut Graph),
}

macro_rules! defences {
    ($($name:literal => $build:expr,)*) => { &[$(Defence { name: $name, build: $build },)*] };
}

pub const DEFENCES: &[Defence] = defences! {
    "logits times 1000" => |g| wrap(g, "logits", |w, z| w.times(z, 1000.0)),
    "softmax, low temperature" => |g| wrap(g, "logits", |w, z| {
        let scaled = w.times(z, 100.0);
        w.op("Softmax", &[&scaled])
    }),
    "softmax, high temperature" => |g| wrap(g, "logits", |w, z| {
        let scaled = w.times(z, 1e-4);
        w.op("Softmax", &[&scaled])
    }),
    "slope below the normal floats" => |g| wrap(g, "logits", |w, z| w.times(z, 1e-39)),
    "rounded logits" => |g| wrap(g, "logits", |w, z| w.rounded(z, 1.0)),
    "labels alone" => |g| wrap(g, "logits", |w, z| w.op("Hardmax", &[z])),
    "rounded logits, reversed slope" => |g| wrap(g, "logits", |w, z| {
        let (steps, slope) = (w.rounded(z, 1.0), w.times(z, -0.01));
        w.op("Add", &[&steps, &slope])
    }),
    "quantised activations" => |g| wrap(g, "relu2", |w, a| w.rounded(a, 2.0)),
    "quantised network" => quantise,
    "input rounding" => |g| wrap(g, "image", |w, x| w.rounded(x, 4.0)),
    "thermometer code" => |g| wrap(g, "image", thermometer),
    "input by its sign" => |g| wrap(g, "image", |w, x| {
        let centred = w.plus(x, -0.5);
        let sign = w.op("Sign", &[&centred]);
        let half = w.times(&sign, 0.5);
        w.plus(&half, 0.5)
    }),
    "random noise" => |g| wrap(g, "image", |w, x| {
        let noise = w.op_with("RandomNormalLike", &[x], &[("scale", Attribute::Float(0.3))]);
        w.op("Add", &[x, &noise])
    }),
    "random pruning" => |g| wrap(g, "relu3", |w, a| {
        let (share, training) = (w.floats(&[], vec![0.5]), w.boolean(true));
        w.op("Dropout", &[a, &share, &training])
    }),
    "pseudo-random noise" => |g| wrap(g, "image", |w, x| {
        let noise = pseudo_random(w, x);
        let noise = w.times(&noise, 0.1);
        w.op("Add", &[x, &noise])
    }),
    "pseudo-random shift and blur" => |g| wrap(g, "image", shift_or_blur),
    "pseudo-random pruning" => |g| wrap(g, "relu3", |w, a| {
        let random = pseudo_random(w, a);
        let kept = w.above(&random, -0.8);
        w.op("Mul", &[a, &kept])
    }),
    "k winners take all" => |g| wrap(g, "relu3", winners),
    "saturated scores" => |g| wrap(g, "logits", |w, z| w.op("Sigmoid", &[z])),
    "detector with a class of its own" => |g| wrap(g, "logits", |w, z| {
        let (best, lead) = lead(w, z);
        let doubt = w.times(&lead, -10.0);
        let doubt = w.plus(&doubt, 10.0);
        let reject = w.op("Add", &[&best, &doubt]);
        w.op_with("Concat", &[z, &reject], &[("axis", Attribute::Int(1))])
    }),
    "detector that answers with NaN" => |g| wrap(g, "logits", |w, z| {
        let (_, lead) = lead(w, z);
        let sure = w.plus(&lead, -1.0);
        let root = w.op("Sqrt", &[&sure]);
        let nothing = w.times(&root, 0.0);
        w.op("Add", &[z, &nothing])
    }),
};

/// A number in [-1, 1] for each element, that the element decides but no slope foretells.
fn pseudo_random(w: &mut Wrap, x: &str) -> String {
    let phase = w.times(x, 1e4);
    w.op("Sin", &[&phase])
}

/// Ten thresholds, how many of which a pixel exceeds: the code and the decoder that the model was not trained without.
fn thermometer(w: &mut Wrap, x: &str) -> String {
    let mut levels: Vec<String> = (0..10)
        .map(|level| w.above(x, (level as f32 + 0.5) / 10.0))
        .collect();
    let first = levels.remove(0);
    let sum = levels
        .iter()
        .fold(first, |sum, level| w.op("Add", &[&sum, level]));
    w.times(&sum, 0.1)
}

/// The image, shifted by a pixel or blurred by averages of 2 x 2, in parts that a pseudo-random number of the whole image decides.
fn shift_or_blur(w: &mut Wrap, x: &str) -> String {
    let pads = w.integers(&[0, 0, 1, 0, 0, 0, 0, 0]);
    let padded = w.op("Pad", &[x, &pads]);
    let (from, to, axes) = (w.integers(&[0]), w.integers(&[28]), w.integers(&[2]));
    let shifted = w.op("Slice", &[&padded, &from, &to, &axes]);
    let attributes = [
        ("kernel_shape", Attribute::Ints(vec![2, 2])),
        ("pads", Attribute::Ints(vec![0, 0, 1, 1])),
    ];
    let blurred = w.op_with("AveragePool", &[x], &attributes);
    let mean = w.mean(x, &[1, 2, 3]);
    let random = pseudo_random(w, &mean);
    let part = w.times(&random, 0.5);
    let part = w.plus(&part, 0.5);
    let rest = w.times(&part, -1.0);
    let rest = w.plus(&rest, 1.0);
    let (shifted, blurred) = (
        w.op("Mul", &[&shifted, &part]),
        w.op("Mul", &[&blurred, &rest]),
    );
    w.op("Add", &[&shifted, &blurred])
}

/// The 16 largest of 64 activations, and zero for the rest.
fn winners(w: &mut Wrap, a: &str) -> String {
    let k = w.integers(&[16]);
    let largest = w.op("TopK", &[a, &k]);
    w.and_output("places");
    let (from, to, axis) = (w.integers(&[15]), w.integers(&[16]), w.integers(&[1]));
    let least = w.op("Slice", &[&largest, &from, &to, &axis]);
    let wins = w.op("GreaterOrEqual", &[a, &least]);
    let wins = w.op_with("Cast", &[&wins], &[("to", Attribute::Int(1))]);
    w.op("Mul", &[a, &wins])
}

/// The largest logit, and by how much it leads the next: what a detector of unsure answers looks at.
fn lead(w: &mut Wrap, z: &str) -> (String, String) {
    let k = w.integers(&[2]);
    let two = w.op("TopK", &[z, &k]);
    w.and_output("classes");
    let axis = [("axis", Attribute::Int(1))];
    let best = w.op_with("Split", &[&two], &axis);
    let second = w.and_output("second");
    let lead = w.op("Sub", &[&best, &second]);
    (best, lead)
}
